"""From a device's captured samples to what it is to play: to the network's rate, through the network, and back."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import soxr

    from streaming.enhancer import Chunk

# soxr's filters of variable rate wait for 12.5 ms at 48 kHz to 16 kHz and 15 ms back, those of fixed rate for 37 and
# 31 ms, at the same quality (images and aliases below -120 dB).
LOW_DELAY = True


class Enhancer(Protocol):
    """What is used of :class:`streaming.enhancer.StreamingEnhancer`."""

    @property
    def sample_rate(self) -> int:
        """Hz."""

    @property
    def hop_length(self) -> int:
        """Samples between frames."""

    @property
    def latency_samples(self) -> int:
        """Samples that must have gone in after a sample before it has come out, at worst."""

    def feed(self, samples: NDArray[np.float32]) -> Chunk:
        """Enhance what has arrived."""

    def flush(self) -> Chunk:
        """Return what is left."""

    def new_stream(self) -> Self:
        """Return another stream with the same weights."""


@dataclass(frozen=True)
class Latency:
    """Where the delay between air and ear comes from, in seconds.

    Attributes:
        device: of converters, drivers and their buffers.
        block: between a block and the next, the time that the network has.
        algorithm: look-ahead of the network's window.
        resampling: of both filters.
        spare: given in addition, so that a late block is not heard.
    """

    device: float
    block: float
    algorithm: float
    resampling: float
    spare: float

    @property
    def total(self) -> float:
        """Sum of all."""
        return self.device + self.block + self.algorithm + self.resampling + self.spare

    def __str__(self) -> str:
        """Return the total and its parts in ms.

        Example:
            >>> str(Latency(0.01, 0.016, 0.016, 0.0, 0.008))
            '50 ms (device 10 + block 16 + algorithm 16 + resampling 0 + spare 8)'
        """
        names = ("device", "block", "algorithm", "resampling", "spare")
        parts = " + ".join(f"{name} {1000 * getattr(self, name):.0f}" for name in names)
        return f"{1000 * self.total:.0f} ms ({parts})"


class LivePath:
    """An enhancer between two resamplers; their delay is that of causal streaming, not a shift of the result.

    Args:
        enhancer: its stream is used up.
        sample_rate: of the device, Hz.

    Raises:
        ModuleNotFoundError: if the rates differ and soxr is not installed.
    """

    def __init__(self, enhancer: Enhancer, sample_rate: int) -> None:
        self.enhancer, self.sample_rate = enhancer, sample_rate
        self._down: soxr.ResampleStream | None = None
        self._up: soxr.ResampleStream | None = None
        if sample_rate != enhancer.sample_rate:
            self._down, self._up = self._resamplers()

    def feed(self, noisy: NDArray[np.float32]) -> tuple[NDArray[np.float32], Chunk]:
        """Enhance a block.

        Args:
            noisy: shape (sample,), at the device's rate.

        Returns:
            Enhanced samples at the device's rate, shape (sample,), that continue those of the call before; and what the
            enhancer returned.

        Raises:
            ValueError: if a sample is not finite; the stream is as it was before.
        """
        if not np.isfinite(noisy).all():  # before the resampler, which would keep it for long
            raise ValueError(f"samples must be finite, got {noisy[~np.isfinite(noisy)][0]}")
        chunk = self.enhancer.feed(noisy if self._down is None else self._down.resample_chunk(noisy))
        return (chunk.samples if self._up is None else self._up.resample_chunk(chunk.samples)), chunk

    def flush(self) -> tuple[NDArray[np.float32], Chunk]:
        """Return what is left after the last block; about as many samples have come out as went in, or a few more."""
        if self._down is None or self._up is None:
            chunk = self.enhancer.flush()
            return chunk.samples, chunk
        first = self.enhancer.feed(self._down.resample_chunk(np.zeros(0, np.float32), last=True))
        chunk = self.enhancer.flush()
        return self._up.resample_chunk(np.concatenate([first.samples, chunk.samples]), last=True), chunk

    def waits(self, block: int, seconds: float) -> tuple[int, int]:
        """Measure how many samples what comes out lags behind what went in, at worst.

        It is tried, with silence and a stream of its own: how many samples are held back depends on the rates and on
        how the stream is divided. That also compiles what is compiled at the first call.

        Args:
            block: samples of the device per call.
            seconds: to try where something is resampled. Otherwise the pattern is known to repeat, and one period is
                tried.

        Returns:
            Samples at the device's rate: of the whole path, and of the resamplers alone.
        """
        trial = LivePath(self.enhancer.new_stream(), self.sample_rate)
        if self._down is None:
            start = -(-self.enhancer.latency_samples // block)
            period = self.enhancer.hop_length // math.gcd(block, self.enhancer.hop_length)
            return longest_wait(lambda samples: trial.feed(samples)[0], block, (start + period) * block), 0
        length = round(seconds * self.sample_rate)
        whole = longest_wait(lambda samples: trial.feed(samples)[0], block, length)
        down, up = self._resamplers()
        return whole, longest_wait(lambda samples: up.resample_chunk(down.resample_chunk(samples)), block, length)

    def _resamplers(self) -> tuple[soxr.ResampleStream, soxr.ResampleStream]:
        rates = self.sample_rate, self.enhancer.sample_rate
        return _resampler(*rates), _resampler(*reversed(rates))


def longest_wait(feed: Callable[[NDArray[np.float32]], NDArray[np.float32]], block: int, length: int) -> int:
    """Return by how many samples the output of a stream is shorter than its input, at worst, after any block.

    Args:
        feed: takes the next samples and returns as many as are ready.
        block: samples per call.
        length: samples to feed.

    Returns:
        Samples.

    Example:
        >>> held = [np.zeros(3, np.float32)]
        >>> longest_wait(lambda samples: samples if not held else samples[held.pop().size:], 10, 100)
        3
    """
    silence, fed, got, worst = np.zeros(block, np.float32), 0, 0, 0
    while fed < length:
        got += feed(silence).size
        fed += block
        worst = max(worst, fed - got)
    return worst


def _resampler(source: int, target: int) -> soxr.ResampleStream:
    try:
        import soxr
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the device runs at {source} Hz and the network at {target}: install the extra `stream` (soxr) to resample"
        ) from error
    return soxr.ResampleStream(source, target, 1, vr=LOW_DELAY)
