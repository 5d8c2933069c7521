"""Small figures of one mixture: its three spectrograms, and the channels that were computed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from networks.framing import FrameGrid
from reports.time_panels import draw_mask_raster, draw_spectrogram, level_spectrum

SIGNALS = ("noisy", "enhanced", "clean")


def draw_spectrograms(sounds: Mapping[str, NDArray[np.float32]], grid: FrameGrid) -> Figure:
    """Draw noisy, enhanced and clean on one scale of levels, that of the clean signal.

    Args:
        sounds: ``noisy``, ``enhanced`` and ``clean``, each of shape (sample,).
        grid: sample-to-frame alignment.

    Returns:
        The figure; the caller saves and closes it.
    """
    figure = Figure(figsize=(8.0, 4.8), layout="constrained")
    axes = figure.subplots(len(SIGNALS), 1, sharex=True)
    levels_db = {name: level_spectrum(sounds[name], grid) for name in SIGNALS}
    top_db = float(levels_db["clean"].max())
    for axis, (name, level_db) in zip(axes, levels_db.items(), strict=True):
        draw_spectrogram(axis, level_db, grid, name, top_db)
    axes[-1].set_xlabel("time in s")
    return figure


def draw_masks(channel_masks: NDArray[np.bool_], grid: FrameGrid) -> Figure:
    """Draw which channels were computed.

    Args:
        channel_masks: shape (block, channel, frame).
        grid: sample-to-frame alignment.
    """
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    axis = figure.subplots()
    draw_mask_raster(axis, channel_masks, grid)
    axis.set_xlabel("time in s")
    return figure
