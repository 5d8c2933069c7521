"""What an offline run holds, read back from its file, and whether the dashboard shows that and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from probes.deployment import ProbeBank
from reports.dashboard import SECTIONS, Panel, logged_keys, sections_for, shown_keys
from tests.callbacks.wandb_file import OfflineRun, read_finished_run

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[2]
ORDER = ["overview", "train", "enhancement", "gates", "cost", "probes", "media"]
TARGETS = ("VoiceActivity", "Levels", "Labels")  # F0 takes longest to measure
TASKS = ("vad", "noise_class", "snr_db")
STEPS = [1, 3]  # last optimiser step before each validation, from 0
# Keys of networks and recipes that this one is not.
ELSEWHERE = {"Losses of joint probes"}


@dataclass
class Trained:
    """A finished training: its folder and what W&B and TensorBoard have of it."""

    folder: Path
    wandb: OfflineRun
    tensorboard: Path


def configuration(folder: Path) -> dict[str, Any]:
    """Return the smoke test's configuration, smaller, with all loggers and every file in ``folder``."""
    config: dict[str, Any] = yaml.safe_load((REPOSITORY / "configs" / "smoke.yaml").read_text())
    tensorboard = {"class_path": "lightning.pytorch.loggers.TensorBoardLogger", "init_args": {"name": "tensorboard"}}
    config["trainer"]["logger"].append(tensorboard)
    for logger in config["trainer"]["logger"]:
        logger["init_args"]["save_dir"] = str(folder / "runs")
    for callback in config["trainer"]["callbacks"]:
        given = callback.setdefault("init_args", {})
        if callback["class_path"].endswith("MaskProbing"):
            given["tasks"] = [task for task in given["tasks"] if task["name"] in TASKS]
            given |= {"logistic_rows": 200}
        if callback["class_path"].endswith("MixtureMedia"):
            given |= {"mixtures": [0, 2], "every_n_epochs": 1}
    config["model"]["network"]["init_args"] |= {"residual_channels": 8, "channels": 24, "stacks": 1}
    # the share that untrained gates are open: after four steps others are still shut in most frames
    config["model"]["network"]["init_args"]["gate"]["target_utilization"] = 0.5
    data = config["data"]
    data["targets"] = [one for one in data["targets"] if one["class_path"].endswith(TARGETS)]
    data |= {"root": str(folder / "corpus"), "num_workers": 0, "batch_size": 6}
    return config | {"data": data | {"train_mixtures": 12, "valid_mixtures": 6, "probe_mixtures": 12}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """Train once, as a user does without a network."""
    pytest.importorskip("tensorboard")
    folder = tmp_path_factory.mktemp("dashboard")
    config = configuration(folder)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "lightning_modules.cli", "fit", "--config", str(folder / "config.yaml")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    (file,) = (folder / "runs" / "wandb").glob("offline-run-*/*.wandb")
    run = folder / "runs" / "smoke" / "version_0"
    yield Trained(run, read_finished_run(file), folder / "runs" / "tensorboard" / "version_0")


def scalars(run: OfflineRun) -> set[str]:
    return {key for row in run.history for key, value in row.items() if isinstance(value, int | float)}


def test_every_section_has_scalars_and_all_loggers_have_the_same(trained: Trained) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    keys = {key for key in scalars(trained.wandb) if "/" in key} - {"trainer/global_step"}
    assert {key.split("/")[0] for key in keys} >= {"train", "val", "gates", "cost", "probes", "controls"}
    written = {
        key for key in logged_keys(trained.folder) if "/" in key and not key.startswith(("figures", "audio", "tab"))
    }
    assert written == keys
    events = EventAccumulator(str(trained.tensorboard))
    events.Reload()
    assert {key for key in events.Tags()["scalars"] if "/" in key} == keys
    media = {"figures/overview", "figures/gate_margins", "figures/spectrograms/000", "figures/channel_masks/002"}
    assert media <= set(events.Tags()["images"])
    assert {f"audio/{signal}/000" for signal in ("noisy", "enhanced", "clean")} <= set(events.Tags()["audio"])


def test_every_row_has_the_step_of_the_training(trained: Trained) -> None:
    run = trained.wandb
    assert all("trainer/global_step" in row for row in run.history)
    for key in ("tables/probes", "figures/overview", "figures/spectrograms", "audio/enhanced", "val/loss"):
        assert [step for step, _ in run.rows(key)] == STEPS, key
    assert [step for step, _ in run.rows("figures/embedding")] == STEPS[-1:]
    glob = next(metric for metric in run.metrics if metric.glob_name == "*")
    assert glob.step_metric == "trainer/global_step"


def test_media_are_files_of_the_run(trained: Trained) -> None:
    folder = next((trained.folder.parents[1] / "wandb").glob("offline-run-*"))
    ((_, pictures), *_) = trained.wandb.rows("figures/spectrograms")
    assert pictures["captions"] == ["000", "002"]
    sounds = [clip["path"] for _, value in trained.wandb.rows("audio/enhanced") for clip in value["audio"]]
    assert len(sounds) == 2 * len(STEPS)
    for path in [*pictures["filenames"], *sounds]:
        assert (folder / "files" / path).stat().st_size > 500, path
    for key in ("scores", "coefficients", "confusion_noise_class", "embedding"):
        assert trained.wandb.rows(f"figures/{key}"), key


def test_the_table_has_scores_with_controls_and_intervals(trained: Trained) -> None:
    folder = next((trained.folder.parents[1] / "wandb").glob("offline-run-*"))
    _, table = trained.wandb.rows("tables/probes")[-1]
    content = json.loads((folder / "files" / table["path"]).read_text())
    rows = [dict(zip(content["columns"], row, strict=True)) for row in content["data"]]
    assert {row["features"] for row in rows} == {"masks", "log_magnitude", "log_energy"}
    assert {row["task"] for row in rows} == set(TASKS)
    vad = next(row for row in rows if (row["features"], row["task"], row["metric"]) == ("masks", "vad", "accuracy"))
    assert vad["low"] <= vad["score"] <= vad["high"]
    assert {"chance", "shuffled"} <= set(vad)


def test_the_run_says_what_it_is_made_of(trained: Trained) -> None:
    config: Mapping[str, Any] = trained.wandb.config
    facts = json.loads((trained.folder / "facts.json").read_text())
    assert config["facts"] == facts
    assert {"torch", "lightning", "numpy"} <= set(facts["packages"])
    checkout = (REPOSITORY / ".git").exists()
    assert (facts["git"] is not None and re.fullmatch(r"[0-9a-f]{40}", facts["git"]["commit"]) is not None) == checkout
    assert config["config"]["seed_everything"] == 1
    assert config["config"]["model"]["network"]["init_args"]["channels"] == 24
    hashes = config["manifest_sha256"]
    assert set(hashes) == {"speech.csv", "noise.csv"}
    assert "manifest_sha256" in (trained.folder / "hparams.yaml").read_text()


def test_checkpoint_and_probes_are_artifacts(trained: Trained) -> None:
    (model,) = trained.wandb.artifacts["model"].manifest.contents
    assert Path(model.local_path) == trained.folder / "checkpoints" / "best.ckpt"
    probes = {entry.path: Path(entry.local_path) for entry in trained.wandb.artifacts["probes"].manifest.contents}
    assert set(probes) == {"best.probes.safetensors", "last.probes.safetensors"}
    bank = ProbeBank.load(probes["best.probes.safetensors"])
    assert set(bank.probes) == set(TASKS)
    assert (bank.blocks, bank.channels) == (3, 24)
    assert trained.wandb.finished


def panels() -> list[Panel]:
    return [panel for section in SECTIONS for panel in section.panels]


def test_every_panel_shows_keys_that_runs_log(trained: Trained) -> None:
    assert [section.name for section in SECTIONS] == ORDER
    for panel in panels():
        if panel.title not in ELSEWHERE:
            assert shown_keys(panel, trained.wandb.keys), panel.title
            unknown = set(panel.keys) - trained.wandb.keys - {"figures/calibration"}
            assert unknown == set(), panel.title
    assert {panel.title for panel in panels()} >= ELSEWHERE


def test_every_scalar_of_a_run_is_on_a_panel_or_a_detail(trained: Trained) -> None:
    shown = {key for panel in panels() for key in shown_keys(panel, trained.wandb.keys)}
    left = scalars(trained.wandb) - shown
    details = r"(probes|controls)/.*|epoch|trainer/global_step|_.*|cost/(probing|logging)_seconds"
    assert {key for key in left if not re.fullmatch(details, key)} == set()


def test_a_specification_holds_only_panels_of_what_a_run_logs(trained: Trained, tmp_path: Path) -> None:
    pytest.importorskip("wandb_workspaces")
    out = tmp_path / "dashboard.json"
    command = [sys.executable, "-m", "commands.main", "dashboard", "--run", str(trained.folder), "--out", str(out)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "not uploaded" in done.stdout
    found = json.loads(out.read_text())["workspace"]["section"]["panelBankConfig"]["sections"]
    assert [section["name"] for section in found] == ORDER
    logged = trained.wandb.keys
    for panel in (panel["config"] for section in found for panel in section["panels"]):
        keys = [*panel.get("metrics", []), *panel.get("mediaKeys", [])]
        pattern = panel.get("metricRegex")
        assert set(keys) <= logged
        assert pattern is None or any(re.search(pattern, key) for key in logged)
        assert keys or pattern or "panel2Config" in panel
    assert sections_for(logged_keys(trained.folder)) == sections_for(logged)
