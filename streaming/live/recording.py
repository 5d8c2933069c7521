"""Recording a live session: the noisy and the enhanced signal, aligned, written by a thread of its own."""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streaming.live.devices import DeviceError
from streaming.live.file_device import GrowingFile

SIGNALS = ("noisy", "enhanced")


class Recording:
    """Two WAV files that grow under temporary names and get their own when the recording is closed.

    Writing happens in a thread, so that a slow disk is not heard.

    Args:
        folder: made if it is not there.
        sample_rate: Hz.
        name: start of the files' names; None takes date and time.

    Attributes:
        paths: ``NAME-noisy.wav`` and ``NAME-enhanced.wav``.
        failure: why nothing more is written (a full disk).

    Raises:
        DeviceError: if the files cannot be made.
    """

    def __init__(self, folder: Path, sample_rate: int, name: str | None = None) -> None:
        name = _free_name(folder, time.strftime("%Y%m%d-%H%M%S")) if name is None else name
        self.paths = tuple(folder / f"{name}-{signal}.wav" for signal in SIGNALS)
        self.failure: Exception | None = None
        self._files: list[GrowingFile] = []
        try:
            for path in self.paths:
                self._files.append(GrowingFile(path, sample_rate))
        except DeviceError:
            for file in self._files:
                file.discard()
            raise
        self._queue: queue.SimpleQueue[tuple[NDArray[np.float32], ...] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="recording", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """What both files' names begin with."""
        return self.paths[0].name.removesuffix(f"-{SIGNALS[0]}.wav")

    def add(self, noisy: NDArray[np.float32], enhanced: NDArray[np.float32]) -> None:
        """Append samples; the arrays must not change afterwards.

        Args:
            noisy: shape (sample,).
            enhanced: the same samples, shape (sample,).
        """
        self._queue.put((noisy, enhanced))

    def close(self) -> None:
        """Write what is left and give the files their names."""
        self._join()
        for file in self._files:
            file.complete()

    def discard(self) -> None:
        """Leave nothing."""
        self._join()
        for file in self._files:
            file.discard()

    def _join(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _write(self) -> None:
        while (item := self._queue.get()) is not None:
            if self.failure is not None:
                continue
            try:
                for file, samples in zip(self._files, item, strict=True):
                    file.write(samples)
            except (OSError, DeviceError) as error:
                self.failure = error


def _free_name(folder: Path, name: str) -> str:
    taken, number = name, 1
    while any(folder.glob(f"{taken}-*")):
        number += 1
        taken = f"{name}-{number}"
    return taken
