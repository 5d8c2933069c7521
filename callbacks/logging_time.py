"""What logging costs: callbacks time what they draw and write, and one of them says what it comes to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lightning.pytorch import Callback, LightningModule, Trainer

from callbacks.rank_rows import of_first


class TimedLogging(Callback):
    """A callback that times what it does for nothing but logging.

    Attributes:
        logging_seconds: spent since the callback was built.
    """

    logging_seconds: float = 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time of a block to ``logging_seconds``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.logging_seconds += time.perf_counter() - started


class LoggingCost(Callback):
    """Logs what drawing and writing cost, at the end of every validation of a training.

    Logged: ``cost/logging_seconds`` since the last validation, and ``cost/logging_share`` of all the time since then.
    It counts the other callbacks that time themselves (``TimedLogging``), listed before it; loggers that upload do so
    in processes of their own.
    """

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count."""
        self._before = time.perf_counter(), _logging_seconds(trainer)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the cost since the last time."""
        if self._before is None or trainer.sanity_checking:
            return
        now = time.perf_counter(), _logging_seconds(trainer)
        elapsed, spent = (after - before for after, before in zip(now, self._before, strict=True))
        self._before = now
        cost = of_first({"cost/logging_seconds": spent, "cost/logging_share": spent / elapsed})  # which logs
        pl_module.log_dict(cost, sync_dist=True, on_epoch=True)


def _logging_seconds(trainer: Trainer) -> float:
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return sum(callback.logging_seconds for callback in callbacks if isinstance(callback, TimedLogging))
