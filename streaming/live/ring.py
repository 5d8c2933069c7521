"""Samples of a stream by position: one thread writes, others read, and nobody waits for anybody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class PositionRing:
    """The newest samples of an endless stream, addressed by their number in it.

    The writer never fails and never waits: it overwrites the oldest samples. A reader gets zeros for what is not there
    and is told how many. Twice the promised length is allocated, so that what a reader may ask for is never what is
    being written at that moment.

    Args:
        length: samples that can be read back, and the longest block that can be written.

    Raises:
        ValueError: if ``length`` is not positive.

    Example:
        >>> ring, out = PositionRing(4), np.empty(3, np.float32)
        >>> ring.write(np.arange(6, dtype=np.float32))
        Traceback (most recent call last):
        ...
        ValueError: a block of at most 4 samples was expected, got 6
        >>> ring.write(np.arange(4, dtype=np.float32)); ring.write(np.arange(4, 6, dtype=np.float32))
        >>> ring.read_into(4, out), out.tolist()
        (1, [4.0, 5.0, 0.0])
    """

    def __init__(self, length: int) -> None:
        if length < 1:
            raise ValueError(f"length must be positive, got {length}")
        self.length = length
        self._samples = np.zeros(2 * length, np.float32)
        self._end = 0

    @property
    def end(self) -> int:
        """Position of the sample that is written next."""
        return self._end

    @property
    def start(self) -> int:
        """Position of the oldest sample that can be read."""
        return max(0, self._end - self.length)

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append samples.

        Args:
            samples: shape (sample,).

        Raises:
            ValueError: if there are more than ``length``.
        """
        if samples.size > self.length:
            raise ValueError(f"a block of at most {self.length} samples was expected, got {samples.size}")
        at = self._end % self._samples.size
        first = min(samples.size, self._samples.size - at)
        self._samples[at : at + first] = samples[:first]
        self._samples[: samples.size - first] = samples[first:]
        self._end += samples.size  # last: a reader sees the samples only now

    def read_into(self, position: int, out: NDArray[np.float32]) -> int:
        """Copy the samples from ``position`` on.

        Args:
            position: of the first sample; those before 0 are zero and count as present (a stream starts from silence).
            out: shape (sample,), is overwritten.

        Returns:
            How many samples are zero because they are not written yet or no longer there.
        """
        stop = position + out.size
        begin, end = max(position, self.start), min(stop, self._end)
        if begin >= end:
            out[:] = 0.0
            return max(0, stop - max(position, 0))
        out[: begin - position] = 0.0
        self._copy(begin, out[begin - position : end - position])
        out[end - position :] = 0.0
        torn = min(max(0, self.start - begin), end - begin)  # overtaken while copying
        out[begin - position : begin - position + torn] = 0.0
        return begin - max(position, 0) + torn + stop - end

    def _copy(self, begin: int, out: NDArray[np.float32]) -> None:
        at = begin % self._samples.size
        first = min(out.size, self._samples.size - at)
        out[:first] = self._samples[at : at + first]
        out[first:] = self._samples[: out.size - first]
