"""Panels that share one time axis: spectrogram, channel masks, tracks and strips, columns centred on frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from networks.framing import FrameGrid

DYNAMIC_RANGE_DB = 70.0
BLOCK_COLOR = "#0072B2"
# Distinct for colour-blind readers, after Okabe and Ito; then tints of them.
CLASS_COLORS = (
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#CC79A7",
    "#0072B2",
    "#D55E00",
    "#8C6D31",
    "#7F7F7F",
    "#F0E442",
    "#5B2A86",
    "#A6D854",
    "#222222",
)


def time_extent(frames: int, grid: FrameGrid) -> tuple[float, float]:
    """Return the time in s at which an image of ``frames`` columns starts and ends: columns are centred on frames.

    Example:
        >>> time_extent(1, FrameGrid())
        (-0.008, 0.008)
    """
    return -0.5 / grid.frame_rate_hz, (frames - 0.5) / grid.frame_rate_hz


def level_spectrum(waveform: NDArray[np.float32], grid: FrameGrid) -> NDArray[np.float64]:
    """Compute the magnitude spectrogram in dB, frames centred as in the network.

    Args:
        waveform: shape (sample,), with silence before and behind it.
        grid: sample-to-frame alignment.

    Returns:
        Shape (frequency, frame); a sine of full scale reaches -6 dB.

    Example:
        >>> tone = np.sin(2 * np.pi * 1000 / 16000 * np.arange(16000))
        >>> level_db = level_spectrum(tone, FrameGrid())
        >>> level_db.shape, int(level_db[:, 30].argmax()), round(float(level_db.max()), 1)
        ((257, 63), 32, -6.0)
    """
    half = grid.window_length // 2
    padded = np.pad(np.asarray(waveform, dtype=np.float64), half)
    frames = np.lib.stride_tricks.sliding_window_view(padded, grid.window_length)[:: grid.hop_length]
    window = np.hanning(grid.window_length + 1)[:-1]  # periodic
    magnitude = np.abs(np.fft.rfft(frames * window, axis=1)).T / window.sum()
    level_db: NDArray[np.float64] = 20 * np.log10(magnitude + 1e-9)
    return level_db


def draw_spectrogram(axis: Axes, level_db: NDArray[np.float64], grid: FrameGrid, title: str, top_db: float) -> None:
    """Draw a spectrogram, shape (frequency, frame), ``DYNAMIC_RANGE_DB`` below ``top_db``."""
    extent = (*time_extent(level_db.shape[1], grid), 0.0, grid.sample_rate / 2000)
    low_db = top_db - DYNAMIC_RANGE_DB
    axis.imshow(level_db, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=low_db, vmax=top_db)
    axis.set_ylabel("kHz")
    title_panel(axis, title)


def draw_mask_raster(axis: Axes, channel_masks: NDArray[np.bool_], grid: FrameGrid) -> None:
    """Draw channel masks, shape (block, channel, frame), as one image, the most active channels of a block on top."""
    blocks, channels, frames = channel_masks.shape
    order = np.argsort(channel_masks.sum(axis=2), axis=1)[:, ::-1]
    rows = np.take_along_axis(channel_masks, order[:, :, None], axis=1).reshape(blocks * channels, frames)
    extent = (*time_extent(max(frames, 1), grid), blocks, 0.0)
    axis.imshow(rows, aspect="auto", extent=extent, cmap="Greys", interpolation="antialiased")
    for block in range(1, blocks):
        axis.axhline(block, color=BLOCK_COLOR, linewidth=0.7)
    axis.set_yticks(np.arange(blocks) + 0.5, [f"{block:02d}" for block in range(blocks)], fontsize=7)
    axis.set_ylabel("block")
    title = f"channel masks (black: computed, {channel_masks.mean():.0%} of all)" if frames else "channel masks"
    title_panel(axis, title)


def draw_class_strip(
    axis: Axes, posteriors: NDArray[Any], classes: Sequence[str], grid: FrameGrid, title: str
) -> list[int]:
    """Draw the likeliest class of every frame as a colour, the paler the less sure.

    Args:
        axis: where to draw.
        posteriors: shape (frame, class).
        classes: names, to be shown in a legend by the caller.
        grid: sample-to-frame alignment.
        title: of the panel.

    Returns:
        Positions of the classes that are seen, the most frequent one first.
    """
    best = posteriors.argmax(axis=1)
    colors = np.array([to_rgb(class_color(index)) for index in range(len(classes))])
    # From half transparent at chance to opaque when sure.
    chance = 1 / len(classes)
    sure = np.clip((posteriors.max(axis=1) - chance) / (1 - chance), 0, 1)
    alpha = 0.3 + 0.7 * np.sqrt(sure)
    image = np.concatenate([colors[best], alpha[:, None]], axis=1)[None]
    axis.imshow(image, aspect="auto", extent=(*time_extent(len(best), grid), 0.0, 1.0), interpolation="nearest")
    axis.set_yticks([])
    title_panel(axis, title)
    counts = np.bincount(best, minlength=len(classes))
    return [int(index) for index in np.argsort(-counts, kind="stable") if counts[index]]


def moving_average(values: NDArray[Any], frames: int) -> NDArray[np.float64]:
    """Average every frame with its neighbours, fewer at both ends.

    Args:
        values: shape (frame, ...).
        frames: in the average, odd.

    Example:
        >>> moving_average(np.array([0.0, 3.0, 6.0, 9.0]), 3).tolist()
        [1.5, 3.0, 6.0, 7.5]
    """
    half, count = frames // 2, len(values)
    sums = np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0, dtype=np.float64)])
    first = np.maximum(np.arange(count) - half, 0)
    end = np.minimum(np.arange(count) + half + 1, count)
    lengths = (end - first).reshape(-1, *[1] * (values.ndim - 1))
    return (sums[end] - sums[first]) / lengths


def class_color(index: int) -> str:
    """Return the colour of a class by its position."""
    return CLASS_COLORS[index % len(CLASS_COLORS)]


def title_panel(axis: Axes, title: str) -> None:
    """Write a title above the left end of a panel."""
    axis.set_title(title, loc="left", fontsize=9, pad=2)
