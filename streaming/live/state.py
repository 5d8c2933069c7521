"""What a live session shows: levels, properties, utilization and load, smoothed for the eye."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streaming.live.latency import Latency

if TYPE_CHECKING:
    from streaming.enhancer import Chunk
    from streaming.properties import PropertySpec

FLOOR_DBFS = -100.0


@dataclass(frozen=True)
class Reading:
    """What a probe says now.

    Attributes:
        spec: name, kind, unit, classes and threshold.
        value: probability, or value in the unit; NaN for a category.
        posteriors: of a category, in the order of the classes; empty otherwise.
    """

    spec: PropertySpec
    value: float
    posteriors: tuple[float, ...] = ()

    @property
    def decision(self) -> bool:
        """Whether a binary property is true."""
        return self.value >= self.spec.threshold

    def top(self, count: int) -> list[tuple[str, float]]:
        """Return the most probable classes and their posteriors, best first."""
        return sorted(zip(self.spec.classes, self.posteriors, strict=True), key=lambda pair: -pair[1])[:count]


@dataclass(frozen=True)
class Level:
    """Level of a signal in dBFS (0 is a full-scale square wave).

    Attributes:
        rms_dbfs: smoothed.
        peak_dbfs: highest sample; falls slowly.
    """

    rms_dbfs: float = FLOOR_DBFS
    peak_dbfs: float = FLOOR_DBFS


@dataclass(frozen=True)
class LiveState:
    """One moment of a session.

    Attributes:
        elapsed_s: signal processed.
        device: description.
        latency: from air to ear.
        noisy, enhanced: levels.
        readings: by name of the property; empty without probes.
        block_utilization: share of active channels of each block; empty if masks are not kept.
        utilization: of the network; None if nothing has been processed.
        load_median, load_p99: processing time over duration of the blocks of the last seconds.
        late_blocks: blocks that the network was late for.
        overruns: times that it fell so far behind that input was lost.
        unusable_samples: captured ones that were no numbers, or beyond any level.
        input_overflows, output_underflows: reported by the device.
        bypass: whether the noisy signal is heard.
        recording: name of the recording that is being written.
        message: news for the user.
    """

    elapsed_s: float
    device: str
    latency: Latency
    noisy: Level = Level()
    enhanced: Level = Level()
    readings: Mapping[str, Reading] | None = None
    block_utilization: tuple[float, ...] = ()
    utilization: float | None = None
    load_median: float = 0.0
    load_p99: float = 0.0
    late_blocks: int = 0
    overruns: int = 0
    unusable_samples: int = 0
    input_overflows: int = 0
    output_underflows: int = 0
    bypass: bool = False
    recording: str | None = None
    message: str = ""


def to_dbfs(amplitude: float) -> float:
    """Convert an amplitude to dBFS, not below the floor.

    Example:
        >>> to_dbfs(0.1), to_dbfs(0.0)
        (-20.0, -100.0)
    """
    return max(FLOOR_DBFS, 20.0 * float(np.log10(amplitude))) if amplitude > 0 else FLOOR_DBFS


class LevelMeter:
    """RMS over about ``integration_s`` and a peak that falls by ``fall_db_per_s``.

    Args:
        sample_rate: Hz.
        integration_s: time constant.
        fall_db_per_s: of the peak.
    """

    def __init__(self, sample_rate: int, integration_s: float = 0.3, fall_db_per_s: float = 20.0) -> None:
        self._rate, self._integration, self._fall = sample_rate, integration_s, fall_db_per_s
        self._power, self._peak_dbfs = 0.0, FLOOR_DBFS

    def update(self, samples: NDArray[np.float32]) -> Level:
        """Add samples, shape (sample,), and return the level."""
        if samples.size:
            seconds = samples.size / self._rate
            kept = float(np.exp(-seconds / self._integration))
            power = float(np.mean(np.square(samples, dtype=np.float64)))
            self._power = kept * self._power + (1.0 - kept) * power
            peak_dbfs = to_dbfs(float(np.max(np.abs(samples))))
            self._peak_dbfs = max(self._peak_dbfs - self._fall * seconds, peak_dbfs)
        return Level(to_dbfs(self._power**0.5), self._peak_dbfs)


class LoadMeter:
    """Share of real time that processing takes.

    Args:
        window_s: seconds of signal looked back on.
    """

    def __init__(self, window_s: float = 5.0) -> None:
        self._window, self._kept_s = window_s, 0.0
        self._blocks: deque[tuple[float, float]] = deque()

    def update(self, processing_s: float, signal_s: float) -> None:
        """Add a block."""
        self._blocks.append((processing_s / signal_s, signal_s))
        self._kept_s += signal_s
        while self._kept_s - self._blocks[0][1] >= self._window:
            self._kept_s -= self._blocks.popleft()[1]

    def percentiles(self) -> tuple[float, float]:
        """Return median and 99th percentile; zeros before the first block."""
        loads = [load for load, _ in tuple(self._blocks)]
        median, high = np.percentile(loads, (50, 99)) if loads else (0.0, 0.0)
        return float(median), float(high)


class ChunkMeter:
    """Newest properties, and utilization averaged over about ``integration_s``.

    Args:
        frame_s: seconds between frames.
        integration_s: time constant.
    """

    def __init__(self, frame_s: float, integration_s: float = 0.5) -> None:
        self._kept = float(np.exp(-frame_s / integration_s))
        self.readings: dict[str, Reading] = {}
        self.block_utilization: NDArray[np.float64] | None = None
        self.utilization: float | None = None

    def update(self, chunk: Chunk) -> None:
        """Take in what the enhancer returned; chunks without frames change nothing."""
        frames = len(chunk.utilization)
        if not frames:
            return
        kept = self._kept**frames
        now = float(np.mean(chunk.utilization))
        self.utilization = now if self.utilization is None else kept * self.utilization + (1 - kept) * now
        if chunk.channel_masks is not None:
            blocks = chunk.channel_masks.mean(axis=(0, 2))
            before = blocks if self.block_utilization is None else self.block_utilization
            self.block_utilization = kept * before + (1 - kept) * blocks
        self.readings = {spec.name: newest_reading(chunk, spec) for spec in chunk.properties.schema}


def newest_reading(chunk: Chunk, spec: PropertySpec) -> Reading:
    """Return the smoothed property of the last frame."""
    value = chunk.properties.smoothed(spec.name)[-1]
    if spec.kind == "category":
        return Reading(spec, float("nan"), tuple(float(share) for share in value))
    return Reading(spec, float(value))
