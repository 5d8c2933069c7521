"""The delay between air and ear: its parts, and measuring those that the stream itself adds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streaming.enhancer import StreamingEnhancer
from streaming.resampling import ResampledStream, resamplers


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


def stream_waits(enhancer: StreamingEnhancer, sample_rate: int, block: int, seconds: float) -> tuple[int, int]:
    """Measure how many samples a low-delay stream's output lags behind its input, at worst.

    It is tried, with silence: how many samples are held back depends on the rates and on how the stream is divided.

    Args:
        enhancer: is left as it is.
        sample_rate: of the device, Hz.
        block: samples of the device per call.
        seconds: to try where something is resampled. Otherwise the pattern is known to repeat, and one period is tried.

    Returns:
        Samples at the device's rate: of resamplers and enhancer, and of the resamplers alone.
    """
    stream = ResampledStream(enhancer.new_stream(), sample_rate, low_delay=True)
    if sample_rate == enhancer.sample_rate:
        start = -(-enhancer.latency_samples // block)
        period = enhancer.hop_length // math.gcd(block, enhancer.hop_length)
        return longest_wait(lambda samples: stream.feed(samples).samples, block, (start + period) * block), 0
    length = round(seconds * sample_rate)
    whole = longest_wait(lambda samples: stream.feed(samples).samples, block, length)
    down, up = resamplers(sample_rate, enhancer.sample_rate, low_delay=True)
    return whole, longest_wait(lambda samples: up.resample_chunk(down.resample_chunk(samples)), block, length)


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
