"""The figure of one enhanced file: its signals, the channel masks, and what was read from them, on one time axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from networks.framing import FrameGrid
from reports.time_panels import (
    class_color,
    draw_class_strip,
    draw_mask_raster,
    draw_spectrogram,
    level_spectrum,
    moving_average,
    title_panel,
)
from storage.whole_files import replacing

SPEECH_COLOR, NOISE_COLOR, QUIET_COLOR = "#D55E00", "#0072B2", "#555555"
WIDTH_RANGE_IN, SECONDS_PER_INCH = (9.5, 16.0), 3.0  # longer excerpts get a wider figure, up to a point
DPI = 110
NOISE_AVERAGE_S = 1.0  # surroundings change slowly; single frames only flicker


@dataclass(frozen=True)
class EnhancedView:
    """What is drawn.

    Attributes:
        title: name of the file.
        noisy, enhanced: waveforms, each (sample,).
        channel_masks: shape (block, channel, frame), bool.
        estimates: name to (frame,): ``vad`` (bool) and ``vad_probability``, ``voicing`` (bool), and values in their
            units; what is missing is not drawn.
        noise_classes: names.
        noise_posteriors: shape (frame, class), or None.
    """

    title: str
    noisy: NDArray[np.float32]
    enhanced: NDArray[np.float32]
    channel_masks: NDArray[np.bool_]
    estimates: Mapping[str, NDArray[Any]]
    noise_classes: tuple[str, ...] = ()
    noise_posteriors: NDArray[Any] | None = None


@dataclass(frozen=True)
class _Panel:
    height: float
    draw: Callable[[Axes], None]


def draw_enhanced(view: EnhancedView, grid: FrameGrid) -> Figure:
    """Draw the figure.

    Args:
        view: signals, masks and estimates.
        grid: sample-to-frame alignment.

    Returns:
        The figure; the caller saves it.
    """
    panels = [*_signal_panels(view, grid), *_estimate_panels(view, grid)]
    heights = [panel.height for panel in panels]
    seconds = len(view.noisy) / grid.sample_rate
    width = float(np.clip(seconds / SECONDS_PER_INCH, *WIDTH_RANGE_IN))
    figure = Figure(figsize=(width, sum(heights) + 0.3 * len(heights) + 0.4), layout="constrained")
    figure.get_layout_engine().set(hspace=0.02, h_pad=0.03)  # type: ignore[union-attr, call-arg]
    axes = figure.subplots(len(panels), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for axis, panel in zip(axes, panels, strict=True):
        panel.draw(axis)
        axis.tick_params(labelsize=8)
    axes[-1].set_xlabel("time in s")
    axes[-1].set_xlim(0.0, max(seconds, 1 / grid.frame_rate_hz))
    figure.suptitle(view.title, fontsize=11, x=0.01, ha="left")
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure under a temporary name and rename it; the suffix tells the format.

    No window system is asked, and figures of several threads do not meet.
    """
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format=path.suffix.lower().lstrip("."))


def _signal_panels(view: EnhancedView, grid: FrameGrid) -> list[_Panel]:
    noisy, enhanced = level_spectrum(view.noisy, grid), level_spectrum(view.enhanced, grid)
    top_db = float(noisy.max())  # of both, so that what was taken away is seen
    return [
        _Panel(1.5, lambda axis: draw_spectrogram(axis, noisy, grid, "noisy", top_db)),
        _Panel(1.5, lambda axis: draw_spectrogram(axis, enhanced, grid, "enhanced", top_db)),
        _Panel(3.2, lambda axis: draw_mask_raster(axis, view.channel_masks, grid)),
    ]


def _estimate_panels(view: EnhancedView, grid: FrameGrid) -> list[_Panel]:
    """List the panels of all estimates that are there."""
    given, posteriors = view.estimates, view.noise_posteriors
    time_s = np.arange(view.channel_masks.shape[2]) / grid.frame_rate_hz
    panels = []
    if "vad_probability" in given:
        panels.append(_Panel(0.7, lambda axis: _draw_activity(axis, time_s, given)))
    if posteriors is not None and len(posteriors):
        panels.append(_Panel(0.3, lambda axis: _draw_noise(axis, posteriors, view.noise_classes, grid)))
    if "snr_db" in given:
        panels.append(_Panel(0.9, lambda axis: _draw_snr(axis, time_s, given)))
    if "f0_hz" in given:
        panels.append(_Panel(0.9, lambda axis: _draw_f0(axis, time_s, given)))
    if {"speech_level_dbfs", "noise_level_dbfs"} & set(given):
        panels.append(_Panel(0.9, lambda axis: _draw_levels(axis, time_s, given)))
    return panels


