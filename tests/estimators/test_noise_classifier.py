"""The classifier looks back only, learns what can be learnt, and nothing from shuffled labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from estimators.noise_classifier import ClassifierSize, LogMel, NoiseClassifier, macs_per_frame
from estimators.noise_training import TrainingSettings, train_noise_classifier
from networks.framing import FrameGrid

GRID = FrameGrid()
SMALL = ClassifierSize(mel_bands=16, channels=(4, 6))
QUICK = TrainingSettings(epochs=20, learning_rate=1e-2, batch_size=16, crop_frames=20, masked_bands=2, masked_frames=4)


def coloured(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return noises that are low, high or white, (mixture, sample), with labels 0, 1 and 2."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    white = rng.standard_normal((count, 16001))
    low, high = (white[:, 1:] + white[:, :-1]) / 2, (white[:, 1:] - white[:, :-1]) / 2
    level = 10 ** (rng.uniform(-40, -20, (count, 1)) / 20)  # says nothing of the class
    noises = level * np.choose(labels[:, None], [low, high, white[:, 1:]])
    return torch.from_numpy(noises).float(), torch.from_numpy(labels)


def accuracy(classifier: NoiseClassifier, seed: int) -> tuple[float, float]:
    """Return the share of right utterances and of right frames on new noises."""
    waveforms, labels = coloured(60, seed)
    told = [classifier.posteriors(waveform.numpy()) for waveform in waveforms]
    whole = np.mean([one.argmax() == label for (_, one), label in zip(told, labels.tolist(), strict=True)])
    frames = np.mean(
        [(each.argmax(axis=1) == label).mean() for (each, _), label in zip(told, labels.tolist(), strict=True)]
    )
    return float(whole), float(frames)


def test_what_differs_is_learnt_and_shuffled_labels_are_not() -> None:
    waveforms, labels = coloured(96, seed=0)
    trained = train_noise_classifier([(waveforms, labels)], 3, GRID, SMALL, QUICK, progress=False)
    whole, frames = accuracy(trained, seed=1)
    assert whole > 0.85 and frames > 0.8  # a third by chance
    wrong = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))]
    fooled = train_noise_classifier([(waveforms, wrong)], 3, GRID, SMALL, QUICK, progress=False)
    assert accuracy(fooled, seed=1)[0] < 0.7


def test_the_seed_decides_and_the_random_state_is_kept() -> None:
    waveforms, labels = coloured(12, seed=0)

    def trained(seed: int) -> np.ndarray:
        settings = TrainingSettings(epochs=1, batch_size=4, seed=seed)
        classifier = train_noise_classifier([(waveforms, labels)], 3, GRID, SMALL, settings, progress=False)
        return classifier.posteriors(waveforms[0].numpy())[1]

    before = torch.get_rng_state()
    first = trained(0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    np.testing.assert_array_equal(trained(0), first)
    assert not np.array_equal(trained(1), first)


def test_frames_depend_on_the_past_that_is_declared_and_on_nothing_later() -> None:
    torch.manual_seed(0)
    classifier = NoiseClassifier(3, GRID, SMALL).eval()
    spectrogram = torch.randn(1, 16, 40, requires_grad=True)
    classifier(spectrogram)[0, :, 20].sum().backward()
    assert spectrogram.grad is not None
    heard = spectrogram.grad[0].abs().sum(dim=0).nonzero()[:, 0].tolist()
    assert heard == list(range(20 - classifier.past_frames, 21))


def test_frames_of_the_spectrogram_are_centred() -> None:
    click = torch.zeros(1, 10 * GRID.hop_length)
    click[0, 5 * GRID.hop_length] = 1.0
    spectrogram = LogMel(GRID, ClassifierSize())(click)
    assert spectrogram.shape == (1, 40, GRID.num_frames(click.shape[1]))
    assert int(spectrogram.mean(dim=1).argmax()) == 5


@pytest.mark.parametrize("size", [SMALL, ClassifierSize(), ClassifierSize(mel_bands=33, channels=(3, 5, 7))])
def test_macs_agree_with_the_flop_counter(size: ClassifierSize) -> None:
    classifier = NoiseClassifier(5, GRID, size).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        classifier(torch.zeros(1, size.mel_bands, 10))
    assert counter.get_total_flops() == 2 * 10 * macs_per_frame(classifier)


def test_posteriors_of_frames_and_utterances() -> None:
    classifier = NoiseClassifier(4, GRID).eval()
    frames, whole = classifier.posteriors(np.zeros(5000, dtype=np.float32))
    assert frames.shape == (GRID.num_frames(5000), 4) and whole.shape == (4,)
    np.testing.assert_allclose(frames.sum(axis=1), 1, atol=1e-6)
    assert whole.sum() == pytest.approx(1, abs=1e-6)


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match=r"mel_bands must be at least 8 for 4 convolutions, got 4"):
        ClassifierSize(mel_bands=4)
    with pytest.raises(ValueError, match=r"channels must be positive, at least one, got \[\]"):
        ClassifierSize(channels=())
    with pytest.raises(ValueError, match=r"epochs must be positive, got 0"):
        TrainingSettings(epochs=0)
    with pytest.raises(ValueError, match=r"frame_weight must not be negative, got -1"):
        TrainingSettings(frame_weight=-1)
    with pytest.raises(ValueError, match=r"classes must be at least 2, got 1"):
        NoiseClassifier(1, GRID)
    with pytest.raises(ValueError, match="at least one mixture"):
        train_noise_classifier([], 3, GRID, SMALL, QUICK, progress=False)
    with pytest.raises(ValueError, match="labels must lie in 0 to 1, got 0 to 2"):
        train_noise_classifier([coloured(3, 0)], 2, GRID, SMALL, QUICK, progress=False)
    with pytest.raises(ValueError, match="eval mode"):
        NoiseClassifier(3, GRID).posteriors(np.zeros(5000, dtype=np.float32))
    with pytest.raises(ValueError, match=r"got float32 \(1, 5000\)"):
        NoiseClassifier(3, GRID).eval().posteriors(np.zeros((1, 5000), dtype=np.float32))
