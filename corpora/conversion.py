"""One recording of a corpus becomes one of ours: decoded completely, mono, at the wanted rate, 16-bit FLAC."""

from __future__ import annotations

import contextlib
import hashlib
import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from corpora.riff import missing_bytes
from corpora.source import Channel, Recording
from datamodules.corpus import CorpusError, DamagedRecordingError
from datamodules.recording_checks import check_length
from storage.whole_files import write_whole

CONVERSION_VERSION = 1  # part of every job's key: raise it when the same input gives other samples
FULL_SCALE_INT16 = 32768.0
# Of the low-pass of the resampler, in zero crossings of the sinc, share of the band, and shape of the Kaiser window:
# flat to 0.1 dB up to 90 % of the narrower band, 80 dB down from its edge on (tests/corpora/test_conversion.py).
ZERO_CROSSINGS, ROLLOFF, KAISER_BETA = 64, 0.95, 10.0

Samples = NDArray[np.float32]


class BadFile(CorpusError):
    """A file of the corpus that is damaged, empty or does not fit its pair; the message names it."""


@dataclass(frozen=True)
class Job:
    """What is to be done with a recording.

    Attributes:
        recording: of the corpus.
        target: file to write if the recording cannot be used as it is.
        sample_rate: wanted, in Hz.
        channel: how several channels become one; None refuses them.
        copy: write ``target`` even if the recording could be used as it is.
    """

    recording: Recording
    target: Path
    sample_rate: int
    channel: Channel | None
    copy: bool

    def key(self) -> str:
        """Return a hash of everything that the result depends on; files count by name, size and time of change."""
        parts: list[object] = [CONVERSION_VERSION, self.sample_rate, self.channel, self.copy, self.recording.span]
        for path in (self.recording.file, self.recording.minus):
            if path is not None:
                with contextlib.suppress(OSError):  # convert() will say that it cannot be read
                    stat = path.stat()
                    parts += [stat.st_size, stat.st_mtime_ns]
                parts.append(str(path))
        return hashlib.sha256(repr(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of a recording.

    Attributes:
        path: the prepared file; the corpus's own one if it was used as it is.
        frames: length in samples.
        clipped: samples beyond full scale that were limited.
        error: why the recording cannot be used; empty if it can.
    """

    path: Path
    frames: int
    clipped: int = 0
    error: str = ""


def convert(job: Job) -> Outcome:
    """Do a job; a file at fault is reported in the outcome, so that a batch can go on without it.

    Raises:
        CorpusError: if the recording has several channels and ``job.channel`` does not say what to do.
        OSError: if the result cannot be written.
    """
    recording = job.recording
    try:
        samples, rate, mono = _decode(recording.file, job.channel)
        if recording.minus is None and recording.span is None and mono and rate == job.sample_rate and not job.copy:
            return Outcome(recording.file, len(samples))
        if recording.minus is not None:
            samples = _subtract(recording, samples, rate, job.channel)
    except BadFile as error:
        return Outcome(job.target, 0, error=str(error))
    if recording.span is not None:
        first, last = (round(share * len(samples)) for share in recording.span)
        samples = samples[first:last]
    samples = resample(samples, rate, job.sample_rate)
    if not len(samples):
        return Outcome(job.target, 0, error=f"{recording.file}: nothing is left at {job.sample_rate} Hz")
    _write_flac(job.target, samples, job.sample_rate)
    return Outcome(job.target, len(samples), clipped=int(np.count_nonzero(np.abs(samples) > 1.0)))


def _decode(path: Path, channel: Channel | None) -> tuple[Samples, int, bool]:
    """Return a file as one channel of shape (sample,), its rate, and whether it has only one.

    Raises:
        BadFile: if the file is missing, damaged, truncated or empty, or holds values that are no numbers.
        CorpusError: if it has several channels and ``channel`` does not say what to do.
    """
    try:
        missing = missing_bytes(path)
        with soundfile.SoundFile(str(path)) as file:
            rate, expected = int(file.samplerate), int(file.frames)
            check_length(path, expected * file.channels, rate, rate)
            samples = file.read(dtype="float32", always_2d=True)
    except DamagedRecordingError as error:
        raise BadFile(str(error)) from error
    except (soundfile.SoundFileError, OSError) as error:
        raise BadFile(f"{path}: cannot be decoded ({error})") from error
    if missing:
        raise BadFile(f"{path}: truncated, the last {missing} bytes are missing")
    if len(samples) != expected:
        raise BadFile(f"{path}: truncated, {len(samples)} of {expected} samples could be decoded")
    if not len(samples):
        raise BadFile(f"{path}: holds no samples")
    if not np.isfinite(samples).all():
        raise BadFile(f"{path}: holds samples that are not finite (NaN or infinite)")
    channels = samples.shape[1]
    if channels > 1 and channel is None:
        raise CorpusError(f"{path}: {channels} channels; pass --channel mix (their mean) or --channel first")
    return samples[:, 0] if channels == 1 or channel == "first" else samples.mean(axis=1), rate, channels == 1


def _subtract(recording: Recording, samples: Samples, rate: int, channel: Channel | None) -> Samples:
    """Return the recording less its other file, both decoded; resampling is linear, so it may come after."""
    assert recording.minus is not None
    other, other_rate, _ = _decode(recording.minus, channel)
    if (len(other), other_rate) != (len(samples), rate):
        raise BadFile(
            f"{recording.file}: {len(samples)} samples at {rate} Hz, but its pair {recording.minus} has "
            f"{len(other)} at {other_rate} Hz; expected equal lengths"
        )
    return samples - other


def resample(samples: Samples, rate: int, wanted: int) -> Samples:
    """Change the sample rate with a linear-phase low-pass and no delay.

    Args:
        samples: shape (sample,).
        rate: of ``samples``, in Hz.
        wanted: Hz of the result.

    Returns:
        Shape (ceil(sample * wanted / rate),).

    Example:
        >>> resample(np.zeros(441, dtype=np.float32), 44100, 16000).shape
        (160,)
    """
    if rate == wanted:
        return samples
    from scipy.signal import firwin, resample_poly  # takes seconds to import, and many corpora do not need it

    ratio = Fraction(wanted, rate)
    widest = max(ratio.numerator, ratio.denominator)
    window = ("kaiser", KAISER_BETA)
    taps = firwin(2 * ZERO_CROSSINGS * widest + 1, ROLLOFF / widest, window=window).astype(np.float32)
    return resample_poly(samples, ratio.numerator, ratio.denominator, window=taps).astype(np.float32)


def _write_flac(target: Path, samples: Samples, sample_rate: int) -> None:
    """Write a file under a temporary name and rename it, so that it is never seen incomplete."""
    quantised = np.clip(np.rint(samples * FULL_SCALE_INT16), -FULL_SCALE_INT16, FULL_SCALE_INT16 - 1).astype(np.int16)
    encoded = io.BytesIO()  # libsndfile does not tell when a disk is full; writing bytes does
    soundfile.write(encoded, quantised, sample_rate, format="FLAC", subtype="PCM_16")
    write_whole(target, encoded.getbuffer())
