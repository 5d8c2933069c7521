"""A training that is stopped by Ctrl-C leaves a checkpoint, says how to go on, and goes on where it was."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from lightning_modules.interruption import SaveOnInterrupt, TrainingInterrupted, resume_command, tell_interruption
from tests.integration.test_command_line import in_process, logged, settings
from tests.ranks import run_on_ranks

REPOSITORY = Path(__file__).resolve().parents[2]


class OneNumber(LightningModule):
    """Trains one number, and is sent a signal in a step."""

    def __init__(self, signals_at: dict[int, int]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.signals_at = signals_at

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        for _ in range(self.signals_at.get(self.global_step, 0)):
            os.kill(os.getpid(), signal.SIGINT)
        return (self.weight - 1.0).square()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def stopped_training(
    folder: Path, signals_at: dict[int, int], devices: int = 1
) -> tuple[SaveOnInterrupt, Trainer, OneNumber]:
    saving = SaveOnInterrupt()
    off: dict[str, Any] = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
    trainer = Trainer(
        max_epochs=3,
        accelerator="cpu",
        devices=devices,
        default_root_dir=folder,
        callbacks=[saving],
        enable_checkpointing=False,
        **off,
    )
    module = OneNumber(signals_at)
    trainer.fit(module, DataLoader(TensorDataset(torch.zeros(4)), batch_size=1))
    return saving, trainer, module


@pytest.fixture
def handler() -> Any:
    """Give Ctrl-C back to pytest, which Lightning leaves ignored."""
    before = signal.getsignal(signal.SIGINT)
    yield before
    signal.signal(signal.SIGINT, before)


def test_a_step_that_is_interrupted_is_finished_and_saved(tmp_path: Path, handler: Any) -> None:
    with pytest.raises(SystemExit):
        stopped_training(tmp_path, {5: 1})
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 6
    assert checkpoint["epoch"] == 1
    assert not list(tmp_path.glob("checkpoints/*.part"))


def test_the_second_interruption_acts_at_once(tmp_path: Path, handler: Any) -> None:
    with pytest.raises(SystemExit):
        stopped_training(tmp_path, {5: 2})
    assert not (tmp_path / "checkpoints").exists()


def test_a_training_that_nobody_stops_is_left_alone(tmp_path: Path, handler: Any) -> None:
    saving, trainer, _ = stopped_training(tmp_path, {})
    assert trainer.global_step == 12
    assert saving.checkpoint is None
    assert signal.getsignal(signal.SIGINT) is handler


def stopped_rank(rank: int, folder: Path) -> int:
    os.environ |= {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0"}
    os.environ |= {"LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": "x", "MASTER_PORT": "1"}
    with pytest.raises(SystemExit):
        stopped_training(folder, {3: rank}, devices=2)  # only the second one hears of it
    return tell_interruption(TrainingInterrupted(None))


def test_a_process_that_is_interrupted_stops_all_after_the_same_step(tmp_path: Path, handler: Any) -> None:
    assert run_on_ranks(stopped_rank, tmp_path / "ranks", tmp_path) == [130, 0]
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 4
    assert not list(tmp_path.glob("checkpoints/*.part"))


def test_the_command_to_go_on_names_one_checkpoint() -> None:
    given = ["x/cli.py", "fit", "--config", "a b.yaml", "--ckpt_path", "old.ckpt", "--data.root", "/d"]
    words = shlex.split(resume_command(Path("new.ckpt"), given))
    assert words[:3] == ["python", "-m", "lightning_modules.cli"]
    assert words[3:] == ["fit", "--config", "a b.yaml", "--data.root", "/d", "--ckpt_path", "new.ckpt"]


@pytest.mark.slow
def test_control_c_at_the_command_line(tmp_path: Path, handler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stops a training as a terminal does, and follows what it prints."""
    arguments = settings(tmp_path, "--trainer.max_epochs=50", "--trainer.limit_val_batches=1")
    config = yaml.safe_load(Path(arguments[1]).read_text())
    config["data"]["targets"] = [one for one in config["data"]["targets"] if not one["class_path"].endswith("Pitch")]
    probing = next(one for one in config["trainer"]["callbacks"] if one["class_path"].endswith("MaskProbing"))
    probing["init_args"]["tasks"] = [{"name": "vad", "kind": "binary"}]
    Path(arguments[1]).write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "lightning_modules.cli", "fit"]
    metrics = tmp_path / "runs" / "smoke" / "version_0" / "metrics.csv"
    with subprocess.Popen(
        [*command, *arguments], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 200
        while not metrics.is_file() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to workers too
        errors = process.communicate(timeout=100)[1]
    assert process.returncode == 130, errors[-3000:]
    last = errors.strip().splitlines()[-1]
    assert last.startswith("stopped; go on with: python -m lightning_modules.cli fit "), errors[-3000:]
    assert "Traceback" not in errors
    words = shlex.split(last.removeprefix("stopped; go on with: python -m lightning_modules.cli fit "))
    checkpoint = Path(words[words.index("--ckpt_path") + 1])
    step = torch.load(checkpoint, weights_only=True)["global_step"]
    again = [*words, f"--trainer.max_steps={step + 2}", "--trainer.max_epochs=-1"]
    in_process("fit", *again, monkeypatch=monkeypatch)
    steps = [int(row["step"]) for row in logged(metrics.parents[1] / "version_1") if row["train/loss"]]
    assert steps[0] in (step, step - 1)
