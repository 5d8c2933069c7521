"""Ctrl-C in a training: the step is finished, a checkpoint is written, and the process says how to go on."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_only


class TrainingInterrupted(KeyboardInterrupt):
    """A training that the user stopped.

    Attributes:
        checkpoint: to go on from; None if there is none yet.
    """

    def __init__(self, checkpoint: Path | None) -> None:
        super().__init__()
        self.checkpoint = checkpoint


class SaveOnInterrupt(Callback):
    """Turns the first Ctrl-C of a training into a checkpoint at the end of the step, and then an interruption.

    Weights, optimiser and the position in the data belong together at the end of a step only, so one that is under way
    is finished, and so is a validation. A second Ctrl-C interrupts at once. The checkpoint replaces ``last.ckpt`` of
    the run, from which a resumed training goes on inside the epoch. Several processes, which hear of it in different
    steps, agree at the end of every step whether one of them has.

    Attributes:
        checkpoint: that was written, None before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.checkpoint: Path | None = None
        self._process = os.getpid()
        self._requested = False
        self._before: Any = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take over Ctrl-C, before worker processes are forked, which then leave it to this one."""
        if stage == "fit" and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._request)

    def _request(self, number: int, frame: FrameType | None) -> None:
        """Remember the first interruption and tell that it was heard; pass on the second."""
        if os.getpid() != self._process:
            return  # a forked worker; the training ends it
        if self._requested:
            raise KeyboardInterrupt
        self._requested = True
        # os.write: a handler may run inside another print
        os.write(2, b"\nstopping after this step, or this validation (Ctrl-C again: at once)\n")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write the checkpoint and interrupt, if that was asked for.

        Raises:
            KeyboardInterrupt: Lightning ends the training in order.
        """
        requested = self._requested
        if trainer.world_size > 1:
            requested = trainer.strategy.reduce_boolean_decision(requested, all=False)
        if requested and self.checkpoint is None:
            path = last_checkpoint_path(trainer)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            trainer.save_checkpoint(part)  # the first rank writes, the others wait for it
            if trainer.is_global_zero:
                os.replace(part, path)
            self.checkpoint = path
            raise KeyboardInterrupt

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give Ctrl-C back."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None


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
    """
    if getattr(rank_zero_only, "rank", 0):
        return 0
    checkpoint = interruption.checkpoint if isinstance(interruption, TrainingInterrupted) else None
    if checkpoint is None:
        print("stopped", file=sys.stderr)
    else:
        print(f"stopped; go on with: {resume_command(checkpoint, sys.argv)}", file=sys.stderr)
    return 130
