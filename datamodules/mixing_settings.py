"""What mixtures are drawn from: everything under ``data.mixing`` of a configuration."""

from __future__ import annotations

from dataclasses import dataclass, replace

from datamodules.augmentation import (
    AdditionalNoise,
    BandLimit,
    Clipping,
    Equalization,
    NoiseSpeed,
    Reverberation,
    SpeedPerturbation,
)
from networks.framing import FrameGrid


@dataclass(frozen=True)
class MixingSettings:
    """How mixtures are drawn; every pair is the range of a uniform distribution.

    Augmentations are off where they are None or their probability is 0. Each draws from random numbers of its own:
    switching one on does not change what the others draw. ``docs/mixing.md`` has the order of operations.

    Args:
        segment_s: length of a mixture in seconds, rounded down to whole hops.
        snr_db: active speech power over noise power, before late reverberation and clipping add to the noise.
        level_dbfs: level of the mixture.
        excerpt_s: length of a piece of speech between two pauses.
        pause_s: length of a pause.
        additional_noise: further noises under the main one.
        reverberation: speech, and if wanted noise, in a room.
        equalization: random colour of speech and of noise.
        band_limit: low-pass on everything.
        clipping: overdriven input.
        speed: speech played faster or slower.
        noise_speed: the main noise played faster or slower.

    Raises:
        ValueError: if a range is reversed, a length is not positive, or the shortest pause fills the mixture.
    """

    segment_s: float = 4.0
    snr_db: tuple[float, float] = (-5.0, 15.0)
    level_dbfs: tuple[float, float] = (-35.0, -18.0)
    excerpt_s: tuple[float, float] = (1.0, 3.0)
    pause_s: tuple[float, float] = (0.2, 1.2)
    additional_noise: AdditionalNoise | None = None
    reverberation: Reverberation | None = None
    equalization: Equalization | None = None
    band_limit: BandLimit | None = None
    clipping: Clipping | None = None
    speed: SpeedPerturbation | None = None
    noise_speed: NoiseSpeed | None = None

    def __post_init__(self) -> None:
        for name in ("snr_db", "level_dbfs", "excerpt_s", "pause_s"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"data.mixing.{name}: the first value must not exceed the second, got [{low}, {high}]")
        if self.segment_s <= 0 or self.excerpt_s[0] <= 0 or self.pause_s[0] < 0:
            raise ValueError("data.mixing: segment_s and excerpt_s must be positive and pause_s not negative")
        if self.pause_s[0] >= self.segment_s:
            raise ValueError(
                f"data.mixing.pause_s: the shortest pause must be shorter than segment_s ({self.segment_s} s), "
                f"got {list(self.pause_s)}; no speech would fit"
            )

    @property
    def needs_responses(self) -> bool:
        """Whether room responses are drawn, so that the corpus must have some."""
        return self.reverberation is not None and self.reverberation.probability > 0

    def plain(self) -> MixingSettings:
        """Return the same mixtures without augmentations."""
        return replace(
            self,
            additional_noise=None,
            reverberation=None,
            equalization=None,
            band_limit=None,
            clipping=None,
            speed=None,
            noise_speed=None,
        )

    def check_grid(self, grid: FrameGrid) -> None:
        """Check what depends on the sample rate and the window.

        Raises:
            ValueError: naming the key.
        """
        if grid.seconds_to_samples(self.segment_s) < grid.window_length:
            raise ValueError(
                f"data.mixing.segment_s must span at least one window of {grid.window_length} samples "
                f"({grid.window_length / grid.sample_rate} s), got {self.segment_s}"
            )
        if self.band_limit is not None:
            self.band_limit.check_grid(grid)
