"""Reading recordings: decoded once per process, kept within a memory bound, resampled if asked."""

from __future__ import annotations

import io
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
import soundfile
import torch
import torchaudio
from numpy.typing import NDArray

from datamodules.corpus import CorpusError, DamagedRecordingError
from datamodules.recording_checks import LIMIT, check_length, unusable_sample

FULL_SCALE_INT16 = 32768.0
BLOCK = 1 << 22  # samples that are read at once


class Archive(Protocol):
    """Holds recordings inside larger files, under the paths of their corpus records."""

    def read(self, path: Path) -> bytes:
        """Return the bytes of a recording's audio file."""

    def read_track(self, path: Path, settings: str) -> bytes | None:
        """Return the stored pitch track of a recording, or None if there is none with these settings."""

    def has_track(self, path: Path, settings: str) -> bool:
        """Tell whether a pitch track with these settings is stored, without reading it."""


class AudioReader:
    """Reads mono recordings and keeps the most recently used ones decoded.

    16-bit files are kept as 16-bit integers, half the size of floats, and cost nothing in precision.

    Args:
        sample_rate: Hz of everything that is returned.
        cache_mb: bound of decoded audio held by one process, in MiB.
        on_bad_recording: what :func:`draw_recording` does with a recording that cannot be decoded: ``error`` stops,
            ``skip`` reports it once and draws another.

    Attributes:
        archive: where recordings are read from; None reads files.
    """

    def __init__(self, sample_rate: int, cache_mb: int, on_bad_recording: Literal["error", "skip"] = "error") -> None:
        self.sample_rate = sample_rate
        self.cache_bytes = cache_mb << 20
        self.archive: Archive | None = None
        self.on_bad_recording = on_bad_recording
        self._damaged: dict[Path, str] = {}
        self._reported: set[Path] = set()
        self._held_bytes = 0
        self._held: OrderedDict[Path, NDArray[np.int16] | NDArray[np.float32]] = OrderedDict()

    def read(self, path: Path) -> NDArray[np.float32]:
        """Return a whole recording, shape (sample,), full scale 1.0.

        Raises:
            DamagedRecordingError: if the file cannot be decoded completely, or holds no samples or NaN.
        """
        stored = self._stored(path)
        if stored.dtype == np.int16:
            return stored.astype(np.float32) / np.float32(FULL_SCALE_INT16)
        return stored.astype(np.float32, copy=False)

    def read_or_skip(self, path: Path) -> NDArray[np.float32] | None:
        """Return a recording, or None if it is damaged and damaged recordings are skipped.

        Raises:
            DamagedRecordingError: if it is damaged and ``on_bad_recording`` is ``error``.
        """
        try:
            return self.read(path)
        except DamagedRecordingError as error:
            self.skip_or_raise(path, error)
            return None

    def skip_or_raise(self, path: Path, error: DamagedRecordingError) -> None:
        """Raise the error, or if damaged recordings are skipped, report this one unless it was reported before."""
        if self.on_bad_recording == "error":
            raise error
        if path not in self._reported:
            self._reported.add(path)
            warnings.warn(f"{error}; skipped, as data.on_bad_recording: skip says", stacklevel=2)

    def num_samples(self, path: Path) -> int:
        """Return the length of a recording in samples."""
        return len(self._stored(path))

    def _stored(self, path: Path) -> NDArray[np.int16] | NDArray[np.float32]:
        if path in self._held:
            self._held.move_to_end(path)
            return self._held[path]
        if path in self._damaged:  # not decoded again for every draw
            raise DamagedRecordingError(self._damaged[path])
        try:
            samples = self._decode(path)
        except DamagedRecordingError as error:
            self._damaged[path] = str(error)
            raise
        self._held[path] = samples
        self._held_bytes += samples.nbytes
        while self._held_bytes > self.cache_bytes and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            self._held_bytes -= dropped.nbytes
        return samples

    def _decode(self, path: Path) -> NDArray[np.int16] | NDArray[np.float32]:
        content = str(path) if self.archive is None else io.BytesIO(self.archive.read(path))
        try:
            with soundfile.SoundFile(content) as file:
                rate = file.samplerate
                expected = file.frames
                if file.channels != 1:
                    raise DamagedRecordingError(f"{path}: expected mono, got {file.channels} channels")
                check_length(path, expected, rate, self.sample_rate)
                dtype = "int16" if file.subtype == "PCM_16" and rate == self.sample_rate else "float32"
                samples = _read_blocks(file, dtype)
        except (soundfile.SoundFileError, OSError, TypeError) as error:  # TypeError: a format without header
            raise DamagedRecordingError(f"{path}: cannot be decoded ({error})") from error
        if len(samples) != expected:
            raise DamagedRecordingError(f"{path}: truncated, {len(samples)} of {expected} samples could be decoded")
        if not len(samples):
            raise DamagedRecordingError(f"{path}: holds no samples")
        bad = unusable_sample(samples) if samples.dtype == np.float32 else None
        if bad is not None:
            raise DamagedRecordingError(
                f"{path}: holds samples that are not finite (NaN or infinite), or beyond {LIMIT:.0f} times full scale: "
                f"sample {bad} is {samples[bad]}"
            )
        if rate != self.sample_rate:
            samples = torchaudio.functional.resample(torch.from_numpy(samples), rate, self.sample_rate).numpy()
        return samples


def _read_blocks(file: soundfile.SoundFile, dtype: str) -> NDArray[Any]:
    """Read a file to its end: memory follows what is there, and not what the header says."""
    blocks = [file.read(BLOCK, dtype=dtype)]
    while len(blocks[-1]) == BLOCK:
        blocks.append(file.read(BLOCK, dtype=dtype))
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


class AllDamagedError(CorpusError):
    """Damaged recordings are skipped, and there is no other to draw."""


class _Listed(Protocol):
    """A row of a manifest."""

    @property
    def path(self) -> Path: ...


Record = TypeVar("Record", bound=_Listed)


def draw_recording(
    records: Sequence[Record], reader: AudioReader, rng: np.random.Generator, whose: str
) -> tuple[Record, NDArray[np.float32]]:
    """Draw a recording uniformly, and another one as long as what was drawn is damaged and ``reader`` skips it.

    The result is a function of the records, the generator and the files alone: it does not depend on which damage was
    met before.

    Args:
        records: candidates, at least one.
        reader: reads them, and decides about damaged ones.
        rng: source of randomness.
        whose: what the records are, for the error.

    Returns:
        The record and its samples, shape (sample,).

    Raises:
        AllDamagedError: if no candidate is left.
        DamagedRecordingError: if one is damaged and ``reader`` does not skip it.
    """
    candidates = records
    while candidates:
        drawn = int(rng.integers(len(candidates)))
        samples = reader.read_or_skip(candidates[drawn].path)
        if samples is not None:
            return candidates[drawn], samples
        candidates = [*candidates[:drawn], *candidates[drawn + 1 :]]
    raise AllDamagedError(f"{records[0].path}: damaged, like every other recording of {whose} ({len(records)} in all)")
