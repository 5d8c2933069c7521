"""Media reach the folder and every logger that takes them, with the step of the training."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import wandb
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.trainer.states import TrainerFn
from matplotlib.figure import Figure

from callbacks.media_log import MediaLog, media_log
from callbacks.media_sinks import media_sinks
from tests.callbacks.wandb_file import read_finished_run

RATE = 16000


def picture() -> Figure:
    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([0, 1])
    return figure


def trainer(folder: Path, **state: Any) -> Any:
    fields = {"log_dir": str(folder), "sanity_checking": False, "is_global_zero": True, "loggers": []}
    fields |= {"state": SimpleNamespace(fn=TrainerFn.FITTING)}
    return SimpleNamespace(**fields | {"global_step": 7, "current_epoch": 1} | state)


def log_everything(log: MediaLog) -> None:
    log.figure("figures/overview", picture())
    log.figures("figures/masks", {"000": picture(), "003": picture()})
    log.audio("audio/noisy", {"000": np.full(800, 2.0, dtype=np.float32)}, RATE)
    log.table("tables/probes", [{"task": "vad", "score": 0.75, "low": float("nan")}])
    log.facts("facts", {"git": {"commit": "abc"}, "python": "3.12"})


@pytest.mark.parametrize("state", [{"is_global_zero": False}, {"sanity_checking": True}, {"log_dir": None}])
def test_nothing_is_written_where_nothing_should_be(state: dict[str, Any], tmp_path: Path) -> None:
    assert media_log(trainer(tmp_path, **state)) is None
    log = media_log(trainer(tmp_path))
    assert log is not None
    assert (log.folder, log.step, log.epoch) == (tmp_path, 6, 1)  # as Lightning counts the scalars of a validation


def test_a_run_without_other_loggers_has_everything_as_files(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, name="run")
    log = media_log(trainer(tmp_path, loggers=[logger]))
    assert log is not None
    log_everything(log)
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    figures = ["figures/masks_000.png", "figures/masks_003.png", "figures/overview.png"]
    assert names == ["audio/noisy_000.wav", "facts.json", *figures, "tables/probes.csv"]
    samples, rate = soundfile.read(tmp_path / "audio" / "noisy_000.wav")
    assert (rate, samples.shape) == (RATE, (800,))
    assert samples.max() == pytest.approx(1.0, abs=1e-4)  # clipped, not wrapped around
    assert json.loads((tmp_path / "facts.json").read_text())["git"] == {"commit": "abc"}


def test_a_table_keeps_the_rows_of_all_steps_and_drops_those_of_other_columns(tmp_path: Path) -> None:
    for step, row in ((5, {"score": 0.5}), (10, {"score": 0.6}), (8, {"score": 0.7})):
        MediaLog(tmp_path, [], step, step // 5).table("tables/probes", [row])
    path = tmp_path / "tables" / "probes.csv"
    with path.open(newline="") as file:
        rows = [(row["step"], row["epoch"], row["score"]) for row in csv.DictReader(file)]
    assert rows == [("5", "1", "0.5"), ("10", "2", "0.6"), ("8", "1", "0.7")]
    MediaLog(tmp_path, [], 11, 2).table("tables/probes", [{"score_of": 0.5}])
    assert path.read_text().splitlines() == ["step,epoch,score_of", "11,2,0.5"]
    assert MediaLog(tmp_path, [], 12, 2).table("tables/probes", []) is None


def test_wandb_keeps_what_comes_with_an_earlier_step(tmp_path: Path) -> None:
    wandb.finish()  # of a training in a test before, which this run would else go on with
    logger = WandbLogger(save_dir=tmp_path, offline=True, project="dyncp")
    for step in (10, 4):
        log_everything(MediaLog(tmp_path, media_sinks([logger]), step, 0))
    (tmp_path / "best.ckpt").write_bytes(b"weights")
    MediaLog(tmp_path, media_sinks([logger]), 10, 0).artifact("model", [tmp_path / "best.ckpt"], {"score": 1.0})
    logger.experiment.finish()
    run = read_finished_run(next((tmp_path / "wandb").glob("offline-run-*/*.wandb")))
    for key in ("figures/overview", "figures/masks", "audio/noisy", "tables/probes"):
        assert [step for step, _ in run.rows(key)] == [10, 4], key
    ((_, masks), _) = run.rows("figures/masks")
    assert masks["captions"] == ["000", "003"]
    assert run.config["facts"]["git"] == {"commit": "abc"}
    (entry,) = run.artifacts["model"].manifest.contents
    assert (entry.path, entry.local_path) == ("best.ckpt", str(tmp_path / "best.ckpt"))


def test_tensorboard_gets_the_same(tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    logger = TensorBoardLogger(tmp_path, name="run")
    log_everything(MediaLog(tmp_path, media_sinks([logger]), 10, 0))
    logger.finalize("success")
    events = event_accumulator.EventAccumulator(logger.log_dir)
    events.Reload()
    tags = events.Tags()
    assert tags["images"] == ["figures/overview", "figures/masks/000", "figures/masks/003"]
    assert tags["audio"] == ["audio/noisy/000"]
    assert {"tables/probes/text_summary", "facts/text_summary"} <= set(tags["tensors"])
    assert events.Images("figures/overview")[0].step == 10
    text = events.Tensors("tables/probes/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| vad | 0.75 |  |" in text


def test_loggers_without_media_are_left_alone(tmp_path: Path) -> None:
    assert media_sinks([CSVLogger(tmp_path)]) == []
