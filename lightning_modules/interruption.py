"""Ctrl-C or SIGTERM in a training: the step is finished, a checkpoint is written, and the process says how to go on."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException

from storage.whole_files import replacing

STOPPING = (signal.SIGINT, signal.SIGTERM)


class TrainingInterrupted(KeyboardInterrupt):
    """A training that was stopped from outside.

    Attributes:
        checkpoint: to go on from; None if there is none yet.
        signal_number: of the signal that stopped it.
    """

    def __init__(self, checkpoint: Path | None, signal_number: int = signal.SIGINT) -> None:
        super().__init__()
        self.checkpoint = checkpoint
        self.signal_number = signal_number


class SaveOnInterrupt(Callback):
    """Turns the first SIGINT or SIGTERM of a training into a checkpoint at the end of the step, then an interruption.

    SIGINT is Ctrl-C; SIGTERM is what SLURM, systemd and ``kill`` send. Weights, optimiser and the position in the data
    belong together at the end of a step only, so one that is under way is finished, and so is a validation, also that
    which follows the last step of an epoch: it would not be made up for. A second signal interrupts at once. The
    checkpoint replaces ``last.ckpt`` of the run, from which a resumed training goes on inside the epoch. Several
    processes, which hear of it in different steps, agree at the end of every step whether one of them has.
    Lightning's requeueing by SIGUSR1 under SLURM is left as it is.

    Attributes:
        checkpoint: that was written, None before.
        signal_number: of the signal that was heard last.
    """

    def __init__(self) -> None:
        super().__init__()
        self.checkpoint: Path | None = None
        self._process = os.getpid()
        self._requested = False
        self.signal_number: int = signal.SIGINT
        self._before: dict[int, Any] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take over the signals, before worker processes are forked, which then leave them to this one."""
        if stage == "fit" and threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._request) for number in STOPPING}

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take SIGTERM back from Lightning, which has put a handler of its own before this one since the setup.

        Its handler would end a validation between two batches, and the process with status 0.
        """
        if self._before:
            signal.signal(signal.SIGTERM, self._request)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take SIGTERM back from Lightning, also where there is no sanity check."""
        self.on_sanity_check_start(trainer, pl_module)

    def _request(self, number: int, frame: FrameType | None) -> None:
        """Remember the first signal and tell that it was heard; pass on the second."""
        if os.getpid() != self._process:
            if number == signal.SIGTERM:  # a forked process that its own parent ends
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return  # the training ends its workers
        self.signal_number = number
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True
        # os.write: a handler may run inside another print
        os.write(2, b"\nstopping after this step, or this validation (the same signal again: at once)\n")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the checkpoint and interrupt, if that was asked for.

        Raises:
            KeyboardInterrupt: Lightning ends the training in order.
        """
        if self._is_requested(trainer) and not trainer.is_last_batch:
            self._save_and_interrupt(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the checkpoint and interrupt, if that was asked for; the last epoch is left to end by itself.

        Raises:
            KeyboardInterrupt: Lightning ends the training in order.
        """
        if self._is_requested(trainer) and not trainer.fit_loop.done:
            self._save_and_interrupt(trainer)

    def _is_requested(self, trainer: Trainer) -> bool:
        """Tell whether a signal came, in any of the processes."""
        if trainer.world_size == 1:
            return self._requested
        return bool(trainer.strategy.reduce_boolean_decision(self._requested, all=False))

    def _save_and_interrupt(self, trainer: Trainer) -> None:
        if self.checkpoint is None:
            path = last_checkpoint_path(trainer)
            if trainer.is_global_zero:  # it writes, the others wait for it
                with replacing(path, durable=True) as part:
                    trainer.save_checkpoint(part)
            else:
                trainer.save_checkpoint(path)
            self.checkpoint = path
            raise KeyboardInterrupt

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the signals back."""
        self.give_back()

    def give_back(self) -> None:
        """Give the signals back, if they were taken; Lightning calls no teardown after an interruption."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


@contextmanager
def stopping_in_order(trainer: Trainer, fitting: bool) -> Iterator[None]:
    """Let a signal stop what a trainer does in this block; an interrupted training leaves a checkpoint.

    Args:
        trainer: that works in the block.
        fitting: whether it trains; otherwise there is nothing to save.

    Raises:
        TrainingInterrupted: instead of Lightning's exit, with the newest checkpoint.
    """
    saving = SaveOnInterrupt()
    trainer.callbacks.insert(0, saving)  # type: ignore[attr-defined] # set by the trainer's connector
    try:
        yield
    except SystemExit as stop:
        terminated = isinstance(stop, SIGTERMException)  # Lightning's own end, where this training has no handler
        if not terminated and not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        path = saving.checkpoint or last_checkpoint_path(trainer)
        number = signal.SIGTERM if terminated else saving.signal_number
        raise TrainingInterrupted(path if fitting and path.is_file() else None, number) from None
    finally:
        saving.give_back()


def last_checkpoint_path(trainer: Trainer) -> Path:
    """Return where ``--ckpt_path last`` looks for the checkpoint of a run."""
    return Path(trainer.log_dir or trainer.default_root_dir) / "checkpoints" / "last.ckpt"


def resume_command(checkpoint: Path, arguments: Sequence[str]) -> str:
    """Return the command that goes on from a checkpoint.

    Args:
        checkpoint: to go on from.
        arguments: that the interrupted process was started with, its program first.

    Example:
        >>> resume_command(Path("a/last.ckpt"), ["/bin/lightning", "fit", "--config", "a.yaml", "--ckpt_path=last"])
        'lightning fit --config a.yaml --ckpt_path a/last.ckpt'
    """
    program, *given = arguments
    words = ["python", "-m", "lightning_modules.cli"] if program.endswith(".py") else [Path(program).name]
    skipping = False
    for word in given:
        if not skipping and not word.startswith("--ckpt_path="):
            if word == "--ckpt_path":
                skipping = True
                continue
            words.append(word)
        skipping = False
    return shlex.join([*words, "--ckpt_path", str(checkpoint)])


def tell_interruption(interruption: KeyboardInterrupt) -> int:
    """Print in one line what became of an interrupted command, and return its exit status.

    Of several processes, only the first one tells; the others end without an error, for which Lightning would kill the
    first one before it is done.

    Returns:
        128 plus the number of the signal, as shells count: 130 after SIGINT, 143 after SIGTERM.
    """
    if getattr(rank_zero_only, "rank", 0):
        return 0
    checkpoint = interruption.checkpoint if isinstance(interruption, TrainingInterrupted) else None
    if checkpoint is None:
        print("stopped", file=sys.stderr)
    else:
        print(f"stopped; go on with: {resume_command(checkpoint, sys.argv)}", file=sys.stderr)
    number = interruption.signal_number if isinstance(interruption, TrainingInterrupted) else signal.SIGINT
    return 128 + number
