"""Files appear whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import time
from pathlib import Path

import pytest

from storage import whole_files
from storage.full_disk import DiskFullError, is_full, naming
from storage.whole_files import is_part, remove_left_overs, replacing, write_text_whole, write_whole
from tests.conftest import full_disk


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_takes_the_place_of_the_one_before(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "folder" / "a.bin"
    write_whole(path, b"first", durable)
    write_text_whole(path, "zwölf", durable)
    assert path.read_text(encoding="utf-8") == "zwölf"
    assert list(path.parent.iterdir()) == [path]


def test_the_temporary_name_keeps_the_suffix_and_is_known_as_one(tmp_path: Path) -> None:
    with replacing(tmp_path / "figure.png") as part:
        part.write_bytes(b"x")
        assert part.suffix == ".png" and is_part(part)
        assert not (tmp_path / "figure.png").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["figure.png"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(KeyError), replacing(path) as part:
        part.write_text("half")
        raise KeyError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_durable_content_is_on_the_disk_before_its_name_and_then_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    replace, synchronize = Path.replace, os.fsync

    def noted_fsync(handle: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        synchronize(handle)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", lambda one, other: order.append("rename") or replace(one, other))
    write_whole(tmp_path / "plain", b"x")
    assert order == ["rename"]
    write_whole(tmp_path / "durable", b"x", durable=True)
    assert order[1:] == ["file", "rename", "folder"]


def test_a_full_disk_names_the_file_and_keeps_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"before")
    with full_disk(1000), pytest.raises(DiskFullError) as told:
        write_whole(path, bytes(5000), durable=True)
    assert f"File too large: '{path}'" in str(told.value)
    assert "MiB are free there; free some space" in str(told.value)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_errors_of_a_full_disk_get_a_name(code: int) -> None:
    with pytest.raises(DiskFullError, match=r"'there/log\.csv'") as told, naming("there/log.csv"):
        raise OSError(code, os.strerror(code))
    assert is_full(told.value) and told.value.errno == code
    again = pickle.loads(pickle.dumps(told.value))  # a worker process hands it on
    assert str(again) == str(told.value)


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(PermissionError, match="mine"), naming("other"):
        raise PermissionError(errno.EACCES, "denied", "mine")
    with pytest.raises(OSError, match=r"Input/output error: 'other'") as told, naming("other"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    assert not is_full(told.value)
    assert not is_full(ValueError())


def test_left_overs_of_killed_processes_go_and_what_is_being_written_stays(tmp_path: Path) -> None:
    old, new, whole = tmp_path / ".a.1.part", tmp_path / ".b.2.part.png", tmp_path / "c.png"
    for path in (old, new, whole):
        path.write_bytes(b"x")
    ago = time.time() - 2 * whole_files.LEFT_OVER_S
    os.utime(old, (ago, ago))
    os.utime(whole, (ago, ago))
    assert remove_left_overs(tmp_path) == [old]
    assert remove_left_overs(tmp_path, older_than_s=0.0) == [new]
    assert list(tmp_path.iterdir()) == [whole]
    assert remove_left_overs(tmp_path / "nothing") == []


def test_a_writer_that_is_killed_anywhere_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    """Children write without end and are killed at moments that move through a write."""
    path = tmp_path / "a.bin"
    contents = [bytes([number]) * 300_000 for number in range(2)]
    write_whole(path, contents[0])
    for kill in range(25):
        child = os.fork()
        if child == 0:
            while True:
                for content in contents:
                    write_whole(path, content)
        time.sleep(0.001 + 0.0007 * kill)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert path.read_bytes() in contents
        remove_left_overs(tmp_path, older_than_s=0.0)
        assert list(tmp_path.iterdir()) == [path]
