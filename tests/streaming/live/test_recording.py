"""Recordings: two files of one name, never over others, and a full disk that is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from streaming.live.devices import DeviceError
from streaming.live.recording import Recording
from tests.conftest import full_disk


def test_files_appear_when_complete_and_hold_what_was_added(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "new" / "folder", 16000)
    noisy = np.linspace(-2, 2, 1000, dtype=np.float32)  # beyond full scale: nothing is clipped
    for at in range(0, 1000, 100):
        recording.add(noisy[at : at + 100], -noisy[at : at + 100])
    assert not any(path.exists() for path in recording.paths)
    recording.close()
    for path, expected in zip(recording.paths, (noisy, -noisy), strict=True):
        assert path.name.startswith(recording.name)
        np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0], expected)
    assert not list(tmp_path.rglob("*.part"))


def test_recordings_of_one_second_have_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda form: "planted")
    recordings = [Recording(tmp_path, 16000) for _ in range(3)]
    for recording in recordings:
        recording.close()
    assert [recording.name for recording in recordings] == ["planted", "planted-2", "planted-3"]
    assert len(list(tmp_path.glob("*.wav"))) == 6


def test_an_error_while_writing_is_kept_and_the_rest_is_completed(tmp_path: Path) -> None:
    recording = Recording(tmp_path, 16000)
    noisy = np.linspace(-1, 1, 10000, dtype=np.float32)
    with full_disk():
        for _ in range(3):
            recording.add(noisy, -noisy)
        recording.close()
    assert "noisy.wav: cannot be written" in str(recording.failure)
    read, _ = soundfile.read(recording.paths[0], dtype="float32")
    assert 900 < read.size < 1100  # what found room
    np.testing.assert_array_equal(read, noisy[: read.size])
    assert recording.paths[1].is_file()


def test_a_recording_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "take-enhanced.wav.part").mkdir()
    with pytest.raises(DeviceError, match=r"take-enhanced\.wav: cannot be written"):
        Recording(tmp_path, 16000, "take")
    assert [path.name for path in tmp_path.iterdir()] == ["take-enhanced.wav.part"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceError, match=r"file/.*-noisy\.wav: cannot be written"):
        Recording(tmp_path / "file", 16000)
