"""The quick version of the harness: a few kills of a training and of shards, and a result that differs is found."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import torch

from benchmarks.killed_work import Tally, _note, file_digest, folder_digest, stop_and_go
from benchmarks.stop_and_go import Shards, Training, write_recordings

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="forks, which a process that used CUDA cannot")


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recordings(tmp_path_factory.mktemp("loose"))


def test_a_killed_training_ends_with_the_weights_of_an_uninterrupted_one(loose: Path, tmp_path: Path) -> None:
    tally = stop_and_go(Training(loose, 1, every_step=True), tmp_path, 3, kills_per_run=3, seed=1, progress=False)
    assert tally.problems == []
    assert tally.signals.total() == 3
    assert tally.equal == tally.finished >= 1


def test_killed_shards_are_those_of_an_uninterrupted_run(loose: Path, tmp_path: Path) -> None:
    work = Shards(loose, tmp_path / "whole")
    tally = stop_and_go(work, tmp_path / "runs", 3, kills_per_run=3, seed=0, progress=False)
    assert tally.problems == []
    assert (tally.torn, tally.equal) == (0, tally.finished)


class Careless:
    """Work that writes in place, waits in the middle, and does not go on where it was."""

    name = "careless"

    def run(self, folder: Path) -> int:
        path = folder / "file.txt"
        again = path.exists()
        with path.open("a") as file:
            file.write("half, ")
            file.flush()
            time.sleep(0.2 if again or folder.name == "uninterrupted" else 60.0)
            file.write("whole\n")
        return 0

    def torn(self, folder: Path) -> list[Path]:
        path = folder / "file.txt"
        return [path] if path.exists() and not path.read_text().endswith("whole\n") else []

    def result(self, folder: Path) -> str:
        return file_digest(folder / "file.txt")


def test_hidden_files_and_folders_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "shard").mkdir()
    (tmp_path / "shard" / "0.tar").write_text("whole")
    before = folder_digest(tmp_path)
    (tmp_path / ".log").write_text("hidden")
    (tmp_path / "shard" / ".parts").mkdir()
    (tmp_path / "shard" / ".parts" / "0.tar").write_text("half")
    assert folder_digest(tmp_path) == before
    (tmp_path / "shard" / "1.tar").write_text("whole")
    assert folder_digest(tmp_path) != before


def test_torn_files_and_another_result_are_found(tmp_path: Path) -> None:
    tally = stop_and_go(Careless(), tmp_path, 4, kills_per_run=1, seed=0, progress=False)
    assert tally.torn >= 1
    assert tally.equal < tally.finished
    assert any(problem.startswith("torn: ") for problem in tally.problems)


def test_a_wrong_exit_status_is_a_problem(tmp_path: Path) -> None:
    tally = Tally()
    _note(tally, Careless(), tmp_path, signal.SIGTERM, 143)
    assert tally.problems == []
    _note(tally, Careless(), tmp_path, signal.SIGTERM, 7)
    assert "status 7 after SIGTERM" in tally.problems[0]
