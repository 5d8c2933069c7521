"""Raw PCM from one pipe to another, enhanced as it arrives."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from networks.framing import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from streaming.enhancer import StreamingEnhancer
from streaming.files.audio import not_finite
from streaming.files.property_columns import Selection, columns_for, rows_of_channels
from streaming.files.property_summary import PropertySummary
from streaming.files.property_text import json_lines
from streaming.resampling import ResampledStream, StreamPiece

SampleFormat = Literal["s16le", "f32le"]
_TYPES: dict[str, np.dtype[np.generic]] = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
_FULL_SCALE = 32768.0
MAX_READ_BYTES = 1 << 18
MOST_CHANNELS = 1024  # as in files; each is a stream of its own


class PcmError(ValueError):
    """A stream that cannot be enhanced; the message says where and why."""


@dataclass(frozen=True)
class PcmFormat:
    """What the bytes of a stream mean; several channels are interleaved.

    Attributes:
        sample_format: ``s16le`` (16-bit integers) or ``f32le`` (floats with full scale 1.0), little-endian.
        sample_rate: Hz.
        channels: channels.

    Raises:
        PcmError: if a value is out of range.
    """

    sample_format: SampleFormat = "s16le"
    sample_rate: int = 16000
    channels: int = 1

    def __post_init__(self) -> None:
        if self.sample_format not in _TYPES:
            raise PcmError(f"--pcm must be one of {', '.join(_TYPES)}, got {self.sample_format!r}")
        if not LOWEST_RATE_HZ <= self.sample_rate <= HIGHEST_RATE_HZ:
            raise PcmError(f"--rate must be {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz, got {self.sample_rate}")
        if not 1 <= self.channels <= MOST_CHANNELS:
            raise PcmError(f"--channels must be 1 to {MOST_CHANNELS}, got {self.channels}")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.channels * _TYPES[self.sample_format].itemsize

    def decode(self, content: bytes) -> NDArray[np.float32]:
        """Return samples, shape (sample, channel), of bytes that hold whole samples of all channels.

        Example:
            >>> PcmFormat("s16le", 16000, 2).decode(bytes([0, 64, 0, 192])).tolist()
            [[0.5, -0.5]]
        """
        values = np.frombuffer(content, dtype=_TYPES[self.sample_format]).astype(np.float32)
        return (values / np.float32(_FULL_SCALE) if self.sample_format == "s16le" else values).reshape(
            -1, self.channels
        )

    def encode(self, samples: NDArray[np.float32]) -> tuple[bytes, int]:
        r"""Return the bytes of samples, shape (sample, channel), and how many values were limited to full scale.

        Example:
            >>> PcmFormat().encode(np.array([[0.5], [2.0]], dtype=np.float32))
            (b'\x00@\xff\x7f', 1)
        """
        if self.sample_format == "f32le":
            return samples.astype("<f4").tobytes(), 0
        rounded = np.rint(samples * np.float32(_FULL_SCALE))
        limited = np.clip(rounded, -_FULL_SCALE, _FULL_SCALE - 1)
        return limited.astype("<i2").tobytes(), int(np.count_nonzero(np.abs(samples) > 1.0))


@dataclass
class PcmReport:
    """What was done.

    Attributes:
        seconds: of audio that were read.
        clipped: values of the output that were limited to full scale.
        heard: what the network heard.
        reader_left: whether nobody read the output any more.
    """

    seconds: float
    clipped: int
    heard: PropertySummary
    reader_left: bool = False


class PcmPipe:
    """Enhancer between two file descriptors; reads what is there and writes at once.

    Args:
        enhancer: gives one stream for every channel.
        pcm: of both sides.
        properties: gets one JSON object per frame and channel, while it runs.
        selection: what of the properties it gets.
    """

    def __init__(
        self,
        enhancer: StreamingEnhancer,
        pcm: PcmFormat,
        properties: TextIO | None = None,
        selection: Selection | None = None,
    ) -> None:
        self.pcm = pcm
        self._selection = selection or Selection()
        self._properties = properties
        self._columns = columns_for(enhancer.schema, self._selection)
        self._frame_s = enhancer.hop_length / enhancer.sample_rate
        self._streams = [ResampledStream(enhancer.new_stream(), pcm.sample_rate) for _ in range(pcm.channels)]
        self._fed = self._clipped = 0
        self._heard = PropertySummary()

    def run(self, source: int, sink: int) -> PcmReport:
        """Enhance until the source ends.

        Args:
            source: file descriptor that is read.
            sink: file descriptor that is written.

        Returns:
            What was done, also where the reader of the sink has left before.

        Raises:
            PcmError: if a sample cannot be used, or the source ends within a sample; what came before is written.
        """
        try:
            self._run(source, sink)
        except BrokenPipeError:
            return self._report(reader_left=True)
        return self._report(reader_left=False)

    def _run(self, source: int, sink: int) -> None:
        rest = b""
        while content := os.read(source, MAX_READ_BYTES):
            content = rest + content
            whole = len(content) - len(content) % self.pcm.frame_bytes
            rest = content[whole:]
            if whole:
                self._feed(self.pcm.decode(content[:whole]), sink)
        self._flush(sink)
        if rest:
            raise PcmError(
                f"stdin ended within a sample: {len(rest)} bytes are left over, a sample of {self.pcm.channels} "
                f"channels in {self.pcm.sample_format} has {self.pcm.frame_bytes}"
            )

    def _feed(self, samples: NDArray[np.float32], sink: int) -> None:
        usable = np.isfinite(samples).all(axis=1)
        whole = len(samples) if usable.all() else int(usable.argmin())
        try:
            pieces = [stream.feed(samples[:whole, channel]) for channel, stream in enumerate(self._streams)]
        except ValueError as error:
            raise PcmError(f"stdin: {error}") from error
        fed, self._fed = self._fed, self._fed + whole
        self._take(pieces, sink)
        if whole < len(samples):
            self._flush(sink)
            raise PcmError(f"stdin: {not_finite(samples, fed, self.pcm.sample_rate)}")

    def _flush(self, sink: int) -> None:
        self._take([stream.flush() for stream in self._streams], sink)

    def _take(self, pieces: Sequence[StreamPiece], sink: int) -> None:
        content, clipped = self.pcm.encode(np.stack([piece.samples for piece in pieces], axis=1))
        self._clipped += clipped
        view = memoryview(content)
        while view:  # a pipe may take less than all
            view = view[os.write(sink, view) :]
        for piece in pieces:
            for chunk in piece.chunks:
                self._heard.update(chunk)
        if self._properties is not None:
            rows = rows_of_channels([piece.chunks for piece in pieces], self._frame_s, self._selection)
            self._properties.write(json_lines(self._columns, rows))
            self._properties.flush()

    def _report(self, reader_left: bool) -> PcmReport:
        return PcmReport(self._fed / self.pcm.sample_rate, self._clipped, self._heard, reader_left)
