"""Streams with endless signals in chunks of random lengths, and what is measured while they run."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streaming.enhancer import StreamingEnhancer

MAX_CHUNK = 4096  # samples: from less than a hop to a quarter of a second


@dataclass(frozen=True)
class SoakSettings:
    """How long and with what.

    Attributes:
        seconds: of the clock.
        streams: how many.
        pace: wait for real time.
        every_s: seconds between readings of memory and latency.
        stretch: chunks from a reset to a flush, at most.
        checked: share of stretches that are also enhanced in one call.
        seed: of signals and chunks.
        chunks: after which it ends in any case.
    """

    seconds: float
    streams: int = 4
    pace: bool = False
    every_s: float = 1.0
    stretch: int = 400
    checked: float = 0.1
    seed: int = 0
    chunks: float = math.inf


@dataclass
class Readings:
    """What was measured.

    Attributes:
        time_s: of every reading, since the start.
        memory_mb: of the process, MiB resident.
        latency_us: median time of a hop in the chunks since the last reading, µs.
        worst_us: longest time of one chunk since the last reading, µs.
        chunks, audio_s: in all.
        compared, different: stretches that were enhanced in one call, and those whose result was another.
        not_finite: chunks with a value that is no number.
    """

    time_s: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    latency_us: list[float] = field(default_factory=list)
    worst_us: list[float] = field(default_factory=list)
    chunks: int = 0
    audio_s: float = 0.0
    compared: int = 0
    different: int = 0
    not_finite: int = 0


class EndlessSignal:
    """Speech-like bursts of tones in noise whose loudness wanders, with pauses, seeded.

    Args:
        seed: of the signal.
        sample_rate: Hz.
    """

    def __init__(self, seed: int, sample_rate: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._rate, self._phase, self._level = sample_rate, 0.0, 0.1

    def take(self, count: int) -> NDArray[np.float32]:
        """Return the next samples, shape (sample,)."""
        self._level = float(np.clip(self._level * 10 ** self._rng.normal(0, 0.05), 1e-4, 0.7))
        pitch_hz = 80 + 220 * self._rng.random()
        phase = self._phase + 2 * np.pi * pitch_hz / self._rate * np.arange(1, count + 1)
        self._phase = float(phase[-1] % (2 * np.pi)) if count else self._phase
        voiced = self._rng.random() > 0.3
        tone = np.sin(phase) + 0.4 * np.sin(2 * phase) if voiced else np.zeros(count)
        return (self._level * (tone + 0.3 * self._rng.normal(size=count))).astype(np.float32)


class SoakedStream:
    """One stream, its signal, and the stretch that it is in.

    Args:
        enhancer: a stream of its own.
        reference: another one with the same weights, for comparisons.
        settings: of the soak.
        number: of the stream.
    """

    def __init__(
        self, enhancer: StreamingEnhancer, reference: StreamingEnhancer, settings: SoakSettings, number: int
    ) -> None:
        self._enhancer, self._reference, self._settings = enhancer, reference, settings
        self._rng = np.random.default_rng([settings.seed, number])
        self._signal = EndlessSignal(settings.seed * 1000 + number, enhancer.sample_rate)
        self._begin()

    def _begin(self) -> None:
        self._left = int(self._rng.integers(1, self._settings.stretch + 1))
        self._kept = self._rng.random() < self._settings.checked
        self._given: list[NDArray[np.float32]] = []
        self._got: list[NDArray[np.float32]] = []

    def step(self, readings: Readings) -> tuple[float, float]:
        """Feed one chunk, and compare at the end of a stretch.

        Returns:
            Seconds of audio and seconds that they took.
        """
        length = int(2 ** self._rng.uniform(0, math.log2(MAX_CHUNK)))
        samples = self._signal.take(length)
        start = time.perf_counter()
        chunk = self._enhancer.feed(samples)
        took = time.perf_counter() - start
        readings.chunks += 1
        readings.not_finite += not (np.isfinite(chunk.samples).all() and np.isfinite(chunk.properties.outputs).all())
        if self._kept:
            self._given.append(samples)
            self._got.append(chunk.samples)
        self._left -= 1
        if not self._left:
            self._end(readings)
        return length / self._enhancer.sample_rate, took

    def _end(self, readings: Readings) -> None:
        last = self._enhancer.flush()
        if self._kept:
            whole = np.concatenate(self._given)
            expected = [self._reference.feed(whole).samples, self._reference.flush().samples]
            readings.compared += 1
            readings.different += not np.array_equal(
                np.concatenate(expected), np.concatenate([*self._got, last.samples])
            )
        self._begin()


def resident_mb() -> float:
    """Return the resident memory of this process in MiB; where the system does not tell, the largest so far."""
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def soak(
    enhancer: StreamingEnhancer, settings: SoakSettings, told: Callable[[Readings], None] = lambda readings: None
) -> Readings:
    """Feed the streams until the time is over or Ctrl-C.

    Args:
        enhancer: gives the streams.
        settings: how long and with what.
        told: called after every reading.
    """
    readings = Readings()
    reference = enhancer.new_stream()
    streams = [SoakedStream(enhancer.new_stream(), reference, settings, number) for number in range(settings.streams)]
    hop_s = enhancer.hop_length / enhancer.sample_rate
    start = time.perf_counter()
    due, since = settings.every_s, _Since()
    heard_s = [0.0] * settings.streams
    try:
        while (now := time.perf_counter() - start) < settings.seconds and readings.chunks < settings.chunks:
            for number, stream in enumerate(streams):
                audio_s, took_s = stream.step(readings)
                heard_s[number] += audio_s
                readings.audio_s += audio_s
                since.add(audio_s, took_s, hop_s)
            if now >= due:
                since.read(readings, now)
                due = now + settings.every_s
                told(readings)
            if settings.pace and min(heard_s) > now:
                time.sleep(min(heard_s) - now)
    except KeyboardInterrupt:
        print("stopped, this is what there is", file=sys.stderr)
    return readings


class _Since:
    """Times of chunks since the last reading."""

    def __init__(self) -> None:
        self.hops: list[float] = []
        self.worst = 0.0

    def add(self, audio_s: float, took_s: float, hop_s: float) -> None:
        self.worst = max(self.worst, took_s)
        if audio_s > 4 * hop_s:  # of shorter chunks most time is that of the call
            self.hops.append(took_s / audio_s * hop_s)

    def read(self, readings: Readings, now: float) -> None:
        readings.time_s.append(now)
        readings.memory_mb.append(resident_mb())
        readings.latency_us.append(1e6 * float(np.median(self.hops)) if self.hops else math.nan)
        readings.worst_us.append(1e6 * self.worst)
        self.hops, self.worst = [], 0.0
