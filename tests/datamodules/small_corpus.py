"""A corpus of a few seconds that is large enough for several shards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from datamodules.enhancement_data import EnhancementDataModule
from datamodules.scene import MixingSettings
from datamodules.shards.writer import write_shards
from datamodules.targets import Labels, Levels, VoiceActivity
from networks.framing import FrameGrid

CATEGORIES = ("hum", "rain", "wind")
SHARD_MB = 0.06  # about two recordings of one second


def write_corpus(root: Path, speakers: int = 4, takes: int = 2, noises: int = 3, seconds: float = 1.0) -> Path:
    """Write WAV and FLAC files of noise with a speech-like envelope, and of steady noise."""
    rng = np.random.default_rng(0)
    samples = int(16000 * seconds)
    root.mkdir(parents=True, exist_ok=True)
    speech, noise = ["path,speaker,sex,seconds,split,licence"], ["path,category,seconds,split"]
    for split in ("train", "valid", "test"):
        for speaker in range(speakers):
            for take in range(takes):
                name = f"{split}_s{speaker}.take.{take}.{'flac' if take % 2 else 'wav'}"
                envelope = np.repeat(rng.uniform(0.001, 0.2, samples // 800), 800)
                soundfile.write(root / name, rng.standard_normal(len(envelope)) * envelope, 16000)
                speech.append(f"{name},{split}_s{speaker},{'FM'[speaker % 2]},{seconds},{split},CC0")
        for category in CATEGORIES:
            for take in range(1 if category == "hum" else noises):
                name = f"{split}_{category}_{take}.flac"
                soundfile.write(root / name, rng.standard_normal(samples) * 0.1, 16000)
                noise.append(f"{name},{category},{seconds},{split}")
    responses = ["path,seconds"]
    for room in range(10):
        decay = np.exp(-np.arange(8000) / 1000)
        soundfile.write(root / f"room_{room}.wav", 0.2 * rng.uniform(-1, 1, 8000) * decay, 16000)
        responses.append(f"room_{room}.wav,0.5")
    (root / "rir.csv").write_text("\n".join(responses) + "\n")
    (root / "speech.csv").write_text("\n".join(speech) + "\n")
    (root / "noise.csv").write_text("\n".join(noise) + "\n")
    return root


def write_sharded(folder: Path, **arguments: Any) -> Path:
    """Write the corpus in shards and return their folder."""
    write_shards(write_corpus(folder / "loose"), folder / "shards", SHARD_MB, progress=False, **arguments)
    return folder / "shards"


def data_of(root: Path | str, **arguments: Any) -> EnhancementDataModule:
    """Return a datamodule of a few short mixtures."""
    defaults: dict[str, Any] = {
        "grid": FrameGrid(),
        "targets": [VoiceActivity(), Levels(), Labels()],
        "mixing": MixingSettings(segment_s=0.5),
        "batch_size": 3,
        "train_mixtures": 8,
        "valid_mixtures": 4,
        "test_mixtures": 5,
        "probe_mixtures": 4,
        "num_workers": 0,
        "cache_mb": 8,
    }
    return EnhancementDataModule(str(root), **{**defaults, **arguments})


def ready(root: Path | str, **arguments: Any) -> EnhancementDataModule:
    """Return a datamodule whose loaders can be asked for."""
    data = data_of(root, **arguments)
    data.prepare_data()
    data.setup("fit")
    return data
