"""The interface of an estimator: a published tool that finds one property in a noisy signal, frame by frame.

These are what a probe on channel masks competes with: voice activity and F0 from the noisy waveform alone. Most are
optional (extra ``estimators``); where a package is missing, the estimator says so and is left out.

The targets are found by two of them in the clean signal: ``vad`` by WebRTC's detector, ``f0_hz`` and ``voicing`` by
CREPE. These two are therefore favoured: hearing what they hear in clean speech counts as truth, errors included. The
others cannot agree better than trackers agree on clean speech (the median between DIO and CREPE is about 10 cents).
"""

from __future__ import annotations

import contextlib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from networks.framing import FrameGrid

Waveform = NDArray[np.float32]
FrameValues = NDArray[np.float32]
Estimates = dict[str, FrameValues]
EstimatorTask = Literal["vad", "f0_hz"]

MODEL_RATE = 16000  # Hz; what CREPE and Silero were trained at, and what all estimators are run at


@dataclass(frozen=True)
class Estimator(ABC):
    """Finds one property of every frame of a noisy waveform.

    Frame ``t`` of the result is centred on sample ``t * hop_length``, as that of network and targets. Where a tool has
    windows of its own, its values are aligned by the centres of these windows and not corrected for the time that it
    takes to react: a late detector is late here too.

    Instances hold settings only, so that they can be sent to other processes; models are loaded once per process, at
    the first call.

    Attributes:
        task: ``vad`` or ``f0_hz``, the target that the estimator is for.
        packages: what it imports besides the packages that the project needs anyway.
    """

    task: ClassVar[EstimatorTask]
    packages: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """Name in tables, with the settings that distinguish it."""

    @property
    @abstractmethod
    def lookahead_ms(self) -> float:
        """How far behind the centre of a frame the samples lie that its value depends on.

        Infinite if the whole recording is heard first. The network itself needs half a window, 16 ms.
        """

    def available(self) -> str | None:
        """Say why the estimator cannot be used here, or None if it can."""
        with kept_threads():
            for package in self.packages:
                try:
                    importlib.import_module(package)
                except ImportError as error:
                    return f"{self.name} needs the package {package} (extra 'estimators'): {error}"
        return None

    def estimate(self, waveform: Waveform, grid: FrameGrid) -> Estimates:
        """Estimate the property of every frame.

        Args:
            waveform: noisy speech, shape (sample,), full scale is 1.0.
            grid: sample-to-frame alignment.

        Returns:
            Name -> shape (frame,), float32. For ``vad``: ``vad``, the probability of speech (0 or 1 from a detector
            that only decides). For ``f0_hz``: ``f0_hz``, NaN where the estimator calls the frame unvoiced; ``voicing``,
            that decision as 0 or 1; ``candidate_hz``, the best guess whether voiced or not, NaN where there is none;
            and, if the estimator has one, ``periodicity`` in [0, 1].

        Raises:
            ValueError: if the waveform is not one finite float channel, or the grid is not at 16 kHz.
        """
        if waveform.ndim != 1 or not np.issubdtype(waveform.dtype, np.floating):
            raise ValueError(
                f"waveform must be floating-point of shape (sample,), got {waveform.dtype} {waveform.shape}"
            )
        if not np.isfinite(waveform).all():
            raise ValueError("waveform must be finite, got NaN or infinity")
        if grid.sample_rate != MODEL_RATE:
            raise ValueError(f"{self.name} needs grid.sample_rate {MODEL_RATE} Hz, got {grid.sample_rate}")
        found = self._estimate(np.ascontiguousarray(waveform, dtype=np.float32), grid)
        assert all(values.shape == (grid.num_frames(len(waveform)),) for values in found.values())
        return found

    @abstractmethod
    def _estimate(self, waveform: Waveform, grid: FrameGrid) -> Estimates:
        """Estimate from a checked waveform."""


def usable(estimators: tuple[Estimator, ...]) -> tuple[list[Estimator], dict[str, str]]:
    """Return the estimators that can be used here, and why the others cannot (name -> reason).

    Raises:
        ValueError: if two have the same name.
    """
    names = [estimator.name for estimator in estimators]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"estimators must have different names, got {twice[0]!r} more than once")
    reasons = {estimator.name: estimator.available() for estimator in estimators}
    left_out = {name: reason for name, reason in reasons.items() if reason is not None}
    return [estimator for estimator in estimators if estimator.name not in left_out], left_out


def read_at_frames(values: NDArray[Any], centers: NDArray[Any], num_frames: int, grid: FrameGrid) -> FrameValues:
    """Read values of other windows at the centres of our frames, linearly, and the outermost beyond the ends.

    Args:
        values: shape (window,), at least one.
        centers: sample that each window is centred on, shape (window,), rising.
        num_frames: frames to read.
        grid: sample-to-frame alignment.

    Returns:
        Shape (frame,).

    Example:
        >>> read_at_frames(np.array([0.0, 1.0]), np.array([256, 768]), 5, FrameGrid()).tolist()
        [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    return np.interp(np.arange(num_frames) * grid.hop_length, centers, values).astype(np.float32)


@contextlib.contextmanager
def kept_threads() -> Iterator[None]:
    """Undo what the body does to the number of torch's threads; silero_vad sets it when it is imported."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
