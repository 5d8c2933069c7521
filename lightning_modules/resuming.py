"""Where Lightning counts wrongly in a training that goes on."""

from __future__ import annotations

from lightning.pytorch import Trainer


def begin_next_epoch(trainer: Trainer) -> None:
    """Let a training that goes on after the last batch of an epoch begin the next epoch as one that was not stopped.

    From a checkpoint written in ``on_train_batch_end`` of the last batch, Lightning (2.6) closes the epoch and then
    takes the next one for the rest of it: that epoch is not counted as begun, and a checkpoint written in it cannot be
    told from one that was written after its end. A training that is stopped a second time then goes on somewhere else.

    Args:
        trainer: that has restored its progress and has not begun to train (``on_train_start``).
    """
    loop = trainer.fit_loop
    epochs = loop.epoch_progress.current
    if loop.restarted_mid_epoch and epochs.started == epochs.processed:  # type: ignore[attr-defined] # tracks these two
        loop.reset_restart_stage()
