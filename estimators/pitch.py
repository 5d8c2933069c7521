"""F0 estimators on the noisy signal: CREPE, WORLD's DIO and Harvest, and pYIN."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from datamodules.targets.pitch import track_pitch
from estimators.base import Estimates, Estimator, EstimatorTask, Waveform
from networks.framing import FrameGrid

CREPE_WINDOW = 1024  # samples at 16 kHz
WORLD_PERIOD_MS = 5.0  # WORLD's own; its contours are cleaned by rules made for about this distance
WORLD_SHORTEST_S = 0.1  # shorter recordings are padded: WORLD's filters are longer than that
PYIN_WINDOW = 1024  # 64 ms as for CREPE; half of it holds two periods of 60 Hz

WorldMethod = Literal["dio", "harvest"]
CrepeModel = Literal["tiny", "full"]


@dataclass(frozen=True)
class PitchEstimator(Estimator):
    """What F0 estimators share.

    Args:
        f0_range_hz: lowest and highest F0.

    Raises:
        ValueError: if the range is not positive and rising.
    """

    f0_range_hz: tuple[float, float] = (60.0, 500.0)
    task: ClassVar[EstimatorTask] = "f0_hz"

    def __post_init__(self) -> None:
        low, high = self.f0_range_hz
        if not 0 < low < high < math.inf:
            raise ValueError(f"{type(self).__name__}.f0_range_hz must be positive and rising, got {[low, high]}")

    @property
    def lookahead_ms(self) -> float:
        """Infinite: the contour is decided over the whole recording."""
        return math.inf


@dataclass(frozen=True)
class CrepeEstimator(PitchEstimator):
    """CREPE (Kim et al., 2018) with Viterbi decoding, as for the target ``f0_hz``, on the CPU.

    A frame is voiced if the periodicity exceeds the threshold; there is an F0 in every frame. A window has 64 ms around
    the frame.

    Args:
        f0_range_hz: lowest and highest F0.
        model: ``tiny`` or ``full`` (about 25 times slower).
        periodicity_threshold: in (0, 1).
        batch_size: frames per forward pass; 1 is what a stream would have to do, and costs more per frame.

    Raises:
        ValueError: if a value is out of range.
    """

    model: CrepeModel = "tiny"
    periodicity_threshold: float = 0.5
    batch_size: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model not in get_args(CrepeModel):
            raise ValueError(f"CrepeEstimator.model must be one of {get_args(CrepeModel)}, got {self.model!r}")
        if not 0 < self.periodicity_threshold < 1:
            raise ValueError(
                f"CrepeEstimator.periodicity_threshold must lie in (0, 1), got {self.periodicity_threshold}"
            )
        if self.batch_size < 1:
            raise ValueError(f"CrepeEstimator.batch_size must be positive, got {self.batch_size}")

    @property
    def name(self) -> str:
        """``crepe_tiny`` or ``crepe_full``."""
        return f"crepe_{self.model}"

    def _estimate(self, waveform: Waveform, grid: FrameGrid) -> Estimates:
        track = track_pitch(waveform, grid.hop_length, self.model, self.f0_range_hz, self.batch_size, device="cpu")
        voiced = track.periodicity > self.periodicity_threshold
        return {**_contour(track.f0_hz, voiced), "periodicity": track.periodicity}


@dataclass(frozen=True)
class WorldEstimator(PitchEstimator):
    """DIO (Morise et al., 2010) or Harvest (Morise, 2017) of WORLD, refined by StoneMask.

    Run every 4 ms and read at every fourth, since the rules that clean the contour expect neighbours about 5 ms apart.
    An unvoiced frame has no F0, and there is no periodicity.

    Args:
        f0_range_hz: lowest and highest F0.
        method: ``dio`` or ``harvest`` (slower, fewer errors).

    Raises:
        ValueError: if a value is out of range.
    """

    method: WorldMethod = "harvest"
    packages: ClassVar[tuple[str, ...]] = ("pyworld",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method not in get_args(WorldMethod):
            raise ValueError(f"WorldEstimator.method must be one of {get_args(WorldMethod)}, got {self.method!r}")

    @property
    def name(self) -> str:
        """``world_dio`` or ``world_harvest``."""
        return f"world_{self.method}"

    def _estimate(self, waveform: Waveform, grid: FrameGrid) -> Estimates:
        import pyworld

        num_frames = grid.num_frames(len(waveform))
        shortest = grid.seconds_to_samples(WORLD_SHORTEST_S)
        samples = np.pad(waveform.astype(np.float64), (0, max(0, shortest - len(waveform))))
        hop_ms = 1000 * grid.hop_length / grid.sample_rate
        steps = math.ceil(hop_ms / WORLD_PERIOD_MS)
        low, high = self.f0_range_hz
        find = pyworld.dio if self.method == "dio" else pyworld.harvest
        raw, seconds = find(samples, grid.sample_rate, f0_floor=low, f0_ceil=high, frame_period=hop_ms / steps)
        raw, seconds = np.ascontiguousarray(raw[::steps]), np.ascontiguousarray(seconds[::steps])
        f0_hz = _fit_length(pyworld.stonemask(samples, raw, seconds, grid.sample_rate), num_frames)
        voiced = f0_hz > 0
        return _contour(np.where(voiced, f0_hz, np.nan), voiced)


@dataclass(frozen=True)
class PyinEstimator(PitchEstimator):
    """pYIN (Mauch and Dixon, 2014) of librosa, on 64 ms around each frame; its own Viterbi decoding decides on voicing.

    There is an F0 in every frame; ``periodicity`` is the probability of voicing before decoding.
    """

    packages: ClassVar[tuple[str, ...]] = ("librosa",)

    @property
    def name(self) -> str:
        """``pyin``."""
        return "pyin"

    def _estimate(self, waveform: Waveform, grid: FrameGrid) -> Estimates:
        import librosa

        low, high = self.f0_range_hz
        f0_hz, voiced, probability = librosa.pyin(
            waveform,
            fmin=low,
            fmax=high,
            sr=grid.sample_rate,
            frame_length=PYIN_WINDOW,
            hop_length=grid.hop_length,
            fill_na=None,  # unvoiced frames get the F0 of the decoded path too
        )
        return {**_contour(f0_hz, voiced), "periodicity": probability.astype(np.float32)}


def _contour(candidate_hz: NDArray[Any], voiced: NDArray[np.bool_]) -> Estimates:
    """Return the three arrays that every F0 estimator has."""
    candidate = candidate_hz.astype(np.float32)
    f0_hz = np.where(voiced, candidate, np.float32(np.nan))
    return {"f0_hz": f0_hz, "voicing": voiced.astype(np.float32), "candidate_hz": candidate}


def _fit_length(values: NDArray[np.float64], num_frames: int) -> NDArray[np.float64]:
    """Cut what padding added, or repeat the last value where rounding lost a frame."""
    kept = values[:num_frames]
    return np.pad(kept, (0, num_frames - len(kept)), mode="edge")
