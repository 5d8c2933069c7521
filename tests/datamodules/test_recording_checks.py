"""Headers that lie and samples that nothing can be computed with are refused before memory is taken for them."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.hostile.audio import encoded, flac_of, wave
from datamodules.audio import AudioReader
from datamodules.corpus import DamagedRecordingError
from datamodules.recording_checks import check_audio


class OneRecording:
    """An archive with one recording, which the checks of files do not see."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, path: Path) -> bytes:
        return self.content

    def read_track(self, path: Path, settings: str) -> bytes | None:
        return None

    def has_track(self, path: Path, settings: str) -> bool:
        return False


LARGE = struct.pack("<2f", 0.5, 1e30) + bytes(400)
CASES = [
    pytest.param(flac_of(2**36 - 1), "68719476735 samples as its header says", id="endless"),
    pytest.param(flac_of(0), "9223372036854775807 samples as its header says", id="length not told"),
    pytest.param(flac_of(2**28), "cannot be decoded|truncated", id="too long for its bytes"),
    pytest.param(wave(bytes(800), rate=1), "expected 1000 to 1000000 Hz, got 1 Hz", id="slow"),
    pytest.param(wave(bytes(800), rate=2**31 - 1), "got 2147483647 Hz", id="fast"),
    pytest.param(wave(bytes(800), rate=44101), "whose largest common factor is 1", id="odd rate"),
    pytest.param(wave(LARGE, tag=3, align=4, bits=32), "beyond 1000000 times full scale", id="loud"),
]


@pytest.mark.parametrize(("content", "message"), CASES)
def test_files_are_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(content)
    with pytest.raises(DamagedRecordingError, match=rf"a\.flac: .*({message})"):
        AudioReader(16000, cache_mb=1).read(path)
    if "decoded" not in message:  # that the samples are missing is only known when they are read
        with pytest.raises(DamagedRecordingError, match=rf"a\.flac: .*({message})"):
            check_audio(path, 16000, resample=True)


@pytest.mark.parametrize(("content", "message"), [*CASES, pytest.param(encoded("FLAC", "PCM_16", 2), "2 channels")])
def test_recordings_in_archives_are_refused_by_name(content: bytes, message: str) -> None:
    reader = AudioReader(16000, cache_mb=1)
    reader.archive = OneRecording(content)
    with pytest.raises(DamagedRecordingError, match=rf"a\.flac: .*({message})"):
        reader.read(Path("speech-train-000000.tar/a.flac"))


def test_a_recording_longer_than_a_block_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datamodules.audio.BLOCK", 100)
    for count in (99, 100, 250, 300):
        samples = np.random.default_rng(count).integers(-9, 9, count).astype(np.int16)
        soundfile.write(tmp_path / f"{count}.wav", samples, 16000)
        assert np.array_equal(AudioReader(16000, cache_mb=1).read(tmp_path / f"{count}.wav") * 32768, samples)


def test_a_format_without_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(100))
    with pytest.raises(DamagedRecordingError, match=r"a\.raw: not a readable audio file"):
        check_audio(tmp_path / "a.raw", 16000, resample=False)
    with pytest.raises(DamagedRecordingError, match=r"a\.raw: cannot be decoded"):
        AudioReader(16000, cache_mb=1).read(tmp_path / "a.raw")


def test_usual_rates_are_resampled() -> None:
    for rate in (8000, 11025, 22050, 44100, 44056, 47952, 48000, 96000):
        content = io.BytesIO()
        soundfile.write(content, np.zeros(rate // 10), rate, format="WAV")
        reader = AudioReader(16000, cache_mb=1)
        reader.archive = OneRecording(content.getvalue())
        assert len(reader.read(Path("a.wav"))) == pytest.approx(1600, abs=2)
