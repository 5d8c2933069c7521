"""A device without hardware or clock."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from streaming.live.devices import NO_FLAGS, AudioCallback

RATE, HOP = 16000, 256


class PlantedDevice:
    """A device whose blocks are called by the test."""

    def __init__(self, sample_rate: int = RATE, block: int = HOP) -> None:
        self.description, self.sample_rate, self.block, self.latency_s = "planted", sample_rate, block, 0.005
        self.finished, self.failure = threading.Event(), None
        self.callback: AudioCallback | None = None

    def start(self, callback: AudioCallback, delay: int) -> None:
        self.callback = callback

    def stop(self) -> None:
        self.finished.set()

    def play(self, noisy: NDArray[np.float32], settle: bool = True) -> NDArray[np.float32]:
        assert self.callback is not None
        played = np.empty_like(noisy)
        for at in range(0, noisy.size, self.block):
            part = slice(at, at + self.block)
            self.callback(noisy[part], played[part], NO_FLAGS)
            if settle:
                self.callback.settle()
        return played
