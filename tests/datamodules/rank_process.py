"""One process of a distributed run: trains two epochs on the CPU and writes down which mixtures it was shown."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer

from datamodules.enhancement_data import EnhancementDataModule
from datamodules.scene import MixingSettings
from datamodules.shards.settings import ShardSettings
from datamodules.targets import Labels, VoiceActivity
from networks.framing import FrameGrid

Batch = dict[str, Any]


class Witness(LightningModule):
    """Trains one number and keeps index and content of every mixture."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(()))
        self.seen: dict[str, list[list[tuple[int, str]]]] = {}

    def note(self, name: str, batch: Batch) -> None:
        marks = [f"{float(mixture.double().square().sum()):.9e}" for mixture in batch["noisy"]]
        self.seen.setdefault(name, []).append(list(zip(batch["index"].tolist(), marks, strict=True)))

    def training_step(self, batch: Batch) -> torch.Tensor:
        self.note(f"train{self.trainer.current_epoch}", batch)
        return (self.gain * batch["noisy"] - batch["clean"]).square().mean()

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.note(f"{('valid', 'probe')[dataloader_idx]}{self.trainer.current_epoch}", batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def main(arguments: Sequence[str]) -> None:
    """Train as one of two processes, which the environment tells apart."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--settings", type=json.loads, default={}, help="arguments of the datamodule, as JSON")
    parser.add_argument("--shards", type=json.loads, default={}, help="fields of ShardSettings, as JSON")
    parser.add_argument("--nodes", type=int, default=1, help="over which the two processes are spread")
    options = parser.parse_args(arguments)
    data = EnhancementDataModule(
        options.root,
        FrameGrid(),
        [VoiceActivity(), Labels()],
        MixingSettings(segment_s=0.5),
        shards=ShardSettings(**options.shards),
        cache_mb=8,
        **options.settings,
    )
    trainer = Trainer(
        accelerator="cpu",
        devices=2 // options.nodes,
        num_nodes=options.nodes,
        strategy="ddp",
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=options.out,
    )
    witness = Witness()
    trainer.fit(witness, datamodule=data)
    (options.out / f"rank{trainer.global_rank}.json").write_text(json.dumps(witness.seen))
