"""PESQ of many utterances in processes of their own, beside the training."""

from __future__ import annotations

import importlib.util
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor

import numpy as np
from numpy.typing import NDArray

# This module is imported by every process of the pool. It must stay light: torch alone would take seconds in each.
PESQ_MODES = {8000: "nb", 16000: "wb"}  # sample rate in Hz to ITU-T P.862 mode
PARENT_POLL_S = 2.0


class MetricError(ValueError):
    """A discriminator cannot be trained here; the message names the key and says why."""


def rate_pesq(enhanced: NDArray[np.float32], clean: NDArray[np.float32], sample_rate: int) -> float:
    """Return PESQ (about 1 to 4.64); NaN where it is not defined: no speech, under a quarter of a second, silence.

    Args:
        enhanced: shape (sample,).
        clean: reference, shape (sample,).
        sample_rate: 8000 or 16000 Hz.
    """
    from pesq import BufferTooShortError, NoUtterancesError, pesq

    if not (np.isfinite(enhanced).all() and enhanced.any() and clean.any()):
        return math.nan  # the package divides by the peak and by the power of each
    try:
        return float(pesq(sample_rate, clean, enhanced, PESQ_MODES[sample_rate]))
    except (NoUtterancesError, BufferTooShortError):
        return math.nan


def _start_process(parent: int) -> None:
    """Leave Ctrl-C to the training, and end when the training was killed: nobody else would end this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_POLL_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class PesqPool:
    """Rates utterances in parallel; results depend neither on the number of processes nor on when they are ready.

    Processes are started at the first use, without inheriting threads or devices of this one.

    Args:
        sample_rate: 8000 or 16000 Hz.
        processes: how many.

    Raises:
        MetricError: if PESQ is not defined at the sample rate, or its package is not installed.
    """

    def __init__(self, sample_rate: int, processes: int) -> None:
        if sample_rate not in PESQ_MODES:
            raise MetricError(
                f"model.objective.metric_discriminator needs data.grid.sample_rate in {sorted(PESQ_MODES)} Hz, "
                f"got {sample_rate}"
            )
        if importlib.util.find_spec("pesq") is None:
            raise MetricError(
                "model.objective.metric_discriminator needs the package pesq, which is not installed: "
                "pip install 'dyncp[pesq]' (it needs a C compiler)"
            )
        self.sample_rate = sample_rate
        self._executor = ProcessPoolExecutor(
            processes,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_process,
            initargs=(os.getpid(),),
        )

    def submit(
        self, enhanced: Sequence[NDArray[np.float32]], clean: Sequence[NDArray[np.float32]]
    ) -> list[Future[float]]:
        """Begin to rate utterances and return at once.

        Args:
            enhanced: each of shape (sample,).
            clean: as many references of the same lengths.
        """
        pairs = zip(enhanced, clean, strict=True)
        return [self._executor.submit(rate_pesq, *pair, self.sample_rate) for pair in pairs]

    def close(self) -> None:
        """End the processes; what is not rated yet is dropped."""
        self._executor.shutdown(cancel_futures=True)
