"""Audio files block by block: read with every damage found, written so that a file is there only when complete."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile
from numpy.typing import NDArray

from streaming.files.formats import is_clipped

MOST_SAMPLES = 1 << 62  # more stand for "not known" in libsndfile
MOST_VALUES = 1 << 24  # of a block, samples times channels


class AudioFileError(ValueError):
    """A file that cannot be read or written; the message names it and what is wrong."""


def not_finite(block: NDArray[np.float32], position: int, sample_rate: int) -> str:
    """Say where the first sample is that is no number.

    Args:
        block: shape (sample, channel), with at least one such sample.
        position: of its first sample in the signal.
        sample_rate: Hz.

    Returns:
        Text without the name of the signal.

    Example:
        >>> not_finite(np.array([[0.0, 0.0], [0.0, np.nan]]), 8000, 16000)
        'sample 8001 (0.500 s) of channel 1 is nan, expected a finite number'
    """
    row, channel = np.argwhere(~np.isfinite(block))[0]
    where = position + int(row)
    seconds = where / sample_rate
    return f"sample {where} ({seconds:.3f} s) of channel {channel} is {block[row, channel]}, expected a finite number"


class AudioSource:
    """Audio file that is read from beginning to end in blocks; use it in a ``with`` statement.

    Args:
        path: of any format that libsndfile reads.

    Attributes:
        sample_rate: Hz.
        channels: channels.
        num_samples: samples of a channel, as the header says.
        container: in libsndfile's words.
        subtype: of its samples, in the same words.

    Raises:
        AudioFileError: if the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = soundfile.SoundFile(path)
        except (
            soundfile.SoundFileError,
            OSError,
            TypeError,
            ValueError,
        ) as error:  # TypeError: headerless formats want more
            raise AudioFileError(f"{path}: cannot be read as audio ({error})") from error
        self.sample_rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.num_samples: int = self._file.frames
        if self.num_samples > MOST_SAMPLES:
            self._file.close()
            raise AudioFileError(
                f"{path}: its header does not say how long it is; decode it to a WAV or FLAC file first"
            )
        self.container: str = self._file.format
        self.subtype: str = self._file.subtype

    def __enter__(self) -> AudioSource:
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()

    @property
    def seconds(self) -> float:
        """Duration in s."""
        return self.num_samples / self.sample_rate

    def blocks(self, block_s: float) -> Iterator[NDArray[np.float32]]:
        """Read the samples.

        Args:
            block_s: length of a block in s; the last one may be shorter.

        Yields:
            Shape (sample, channel), full scale 1.0.

        Raises:
            AudioFileError: if the file ends too early, cannot be decoded, or holds samples that are not finite.
        """
        # rate and channels are what the header says; memory is bounded whatever that is
        size = max(1, min(round(block_s * self.sample_rate), MOST_VALUES // self.channels))
        position = 0
        while position < self.num_samples:
            try:
                block: NDArray[np.float32] = self._file.read(size, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, OSError) as error:
                seconds = position / self.sample_rate
                raise AudioFileError(f"{self.path}: cannot be decoded after {seconds:.3f} s ({error})") from error
            if not len(block):
                raise AudioFileError(f"{self.path}: truncated, {position} of {self.num_samples} samples are there")
            if not np.isfinite(block).all():
                raise AudioFileError(f"{self.path}: {not_finite(block, position, self.sample_rate)}")
            position += len(block)
            yield block


class AudioSink:
    """Audio file under a temporary name that gets its own when a ``with`` block ends without an error.

    Args:
        path: file to be written; its folder is made.
        sample_rate: Hz.
        channels: channels.
        container: in libsndfile's words.
        subtype: of its samples, in the same words.

    Attributes:
        clipped: values so far that exceeded full scale and were limited.

    Raises:
        AudioFileError: if nothing can be written there, or the container does not take the rate or the number of
            channels.
    """

    def __init__(self, path: Path, sample_rate: int, channels: int, container: str, subtype: str) -> None:
        self.path = path
        self.clipped = 0
        self._limits = is_clipped(subtype)
        self._temporary = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._temporary.touch()  # libsndfile does not say why it cannot
        except OSError as error:
            raise AudioFileError(f"{path}: cannot be written ({error.strerror})") from error
        try:
            self._file = soundfile.SoundFile(
                self._temporary, "w", sample_rate, channels, format=container, subtype=subtype
            )
        except soundfile.SoundFileError as error:
            self._temporary.unlink(missing_ok=True)
            raise AudioFileError(
                f"{path}: {container} {subtype} does not take {channels} channels at {sample_rate} Hz ({error})"
            ) from error

    def __enter__(self) -> AudioSink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
            if kind is None:
                self._temporary.replace(self.path)
        except (soundfile.SoundFileError, OSError) as failure:
            raise AudioFileError(f"{self.path}: cannot be written ({failure})") from failure
        finally:
            self._temporary.unlink(missing_ok=True)

    def write(self, block: NDArray[np.float32]) -> None:
        """Append samples, shape (sample, channel).

        Raises:
            AudioFileError: if they cannot be written, for example on a full disk.
        """
        if self._limits:
            self.clipped += int(np.count_nonzero(np.abs(block) > 1.0))
        try:
            self._file.write(block)
        except (soundfile.SoundFileError, OSError, AssertionError) as error:
            raise AudioFileError(f"{self.path}: cannot be written ({error})") from error
