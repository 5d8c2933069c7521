"""Of all checkpoints that runs left behind, the newest that can be used is taken."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_modules.checkpoint_io import WholeCheckpointIO
from lightning_modules.checkpoints import CheckpointError
from lightning_modules.newest_checkpoint import TRAINING, damage_of, find_newest_checkpoint
from storage.full_disk import DiskFullError
from tests.conftest import full_disk

STATE: dict[str, Any] = dict.fromkeys(TRAINING, 0) | {"state_dict": {"network.weight": torch.ones(5000)}}


def save(path: Path, changed: float, content: Any = STATE) -> Path:
    """Write a checkpoint, as old as asked for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    os.utime(path, (changed, changed))
    return path


def checkpoint(runs: Path, version: int, name: str = "last") -> Path:
    return runs / f"version_{version}" / "checkpoints" / f"{name}.ckpt"


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def zeroed(path: Path) -> None:
    """Keep the length and lose what was in the middle, as a file that did not reach the disk before the power went."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle - 2048 : middle + 2048] = bytes(4096)
    path.write_bytes(bytes(content))


def test_the_run_that_stopped_last_counts_and_of_it_the_last_checkpoint(tmp_path: Path) -> None:
    for age, version in enumerate([10, 2, 9]):
        save(checkpoint(tmp_path, version), 1000 - age)
        save(checkpoint(tmp_path, version, "best"), 3000 + age)  # newer, but not what training stopped at
    assert find_newest_checkpoint(tmp_path) == checkpoint(tmp_path, 10)
    os.utime(checkpoint(tmp_path, 2), (2000, 2000))
    assert find_newest_checkpoint(tmp_path) == checkpoint(tmp_path, 2)


@pytest.mark.parametrize(
    "damage", [lambda path: cut(path, 0.5), lambda path: cut(path, 0.999), lambda path: cut(path, 0.0), zeroed]
)
def test_a_torn_one_is_named_and_passed_over(tmp_path: Path, damage: Any) -> None:
    whole = save(checkpoint(tmp_path, 0), 1000)
    torn = save(checkpoint(tmp_path, 1), 2000)
    assert find_newest_checkpoint(tmp_path) == torn
    damage(torn)
    os.utime(torn, (2000, 2000))
    assert damage_of(torn) is not None and damage_of(whole) is None
    with pytest.warns(UserWarning, match=f"cannot be used: '{torn}': .*; taking '{whole}'"):
        assert find_newest_checkpoint(tmp_path) == whole
    best = save(checkpoint(tmp_path, 1, "best"), 1500)  # nearer to where that run stopped than the run before
    with pytest.warns(UserWarning, match=f"taking '{best}'"):
        assert find_newest_checkpoint(tmp_path) == best


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], {"weights": torch.ones(2)}, Path("code")])
def test_files_of_other_tools_are_passed_over(tmp_path: Path, content: Any) -> None:
    ours = save(checkpoint(tmp_path, 0), 1000)
    save(checkpoint(tmp_path, 1), 2000, content)
    with pytest.warns(UserWarning, match="version_1"):
        assert find_newest_checkpoint(tmp_path) == ours


def test_weights_are_enough_for_a_test_and_too_little_to_go_on(tmp_path: Path) -> None:
    path = save(checkpoint(tmp_path, 0), 1000, {"state_dict": {}})
    assert find_newest_checkpoint(tmp_path, resuming=False) == path
    with pytest.raises(CheckpointError, match=r"no checkpoint can be used: .*it has no optimizer_states"):
        find_newest_checkpoint(tmp_path)


@pytest.mark.parametrize("folder", [".", "no_such_run"])
def test_no_checkpoint_is_an_error(tmp_path: Path, folder: str) -> None:
    checkpoint(tmp_path, 0).parent.mkdir(parents=True)
    with pytest.raises(CheckpointError, match=r"--ckpt_path last: no .*last\.ckpt; has a run been started"):
        find_newest_checkpoint(tmp_path / folder)


def test_what_killed_processes_left_is_no_checkpoint_and_goes(tmp_path: Path) -> None:
    path = save(checkpoint(tmp_path, 0), 1000)
    left = save(path.with_name(".last.ckpt.77.part"), time.time() - 7200)
    other = save(path.with_name(".last.78.part.ckpt"), time.time())  # perhaps being written by another process
    assert find_newest_checkpoint(tmp_path) == path
    assert not left.exists() and other.exists()


def test_a_checkpoint_is_written_whole_and_a_full_disk_keeps_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.ckpt"
    saving = WholeCheckpointIO()
    saving.save_checkpoint(STATE, path)
    before = path.read_bytes()
    assert damage_of(path) is None
    with full_disk(), pytest.raises(DiskFullError, match=rf"'{path}' \(.* free some space"):
        saving.save_checkpoint(STATE | {"global_step": 7}, path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    saving.save_checkpoint(STATE | {"global_step": 7}, str(path))
    assert saving.load_checkpoint(path, weights_only=True)["global_step"] == 7
