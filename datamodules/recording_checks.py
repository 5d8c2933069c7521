"""Whether a recording can be used: what its header says, before memory is taken for it, and its samples."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from datamodules.corpus import CorpusError, DamagedRecordingError
from networks.framing import HIGHEST_RATE_HZ, LOWEST_RATE_HZ

LIMIT = 1e6  # times full scale: squares of larger samples need not be finite in float32
MAX_SAMPLES = 1 << 29  # of a recording: nine hours at 16 kHz, 2 GiB when decoded
MAX_RATIO = 1 << 26  # numbers in the filters that resample: 256 MiB; 44.1 kHz to 16 kHz takes 70560


def check_audio(path: Path, sample_rate: int, resample: bool) -> None:
    """Check that a file can be used, from its header.

    Args:
        path: an audio file.
        sample_rate: wanted rate in Hz.
        resample: accept other rates (they are resampled when read).

    Raises:
        DamagedRecordingError: if the file is unreadable, empty or holds NaN.
        CorpusError: if it is missing, not mono or of another rate.
    """
    if not path.is_file():
        raise CorpusError(f"{path}: no such audio file")
    try:
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:  # TypeError: a format without header
        raise DamagedRecordingError(f"{path}: not a readable audio file ({error})") from error
    if info.channels != 1:
        raise CorpusError(f"{path}: expected mono, got {info.channels} channels")
    if info.samplerate != sample_rate and not resample:
        raise CorpusError(
            f"{path}: expected {sample_rate} Hz, got {info.samplerate} Hz; set data.resample: true to resample"
        )
    if info.frames == 0:
        raise DamagedRecordingError(f"{path}: holds no samples")
    check_length(path, info.frames, info.samplerate, sample_rate)
    if info.subtype in ("FLOAT", "DOUBLE"):  # only float files can hold anything that is not a number
        _check_values(path)


def check_length(path: Path, frames: int, rate: int, wanted_rate: int) -> None:
    """Check what a header says, before memory is taken for it.

    Args:
        path: of the recording.
        frames: samples that it has.
        rate: Hz that it has.
        wanted_rate: Hz that it is resampled to if the rates differ.

    Raises:
        DamagedRecordingError: if a recording cannot be like that, or is too large to be held.
    """
    if not LOWEST_RATE_HZ <= rate <= HIGHEST_RATE_HZ:
        raise DamagedRecordingError(f"{path}: expected {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz, got {rate} Hz")
    most = frames * max(1, wanted_rate // rate)
    if most > MAX_SAMPLES:
        raise DamagedRecordingError(
            f"{path}: {frames} samples as its header says, more than the {MAX_SAMPLES} that a recording may have; "
            "cut it into shorter ones, or write it anew if it is shorter"
        )
    common = math.gcd(rate, wanted_rate)
    if rate != wanted_rate and rate // common * (wanted_rate // common) > MAX_RATIO:
        raise DamagedRecordingError(
            f"{path}: {rate} Hz cannot be resampled to {wanted_rate} Hz, whose largest common factor is {common}; "
            "resample the recording to a usual rate first"
        )


def unusable_sample(samples: NDArray[np.float32]) -> int | None:
    """Return the first sample that nothing can be computed with, None if there is no such sample.

    Example:
        >>> unusable_sample(np.array([0.5, np.nan], np.float32)), unusable_sample(np.array([0.5, -1.5], np.float32))
        (1, None)
    """
    usable = np.abs(samples) <= LIMIT  # False for NaN too
    return None if usable.all() else int(usable.argmin())


def _check_values(path: Path) -> None:
    """Check every sample of a recording, block by block.

    Raises:
        DamagedRecordingError: naming the first that is not usable.
    """
    try:
        for position, block in enumerate(soundfile.blocks(str(path), blocksize=1 << 20, dtype="float32")):
            bad = unusable_sample(block)
            if bad is not None:
                raise DamagedRecordingError(
                    f"{path}: sample {(position << 20) + bad} is not finite (NaN or infinite), or beyond "
                    f"{LIMIT:.0f} times full scale: {block[bad]}"
                )
    except (soundfile.SoundFileError, OSError) as error:
        raise DamagedRecordingError(f"{path}: cannot be decoded ({error})") from error
