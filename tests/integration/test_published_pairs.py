"""Scoring the mixtures that a corpus publishes: whole, of different lengths, as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from lightning.pytorch import Trainer

from callbacks import GateStatistics, MaskProbing, PerceptualScores
from datamodules.corpus import CorpusError
from datamodules.enhancement_data import EnhancementDataModule
from datamodules.mixing_settings import MixingSettings
from datamodules.synthetic_speech import draw_voice, synthesize_utterance
from datamodules.targets import Labels, Levels, VoiceActivity
from lightning_modules.enhancement import EnhancementModule
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from probes.tasks import ProbeTask
from reports.quality_scores import read_table

NAMES = (("M", "rain"), ("F", "wind"))
LENGTHS = {"train": (16000, 16000), "valid": (20000, 30100), "test": (17000, 23456)}  # samples of the recordings


def write_corpus(root: Path, extra_samples: int = 0) -> Path:
    """Write two pairs of each split, in the order M, F; noise of the first is longer by ``extra_samples``."""
    root.mkdir()
    rng = np.random.default_rng(0)
    rows: dict[str, list[str]] = {"speech": [], "noise": [], "pairs": []}
    for split, lengths in LENGTHS.items():
        for number, (sex, category, length) in enumerate(zip("MF", ("rain", "wind"), lengths, strict=True)):
            clean = synthesize_utterance(draw_voice(sex, rng), length, 16000, rng).waveform
            noise = 0.02 * rng.standard_normal(length + (extra_samples if number == 0 else 0))
            soundfile.write(root / f"{split}_{sex}.wav", clean, 16000)
            soundfile.write(root / f"{split}_{category}.wav", noise, 16000)
            rows["speech"].append(f"{split}_{sex}.wav,{split}_{sex},{sex},1,{split}")
            rows["noise"].append(f"{split}_{category}.wav,{category},1,{split}")
            rows["pairs"].append(f"{split}_{sex}.wav,{split}_{category}.wav,,{split}")
    heads = {"speech": "path,speaker,sex,seconds,split", "noise": "path,category,seconds,split"}
    for name, lines in rows.items():
        head = heads.get(name, "speech,noise,snr_db,split")
        (root / f"{name}.csv").write_text("\n".join([head, *lines]) + "\n")
    return root


def data_of(root: Path, **arguments: Any) -> EnhancementDataModule:
    return EnhancementDataModule(
        str(root),
        grid=FrameGrid(),
        targets=[VoiceActivity(), Levels(), Labels()],
        mixing=MixingSettings(segment_s=1.0),
        batch_size=2,
        train_mixtures=2,
        valid_mixtures=2,
        probe_mixtures=4,
        num_workers=0,
        **{"published_pairs": True, **arguments},
    )


def test_items_are_the_published_sums_in_their_order(tmp_path: Path) -> None:
    root = write_corpus(tmp_path / "corpus")
    data = data_of(root)
    data.prepare_data()
    data.setup("fit")
    scored, fitted = data.val_dataloader()
    batches = list(scored)
    assert [batch["index"].tolist() for batch in batches] == [[0], [1]]
    for batch, sex, category, length in zip(batches, "MF", ("rain", "wind"), LENGTHS["valid"], strict=True):
        whole = length // 256 * 256
        clean, _ = soundfile.read(root / f"valid_{sex}.wav", dtype="float32")
        noise, _ = soundfile.read(root / f"valid_{category}.wav", dtype="float32")
        np.testing.assert_array_equal(batch["noisy"][0].numpy(), (clean + noise)[:whole])
        np.testing.assert_array_equal(batch["clean"][0].numpy(), clean[:whole])
        assert batch["targets"]["vad"].shape == (1, 1 + length // 256)
        assert batch["targets"]["noise_class"].tolist() == [("rain", "wind").index(category)]
    assert [len(batch["noisy"]) for batch in fitted] == [2, 2], "probes are fitted on drawn mixtures"


def test_utterances_of_different_lengths_pass_through_every_callback(tmp_path: Path) -> None:
    data = data_of(write_corpus(tmp_path / "corpus"))
    network = ConvFSENet(residual_channels=8, channels=12, stacks=1, gate=GateSettings(width=4))
    tasks = [ProbeTask("vad", "binary"), ProbeTask("snr_db", "value")]
    callbacks = [
        GateStatistics(),
        MaskProbing(tasks, figures=False),
        PerceptualScores(["stoi", "si_sdr_db"], workers=0),
    ]
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        callbacks=callbacks,
        enable_progress_bar=False,
        enable_checkpointing=False,
        default_root_dir=tmp_path,
    )
    (metrics, *_) = trainer.validate(EnhancementModule(network, FrameGrid()), data, verbose=False)
    frames = sum(1 + length // 256 for length in LENGTHS["valid"])
    assert metrics["probes/vad/score_rows"] == frames
    assert {"val/si_sdr_gain_db", "val/stoi", "gates/utilization"} <= set(metrics)
    rows = read_table(tmp_path / "quality" / "utterances.csv").rows
    assert [(row.speech, row.noise) for row in rows] == [
        (f"valid_{sex}.wav", f"valid_{noise}.wav") for sex, noise in NAMES
    ]


def test_a_split_without_pairs_and_unequal_lengths_are_refused(tmp_path: Path) -> None:
    root = write_corpus(tmp_path / "unequal", extra_samples=5)
    data = data_of(root)
    data.setup("fit")
    with pytest.raises(CorpusError, match=r"valid_M\.wav has 20000 samples and .*valid_rain\.wav 20005"):
        next(iter(data.val_dataloader()[0]))
    (root / "pairs.csv").unlink()
    data = data_of(root)
    data.setup("fit")
    with pytest.raises(CorpusError, match=r"data\.published_pairs: pairs\.csv lists no mixture of the split 'valid'"):
        data.val_dataloader()
