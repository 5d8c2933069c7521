"""Augmentations of mixtures, one file each; all of them are off unless configured."""

from datamodules.augmentation.additional_noise import AdditionalNoise
from datamodules.augmentation.bandwidth import BandLimit
from datamodules.augmentation.clipping import Clipping
from datamodules.augmentation.equalization import Equalization
from datamodules.augmentation.reverberation import Reverberation
from datamodules.augmentation.speed import NoiseSpeed, SpeedPerturbation

__all__ = [
    "AdditionalNoise", "BandLimit", "Clipping", "Equalization", "NoiseSpeed", "Reverberation", "SpeedPerturbation",
]  # fmt: skip
