"""The overview figure: one mixture, its channel masks, and what the probes read from them, on one time axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from networks.framing import FrameGrid
from reports.time_panels import draw_mask_raster, draw_spectrogram, level_spectrum, title_panel

TARGET_COLOR, PREDICTION_COLOR = "#222222", "#D55E00"  # told apart in grey and by colour-blind readers


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


def _track(axis: Axes, time_s: NDArray[Any], target: NDArray[Any], prediction: NDArray[Any], label: str) -> None:
    """Draw a target and its prediction over time."""
    axis.plot(time_s, target, color=TARGET_COLOR, linewidth=1.6, label="target")
    axis.plot(time_s, prediction, color=PREDICTION_COLOR, linewidth=1.0, label="from the masks")
    title_panel(axis, label)
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
    signals = {"noisy": overview.noisy, "enhanced": overview.enhanced, "clean": overview.clean}
    levels_db = {title: level_spectrum(waveform, grid) for title, waveform in signals.items()}
    top_db = float(levels_db["clean"].max())
    for axis, (title, level_db) in zip(axes, levels_db.items(), strict=False):
        draw_spectrogram(axis, level_db, grid, title, top_db)
    draw_mask_raster(axes[3], overview.channel_masks, grid)
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
