"""Analysis and synthesis on the frame grid, reconstructing perfectly."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.framing import LAST_FRAME_FLOOR, FrameGrid


class Stft(nn.Module):
    """Short-time Fourier transform with a periodic Hann window, frame ``t`` centred on sample ``t * hop``.

    Frame ``t`` reads half a window past its centre, so the look-ahead is half a window (16 ms by default); a streaming
    form therefore has a latency of one window. The transform keeps no state.

    Args:
        grid: sample-to-frame alignment.
    """

    window: Tensor

    def __init__(self, grid: FrameGrid) -> None:
        super().__init__()
        self.grid = grid
        self.register_buffer("window", torch.hann_window(grid.window_length, periodic=True), persistent=False)

    def analyze(self, waveform: Tensor) -> Tensor:
        """Return the complex spectrum.

        Args:
            waveform: shape (batch, sample), full scale is 1.0.

        Returns:
            Complex spectrum, shape (batch, frequency, frame) with ``1 + sample // hop`` frames.
        """
        return torch.stft(
            waveform.float(),  # bf16 has no FFT, and the transform is a small part of the cost
            n_fft=self.grid.window_length,
            hop_length=self.grid.hop_length,
            window=self.window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )

    def synthesize(self, spectrum: Tensor, num_samples: int) -> Tensor:
        """Return the waveform of a spectrum by weighted overlap-add.

        Samples behind the centre of the last frame (a length that is not a whole number of hops) lie under its falling
        flank only. Reconstruction is exact there down to a window of 0.1 (203 of 256 samples) and fades out beyond:
        dividing by a vanishing window turns any change of the spectrum into a click.

        Args:
            spectrum: complex, shape (batch, frequency, frame).
            num_samples: length of the result.

        Returns:
            Waveform, shape (batch, sample).
        """
        waveform = torch.istft(
            spectrum,
            n_fft=self.grid.window_length,
            hop_length=self.grid.hop_length,
            window=self.window,
            center=True,
            length=num_samples,
        )
        last_center = self.grid.center(spectrum.shape[-1] - 1)
        if num_samples <= last_center:
            return waveform
        flank = self.window[self.grid.window_length // 2 :][: num_samples - last_center]
        fade = (flank.square() / LAST_FRAME_FLOOR).clamp(max=1.0)
        return torch.cat([waveform[:, :last_center], waveform[:, last_center:] * fade], dim=-1)
