"""A disk that runs full under a training, a cache or a shard is told with the name of the file."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from datamodules.shards.tar import Sample, write_tar
from datamodules.targets import pitch
from lightning_modules.checkpoint_io import WholeCheckpointIO
from lightning_modules.enhancement_cli import named_full_disk
from lightning_modules.newest_checkpoint import damage_of
from networks.framing import FrameGrid
from storage.full_disk import DiskFullError, is_full
from tests.conftest import full_disk


class Wide(LightningModule):
    """Trains some numbers; its checkpoint is larger than its log."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(4000))

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        self.log("train/loss", self.weight.mean())
        return (self.weight - 1.0).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def train(folder: Path, largest_file: int | None, epochs: int, ckpt: Path | None = None) -> Trainer:
    """Train, the first epoch with room for everything; raise what the command line makes of an error."""
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        default_root_dir=folder,
        logger=CSVLogger(folder, name="runs", version=0 if ckpt is None else 1, flush_logs_every_n_steps=1),
        callbacks=[ModelCheckpoint(folder, "last", enable_version_counter=False)],
        plugins=[WholeCheckpointIO()],
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    batches: Any = DataLoader(TensorDataset(torch.zeros(6)), batch_size=1)
    try:
        if largest_file is None:
            trainer.fit(Wide(), batches, ckpt_path=ckpt)
        else:
            with full_disk(largest_file):
                trainer.fit(Wide(), batches, ckpt_path=ckpt)
    except OSError as error:
        assert is_full(error)
        raise named_full_disk(error, trainer) from error
    return trainer


def test_a_checkpoint_that_has_no_room_leaves_the_one_before(tmp_path: Path) -> None:
    train(tmp_path, None, epochs=1)
    path = tmp_path / "last.ckpt"
    before = path.read_bytes()
    with pytest.raises(DiskFullError, match=r"File too large: '.*last[^/]*\.ckpt' \(.*free some space"):
        train(tmp_path, 4096, epochs=2, ckpt=path)
    assert path.read_bytes() == before and damage_of(path) is None
    assert sorted(one.name for one in tmp_path.iterdir()) == ["last.ckpt", "runs"]
    assert train(tmp_path, None, epochs=2, ckpt=path).global_step == 12


def test_a_log_that_has_no_room_is_named(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match=r"File too large: '.*runs/version_0/metrics\.csv'"):
        train(tmp_path, 60, epochs=1)


def test_what_names_no_file_is_told_with_the_folder_of_the_run(tmp_path: Path) -> None:
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, default_root_dir=tmp_path)
    told = named_full_disk(OSError(errno.ENOSPC, "No space left on device"), trainer)
    assert f"[Errno 28] No space left on device: '{tmp_path}'" in str(told)
    named = OSError(errno.ENOSPC, "No space left on device", "a.png")
    assert named_full_disk(named, trainer).filename == "a.png"


def test_a_cache_entry_that_has_no_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track = pitch.PitchTrack(np.zeros(1000, np.float32), np.zeros(1000, np.float32))
    monkeypatch.setattr(pitch, "track_pitch", lambda *_: track)
    recording = tmp_path / "a.wav"
    recording.write_bytes(b"sound")
    cache = pitch.PitchCache(tmp_path / "cache", "tiny", (60.0, 500.0), 64)
    reader: Any = type("Reader", (), {"read": staticmethod(lambda path: np.zeros(1))})
    with full_disk(), pytest.raises(DiskFullError, match=r"cache/\w+\.npz' \("):
        cache.compute(recording, reader, FrameGrid())
    assert list(cache.folder.iterdir()) == []
    cache.compute(recording, reader, FrameGrid())
    assert cache.load(recording, FrameGrid()) is not None


def test_a_shard_that_has_no_room_is_named(tmp_path: Path) -> None:
    pytest.importorskip("webdataset")
    samples = [Sample(str(number), bytes(3000), None) for number in range(4)]
    with full_disk(), pytest.raises(DiskFullError, match=r"speech-train-000000\.tar' \("):
        write_tar(tmp_path / "speech-train-000000.tar", samples)
    assert list(tmp_path.iterdir()) == []
