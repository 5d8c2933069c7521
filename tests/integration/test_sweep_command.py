"""A sweep of two small networks through the command: stopped, resumed, done, and nothing left to do."""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from commands.main import main
from reports.quality_scores import read_table
from reports.sweep import report_files

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL = ["--trainer.max_epochs=8", "--data.train_mixtures=12", "--data.valid_mixtures=3", "--data.test_mixtures=4"]


def arguments(folder: Path, *more: str) -> list[str]:
    """Write a base configuration and two overlays; return the arguments of the command."""
    config = yaml.safe_load((REPOSITORY / "configs" / "smoke.yaml").read_text())
    wanted = ("ModelCheckpoint", "TQDMProgressBar", "GateStatistics", "PerceptualScores", "RunSummary")
    config["trainer"]["logger"] = config["trainer"]["logger"][:1]
    config["trainer"]["callbacks"] = [
        callback for callback in config["trainer"]["callbacks"] if callback["class_path"].endswith(wanted)
    ]
    (scores,) = [callback for callback in config["trainer"]["callbacks"] if callback["class_path"].endswith("Scores")]
    scores["init_args"] |= {"measures": ["stoi", "si_sdr_db"], "workers": 0}
    targets = [target for target in config["data"]["targets"] if target["class_path"].endswith("Activity")]
    config["data"] |= {"root": str(folder / "corpus"), "num_workers": 0, "probe_mixtures": 3, "targets": targets}
    config["data"]["mixing"]["segment_s"] = 2.0
    config["model"]["network"]["init_args"] |= {"residual_channels": 8, "stacks": 1, "channels": 8}
    (folder / "base.yaml").write_text(yaml.safe_dump(config))
    for name, channels in (("dense", 8), ("narrow", 4)):
        network = {"init_args": {"gated": False, "channels": channels}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"model": {"network": network}}))
    overlays = [str(folder / f"{name}.yaml") for name in ("narrow", "dense")]
    return [
        "sweep",
        "--config",
        str(folder / "base.yaml"),
        "--out",
        str(folder / "out"),
        *overlays,
        "--",
        *SMALL,
        *more,
    ]


def run(*given: str) -> int:
    """Run the command in this process and return its exit status."""
    with pytest.raises(SystemExit) as ended:
        main(given)
    return int(ended.value.code or 0)


def interrupt_when_there_is(path: Path, given_up: threading.Event) -> None:
    """Press Ctrl-C as soon as a file is there, unless the command has ended before."""
    while not given_up.wait(0.02):
        if path.is_file():
            os.kill(os.getpid(), signal.SIGINT)
            return


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Let SIGINT interrupt this process, which pytest's workers are set to ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.usefixtures("ctrl_c")
def test_a_sweep_is_stopped_resumed_and_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(REPOSITORY)
    dense, narrow = tmp_path / "out" / "dense", tmp_path / "out" / "narrow"
    checkpoint, ended = dense / "version_0" / "checkpoints" / "last.ckpt", threading.Event()
    user = threading.Thread(target=interrupt_when_there_is, args=(checkpoint, ended))
    user.start()
    status = run(*arguments(tmp_path))
    ended.set()
    user.join()
    printed = capsys.readouterr()
    assert status == 130, printed.out
    assert "dense: training stopped" in printed.out
    assert "run the same command again" in printed.err
    assert not narrow.exists()
    assert not (dense / "version_0" / "summary.json").exists()

    assert run(*arguments(tmp_path)) == 0, capsys.readouterr().out
    printed_again = capsys.readouterr().out
    assert f"dense: training from {dense}/version_0/checkpoints/last.ckpt" in printed_again
    with (dense / "version_1" / "metrics.csv").open(newline="") as file:
        epochs = [int(row["epoch"]) for row in csv.DictReader(file)]
    assert min(epochs) > 0 and max(epochs) == 7
    assert json.loads((dense / "version_1" / "summary.json").read_text())["finished"] is True
    scores = read_table(narrow / "version_1" / "quality" / "utterances.csv")
    expected = read_table(dense / "version_2" / "quality" / "utterances.csv")
    assert len(scores.rows) == 4
    assert scores.column("si_sdr_db", "_dense") == pytest.approx(expected.column("si_sdr_db", ""))
    assert all(path.stat().st_size > 300 for path in report_files(tmp_path / "out"))

    times = {
        path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path.parent != tmp_path
    }
    assert run(*arguments(tmp_path)) == 0
    assert capsys.readouterr().out.count("skipped") == 2
    assert {path: path.stat().st_mtime_ns for path in times} == times

    assert run(*arguments(tmp_path, "--model.learning_rate=0.1")) == 1
    assert "model.learning_rate was 0.001 and is 0.1" in capsys.readouterr().err

    for name, version in (("dense", "version_1"), ("narrow", "version_0")):
        (tmp_path / f"{name}.ckpt").hardlink_to(tmp_path / "out" / name / version / "checkpoints" / "last.ckpt")
    end = arguments(tmp_path, f"--model.initial_weights={tmp_path}/{{network}}.ckpt", "--trainer.max_epochs=1")
    end[end.index("--out") + 1] = str(tmp_path / "end")
    assert run(*end) == 0, capsys.readouterr().out
    for name in ("dense", "narrow"):  # each from its own
        log = (tmp_path / "end" / name / "log.txt").read_text()
        assert f"starting from the weights of {tmp_path}/{name}.ckpt" in log
