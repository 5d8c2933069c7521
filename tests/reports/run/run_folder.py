"""A small run on disk, with one of everything that a page shows."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import matplotlib.image
import numpy as np
import soundfile
import yaml

STEPS = 300
HASH = "0" * 64


def write_run(folder: Path, steps: int = STEPS, resumed_from: Path | None = None) -> Path:
    """Write a run of ``steps`` training steps with two validations."""
    folder.mkdir(parents=True)
    columns = ["epoch", "step", "train/loss", "val/loss", "val/si_sdr_gain_db", "probes/vad/r2", "probes/f0_hz/r2"]
    columns += [f"gates/utilization/block{block:02d}" for block in range(5)]
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for step in range(steps):
            writer.writerow({"epoch": 0, "step": step, "train/loss": 1.0 / (step + 1)})
        for epoch in (0, 1):
            row = {"epoch": epoch, "step": (epoch + 1) * steps // 2 - 1, "val/loss": 0.5, "val/si_sdr_gain_db": 4.25}
            blocks = {name: 0.25 for name in columns if name.startswith("gates")}
            writer.writerow({**row, **blocks, "probes/vad/r2": 0.5 + 0.1 * epoch, "probes/f0_hz/r2": -40.0})
    checkpoint = str(resumed_from / "checkpoints" / "last.ckpt") if resumed_from else None
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed_everything": 1, "ckpt_path": checkpoint}))
    return folder


def write_media(folder: Path) -> Path:
    """Add figures, sound of two mixtures, a table of two steps, facts and a summary."""
    for name in ("figures", "audio", "tables"):
        (folder / name).mkdir()
    for name in ("overview", "spectrograms_000", "spectrograms_009", "confusion_noise_class"):
        matplotlib.image.imsave(folder / "figures" / f"{name}.png", np.zeros((4, 8, 3)))
    for signal in ("noisy", "enhanced", "clean"):
        for mixture in ("000", "009"):
            soundfile.write(folder / "audio" / f"{signal}_{mixture}.wav", np.zeros(160), 16000, subtype="PCM_16")
    rows = ["step,epoch,features,task,score,note", "149,0,masks,vad,0.5,", "299,1,masks,vad,0.654321,few <frames>"]
    (folder / "tables" / "probes.csv").write_text("\n".join(rows) + "\n")
    facts = {"git": {"commit": "abc123", "changed": True}, "packages": {"torch": "2.11.0"}, "device": "cpu"}
    (folder / "facts.json").write_text(json.dumps(facts))
    (folder / "summary.json").write_text(json.dumps({"steps": 300, "parameters": 732186}))
    # as Lightning writes it: with an object that only a training can make
    (folder / "hparams.yaml").write_text(
        "grid: !!python/object:networks.framing.FrameGrid\n  hop_length: 256\n"
        f"manifest_sha256:\n  speech.csv: '{HASH}'\n"
    )
    return folder
