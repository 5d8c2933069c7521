"""Processor time per hop of programs that hear the same signals, in turns in one process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from estimators.cost import one_thread

Waveform = NDArray[np.float32]


@dataclass
class Timed:
    """A program that is timed.

    Attributes:
        name: of the program.
        run: works through a signal, shape (sample,), once.
        times_us: processor time per hop, of every round.
    """

    name: str
    run: Callable[[Waveform], object]
    times_us: list[float] = field(default_factory=list)

    @property
    def median_us(self) -> float:
        """Median over the rounds."""
        return statistics.median(self.times_us)

    def ratio_to(self, other: Timed) -> float:
        """Return the median ratio to another program in the same round: a busy machine slows both."""
        return statistics.median(one / two for one, two in zip(self.times_us, other.times_us, strict=True))


def measure(programs: Sequence[Timed], waveforms: Sequence[Waveform], hop_length: int, rounds: int, seed: int) -> None:
    """Time all programs in every round on one signal, in another order each time, on one thread.

    Every program hears the first signal once before, so that loading and compiling are not timed.

    Args:
        programs: their times are filled.
        waveforms: each of shape (sample,), at least one hop long; rounds take them in turn.
        hop_length: samples of a hop.
        rounds: number of rounds.
        seed: of the orders.

    Raises:
        ValueError: if there is no round or no signal, or a signal is shorter than a hop.
    """
    if rounds < 1 or not waveforms or min(map(len, waveforms)) < hop_length:
        raise ValueError(
            f"expected at least one round and one signal of {hop_length} samples or more, got {rounds} rounds of "
            f"signals of {[len(waveform) for waveform in waveforms]} samples"
        )
    rng = np.random.default_rng(seed)
    with one_thread():
        for program in programs:
            program.run(waveforms[0])
        for turn in tqdm(range(rounds), desc="Timing", unit="round"):
            waveform = waveforms[turn % len(waveforms)]
            for index in rng.permutation(len(programs)):
                start = time.process_time()
                programs[index].run(waveform)
                seconds = time.process_time() - start
                programs[index].times_us.append(1e6 * seconds / (len(waveform) / hop_length))
