"""Checkpoints say what they were made with, as text that any version reads."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import CSVLogger

from callbacks.run_record import RunRecord
from reports.environment import software


def test_a_checkpoint_holds_version_and_commit(tmp_path: Path) -> None:
    content: dict[str, Any] = {"state_dict": {}}
    RunRecord().on_save_checkpoint(None, None, content)  # type: ignore[arg-type] # neither is asked
    torch.save(content, tmp_path / "a.ckpt")
    read = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert read["software"] == software()
    assert read["software"]["dyncp"] and not any("/" in value for value in read["software"].values())


GIT = """#!/bin/sh
echo "$*" >> {calls}
case "$*" in
    *--show-toplevel*) echo {code} ;;
    *HEAD*) echo 0123abc ;;
esac
"""


def test_git_is_asked_once_for_facts_and_checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = tmp_path / "calls.txt"
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(GIT.format(calls=calls, code=Path(__file__).resolve().parents[2]))
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{git.parent}{os.pathsep}{os.environ['PATH']}")
    trainer = Trainer(
        accelerator="cpu",
        max_steps=3,
        logger=CSVLogger(tmp_path, name="runs"),
        callbacks=[RunRecord(), ModelCheckpoint(every_n_train_steps=1, save_top_k=-1)],
        limit_val_batches=0,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(BoringModel())
    folder = tmp_path / "runs" / "version_0"
    checkpoints = list((folder / "checkpoints").iterdir())
    assert len(checkpoints) == 3
    for path in checkpoints:
        assert torch.load(path, weights_only=True)["software"]["commit"] == "0123abc"
    assert json.loads((folder / "facts.json").read_text())["git"] == {"commit": "0123abc", "changed": False}
    asked = calls.read_text().splitlines()
    assert len(asked) == len(set(asked)) == 3  # where, which commit, whether there are changes