def _draw_activity(axis: Axes, time_s: NDArray[Any], given: Mapping[str, NDArray[Any]]) -> None:
    """Draw the probability of speech, and where the decision is speech."""
    probability = given["vad_probability"]
    axis.plot(time_s, probability, color=SPEECH_COLOR, linewidth=1.0)
    title = "voice activity, probability"
    if "vad" in given:
        active = np.asarray(given["vad"], dtype=bool)
        across = axis.get_xaxis_transform()
        axis.fill_between(
            time_s, 0, 1, where=active, transform=across, color=SPEECH_COLOR, alpha=0.22, step="mid", lw=0
        )
        title += f" (shaded: speech, {active.mean():.0%} of the time)" if active.size else ""
    axis.set_ylim(-0.03, 1.03)
    axis.set_yticks([0, 0.5, 1], ["0", "", "1"])
    title_panel(axis, title)


def _draw_noise(axis: Axes, posteriors: NDArray[Any], classes: tuple[str, ...], grid: FrameGrid) -> None:
    average = moving_average(posteriors, 1 + 2 * round(NOISE_AVERAGE_S * grid.frame_rate_hz / 2))
    title = f"noise class, mean of {NOISE_AVERAGE_S:g} s (paler: less sure)"
    seen = draw_class_strip(axis, average, classes, grid, title)
    patches = [Patch(color=class_color(index), label=classes[index]) for index in seen]
    axis.legend(
        handles=patches,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.98),
        ncols=len(patches),
        fontsize=8,
        frameon=False,
        handlelength=1.0,
        columnspacing=1.0,
        borderaxespad=0.0,
        borderpad=0.1,
    )


def _draw_snr(axis: Axes, time_s: NDArray[Any], given: Mapping[str, NDArray[Any]]) -> None:
    axis.plot(time_s, given["snr_db"], color=QUIET_COLOR, linewidth=1.0, label="of the frame")
    if "mixture_snr_db" in given:
        axis.plot(time_s, given["mixture_snr_db"], color=NOISE_COLOR, linewidth=1.2, label="of the recording")
        _legend(axis)
    axis.axhline(0.0, color="black", linewidth=0.5)
    axis.grid(alpha=0.25)
    title_panel(axis, "SNR in dB")


def _draw_f0(axis: Axes, time_s: NDArray[Any], given: Mapping[str, NDArray[Any]]) -> None:
    """Draw F0, where there is voice if that is known."""
    f0_hz = np.asarray(given["f0_hz"], dtype=np.float64)
    title = "F0 in Hz"
    if "voicing" in given:
        f0_hz = np.where(np.asarray(given["voicing"], dtype=bool), f0_hz, np.nan)
        title += ", voiced frames"
    axis.plot(time_s, f0_hz, color=SPEECH_COLOR, linewidth=1.4, marker=".", markersize=1.8)
    axis.grid(alpha=0.25)
    title_panel(axis, title)


def _draw_levels(axis: Axes, time_s: NDArray[Any], given: Mapping[str, NDArray[Any]]) -> None:
    for name, color in (("speech", SPEECH_COLOR), ("noise", NOISE_COLOR)):
        level_dbfs = given.get(f"{name}_level_dbfs")
        if level_dbfs is not None:
            axis.plot(time_s, level_dbfs, color=color, linewidth=1.0, label=name)
    _legend(axis)
    axis.grid(alpha=0.25)
    title_panel(axis, "level in dBFS")


def _legend(axis: Axes) -> None:
    axis.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 0.98),
        ncols=2,
        fontsize=8,
        frameon=False,
        borderaxespad=0.0,
        borderpad=0.1,
        handlelength=1.4,
        columnspacing=1.0,
    )
