"""Enhancers outside of our network, on the same noisy signals: what its quality is compared with."""

from enhancers.base import Enhancer, usable
from enhancers.log_mmse import LogMmse
from enhancers.nsnet2 import NsNet2
from enhancers.rnnoise import RnNoise
from enhancers.spectral_gating import SpectralGating
from enhancers.webrtc import WebRtcSuppressor

__all__ = ["Enhancer", "LogMmse", "NsNet2", "RnNoise", "SpectralGating", "WebRtcSuppressor", "usable"]
