"""Training the noise classifier: minutes on one core, the same result from the same mixtures and settings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from estimators.noise_classifier import ClassifierSize, NoiseClassifier
from networks.framing import FrameGrid


@dataclass(frozen=True)
class TrainingSettings:
    """How the classifier is trained.

    Args:
        epochs: how often every mixture is heard.
        batch_size: mixtures per step.
        crop_frames: heard of a mixture at a time, from a drawn frame on.
        learning_rate: of AdamW at its highest; one cycle up and down.
        weight_decay: of AdamW.
        masked_bands, masked_frames: up to so many neighbouring bands and frames are hidden (SpecAugment, Park et al.,
            2019), against learning recordings by heart.
        frame_weight: of the loss of single frames, beside that of the utterance.
        seed: of weights, order, crops and masks.

    Raises:
        ValueError: if a value is out of range.
    """

    epochs: int = 8
    batch_size: int = 32
    crop_frames: int = 94
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    masked_bands: int = 6
    masked_frames: int = 20
    frame_weight: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "crop_frames", "learning_rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"TrainingSettings.{name} must be positive, got {getattr(self, name)}")
        for name in ("weight_decay", "masked_bands", "masked_frames", "frame_weight", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"TrainingSettings.{name} must not be negative, got {getattr(self, name)}")


def train_noise_classifier(
    batches: Iterable[tuple[Tensor, Tensor]],
    classes: int,
    grid: FrameGrid,
    size: ClassifierSize | None = None,
    settings: TrainingSettings | None = None,
    progress: bool = True,
) -> NoiseClassifier:
    """Train a classifier; the random state of torch is as before afterwards.

    Args:
        batches: noisy waveforms, shape (batch, sample), all of one length, and their classes, shape (batch,). They are
            turned into log-mel spectrograms at once, which are kept: 40 kB for 4 s.
        classes: number of noise classes.
        grid: sample-to-frame alignment.
        size: of the network.
        settings: of the training.
        progress: whether to show a bar.

    Returns:
        The classifier, ready to be asked.

    Raises:
        ValueError: if there are no mixtures, or a label is none of the classes.
    """
    settings = settings or TrainingSettings()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        classifier = NoiseClassifier(classes, grid, size)
        spectrograms, labels = _spectrograms(classifier, batches, classes)
        rng = torch.Generator().manual_seed(settings.seed)
        _fit(classifier.train(), spectrograms, labels, settings, rng, progress)
    return classifier.eval()


@torch.no_grad()
def _spectrograms(
    classifier: NoiseClassifier, batches: Iterable[tuple[Tensor, Tensor]], classes: int
) -> tuple[Tensor, Tensor]:
    """Return the log-mel spectrograms of all mixtures, (mixture, band, frame), and their labels, (mixture,)."""
    pairs = [(classifier.log_mel(waveform), labels.long()) for waveform, labels in batches]
    if not pairs:
        raise ValueError("batches must hold at least one mixture, got none")
    labels = torch.cat([own for _, own in pairs])
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise ValueError(f"labels must lie in 0 to {classes - 1}, got {int(labels.min())} to {int(labels.max())}")
    return torch.cat([spectrogram for spectrogram, _ in pairs]), labels


def _fit(
    classifier: NoiseClassifier,
    spectrograms: Tensor,
    labels: Tensor,
    settings: TrainingSettings,
    rng: torch.Generator,
    progress: bool,
) -> None:
    """Take all steps."""
    per_epoch = -(-len(labels) // settings.batch_size)
    optimizer = torch.optim.AdamW(classifier.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
    steps = settings.epochs * per_epoch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.learning_rate, total_steps=max(steps, 2))
    with tqdm(total=steps, desc="Training the noise classifier", unit="step", disable=not progress) as bar:
        for _ in range(settings.epochs):
            order = torch.randperm(len(labels), generator=rng)
            for first in range(0, len(order), settings.batch_size):
                chosen = order[first : first + settings.batch_size]
                heard = _augmented(spectrograms[chosen], settings, rng)
                loss = utterance_and_frame_loss(classifier(heard), labels[chosen], settings.frame_weight)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                bar.update()
                bar.set_postfix(loss=f"{loss.item():.2f}", refresh=False)


def utterance_and_frame_loss(logits: Tensor, labels: Tensor, frame_weight: float) -> Tensor:
    """Return the cross-entropy of the mean logits, plus that of every frame's own.

    Args:
        logits: shape (batch, class, frame).
        labels: shape (batch,).
        frame_weight: of the second.

    Example:
        >>> logits = torch.tensor([[[4.0, -2.0], [0.0, 0.0]]])
        >>> round(float(utterance_and_frame_loss(logits, torch.tensor([0]), 0.0)), 2)  # mean logits 1 and 0
        0.31
    """
    whole = functional.cross_entropy(logits.mean(dim=2), labels)
    each = functional.cross_entropy(logits, labels[:, None].expand(-1, logits.shape[2]))
    return whole + frame_weight * each


def _augmented(spectrograms: Tensor, settings: TrainingSettings, rng: torch.Generator) -> Tensor:
    """Cut the same stretch out of a batch, and hide bands and frames of every mixture behind its mean."""

    def below(limit: int) -> int:
        return int(torch.randint(max(limit, 1), (), generator=rng))

    frames = min(settings.crop_frames, spectrograms.shape[2])
    start = below(spectrograms.shape[2] - frames + 1)
    heard = spectrograms[:, :, start : start + frames].clone()
    means = heard.mean(dim=(1, 2))
    for one, mean in zip(heard, means, strict=True):
        bands, length = below(settings.masked_bands + 1), below(settings.masked_frames + 1)
        first_band, first_frame = below(one.shape[0] - bands + 1), below(frames - length + 1)
        one[first_band : first_band + bands] = mean
        one[:, first_frame : first_frame + length] = mean
    return heard
