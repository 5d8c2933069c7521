"""RNNoise: a small recurrent network on bands, trained on speech in noise, as many applications carry it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from enhancers.base import SAMPLE_RATE, Enhancer, Waveform

RATE = 48000  # Hz; it takes no other
PIECE = 480  # samples at its rate: 10 ms, the only length that it takes
DELAY = 960  # samples at its rate that what comes out is late; tests/enhancers finds it again


@dataclass(frozen=True)
class RnNoise(Enhancer):
    """RNNoise (Valin, 2018, arXiv 1709.08243; weights of release 0.2, inside the package pyrnnoise); causal.

    It hears 48 kHz in 16-bit samples: the signal is brought there and back by a linear-phase resampler, whose time
    is part of its cost and whose few milliseconds of look-ahead are not part of its latency.
    """

    packages: ClassVar[tuple[str, ...]] = ("pyrnnoise", "soxr")

    @property
    def name(self) -> str:
        """``rnnoise``."""
        return "rnnoise"

    @property
    def latency_samples(self) -> int:
        """One piece to fill, and its delay: 30 ms."""
        return (PIECE + DELAY) * SAMPLE_RATE // RATE

    def _enhance(self, waveform: Waveform) -> Waveform:
        import soxr
        from pyrnnoise.rnnoise import create, destroy, process_mono_frame

        fast = soxr.resample(waveform, SAMPLE_RATE, RATE)
        pieces = -(-(len(fast) + DELAY) // PIECE)
        padded = np.zeros(pieces * PIECE, dtype=np.float32)
        padded[: len(fast)] = np.clip(fast, -1.0, 1.0)  # beyond, it would take the samples for integers
        state = create()
        try:
            heard = [process_mono_frame(state, piece)[0] for piece in padded.reshape(pieces, PIECE)]
        finally:
            destroy(state)
        late = np.concatenate(heard).astype(np.float32) / np.float32(32767)
        slow: Waveform = soxr.resample(late[DELAY : DELAY + len(fast)], RATE, SAMPLE_RATE)
        return np.pad(slow, (0, max(0, len(waveform) - len(slow))))[: len(waveform)]
