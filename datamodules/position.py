"""Where training goes on in the endless sequence of its batches, also from a checkpoint inside an epoch."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

from lightning.pytorch import Trainer

from datamodules.sampler import num_dealt


class _Start(NamedTuple):
    """Where a run begins: epoch, batch of it, and batches trained before, in all epochs."""

    epoch: int
    batch: int
    trained: int


class TrainingPosition:
    """Tells which epoch and batch training takes next.

    Batches are counted, not Lightning's epochs: Lightning counts an epoch twice in which ``max_steps`` stopped a run.

    Args:
        num_mixtures: per epoch, of all ranks together.
        batch_size: mixtures per batch, on every rank.
    """

    def __init__(self, num_mixtures: int, batch_size: int) -> None:
        self.num_mixtures = num_mixtures
        self.batch_size = batch_size
        self._start = _Start(0, 0, 0)

    def reset(self) -> None:
        """Begin with the first batch of the first epoch."""
        self._start = _Start(0, 0, 0)

    def batches_per_epoch(self, trainer: Trainer) -> int:
        """Return the batches of this rank in an epoch; Lightning does not know it yet when the first one is made."""
        mixtures = num_dealt(self.num_mixtures, trainer.global_rank, trainer.world_size)
        whole, limit = -(-mixtures // self.batch_size), trainer.limit_train_batches
        if limit is None:
            return whole
        return max(1, min(whole, limit) if isinstance(limit, int) else int(whole * limit))

    def next_batch(self, trainer: Trainer) -> tuple[int, int]:
        """Return the epoch and the batch in it, of this rank, that training takes next."""
        progress: Any = trainer.fit_loop.epoch_loop.batch_progress.total
        # Lightning asks for the first batches, and workers make them, before it restores its progress.
        since = max(0, progress.processed - self._start.trained)
        more, batch = divmod(self._start.batch + since, self.batches_per_epoch(trainer))
        return self._start.epoch + more, batch

    def next_mixture(self, trainer: Trainer) -> tuple[int, int]:
        """Return the epoch and how many of this rank's mixtures in it are done."""
        epoch, batch = self.next_batch(trainer)
        return epoch, batch * self.batch_size

    def state_dict(self, trainer: Trainer | None) -> dict[str, Any]:
        """Return the position for a checkpoint."""
        if trainer is None:
            return {"next_epoch": self._start.epoch, "next_batch": self._start.batch}
        epoch, batch = self.next_batch(trainer)
        epochs: Any = trainer.fit_loop.epoch_progress.current
        batches: Any = trainer.fit_loop.epoch_loop.batch_progress.total
        return {
            "next_epoch": epoch,
            "next_batch": batch,
            # Lightning has closed the epoch though batches of it are left
            "epoch_cut": batch > 0 and epochs.processed == epochs.started,
            "trained_batches": batches.processed,
            "batches_per_epoch": self.batches_per_epoch(trainer),
        }

    def load_state_dict(self, state: dict[str, Any], trainer: Trainer | None) -> None:
        """Go on with the batch after the checkpoint.

        Where ``max_steps`` stopped a run inside an epoch and this one has no ``max_steps``, Lightning begins a new
        epoch, and so do the data.
        """
        epoch, batch = int(state["next_epoch"]), int(state.get("next_batch", 0))
        if state.get("epoch_cut", False) and trainer is not None and trainer.max_steps == -1:
            epoch, batch = epoch + 1, 0
        if batch > 0 and trainer is not None and state["batches_per_epoch"] != self.batches_per_epoch(trainer):
            warnings.warn(
                f"the checkpoint was written after batch {batch} of {state['batches_per_epoch']} of an epoch, which "
                f"now has {self.batches_per_epoch(trainer)}: this epoch will not be what an uninterrupted run takes",
                stacklevel=3,
            )
        # Checkpoints written before batches were counted lie between two epochs.
        before = state.get("trained_batches")
        if before is None:
            before = epoch * self.batches_per_epoch(trainer) if trainer is not None else 0
        self._start = _Start(epoch, batch, int(before))
