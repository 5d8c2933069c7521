"""The whole path through the command line, on a corpus that is generated in seconds."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import wandb
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_modules import cli, enhancement_cli
from reports.quality_scores import read_table

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[2]
SMALL_NETWORK = [
    "--model.network.init_args.residual_channels=16",
    "--model.network.init_args.channels=24",
    "--model.network.init_args.stacks=1",
]


def settings(folder: Path, *more: str, whole: bool = False) -> list[str]:
    """Return the arguments of a small run whose every file is in ``folder``; a whole one draws and has controls."""
    config = yaml.safe_load((REPOSITORY / "configs" / "smoke.yaml").read_text())
    for logger in config["trainer"]["logger"]:
        logger["init_args"]["save_dir"] = str(folder / "runs")
    for callback in () if whole else config["trainer"]["callbacks"]:
        if callback["class_path"].endswith("MaskProbing"):
            callback["init_args"] |= {"controls": False, "figures": False, "details_every_n_epochs": None}
            callback["init_args"] |= {"interval_resamples": 0, "tasks": callback["init_args"]["tasks"][:3]}
        if callback["class_path"].endswith("MixtureMedia"):
            callback["init_args"] |= {"figures": False, "audio": False}
    for target in config["data"]["targets"]:
        if target["class_path"].endswith("Pitch"):
            target["init_args"]["cache_dir"] = str(folder / "pitch")
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return ["--config", str(path), f"--data.root={folder / 'corpus'}", *SMALL_NETWORK, *more]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder where corpus and pitch tracks are made once for all tests of this file."""
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def finished(workspace: Path) -> str:
    """Run a training and return what it printed; tests/integration/test_dashboard.py runs one as a user does."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        in_process("fit", *settings(workspace, whole=True), monkeypatch=patch)
    return printed.getvalue()


def logged(run: Path) -> list[dict[str, str]]:
    """Return the rows of a run's CSV log."""
    with (run / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def in_process(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> cli.EnhancementCLI:
    """Run the command in this process, with a W&B run of its own."""
    wandb.finish()
    monkeypatch.setattr(sys, "argv", ["lightning", *arguments])
    return enhancement_cli.run()


def test_fit_ends_with_a_table_and_leaves_everything_it_names(finished: str, workspace: Path) -> None:
    for word in ("vad", "f0_hz", "noise_class", "chance", "SI-SDR gain", "MACs saved", "utilization", "W&B run"):
        assert word in finished
    run = workspace / "runs" / "smoke" / "version_0"
    for name in ("config.yaml", "metrics.csv", "summary.json", "checkpoints/best.ckpt", "checkpoints/last.ckpt"):
        assert (run / name).is_file(), name
    for name in ("overview", "scores", "confusion_noise_class", "coefficients"):
        assert (run / "figures" / f"{name}.png").stat().st_size > 20_000, name
    assert list((workspace / "runs" / "wandb").glob("offline-run-*/*.wandb"))


def test_saved_config_holds_the_linked_framing(finished: str, workspace: Path) -> None:
    saved = yaml.safe_load((workspace / "runs" / "smoke" / "version_0" / "config.yaml").read_text())
    assert saved["model"]["network"]["init_args"]["channels"] == 24
    assert saved["data"]["grid"] == {"sample_rate": 16000, "window_length": 512, "hop_length": 256}


def test_every_epoch_logs_probes_with_their_controls(finished: str, workspace: Path) -> None:
    rows = [row for row in logged(workspace / "runs" / "smoke" / "version_0") if row["val/loss"]]
    assert len(rows) == 2
    for row in rows:
        for key in ("probes/vad/balanced_accuracy", "probes/snr_db/r2", "probes/noise_class/accuracy"):
            for name in (key, f"{key}_chance", f"{key}_shuffled", key.replace("probes", "controls/log_magnitude")):
                assert np.isfinite(float(row[name])), name
        assert 0 <= float(row["gates/utilization"]) <= 1
        assert float(row["cost/macs_saved"]) < 1


class _StopAfterFirstEpoch(Callback):
    """Stands for the user who stops a training."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = trainer.current_epoch == 0


def test_resuming_continues_with_the_same_losses(
    finished: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = settings(workspace, "--trainer.logger.init_args.name=interrupted")
    config = Path(arguments[1])
    config.write_text(config.read_text().replace("name: smoke", "name: interrupted"))
    arguments = arguments[:-1]
    monkeypatch.setattr(sys, "argv", ["lightning"])
    stopped = enhancement_cli.run(arguments, execute=False)
    stopped.trainer.callbacks.append(_StopAfterFirstEpoch())
    stopped.trainer.fit(stopped.model, stopped.datamodule)
    assert stopped.trainer.current_epoch == 1
    in_process("fit", *arguments, "--ckpt_path=last", monkeypatch=monkeypatch)
    whole = logged(workspace / "runs" / "smoke" / "version_0")
    resumed = logged(workspace / "runs" / "interrupted" / "version_1")
    for column in ("train/loss", "val/loss", "train/utilization"):
        expected = {row["step"]: row[column] for row in whole if row[column]}
        got = {row["step"]: row[column] for row in resumed if row[column]}
        assert got
        assert got == {step: expected[step] for step in got}
    last = torch.load(workspace / "runs/smoke/version_0/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    again = torch.load(workspace / "runs/interrupted/version_1/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(last[name], again[name]) for name in last)


def test_joint_training_starts_from_a_trained_network_and_is_scored_without_its_heads(
    finished: str,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    start = workspace / "runs/smoke/version_0/checkpoints/last.ckpt"
    arguments = settings(workspace)
    config = Path(arguments[1])
    config.write_text(config.read_text().replace("name: smoke", "name: joint"))
    overlay = f"--config={REPOSITORY / 'configs' / 'joint' / 'joint_02.yaml'}"
    short = ("--trainer.max_epochs=1", "--data.train_mixtures=30")
    in_process("fit", *arguments, overlay, f"--model.initial_weights={start}", *short, monkeypatch=monkeypatch)
    run = workspace / "runs" / "joint" / "version_0"
    rows = logged(run)
    tasks = ("vad", "voicing", "noise_class", "snr_db", "f0_hz")
    for row in (row for row in rows if row["train/loss"]):
        joint = sum(float(row[f"train/joint_{task}_loss"]) for task in tasks)
        total = float(row["train/enhancement_loss"]) + 10 * float(row["train/sparsity_loss"]) + 0.02 * joint
        assert float(row["train/loss"]) == pytest.approx(total, rel=1e-4)
    (validated,) = (row for row in rows if row["val/loss"])
    assert all(float(validated[f"val/joint_{task}_loss"]) > 0 for task in tasks)
    assert np.isfinite(float(validated["probes/vad/balanced_accuracy"]))  # of a fresh probe
    first = next(float(row["train/spectral_loss"]) for row in rows if row["train/spectral_loss"])
    untrained = next(
        float(row["train/spectral_loss"])
        for row in logged(workspace / "runs" / "smoke" / "version_0")
        if row["train/spectral_loss"]
    )
    assert first < untrained

    trained = run / "checkpoints" / "last.ckpt"
    with pytest.warns(UserWarning, match="the checkpoint has joint probes"):
        in_process("validate", *arguments, f"--ckpt_path={trained}", monkeypatch=monkeypatch)
    code, message = refusal("fit", *arguments, f"--ckpt_path={trained}", monkeypatch=monkeypatch, capsys=capsys)
    assert code != 0
    assert "--model.initial_weights" in message


def test_test_scores_the_test_split(finished: str, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = settings(workspace)
    result = in_process("test", *arguments, "--ckpt_path=last", monkeypatch=monkeypatch)
    metrics = result.trainer.callback_metrics
    assert np.isfinite(float(metrics["test/si_sdr_gain_db"]))
    assert np.isfinite(float(metrics["probes/vad/balanced_accuracy"]))
    assert 0 < float(metrics["test/stoi"]) < 1
    assert 0 < float(metrics["test/estoi"]) < 1
    folder = Path(result.trainer.log_dir or "") / "quality"
    table = read_table(folder / "utterances.csv")
    assert [row.utterance for row in table.rows] == list(range(18))
    assert {row.speech.partition("/")[0] for row in table.rows} == {"speech"}
    assert table.column("si_sdr_db", "").mean() == pytest.approx(float(metrics["test/si_sdr_db"]), abs=1e-3)
    assert {path.name for path in folder.iterdir()} == {
        "utterances.csv", "by_snr.csv", "by_noise_class.csv", "summary.json"
    }  # fmt: skip
    summary = json.loads((Path(result.trainer.log_dir or "") / "summary.json").read_text())
    assert summary["stage"] == "test"


def test_predict_writes_audio_and_masks(finished: str, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = in_process("predict", *settings(workspace), "--ckpt_path=last", monkeypatch=monkeypatch)
    folder = Path(result.trainer.log_dir or "") / "enhanced"
    noisy, rate = soundfile.read(folder / "00000_noisy.flac")
    enhanced, _ = soundfile.read(folder / "00000_enhanced.flac")
    with np.load(folder / "00000_masks.npz") as stored:
        masks = stored["channel_masks"]
    assert rate == 16000
    assert noisy.shape == enhanced.shape
    assert masks.shape == (3, 24, 1 + len(noisy) // 256)
    assert masks.dtype == bool


def refusal(*arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a command that must fail and return its exit code and the line that says why."""
    monkeypatch.setattr(sys, "argv", ["lightning", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    printed = capsys.readouterr().err
    return int(stopped.value.code or 0), printed[printed.index("error:") :]


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("--data.roots=x", "data.roots"),
        ("--data.batch_size=many", "data.batch_size"),
        ("--data.batch_size=0", "data.batch_size"),
        ("--data.mixing.snr_db=[15, -5]", "data.mixing.snr_db"),
        ("--data.grid.hop_length=300", "hop_length"),
        ("--model.network.init_args.gate.target_utilization=1.5", "network.gate.target_utilization"),
        ("--torch_threads=0", "torch_threads"),
        ("--data.root=nowhere", "data.root"),
        ("--ckpt_path=nowhere.ckpt", "nowhere.ckpt"),
        ("--model.initial_weights=nowhere.ckpt", "model.initial_weights: no such file 'nowhere.ckpt'"),
        ("--model.joint_probes.tasks=[{name: noise_class, kind: category}]", "joint_probes.tasks[noise_class].classes"),
    ],
)
def test_bad_settings_are_refused_by_name(
    override: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*settings(tmp_path, "--data.synthetic=null"), override]
    code, message = refusal("fit", *arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code != 0
    assert named in message


def test_checkpoint_of_another_architecture_is_refused(
    finished: str,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = settings(workspace, "--model.network.init_args.channels=20", "--ckpt_path=last")
    code, message = refusal("fit", *other, monkeypatch=monkeypatch, capsys=capsys)
    assert code != 0
    assert "another architecture" in message
    assert "network.blocks.0" in message


def test_truncated_checkpoint_is_refused(
    finished: str,
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = (workspace / "runs/smoke/version_0/checkpoints/last.ckpt").read_bytes()
    (tmp_path / "torn.ckpt").write_bytes(whole[: len(whole) // 2])
    arguments = settings(workspace, f"--ckpt_path={tmp_path / 'torn.ckpt'}")
    code, message = refusal("fit", *arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert code != 0
    assert "torn.ckpt" in message


def test_bad_corpora_are_refused_by_file(
    finished: str,
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with (workspace / "corpus" / "speech.csv").open(newline="") as file:
        speech = list(csv.DictReader(file))
    first = speech[0]["path"]
    for case, named in {"missing": first, "stereo": first, "rate": "16000 Hz", "nan": "not finite"}.items():
        root = tmp_path / case
        (root / first).parent.mkdir(parents=True)
        for manifest in ("speech.csv", "noise.csv"):
            rows = (workspace / "corpus" / manifest).read_text().splitlines()
            header, *rest = rows
            absolute = [str(workspace / "corpus") + "/" + row for row in rest]
            if manifest == "speech.csv":
                absolute[0] = rest[0]  # the bad file is in this case's own folder
            (root / manifest).write_text("\n".join([header, *absolute]) + "\n")
        samples = np.zeros((16000, 2 if case == "stereo" else 1), dtype=np.float32)
        samples[500] = np.nan if case == "nan" else 0.1
        if case != "missing":
            name = root / first
            rate = 8000 if case == "rate" else 16000
            subtype, form = ("FLOAT", "WAV") if case == "nan" else ("PCM_16", "FLAC")
            soundfile.write(name, samples, rate, subtype=subtype, format=form)
        arguments = settings(tmp_path, "--data.synthetic=null", f"--data.root={root}")
        code, message = refusal("fit", *arguments, monkeypatch=monkeypatch, capsys=capsys)
        assert code != 0
        assert first in message
        assert named in message
