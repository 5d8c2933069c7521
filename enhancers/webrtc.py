"""WebRTC's noise suppression, as calls in browsers use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from enhancers.base import Enhancer, Waveform

LEVELS = (1, 2, 3, 4)
PIECE = 160  # samples: 10 ms at 16 kHz, the only length that it takes
DELAY = 96  # samples that what comes out is late: windows of 256 every 160; tests/enhancers finds it again
FULL_SCALE = 32768.0  # of 16 bits


@dataclass(frozen=True)
class WebRtcSuppressor(Enhancer):
    """WebRTC's noise suppression (a Wiener filter on a statistical noise estimate), causal, on 16-bit samples.

    Its high-pass filter always runs too. It turns the phase of low frequencies, which is hardly heard but costs SI-SDR,
    even where there is no noise; judge it by PESQ and ESTOI. Automatic gain is off.

    Args:
        level: of suppression, 1 (mild) to 4 (strongest).

    Raises:
        ValueError: if ``level`` is not 1, 2, 3 or 4.
    """

    level: int = 2
    packages: ClassVar[tuple[str, ...]] = ("webrtc_noise_gain",)

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise ValueError(f"WebRtcSuppressor.level must be 1, 2, 3 or 4, got {self.level}")

    @property
    def name(self) -> str:
        """``webrtc_2`` for level 2."""
        return f"webrtc_{self.level}"

    @property
    def latency_samples(self) -> int:
        """One piece to fill, and the delay of its windows: 16 ms."""
        return PIECE + DELAY

    def _enhance(self, waveform: Waveform) -> Waveform:
        from webrtc_noise_gain import AudioProcessor

        processor = AudioProcessor(0, self.level)
        pieces = -(-(len(waveform) + DELAY) // PIECE)
        padded = np.zeros(pieces * PIECE)
        padded[: len(waveform)] = waveform * FULL_SCALE
        pcm = np.clip(np.round(padded), -FULL_SCALE, FULL_SCALE - 1).astype("<i2").tobytes()
        size = 2 * PIECE
        heard = b"".join(processor.Process10ms(pcm[start : start + size]).audio for start in range(0, len(pcm), size))
        late = np.frombuffer(heard, dtype="<i2").astype(np.float32) / np.float32(FULL_SCALE)
        return late[DELAY : DELAY + len(waveform)]
