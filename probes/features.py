"""Feature matrices for the probes: one row per frame, utterance by utterance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Keeps the logarithm of digital silence finite, far below any recorded noise floor at full scale 1.0.
MAGNITUDE_FLOOR = 1e-5


def mask_features(channel_masks: Tensor) -> NDArray[np.bool_]:
    """Lay out the channel masks as one row per frame.

    Args:
        channel_masks: shape (batch, block, channel, frame), bool or 0/1.

    Returns:
        Shape (batch * frame, block * channel), rows utterance-major, columns named by ``feature_names``.

    Raises:
        ValueError: if ``channel_masks`` does not have four dimensions.

    Example:
        >>> mask_features(torch.ones(2, 3, 4, 5, dtype=torch.bool)).shape
        (10, 12)
    """
    if channel_masks.ndim != 4:
        raise ValueError(
            f"channel_masks must have shape (batch, block, channel, frame), got {tuple(channel_masks.shape)}"
        )
    rows = channel_masks.detach().bool().permute(0, 3, 1, 2).flatten(2).flatten(0, 1)
    return rows.cpu().contiguous().numpy()


def feature_names(num_blocks: int, num_channels: int) -> list[str]:
    """Name the columns of ``mask_features``.

    Example:
        >>> feature_names(1, 2)
        ['block00/ch000', 'block00/ch001']
    """
    return [f"block{block:02d}/ch{channel:03d}" for block in range(num_blocks) for channel in range(num_channels)]


def frame_rows(values: Tensor) -> NDArray[np.float32]:
    """Lay out values of shape (batch, feature, frame) as one row per frame, utterance by utterance.

    Example:
        >>> frame_rows(torch.zeros(2, 3, 4)).shape
        (8, 3)
    """
    return values.detach().transpose(1, 2).flatten(0, 1).float().cpu().contiguous().numpy()


def frame_targets(targets: Mapping[str, Tensor], num_frames: int) -> dict[str, NDArray[np.float32]]:
    """Lay out targets as one value per frame, utterance by utterance.

    Args:
        targets: name to shape (batch, frame) or (batch,); the latter hold for all frames of the utterance.
        num_frames: frames of every utterance.

    Returns:
        Name to shape (batch * frame,).

    Example:
        >>> frame_targets({"noise_class": torch.tensor([1.0, 2.0])}, 2)["noise_class"].tolist()
        [1.0, 1.0, 2.0, 2.0]
    """
    rows = {}
    for name, values in targets.items():
        if values.ndim == 1:
            values = values[:, None].expand(-1, num_frames)
        rows[name] = values.reshape(-1).cpu().numpy()
    return rows


def log_magnitude_features(spectrum: Tensor) -> NDArray[np.float32]:
    """Compute the logarithm of the magnitude of every bin, a baseline that needs no network.

    Args:
        spectrum: complex, shape (batch, frequency, frame).

    Returns:
        ``log10(|X| + 1e-5)``, shape (batch * frame, frequency), rows utterance-major.

    Raises:
        ValueError: if ``spectrum`` does not have three dimensions.

    Example:
        >>> log_magnitude_features(torch.ones(2, 3, 4, dtype=torch.complex64)).shape
        (8, 3)
    """
    _check_spectrum(spectrum)
    return frame_rows(torch.log10(spectrum.detach().abs() + MAGNITUDE_FLOOR))


def log_energy_features(spectrum: Tensor) -> NDArray[np.float32]:
    """Compute one logarithmic energy per frame, the smallest baseline.

    Args:
        spectrum: complex, shape (batch, frequency, frame).

    Returns:
        ``log10(mean over bins of |X|^2 + 1e-10)``, shape (batch * frame, 1), rows utterance-major.

    Raises:
        ValueError: if ``spectrum`` does not have three dimensions.

    Example:
        >>> log_energy_features(torch.full((1, 3, 2), 10.0, dtype=torch.complex64)).round().tolist()
        [[2.0], [2.0]]
    """
    _check_spectrum(spectrum)
    energy = spectrum.detach().abs().square().mean(dim=1)
    return torch.log10(energy + MAGNITUDE_FLOOR**2).reshape(-1, 1).float().cpu().numpy()


def _check_spectrum(spectrum: Tensor) -> None:
    if spectrum.ndim != 3:
        raise ValueError(f"spectrum must have shape (batch, frequency, frame), got {tuple(spectrum.shape)}")
