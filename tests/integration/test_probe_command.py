"""`dyncp probe` on a small trained network: stopped, resumed, whole, and refused where the input is at fault."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from checkpoints.network_file import NetworkFileError
from checkpoints.training import read_checkpoint
from commands.main import main
from datamodules.rating.measures import unavailable
from lightning_modules import enhancement_cli
from probes.deployment import ProbeBank
from probing.network import fingerprint, merged
from probing.sections import registry

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[2]
STUDY = {
    "split": "valid",
    "mixtures": {"fit": 12, "score": 12, "known": 6},
    "tasks": [
        {"name": "vad", "kind": "binary"},
        {"name": "noise_class", "kind": "category", "per_utterance": True},
        {"name": "snr_db", "kind": "value", "unit": "dB"},
    ],
    "feature_sets": ["masks", "gate_logits", "frontend", "log_energy", "untrained_masks"],
    "fits": {"logistic_rows": 400, "logistic_l2": [1.0], "ridge_l2": [1.0]},
    "intervals": {"resamples": 50, "by_speaker": []},
    "block_tasks": ["vad"],
    "selection_tasks": ["vad"],
    "selection_counts": [2, 8],
    "overlap_count": 4,
    "learning_utterances": [6],
    "refined_tasks": ["snr_db"],
    "context_frames": [2],
    "embedding_frames": 60,
    "estimator_mixtures": 2,
    "timed_mixtures": 1,
    "quality_mixtures": 2,
    "examples": 1,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a small network for a few steps and write the settings of a study."""
    place = tmp_path_factory.mktemp("probe")
    config = yaml.safe_load((REPOSITORY / "configs" / "smoke.yaml").read_text())
    config["trainer"]["logger"] = config["trainer"]["logger"][:1]
    config["trainer"]["logger"][0]["init_args"] |= {"save_dir": str(place), "name": "run"}
    config["trainer"]["callbacks"] = [
        callback for callback in config["trainer"]["callbacks"] if callback["class_path"].endswith("ModelCheckpoint")
    ]
    targets = [
        target for target in config["data"]["targets"] if not target["class_path"].endswith(("Pitch", "Quality"))
    ]
    config["data"] |= {"root": str(place / "corpus"), "num_workers": 0, "targets": targets, "train_mixtures": 24}
    config["data"] |= {"valid_mixtures": 4, "probe_mixtures": 4}
    config["data"]["mixing"]["segment_s"] = 2.0
    config["model"]["network"]["init_args"] |= {"residual_channels": 8, "stacks": 1, "channels": 8}
    (place / "config.yaml").write_text(yaml.safe_dump(config))
    (place / "study.yaml").write_text(yaml.safe_dump(STUDY))
    enhancement_cli.run(
        ["fit", "--config", str(place / "config.yaml"), "--trainer.max_epochs=12"]
    )  # running statistics settle
    return place


