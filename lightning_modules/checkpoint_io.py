"""Checkpoints reach the disk whole: a training that is killed while one is written keeps the one before."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.types import _PATH
from lightning.pytorch.plugins.io import TorchCheckpointIO

from storage.whole_files import write_whole


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint under a temporary name, brings it to the disk, and renames it.

    Lightning's own writes to the system's folder of temporary files and moves it from there: between two file systems
    that is a copy, which a kill cuts off, and nothing is brought to the disk (fsspec 2026.9, ``LocalFileOpener``).
    Checkpoints behind a URL are left to Lightning.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any | None = None) -> None:
        """Save a checkpoint.

        Args:
            checkpoint: states of a training.
            path: file or URL.
            storage_options: None; there are none.

        Raises:
            DiskFullError: if there is no space for it; the previous one is whole.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        content = io.BytesIO()  # torch's own writer does not tell when a disk is full; writing bytes does
        torch.save(checkpoint, content)
        write_whole(Path(path), content.getbuffer(), durable=True)
