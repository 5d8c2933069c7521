"""Samples to frames and back: the one place where this arithmetic exists.

Frame ``t`` is centred on sample ``t * hop_length``. Network, targets, masks and predictions all live on this grid
(512-sample windows every 256 samples at 16 kHz unless configured otherwise).
"""

from __future__ import annotations

from dataclasses import dataclass

MAGNITUDE_FLOOR = 1e-9  # added to magnitudes before a power law: keeps it differentiable at digital silence
# Rates of recordings that can be meant: below telephones and above bats a header is damaged, and resampling from or to
# such a rate would take thousands of times the memory of the recording.
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1_000, 1_000_000
LAST_FRAME_FLOOR = 0.01  # squared window below which the last frame alone no longer determines the signal


@dataclass(frozen=True)
class FrameGrid:
    """Alignment of samples and frames.

    Args:
        sample_rate: Hz.
        window_length: samples of one analysis window, even.
        hop_length: samples between frame centres; must divide ``window_length`` at least twice.

    Raises:
        ValueError: if a value is not positive or the window is not a multiple of at least two hops.

    Example:
        >>> FrameGrid().num_frames(16000), FrameGrid().num_frequencies
        (63, 257)
    """

    sample_rate: int = 16000
    window_length: int = 512
    hop_length: int = 256

    def __post_init__(self) -> None:
        for name in ("sample_rate", "window_length", "hop_length"):
            value = getattr(self, name)
            if value <= 0:
                raise ValueError(f"grid.{name} must be positive, got {value}")
        if self.sample_rate > HIGHEST_RATE_HZ:
            raise ValueError(f"grid.sample_rate must be at most {HIGHEST_RATE_HZ} Hz, got {self.sample_rate:d}")
        if self.window_length % 2 or self.window_length % self.hop_length or self.window_length < 2 * self.hop_length:
            raise ValueError(
                f"grid.window_length must be even and a multiple of at least two hops, "
                f"got {self.window_length} with grid.hop_length {self.hop_length}"
            )

    @property
    def num_frequencies(self) -> int:
        """Frequency bins of the one-sided spectrum."""
        return self.window_length // 2 + 1

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_length

    @property
    def latency(self) -> int:
        """Algorithmic latency of the streaming form, in samples: one window."""
        return self.window_length

    def num_frames(self, num_samples: int) -> int:
        """Return how many frames ``num_samples`` have: ``1 + num_samples // hop_length``."""
        if num_samples < 0:
            raise ValueError(f"num_samples must not be negative, got {num_samples}")
        return 1 + num_samples // self.hop_length

    def center(self, frame: int) -> int:
        """Return the sample that frame ``frame`` is centred on."""
        return frame * self.hop_length

    def span(self, frame: int, length: int) -> tuple[int, int]:
        """Return the half-open sample range of ``length`` samples centred on ``frame`` (may leave the signal)."""
        start = self.center(frame) - length // 2
        return start, start + length

    def floor_to_hop(self, num_samples: int) -> int:
        """Round ``num_samples`` down to a whole number of hops."""
        return num_samples // self.hop_length * self.hop_length

    def seconds_to_samples(self, seconds: float) -> int:
        """Return the nearest number of samples to ``seconds``."""
        return round(seconds * self.sample_rate)
