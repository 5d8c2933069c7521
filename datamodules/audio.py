"""Reading recordings: decoded once per process, kept within a memory bound, resampled if asked."""

from __future__ import annotations

import io
from collections import OrderedDict
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile
import torch
import torchaudio
from numpy.typing import NDArray

from datamodules.corpus import CorpusError

FULL_SCALE_INT16 = 32768.0


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

    Attributes:
        archive: where recordings are read from; None reads files.
    """

    def __init__(self, sample_rate: int, cache_mb: int) -> None:
        self.sample_rate = sample_rate
        self.cache_bytes = cache_mb << 20
        self.archive: Archive | None = None
        self._held_bytes = 0
        self._held: OrderedDict[Path, NDArray[np.int16] | NDArray[np.float32]] = OrderedDict()

    def read(self, path: Path) -> NDArray[np.float32]:
        """Return a whole recording, shape (sample,), full scale 1.0.

        Raises:
            CorpusError: if the file cannot be decoded.
        """
        stored = self._stored(path)
        if stored.dtype == np.int16:
            return stored.astype(np.float32) / np.float32(FULL_SCALE_INT16)
        return stored.astype(np.float32, copy=False)

    def num_samples(self, path: Path) -> int:
        """Return the length of a recording in samples."""
        return len(self._stored(path))

    def _stored(self, path: Path) -> NDArray[np.int16] | NDArray[np.float32]:
        if path in self._held:
            self._held.move_to_end(path)
            return self._held[path]
        samples = self._decode(path)
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
                dtype = "int16" if file.subtype == "PCM_16" and rate == self.sample_rate else "float32"
                samples = file.read(dtype=dtype)
        except (soundfile.SoundFileError, OSError) as error:
            raise CorpusError(f"{path}: cannot be decoded ({error})") from error
        if len(samples) != expected:
            raise CorpusError(f"{path}: truncated, {len(samples)} of {expected} samples could be decoded")
        if rate != self.sample_rate:
            samples = torchaudio.functional.resample(torch.from_numpy(samples), rate, self.sample_rate).numpy()
        return samples
