"""The interface of an enhancer: a program that takes noise out of a signal, brought into line with what went in.

Those of packages are optional (extra ``enhancers``); where one is missing, the enhancer says so and is left out.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Waveform = NDArray[np.float32]

SAMPLE_RATE = 16000  # Hz; what all enhancers are run at


@dataclass(frozen=True)
class Enhancer(ABC):
    """Takes noise out of a whole recording.

    Instances hold settings only, so that they can be sent to other processes. Every recording starts anew: nothing is
    remembered of the one before.

    Attributes:
        packages: what it imports besides the packages that the project needs anyway.
    """

    packages: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """Name in tables, with the settings that distinguish it."""

    @property
    @abstractmethod
    def latency_samples(self) -> int | None:
        """How many samples must have gone in after a sample before it has come out; None if the whole recording must.

        What is causal has a latency. It is compensated: results are in line with what went in.
        """

    def available(self) -> str | None:
        """Say why the enhancer cannot be used here, or None if it can."""
        for package in self.packages:
            try:
                importlib.import_module(package)
            except ImportError as error:
                return f"{self.name} needs the package {package} (extra 'enhancers'): {error}"
        return None

    def enhance(self, waveform: Waveform, sample_rate: int) -> Waveform:
        """Enhance a recording.

        Args:
            waveform: noisy speech, shape (sample,), full scale is 1.0.
            sample_rate: 16000 Hz.

        Returns:
            Shape (sample,), in line with ``waveform``: sample ``n`` is what became of sample ``n``.

        Raises:
            ValueError: if the waveform is not one finite float channel, or the rate is another.
        """
        if waveform.ndim != 1 or not np.issubdtype(waveform.dtype, np.floating):
            raise ValueError(
                f"waveform must be floating-point of shape (sample,), got {waveform.dtype} {waveform.shape}"
            )
        if not np.isfinite(waveform).all():
            raise ValueError("waveform must be finite, got NaN or infinity")
        if sample_rate != SAMPLE_RATE:
            raise ValueError(f"{self.name} needs sample_rate {SAMPLE_RATE} Hz, got {sample_rate}")
        if not waveform.any():  # silence has no noise floor, and some of them divide by it
            return np.zeros(waveform.shape, dtype=np.float32)
        enhanced = self._enhance(np.ascontiguousarray(waveform, dtype=np.float32))
        assert enhanced.shape == waveform.shape, f"{self.name}: {enhanced.shape} of {waveform.shape}"
        return enhanced.astype(np.float32, copy=False)

    @abstractmethod
    def _enhance(self, waveform: Waveform) -> Waveform:
        """Enhance a checked waveform that is not silent."""


def usable(enhancers: Sequence[Enhancer]) -> tuple[list[Enhancer], dict[str, str]]:
    """Return the enhancers that can be used here, and why the others cannot (name -> reason).

    Raises:
        ValueError: if two have the same name.
    """
    names = [enhancer.name for enhancer in enhancers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"enhancers must have different names, got {twice[0]!r} more than once")
    reasons = {enhancer.name: enhancer.available() for enhancer in enhancers}
    left_out = {name: reason for name, reason in reasons.items() if reason is not None}
    return [enhancer for enhancer in enhancers if enhancer.name not in left_out], left_out
