"""How far a training is, read from what it prints, and lines that tell it on a terminal and in a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

# TQDMProgressBar: "Epoch 3:  40%|████      | 200/500 [00:12<00:18, ...]", in a test "Testing DataLoader 0: ..."
TRAINING_BAR = re.compile(r"Epoch (\d+)(?:/\d+)?: *\d+%\|[^|]*\| *(\d+)/(\d+)")
TEST_BAR = re.compile(r"Testing DataLoader (\d+): *\d+%\|[^|]*\| *(\d+)/(\d+)")
REPORTED_PARTS = 10  # of a training; where lines cannot be redrawn, one is printed at the end of each


class Position(NamedTuple):
    """Steps done and in all; 0 in all is unknown."""

    done: int
    total: int


def training_position(text: str, settings: Mapping[str, Any]) -> Position | None:
    """Find how far a training is from its last progress bar.

    Args:
        text: what it has printed.
        settings: merged settings of the run, for the number of epochs or steps.

    Returns:
        Batches, or None if there is no bar yet.

    Example:
        >>> training_position("Epoch 1:  40%|##   | 20/50 [00:01<00:02]", {"trainer": {"max_epochs": 3}})
        Position(done=70, total=150)
    """
    bars = TRAINING_BAR.findall(text)
    if not bars:
        return None
    epoch, batch, batches = map(int, bars[-1])
    trainer = settings["trainer"]
    max_epochs, max_steps = trainer.get("max_epochs") or -1, trainer.get("max_steps") or -1
    limits = [max_epochs * batches, max_steps * (trainer.get("accumulate_grad_batches") or 1)]
    return Position(epoch * batches + batch, min((limit for limit in limits if limit > 0), default=0))


def scoring_position(text: str) -> Position | None:
    """Find how far a test is in the mixtures that are scored, which come first."""
    bars = [bar for bar in TEST_BAR.findall(text) if bar[0] == "0"]
    return Position(int(bars[-1][1]), int(bars[-1][2])) if bars else None


class ProgressLines:
    """Prints state changes, and one line per running job: redrawn on a terminal, one per tenth elsewhere.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._reported: dict[str, int] = {}
        self._tasks: dict[str, TaskID] = {}
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )

    def __enter__(self) -> ProgressLines:
        if self._console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._bars.stop()

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def update(self, job: str, at: Position) -> None:
        """Show how far a job is.

        Args:
            job: what it is called.
            at: steps done and in all.
        """
        if self._console.is_terminal:
            if job not in self._tasks:
                self._tasks[job] = self._bars.add_task(job, total=None)
            self._bars.update(self._tasks[job], completed=at.done, total=at.total or None)
            return
        part = at.done * REPORTED_PARTS // at.total if at.total else 0
        if part > self._reported.get(job, 0):
            self._reported[job] = part
            self.say(f"{job}: {at.done}/{at.total}")

    def end(self, job: str) -> None:
        """Take away the line of a job."""
        self._reported.pop(job, None)
        if job in self._tasks:
            self._bars.remove_task(self._tasks.pop(job))
