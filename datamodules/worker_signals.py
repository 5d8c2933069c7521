"""Worker processes and the signals that end a training: the training is stopped, and it stops its workers."""

from __future__ import annotations

import signal

GRACE_S = 30  # SLURM's KillWait: after that long it kills what is left of a job


def outlive_the_step(worker: int) -> None:
    """Let a worker of a loader live on after a SIGTERM, so that the step under way can be finished and saved.

    SLURM, systemd and ``kill`` of a group send the signal to every process. A worker that dies of it ends the training
    with an error in the middle of a step. The training closes its workers when it has saved; one that it does not close
    ends by itself.

    Args:
        worker: number of the worker, as a loader tells it.
    """
    if not hasattr(signal, "SIGALRM"):  # Windows, where nobody sends the signal either
        return
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(GRACE_S))
