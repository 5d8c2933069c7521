"""A training that is stopped by Ctrl-C or SIGTERM leaves a checkpoint, says how to go on, and goes on where it was."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from datamodules.worker_signals import outlive_the_step
from lightning_modules.interruption import (
    STOPPING,
    SaveOnInterrupt,
    TrainingInterrupted,
    resume_command,
    tell_interruption,
)
from tests.integration.test_command_line import in_process, logged, settings
from tests.ranks import run_on_ranks

REPOSITORY = Path(__file__).resolve().parents[2]


class OneNumber(LightningModule):
    """Trains one number, and is sent a signal in a step, or in the validation after it."""

    def __init__(self, signals_at: dict[int, int], number: int, validating: bool = False) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.signals_at = signals_at
        self.number = number
        self.validating = validating
        self.validated = 0

    def send(self) -> None:
        for _ in range(self.signals_at.get(self.global_step, 0)):
            os.kill(os.getpid(), self.number)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        if not self.validating:
            self.send()
        return (self.weight - 1.0).square()

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        if self.validating and batch_idx == 0:
            self.send()
        self.validated += 1

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def stopped_training(
    folder: Path,
    signals_at: dict[int, int],
    number: int = signal.SIGINT,
    validating: bool = False,
    devices: int = 1,
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
    module = OneNumber(signals_at, number, validating)
    batches = DataLoader(TensorDataset(torch.zeros(4)), batch_size=1)
    heard.append((saving, module))
    try:
        trainer.fit(module, batches, batches if validating else None)
    finally:
        saving.give_back()
    return saving, trainer, module


heard: list[tuple[SaveOnInterrupt, OneNumber]] = []  # of every stopped training


@pytest.fixture
def handler() -> Any:
    """Give the signals back to pytest, of which Lightning leaves Ctrl-C ignored."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    yield before[signal.SIGINT]
    for number, one in before.items():
        signal.signal(number, one)


@pytest.mark.parametrize("number", STOPPING)
def test_a_step_that_is_interrupted_is_finished_and_saved(tmp_path: Path, handler: Any, number: int) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit):
        stopped_training(tmp_path, {5: 1}, number)
    assert heard[-1][0].signal_number == number
    assert signal.getsignal(signal.SIGTERM) is before
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 6
    assert checkpoint["epoch"] == 1
    assert not list(tmp_path.glob("checkpoints/*.part"))


@pytest.mark.parametrize("number", STOPPING)
def test_a_validation_that_is_interrupted_is_finished(tmp_path: Path, handler: Any, number: int) -> None:
    with pytest.raises(SystemExit):
        stopped_training(tmp_path, {4: 1}, number, validating=True)
    assert heard[-1][1].validated == 2 + 4  # of the sanity check, and of the first epoch
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 4


@pytest.mark.parametrize("number", STOPPING)
def test_the_second_interruption_acts_at_once(tmp_path: Path, handler: Any, number: int) -> None:
    with pytest.raises(SystemExit):
        stopped_training(tmp_path, {5: 2}, number)
    assert not (tmp_path / "checkpoints").exists()


class Slow(torch.utils.data.Dataset[int]):
    """Takes a while, in a worker process."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> int:
        time.sleep(0.05)
        return index


def worker_after_a_signal(init: Callable[[int], None] | None) -> tuple[Any, Any]:
    """Return the batches of a loader, and its worker after SIGTERM."""
    batches: Any = iter(DataLoader(Slow(), num_workers=1, worker_init_fn=init))
    next(batches)
    (worker,) = batches._workers
    os.kill(worker.pid, signal.SIGTERM)
    worker.join(0.5)
    return batches, worker


def test_workers_outlive_a_signal_to_all_processes() -> None:
    batches, worker = worker_after_a_signal(outlive_the_step)
    assert worker.is_alive()
    assert len(list(batches)) == 3


def test_other_workers_do_not() -> None:
    with suppress(RuntimeError):  # depending on when the loader notices
        assert not worker_after_a_signal(None)[1].is_alive()


def test_a_forked_process_can_still_be_terminated(handler: Any) -> None:
    saving = SaveOnInterrupt()
    signal.signal(signal.SIGTERM, saving._request)
    child = os.fork()
    if child == 0:
        while True:
            time.sleep(1.0)
    time.sleep(0.05)
    os.kill(child, signal.SIGTERM)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM


def test_the_exit_status_names_the_signal(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell_interruption(TrainingInterrupted(None, signal.SIGTERM)) == 143
    assert tell_interruption(TrainingInterrupted(Path("a/last.ckpt"))) == 130
    assert tell_interruption(KeyboardInterrupt()) == 130
    assert "go on with: " in capsys.readouterr().err


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
def test_a_signal_at_the_command_line(tmp_path: Path, handler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stops a training as SLURM does, and follows what it prints."""
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
        os.killpg(process.pid, signal.SIGTERM)  # SLURM sends it to workers too, as a terminal does Ctrl-C
        errors = process.communicate(timeout=100)[1]
    assert process.returncode == 143, errors[-3000:]
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
