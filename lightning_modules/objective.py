"""What enhancement is trained for: the parts of the loss that compare waveforms, and their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from lightning_modules.losses import MultiResolutionLoss, compressed_spectral_loss, si_sdr_loss
from networks.stft import Stft

KEY = "model.objective"


@dataclass(frozen=True)
class MetricDiscriminatorSettings:
    """A second network that learns to predict PESQ, and that the enhancement network is trained to convince.

    Args:
        weight: of its part in the enhancement loss.
        learning_rate: of the discriminator, constant.
        channels: of its first layer; the deepest has four times as many.
        rated_per_batch: utterances of every batch that PESQ rates and the discriminator learns from, in turn; None
            takes all.
        processes: that compute PESQ beside the training.

    Raises:
        ValueError: if a value is not positive.
    """

    weight: float = 0.05
    learning_rate: float = 1e-3
    channels: int = 16
    rated_per_batch: int | None = 4
    processes: int = 2

    def __post_init__(self) -> None:
        for name in ("weight", "learning_rate", "channels", "rated_per_batch", "processes"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{KEY}.metric_discriminator.{name} must be positive, got {value}")


@dataclass(frozen=True)
class ObjectiveSettings:
    """The parts of the enhancement loss; one with weight 0 is not computed. Formulas are in ``docs/objectives.md``.

    Args:
        spectral_weight: of the compressed spectral error.
        compression: exponent of the magnitudes, of the spectral error and of what the discriminator reads, in (0, 1].
        complex_weight: share of the complex error in the spectral error, in [0, 1].
        multi_resolution_weight: of the multi-resolution STFT error; it needs the package ``auraloss``.
        multi_resolution_fft_sizes: its window lengths in samples; the hop is a quarter.
        si_sdr_weight: of the negative SI-SDR in dB.
        metric_discriminator: the PESQ discriminator; None leaves it out.

    Raises:
        ValueError: if a value is out of range, or no part but the discriminator is left: validation does without it.
    """

    spectral_weight: float = 1.0
    compression: float = 0.3
    complex_weight: float = 0.3
    multi_resolution_weight: float = 0.0
    multi_resolution_fft_sizes: tuple[int, ...] = (512, 1024, 2048)
    si_sdr_weight: float = 0.0
    metric_discriminator: MetricDiscriminatorSettings | None = None

    def __post_init__(self) -> None:
        if not 0 < self.compression <= 1:
            raise ValueError(f"{KEY}.compression must lie in (0, 1], got {self.compression}")
        if not 0 <= self.complex_weight <= 1:
            raise ValueError(f"{KEY}.complex_weight must lie in [0, 1], got {self.complex_weight}")
        weights = ("spectral_weight", "multi_resolution_weight", "si_sdr_weight")
        for name in weights:
            if getattr(self, name) < 0:
                raise ValueError(f"{KEY}.{name} must not be negative, got {getattr(self, name)}")
        if not any(getattr(self, name) for name in weights):
            raise ValueError(f"{KEY}: one of {', '.join(weights)} must be positive, got 0 for all")
        sizes = self.multi_resolution_fft_sizes
        if not sizes or any(size < 4 or size % 4 for size in sizes):
            raise ValueError(f"{KEY}.multi_resolution_fft_sizes must be multiples of 4, got {list(sizes)}")


DEFAULT_OBJECTIVE = ObjectiveSettings()


class EnhancementObjective:
    """Compares enhanced and clean waveforms.

    Args:
        settings: parts and weights.
        stft: analysis of the spectral error.

    Raises:
        ValueError: if a part needs a package that is not installed.
    """

    def __init__(self, settings: ObjectiveSettings, stft: Stft) -> None:
        self.settings = settings
        self._stft = stft
        self.weights = {
            "spectral_loss": settings.spectral_weight,
            "multi_resolution_loss": settings.multi_resolution_weight,
            "si_sdr_loss": settings.si_sdr_weight,
        }
        if settings.metric_discriminator is not None:
            self.weights["metric_loss"] = settings.metric_discriminator.weight
        self._multi_resolution: MultiResolutionLoss | None = None
        if settings.multi_resolution_weight > 0:
            self._multi_resolution = MultiResolutionLoss(settings.multi_resolution_fft_sizes)

    def parts(self, enhanced: Tensor, clean: Tensor, clean_rms: Tensor) -> dict[str, Tensor]:
        """Return the parts whose weight is not 0, unweighted, by logged name; that of the discriminator is not here.

        Args:
            enhanced: shape (batch, sample).
            clean: shape (batch, sample).
            clean_rms: active-speech level of the clean signal, shape (batch,).

        Returns:
            Scalars.
        """
        parts = {}
        if self.weights["spectral_loss"] > 0:
            parts["spectral_loss"] = compressed_spectral_loss(
                enhanced, clean, clean_rms, self._stft, self.settings.compression, self.settings.complex_weight
            )
        if self._multi_resolution is not None:
            parts["multi_resolution_loss"] = self._multi_resolution(enhanced, clean, clean_rms)
        if self.weights["si_sdr_loss"] > 0:
            parts["si_sdr_loss"] = si_sdr_loss(enhanced, clean)
        return parts

    def weighted_sum(self, parts: Mapping[str, Tensor]) -> Tensor:
        """Return the sum of parts times their weights."""
        first, *rest = (self.weights[name] * part for name, part in parts.items())
        return sum(rest, start=first)
