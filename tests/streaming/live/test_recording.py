"""Recordings: two files of one name, never over others, and a full disk that is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from streaming.live.devices import DeviceError
from streaming.live.recording import Recording


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


def test_an_error_while_writing_is_kept_and_the_rest_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = Recording(tmp_path, 16000)
    written = []

    def full(samples: object) -> None:
        written.append(samples)
        raise OSError("no space left on device")

    monkeypatch.setattr(recording._files[0], "write", full)
    for _ in range(3):
        recording.add(np.zeros(10, np.float32), np.zeros(10, np.float32))
    recording.close()
    assert str(recording.failure) == "no space left on device" and len(written) == 1
    assert all(path.is_file() for path in recording.paths)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceError, match=r"file/.*-noisy\.wav: cannot be written"):
        Recording(tmp_path / "file", 16000)
