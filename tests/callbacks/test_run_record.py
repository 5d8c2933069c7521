"""Checkpoints say what they were made with, as text that any version reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from callbacks.run_record import RunRecord
from reports.environment import software


def test_a_checkpoint_holds_version_and_commit(tmp_path: Path) -> None:
    content: dict[str, Any] = {"state_dict": {}}
    RunRecord().on_save_checkpoint(None, None, content)  # type: ignore[arg-type] # neither is asked
    torch.save(content, tmp_path / "a.ckpt")
    read = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert read["software"] == software()
    assert read["software"]["dyncp"] and not any("/" in value for value in read["software"].values())
