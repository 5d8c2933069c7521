"""Writing one tar shard in WebDataset's layout: complete under its name, or not there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from datamodules.corpus import CorpusError
from datamodules.shards.layout import Span
from storage.whole_files import replacing

HEADER_BYTES = 512  # of a member in the USTAR format, which WebDataset writes
AUDIO_SUFFIX, TRACK_SUFFIX = "flac", "pitch.npz"


class Sample(NamedTuple):
    """What one recording contributes: its name without suffix, FLAC bytes, and its pitch track or nothing."""

    member: str
    audio: bytes
    track: bytes | None


class WrittenShard(NamedTuple):
    """A finished shard: size, digest, and the spans of audio and track of every sample."""

    num_bytes: int
    sha256: str
    spans: list[tuple[Span, Span | None]]


class _DigestedFile:
    """A file that knows size and digest of what was written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self.num_bytes = 0

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        self.num_bytes += len(content)
        return self.file.write(content)


def load_tar_writer() -> Any:
    """Return WebDataset's writer of a single tar file.

    Raises:
        CorpusError: if webdataset is not installed.
    """
    try:
        from webdataset import TarWriter
    except ImportError as error:
        raise CorpusError("writing shards needs the package webdataset; install the extra 'shards'") from error
    return TarWriter


def _padded(num_bytes: int) -> int:
    return -(-num_bytes // HEADER_BYTES) * HEADER_BYTES


def write_tar(path: Path, samples: Iterable[Sample]) -> WrittenShard:
    """Write a shard under a temporary name and rename it; equal samples give equal bytes.

    Args:
        path: of the shard.
        samples: read one after the other while writing.
    """
    spans: list[tuple[Span, Span | None]] = []
    # durable: its entry in the journal, which lets the next run keep it, must not be on the disk before it
    with replacing(path, durable=True) as part, part.open("wb") as file:
        stream = _DigestedFile(file)
        # mtime: the same recordings give the same bytes, whenever they are written
        with load_tar_writer()(stream, encoder=False, mtime=0) as writer:
            for sample in samples:
                audio = Span(writer.tarstream.offset + HEADER_BYTES, len(sample.audio))
                content: dict[str, Any] = {"__key__": sample.member, AUDIO_SUFFIX: sample.audio}
                track = None
                if sample.track is not None:
                    content[TRACK_SUFFIX] = sample.track  # written after the audio: suffixes are sorted
                    track = Span(audio.offset + _padded(audio.num_bytes) + HEADER_BYTES, len(sample.track))
                writer.write(content)
                spans.append((audio, track))
    return WrittenShard(stream.num_bytes, stream.digest.hexdigest(), spans)
