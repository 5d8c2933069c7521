"""A small convolutional network that names the noise class from the log-mel spectrogram of the noisy signal.

What the probe of the noise class competes with: a classifier of its own, trained on the same mixtures
(``estimators.noise_training``). Its layers look back, not ahead, so that it can be asked after every frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
import torchaudio.functional as audio
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from networks.framing import FrameGrid

KERNEL = 3  # bands and frames that a convolution hears
LOG_FLOOR = 1e-10  # mean power of a band at digital silence, -100 dBFS


@dataclass(frozen=True)
class ClassifierSize:
    """How large the network is.

    Args:
        mel_bands: of the spectrogram; halved by every convolution but the last.
        channels: of the convolutions.
        lowest_hz: lower edge of the first band; the upper edge of the last is half the sample rate.

    Raises:
        ValueError: if a value is out of range.
    """

    mel_bands: int = 40
    channels: tuple[int, ...] = (12, 24, 32, 48)
    lowest_hz: float = 50.0

    def __post_init__(self) -> None:
        if not self.channels or min(self.channels) < 1:
            raise ValueError(f"ClassifierSize.channels must be positive, at least one, got {list(self.channels)}")
        if self.mel_bands < 2 ** (len(self.channels) - 1):
            raise ValueError(
                f"ClassifierSize.mel_bands must be at least {2 ** (len(self.channels) - 1)} for "
                f"{len(self.channels)} convolutions, got {self.mel_bands}"
            )
        if self.lowest_hz < 0:
            raise ValueError(f"ClassifierSize.lowest_hz must not be negative, got {self.lowest_hz}")


class LogMel(nn.Module):
    """Log-mel spectrogram whose frame ``t`` is centred on sample ``t * hop_length``; looks half a window ahead."""

    window: Tensor
    filters: Tensor

    def __init__(self, grid: FrameGrid, size: ClassifierSize) -> None:
        super().__init__()
        self.grid = grid
        highest = grid.sample_rate / 2
        shape = grid.num_frequencies, size.lowest_hz, highest, size.mel_bands, grid.sample_rate
        self.register_buffer("window", torch.hann_window(grid.window_length), persistent=False)
        self.register_buffer("filters", audio.melscale_fbanks(*shape), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return (batch, band, frame) of a waveform (batch, sample), in nepers of power."""
        window, hop = self.grid.window_length, self.grid.hop_length
        padded = functional.pad(waveform, (window // 2, window // 2))
        spectrum = torch.stft(padded, window, hop, window=self.window, center=False, return_complex=True)
        power = spectrum.abs().square() / self.window.square().sum()
        return (power.transpose(1, 2) @ self.filters + LOG_FLOOR).log().transpose(1, 2)


class NoiseClassifier(nn.Module):
    """Convolutions over bands and past frames, and one linear layer on every frame; logits average over the utterance.

    A frame's logits depend on the frame and the few before it. Averaging hidden units and then applying the linear
    layer is the same as averaging logits, so that one network answers for frames and for utterances.

    Args:
        classes: number of noise classes.
        grid: sample-to-frame alignment.
        size: how large the network is.

    Raises:
        ValueError: if there are fewer than two classes.
    """

    def __init__(self, classes: int, grid: FrameGrid, size: ClassifierSize | None = None) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError(f"NoiseClassifier.classes must be at least 2, got {classes}")
        self.size = size = size or ClassifierSize()
        self.grid = grid
        self.log_mel = LogMel(grid, size)
        self.scale = nn.BatchNorm1d(size.mel_bands, affine=False)
        before = (1, *size.channels)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(before[layer], channels, KERNEL, padding=(KERNEL // 2, 0), bias=False)
            for layer, channels in enumerate(size.channels)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for channels in size.channels)
        bands = size.mel_bands
        for _ in size.channels[1:]:
            bands //= 2
        self.output = nn.Linear(size.channels[-1] * bands, classes)

    @property
    def past_frames(self) -> int:
        """How many frames before it the logits of a frame depend on."""
        return (KERNEL - 1) * len(self.convolutions)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return the logits of every frame.

        Args:
            log_mel: of :class:`LogMel`, shape (batch, band, frame).

        Returns:
            Shape (batch, class, frame).
        """
        hidden = self.scale(log_mel)[:, None]  # (batch, 1, band, frame)
        for layer, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            if layer:
                hidden = functional.max_pool2d(hidden, (2, 1))
            hidden = functional.relu(norm(convolution(functional.pad(hidden, (KERNEL - 1, 0)))))
        return self.output(hidden.flatten(1, 2).transpose(1, 2)).transpose(1, 2)

    @torch.inference_mode()
    def posteriors(self, waveform: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the posterior of every frame, and that of the whole utterance.

        Args:
            waveform: noisy speech, shape (sample,), full scale is 1.0.

        Returns:
            Shapes (frame, class) and (class,).

        Raises:
            ValueError: if the waveform is not one float channel, or the network is still training.
        """
        if waveform.ndim != 1 or not np.issubdtype(waveform.dtype, np.floating):
            raise ValueError(
                f"waveform must be floating-point of shape (sample,), got {waveform.dtype} {waveform.shape}"
            )
        if self.training:
            raise ValueError("NoiseClassifier.posteriors needs a network in eval mode")
        logits = self(self.log_mel(torch.from_numpy(np.asarray(waveform, dtype=np.float32))[None]))[0]
        frames = logits.softmax(dim=0).T.double().numpy()
        return frames, logits.mean(dim=1).softmax(dim=0).double().numpy()


def macs_per_frame(classifier: NoiseClassifier) -> int:
    """Count the multiply-accumulates of a frame, norms folded into convolutions, spectrogram not counted.

    Example:
        >>> macs_per_frame(NoiseClassifier(9, FrameGrid()))
        196560
    """
    bands, macs = classifier.size.mel_bands, classifier.output.weight.numel()
    for convolution in classifier.convolutions:
        macs += cast(nn.Conv2d, convolution).weight.numel() * bands
        bands //= 2
    return macs