def probe(folder: Path, out: str, *more: str) -> int:
    checkpoint = folder / "run" / "version_0" / "checkpoints" / "last.ckpt"
    given = ["probe", "--checkpoint", str(checkpoint), "--out", str(folder / out)]
    with pytest.raises(SystemExit) as ended:
        main([*given, "--study", str(folder / "study.yaml"), *more])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def stopped(folder: Path) -> Path:
    """Make a study that is interrupted in its second section."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.SECTIONS, "selection", interrupt)  # type: ignore[arg-type]
        assert probe(folder, "report") == 130
    return folder / "report"


def table(out: Path, name: str) -> list[dict[str, str]]:
    with (out / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_stopped_study_keeps_what_is_done(stopped: Path) -> None:
    assert list(json.loads((stopped / "state.json").read_text())["sections"]) == ["scores", "conditions"]
    assert table(stopped, "scores")
    assert not (stopped / "selection.csv").exists()
    assert not (stopped / "report.html").exists()


def test_the_same_command_goes_on_to_the_whole_report(
    folder: Path, stopped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(stopped, folder / "resumed")
    scores = (folder / "resumed" / "scores.csv").stat().st_mtime_ns
    assert probe(folder, "resumed") == 0
    out = folder / "resumed"
    assert (out / "scores.csv").stat().st_mtime_ns == scores
    printed = capsys.readouterr().out
    assert "[1/11] scores: done before" in printed
    assert str(out / "report.html") in printed

    rows = table(out, "scores")
    assert {row["features"] for row in rows} == set(STUDY["feature_sets"])
    assert {row["task"] for row in rows} == {"vad", "noise_class", "noise_class_known", "snr_db"}
    assert {row["blocks"] for row in rows} == {"all", "00", "01", "02"}
    for name in (
        "conditions",
        "selection",
        "fewest",
        "learning_curve",
        "refinements",
        "embedding",
        "verification",
        "estimators",
    ):
        assert table(out, name), name
    measured = {row["measure"] for row in table(out, "quality")}
    assert measured == {name for name in ("pesq_wb", "stoi", "estoi", "si_sdr_db") if unavailable(name) is None}
    page = (out / "report.html").read_text()
    assert page.count("<audio") == 3
    assert "http-equiv" in page
    assert {path.suffix for path in (out / "figures").iterdir()} == {".png", ".svg"}

    bank = ProbeBank.load(out / "probes.safetensors")
    assert set(bank.probes) == {"vad", "noise_class", "snr_db"}
    assert (bank.blocks, bank.channels, bank.hop_s) == (3, 8, 0.016)
    assert bank.provenance["split"] == "valid"
    selected = json.loads((out / "state.json").read_text())["sections"]["selection"]["selected"]["vad"]
    assert bank.probes["vad"].features.tolist() == selected
    prediction = bank.probes["vad"].predict(np.ones((2, 24), dtype=bool))
    assert ((prediction >= 0) & (prediction <= 1)).all()

    # Nothing is left to do; nothing is computed again.
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.csv")}
    assert probe(folder, "resumed") == 0
    assert before == {path: path.stat().st_mtime_ns for path in out.glob("*.csv")}


def test_another_study_is_refused(folder: Path, stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert probe(folder, "report", "--", "--data.seed", "5") == 1
    assert "another checkpoint or with other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--checkpoint", "none.ckpt"], "no such file 'none.ckpt'"),
        (["--config", "none.yaml"], "--config: no file 'none.yaml'"),
        (["--only", "tilt"], "--only tilt: expected one of scores,"),
        (["--", "--data.no_such_key", "1"], "no_such_key"),
        (["--", "--model.network.init_args.gated", "false"], "no masks to probe"),
        (["--", "--model.network.init_args.channels", "9"], "another architecture"),
    ],
)
def test_what_is_wrong_is_named(
    folder: Path, tmp_path: Path, given: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert probe(folder, str(tmp_path / "new"), *given) == 1
    assert expected in capsys.readouterr().err
    assert not (tmp_path / "new" / "report.html").exists()


def test_what_stands_behind_the_dashes_reaches_the_fingerprint(folder: Path) -> None:
    run = folder / "run" / "version_0"
    checkpoint = run / "checkpoints" / "last.ckpt"
    settings = yaml.safe_load((run / "config.yaml").read_text())
    settings["model"]["network"]["init_args"]["channels"] = 12
    (folder / "base.yaml").write_text(yaml.safe_dump(settings))
    (folder / "experiment.yaml").write_text("model: {network: {init_args: {channels: 8}}}\n")
    found = fingerprint(checkpoint, merged(folder / "base.yaml", ["--config", str(folder / "experiment.yaml")]))
    assert found == read_checkpoint(checkpoint).fingerprint
    with pytest.raises(NetworkFileError, match=r"does not fit"):
        fingerprint(checkpoint, merged(folder / "base.yaml", []))
