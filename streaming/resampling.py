"""One channel of any sample rate through an enhancer of its own rate, and back, aligned to the sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from networks.framing import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from streaming.enhancer import Chunk, StreamingEnhancer, refuse_unusable
from streaming.kernels.stream import LIMIT

QUALITY = "HQ"  # of soxr: 20 bits
_NOTHING = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class StreamPiece:
    """What came out of a stream for what was fed.

    Attributes:
        samples: enhanced, shape (sample,), at the rate of the stream; all pieces together are aligned with the input.
        noisy: what the network was fed, shape (sample,), at its rate.
        chunks: what the network returned, at its rate.
    """

    samples: NDArray[np.float32]
    noisy: NDArray[np.float32]
    chunks: tuple[Chunk, ...]


class ResampledStream:
    """Stream of one channel; resampling delays the output further but shifts nothing.

    Nothing is resampled where the rates are equal.

    Args:
        enhancer: a stream of its own, at its beginning.
        sample_rate: of what is fed and returned, Hz.
        low_delay: take filters that wait less, for listening: 28 ms in both directions at 48 kHz where the others wait
            67, with aliases as low (below -120 dB), but in line to a quarter of a millisecond only.

    Raises:
        ValueError: if no recording has such a rate.
    """

    def __init__(self, enhancer: StreamingEnhancer, sample_rate: int, low_delay: bool = False) -> None:
        if not LOWEST_RATE_HZ <= sample_rate <= HIGHEST_RATE_HZ:
            raise ValueError(f"sample_rate must be {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz, got {sample_rate}")
        self._enhancer = enhancer
        self._fed = self._returned = 0
        self._down: soxr.ResampleStream | None = None
        self._up: soxr.ResampleStream | None = None
        if sample_rate != enhancer.sample_rate:
            self._down, self._up = resamplers(sample_rate, enhancer.sample_rate, low_delay)
        # Both directions round the number of samples; a few zeros at the end make up for what is missing then.
        self._margin = 2 + math.ceil(2 * enhancer.sample_rate / sample_rate)

    def feed(self, samples: NDArray[np.float32]) -> StreamPiece:
        """Enhance the next samples, shape (sample,), any number.

        Raises:
            ValueError: if a sample is not finite or far beyond full scale; the stream is as it was before.
        """
        noisy = np.ascontiguousarray(samples, dtype=np.float32)
        if self._down is not None:
            refuse_unusable(noisy)  # before the resampler, which would keep it for long
            noisy = np.clip(self._down.resample_chunk(noisy), -LIMIT, LIMIT)  # filters overshoot
        chunk = self._enhancer.feed(noisy)
        self._fed += len(samples)
        enhanced = chunk.samples if self._up is None else self._up.resample_chunk(chunk.samples)
        return StreamPiece(self._at_most_fed(enhanced), noisy, (chunk,))

    def flush(self) -> StreamPiece:
        """Return the rest: as many samples as were fed in all. Nothing can be fed afterwards."""
        noisy, chunks = _NOTHING, []
        if self._down is not None:
            noisy = np.clip(self._down.resample_chunk(_NOTHING, last=True), -LIMIT, LIMIT)
            chunks.append(self._enhancer.feed(noisy))
        chunks.append(self._enhancer.flush())
        enhanced = np.concatenate([chunk.samples for chunk in chunks])
        if self._up is not None:
            padded = np.concatenate([enhanced, np.zeros(self._margin, dtype=np.float32)])
            enhanced = self._up.resample_chunk(padded, last=True)
        return StreamPiece(self._at_most_fed(enhanced), noisy, tuple(chunks))

    def _at_most_fed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        kept = samples[: self._fed - self._returned]
        self._returned += len(kept)
        return kept


def resamplers(outer: int, inner: int, low_delay: bool) -> tuple[soxr.ResampleStream, soxr.ResampleStream]:
    """Return what changes a rate, and what changes it back.

    Args:
        outer: rate of what goes in, Hz.
        inner: rate in between, Hz.
        low_delay: see :class:`ResampledStream`; soxr's filters of variable rate.
    """
    down = soxr.ResampleStream(outer, inner, 1, "float32", QUALITY, vr=low_delay)
    return down, soxr.ResampleStream(inner, outer, 1, "float32", QUALITY, vr=low_delay)
