"""What a sweep sets for its networks, what it reads from their output, and how it stops a process."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sweeps import job as job_module
from sweeps.job import Job
from sweeps.plan import SweepError
from sweeps.progress import Position, ProgressLines, scoring_position, training_position
from sweeps.running import only_sweep
from sweeps.settings import (
    differences,
    fit_config,
    flatten,
    read_settings,
    scoring_config,
    training_settings,
    write_yaml,
)

CSV, WANDB = "lightning.pytorch.loggers.CSVLogger", "lightning.pytorch.loggers.WandbLogger"


def settings(**trainer: Any) -> dict[str, Any]:
    scores = {"class_path": "callbacks.PerceptualScores", "init_args": {"seed": 3}}
    base = {"logger": [], "callbacks": [{"class_path": "callbacks.GateStatistics"}, scores]}
    return {"torch_threads": None, "trainer": base | trainer, "data": {"root": "corpus"}}


def test_loggers_write_to_the_network_of_the_sweep_and_keep_their_settings() -> None:
    given_loggers = [
        {"class_path": WANDB, "init_args": {"project": "p", "offline": True, "name": "x"}},
        {"class_path": CSV, "init_args": {"flush_logs_every_n_steps": 7, "save_dir": "runs"}},
    ]
    csv, wandb = fit_config(settings(logger=given_loggers), Path("runs/night"), "dense", None)["trainer"]["logger"]
    assert csv == {
        "class_path": CSV,
        "init_args": {"flush_logs_every_n_steps": 7, "save_dir": "runs/night", "name": "dense"},
    }
    places = {"save_dir": "runs/night", "name": "dense", "group": "night"}
    assert wandb == {"class_path": WANDB, "init_args": {"project": "p", "offline": True, **places}}
    (alone,) = fit_config(settings(logger=None), Path("out"), "dense", None)["trainer"]["logger"]
    assert alone == {"class_path": CSV, "init_args": {"save_dir": "out", "name": "dense"}}


def test_threads_are_set_where_the_settings_name_none() -> None:
    assert fit_config(settings(), Path("out"), "dense", 2)["torch_threads"] == 2
    assert "torch_threads" not in fit_config(settings() | {"torch_threads": 1}, Path("out"), "dense", 2)


def test_scores_of_the_dense_network_reach_the_test_of_the_others() -> None:
    fit = fit_config(settings(), Path("out"), "gated", None)
    statistics, scores = scoring_config(fit, settings(), Path("dense.csv"))["trainer"]["callbacks"]
    assert statistics == {"class_path": "callbacks.GateStatistics"}
    assert scores["init_args"] == {"seed": 3, "dense_scores": "dense.csv"}
    assert scoring_config(fit, settings(), None)["trainer"]["callbacks"] == settings()["trainer"]["callbacks"]
    with pytest.raises(ValueError, match="PerceptualScores"):
        scoring_config(fit, settings(callbacks=[]), None)


leaf = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
keys = st.sampled_from("abcd")
value = leaf | st.lists(leaf, max_size=3) | st.dictionaries(keys, leaf | st.lists(leaf, max_size=2), max_size=3)


@given(st.dictionaries(keys, value, min_size=1))
def test_stored_settings_are_equal_to_those_they_were_made_of(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "settings.yaml"
    write_yaml(training_settings(content), path, "settings")
    stored = read_settings(path)
    assert differences(stored, content) == []
    assert len(differences(stored, {**content, "new": 1})) == 1
    assert differences(stored, {**content, "new": None}) == []  # a setting that came later and changes nothing
    key = next(iter(content))
    lost = sum(leaf is not None for _, leaf in flatten({key: content[key]}))
    kept = training_settings({name: each for name, each in content.items() if name != key})
    assert len(differences(kept, content)) == lost


def test_a_corpus_is_known_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert training_settings({"data": {"root": "corpus"}}) == {"data.root": str(tmp_path / "corpus")}
    assert training_settings({"data": {"root": "s3://bucket/corpus"}}) == {"data.root": "s3://bucket/corpus"}


BARS = "Epoch 0: 100%|████| 50/50 [00:09]\rValidation DataLoader 0: 20%|██ | 3/15 [00:01]\rEpoch 2:  14%|█ | 7/50 ["


@pytest.mark.parametrize(
    ("trainer", "expected"),
    [
        ({"max_epochs": 4, "max_steps": -1}, Position(107, 200)),
        ({"max_epochs": 4, "max_steps": 120}, Position(107, 120)),
        ({"max_epochs": None, "max_steps": 60, "accumulate_grad_batches": 2}, Position(107, 120)),
        ({"max_epochs": -1}, Position(107, 0)),
    ],
)
def test_progress_is_read_from_the_last_training_bar(trainer: dict[str, Any], expected: Position) -> None:
    assert training_position(BARS, {"trainer": trainer}) == expected
    assert training_position("loading", {"trainer": trainer}) is None
    assert scoring_position(BARS) is None
    assert scoring_position("Testing DataLoader 0:  50%|██ | 6/12 [\rTesting DataLoader 1: 10%|█| 1/10 [") == Position(
        6, 12
    )


def test_a_file_gets_one_line_for_every_tenth() -> None:
    printed = io.StringIO()
    with ProgressLines(Console(file=printed)) as lines:
        for done in range(101):
            lines.update("dense: training", Position(done, 100))
        lines.end("dense: training")
    assert printed.getvalue().splitlines() == [f"dense: training: {done}/100" for done in range(10, 101, 10)]


def test_a_terminal_shows_a_line_while_the_job_runs() -> None:
    printed = io.StringIO()
    with ProgressLines(Console(file=printed, force_terminal=True, width=120)) as lines:
        lines.update("dense: training", Position(30, 100))
        lines.update("gated: training", Position(7, 0))  # no last step is known
        lines.say("narrow: trained")
        lines.end("dense: training")
    for shown in ("30/100", "7/?", "narrow: trained\n"):
        assert shown in printed.getvalue()


def wait_for(log: Path, word: str) -> None:
    until = time.monotonic() + 30
    while word not in log.read_text():
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)


def test_a_process_that_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('deaf'); time.sleep(60)"
    monkeypatch.setattr(job_module, "COMMAND", (job_module.sys.executable, "-u", "-c"))
    monkeypatch.setattr(job_module, "PATIENCE_S", 0.2)
    started = Job([deaf], tmp_path / "log.txt")
    wait_for(tmp_path / "log.txt", "\ndeaf")
    assert started.exit_status is None
    started.interrupt()
    started.wait()
    assert started.exit_status == -9
    assert started.text() == "deaf\n"


def test_a_sweep_has_its_folder_for_itself(tmp_path: Path) -> None:
    with only_sweep(tmp_path), pytest.raises(SweepError, match="another sweep"), only_sweep(tmp_path):
        pass
    with only_sweep(tmp_path):
        pass
