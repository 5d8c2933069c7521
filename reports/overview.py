"""The overview figure: one mixture, its channel masks, and what the probes read from them, on one time axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.signal import stft

from networks.framing import FrameGrid

TARGET_COLOR, PREDICTION_COLOR = "#222222", "#D55E00"  # told apart in grey and by colour-blind readers
DYNAMIC_RANGE_DB = 70.0


@dataclass(frozen=True)
class Overview:
    """What is drawn.

    Attributes:
        noisy, clean, enhanced: waveforms, each (sample,).
        channel_masks: shape (block, channel, frame), bool.
        targets: name to (frame,).
        predictions: name to (frame,): probability of a binary target, class index or value in the target's unit.
    """

    noisy: NDArray[np.float32]
    clean: NDArray[np.float32]
    enhanced: NDArray[np.float32]
    channel_masks: NDArray[np.bool_]
    targets: Mapping[str, NDArray[Any]]
    predictions: Mapping[str, NDArray[Any]]


def _time_extent(frames: int, grid: FrameGrid) -> tuple[float, float]:
    """Return the time in s at which an image of ``frames`` columns starts and ends: columns are centred on frames."""
    return -0.5 / grid.frame_rate_hz, (frames - 0.5) / grid.frame_rate_hz


def _spectrogram(axis: Axes, waveform: NDArray[np.float32], grid: FrameGrid, title: str, top_db: float) -> None:
    """Draw a magnitude spectrogram in dB, frames centred as in the network."""
    overlap = grid.window_length - grid.hop_length
    spectrum = stft(waveform, grid.sample_rate, nperseg=grid.window_length, noverlap=overlap, padded=True)[2]
    level_db = 20 * np.log10(np.abs(spectrum) + 1e-9)
    extent = (*_time_extent(level_db.shape[1], grid), 0.0, grid.sample_rate / 2000)
    low_db = top_db - DYNAMIC_RANGE_DB
    axis.imshow(level_db, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=low_db, vmax=top_db)
    axis.set_ylabel("kHz")
    axis.set_title(title, loc="left", fontsize=9, pad=2)


def _mask_raster(axis: Axes, channel_masks: NDArray[np.bool_], grid: FrameGrid) -> None:
    """Draw all channel masks as one image, blocks from top to bottom, channels sorted by activity inside a block."""
    blocks, channels, frames = channel_masks.shape
    order = np.argsort(channel_masks.mean(axis=2), axis=1)[:, ::-1]
    rows = np.take_along_axis(channel_masks, order[:, :, None], axis=1).reshape(blocks * channels, frames)
    extent = (*_time_extent(frames, grid), blocks, 0.0)
    axis.imshow(rows, aspect="auto", extent=extent, cmap="Greys", interpolation="antialiased")
    for block in range(1, blocks):
        axis.axhline(block, color="#0072B2", linewidth=0.7)
    axis.set_yticks(np.arange(blocks) + 0.5, [f"{block:02d}" for block in range(blocks)], fontsize=7)
    axis.set_ylabel("block")
    utilization = channel_masks.mean()
    axis.set_title(f"channel masks (black: computed, {utilization:.0%} of all)", loc="left", fontsize=9, pad=2)


def _track(axis: Axes, time_s: NDArray[Any], target: NDArray[Any], prediction: NDArray[Any], label: str) -> None:
    """Draw a target and its prediction over time."""
    axis.plot(time_s, target, color=TARGET_COLOR, linewidth=1.6, label="target")
    axis.plot(time_s, prediction, color=PREDICTION_COLOR, linewidth=1.0, label="from the masks")
    axis.set_title(label, loc="left", fontsize=9, pad=2)
    axis.grid(alpha=0.25)


def draw_overview(overview: Overview, grid: FrameGrid) -> Figure:
    """Draw the figure.

    Args:
        overview: signals, masks, targets and predictions of one mixture.
        grid: sample-to-frame alignment.

    Returns:
        The figure; the caller saves and closes it.
    """
    tracks = [
        (name, label)
        for name, label in (
            ("vad", "voice activity (probability)"),
            ("snr_db", "frame SNR in dB"),
            ("f0_hz", "F0 in Hz, voiced frames"),
        )
        if name in overview.predictions
    ]
    heights = [1.3, 1.3, 1.3, 4.0, *[1.0] * len(tracks)]
    figure = Figure(figsize=(9.5, 1.1 * sum(heights) + 0.6), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    clean_spectrum = stft(overview.clean, grid.sample_rate, nperseg=grid.window_length)[2]
    top_db = float(20 * np.log10(np.abs(clean_spectrum).max() + 1e-9))
    _spectrogram(axes[0], overview.noisy, grid, "noisy", top_db)
    _spectrogram(axes[1], overview.enhanced, grid, "enhanced", top_db)
    _spectrogram(axes[2], overview.clean, grid, "clean", top_db)
    _mask_raster(axes[3], overview.channel_masks, grid)
    time_s = np.arange(overview.channel_masks.shape[-1]) * grid.hop_length / grid.sample_rate
    for axis, (name, label) in zip(axes[4:], tracks, strict=True):
        prediction = np.asarray(overview.predictions[name], dtype=np.float64)
        if name == "f0_hz":  # the probe answers everywhere, but only voiced frames have an F0
            prediction = np.where(np.isfinite(overview.targets[name]), prediction, np.nan)
        _track(axis, time_s, overview.targets[name], prediction, label)
    if tracks:
        axes[4].legend(loc="upper right", fontsize=7, ncols=2, framealpha=0.9)
    axes[-1].set_xlabel("time in s")
    axes[-1].set_xlim(0.0, len(overview.noisy) / grid.sample_rate)
    return figure
