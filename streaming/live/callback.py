"""What happens in the audio callback: copying, and the cross-fade between the noisy and the enhanced signal."""

from __future__ import annotations

import queue
import threading

import numpy as np
from numpy.typing import NDArray

from streaming.live.devices import DeviceFlags
from streaming.live.ring import PositionRing

LOUDEST = 1e3  # of full scale; what a device delivers beyond is no sound


class LiveCallback:
    """Hands captured samples to a worker and plays what it has made of them, a fixed delay later.

    Captured and enhanced samples are kept by position, so the delay never changes: what is not there in time is played
    as silence and skipped when it comes. All arrays are made beforehand, and no lock is taken that another thread holds
    for long.

    Args:
        delay: samples between captured and played.
        longest: samples processed at once; larger blocks are divided.
        length: samples that a slow worker may fall behind; at least ``delay + longest``.
        fade: samples of the cross-fade when the bypass is switched.

    Attributes:
        captured, enhanced: signals of the device's rate.
        wake: gets an item after every block; an event in it is to be set once all captured samples are processed.
        bypass: whether the noisy signal is to be heard, aligned with the enhanced one.
        late_blocks: blocks with silence because the worker was late.
        unusable_samples: captured ones that were no finite number (or beyond any level) and taken as silence.
        input_overflows, output_underflows: reported by the device.
        worker: whose end ends waiting in :meth:`settle`.
    """

    def __init__(self, delay: int, longest: int, length: int, fade: int) -> None:
        self.delay, self.bypass = delay, False
        self.captured, self.enhanced = (PositionRing(max(length, delay + longest)) for _ in range(2))
        self.wake: queue.SimpleQueue[threading.Event | None] = queue.SimpleQueue()
        self.late_blocks = self.input_overflows = self.output_underflows = self.unusable_samples = 0
        self.worker: threading.Thread | None = None
        self._longest, self._fade, self._faded = longest, fade, 0
        curve = (0.5 - 0.5 * np.cos(np.pi * np.arange(fade + 1) / max(fade, 1))).astype(np.float32)
        # Weight of the noisy signal while it fades in; what follows the curve spares a case at its end.
        self._weights = np.concatenate([curve, np.ones(longest, np.float32)])
        self._noisy, self._usable = np.zeros(longest, np.float32), np.zeros(longest, np.bool_)

    def __call__(self, captured: NDArray[np.float32], played: NDArray[np.float32], flags: DeviceFlags) -> None:
        """Take a block and fill another of the same length."""
        self.input_overflows += flags.input_overflow
        self.output_underflows += flags.output_underflow
        missing = 0
        for start in range(0, captured.size, self._longest):
            stop = start + self._longest
            missing += self._exchange(captured[start:stop], played[start:stop])
        self.late_blocks += missing > 0
        self.wake.put(None)

    def settle(self) -> None:
        """Return when the worker has processed all captured samples, or has ended."""
        done = threading.Event()
        self.wake.put(done)
        while not done.wait(0.1) and self.worker is not None and self.worker.is_alive():
            pass

    def _exchange(self, captured: NDArray[np.float32], played: NDArray[np.float32]) -> int:
        position = self.captured.end - self.delay
        usable = self._usable[: captured.size]
        np.less_equal(np.abs(captured, out=self._noisy[: captured.size]), LOUDEST, out=usable)
        if not usable.all():
            self.unusable_samples += captured.size - int(np.count_nonzero(usable))
            captured = np.where(usable, captured, np.float32(0.0))
        self.captured.write(captured)
        missing = self.enhanced.read_into(position, played)
        target = self._fade if self.bypass else 0
        if self._faded == 0 == target:
            return missing
        if self._faded == self._fade == target:
            self.captured.read_into(position, played)
            return missing
        noisy = self._noisy[: played.size]
        self.captured.read_into(position, noisy)
        self._mix(noisy, played, target)
        return missing

    def _mix(self, noisy: NDArray[np.float32], played: NDArray[np.float32], target: int) -> None:
        """Fade towards the noisy signal (``target`` = fade) or away from it (0)."""
        rising = target > 0
        if not rising:  # fading the enhanced signal in is the same with the two exchanged
            noisy, played = played, noisy
        at = 1 + (self._faded if rising else self._fade - self._faded)
        weights = self._weights[at : at + noisy.size]
        np.subtract(noisy, played, out=noisy)
        np.multiply(noisy, weights, out=noisy)
        np.add(noisy, played, out=noisy)
        if rising:
            played[:] = noisy
        passed = min(noisy.size, abs(target - self._faded))
        self._faded += passed if rising else -passed
