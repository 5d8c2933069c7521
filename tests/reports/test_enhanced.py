"""The figure of an enhanced file: panels of what is there, on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from networks.framing import FrameGrid
from reports.enhanced import EnhancedView, draw_enhanced, save_figure
from reports.time_panels import class_color, draw_class_strip, moving_average

GRID = FrameGrid()
SAMPLES, BLOCKS, CHANNELS, CLICK = 32000, 3, 8, 20
FRAMES = GRID.num_frames(SAMPLES)
VOICED = np.arange(FRAMES) % 20 < 8
ALL = (
    "vad",
    "vad_probability",
    "voicing",
    "snr_db",
    "mixture_snr_db",
    "f0_hz",
    "speech_level_dbfs",
    "noise_level_dbfs",
)
TITLES = [
    "noisy",
    "enhanced",
    "channel masks",
    "voice activity",
    "noise class",
    "SNR in dB",
    "F0 in Hz",
    "level in dBFS",
]
CLASSES = ("rain", "street", "music")


def view(names: Sequence[str] = ALL, samples: int = SAMPLES, noise: bool = True) -> EnhancedView:
    rng = np.random.default_rng(0)
    frames = GRID.num_frames(samples)
    noisy = np.zeros(samples, dtype=np.float32)
    if samples > GRID.center(CLICK):
        noisy[GRID.center(CLICK)] = 1.0
    masks = rng.random((BLOCKS, CHANNELS, frames)) < 0.3
    estimates = {name: rng.uniform(0, 1, frames) for name in ALL}
    estimates |= {"vad": VOICED[:frames], "voicing": VOICED[:frames], "f0_hz": rng.uniform(100, 200, frames)}
    posteriors = np.eye(3)[np.repeat([1, 2], [frames - frames // 3, frames // 3])] * 0.9 + 0.03
    return EnhancedView(
        "a.wav",
        noisy,
        0.5 * noisy,
        masks,
        {name: estimates[name] for name in names},
        CLASSES if noise else (),
        posteriors if noise else None,
    )


def titles(figure: Figure) -> list[str]:
    return [axis.get_title(loc="left") for axis in figure.axes]


def test_everything_that_is_there_is_drawn_in_order() -> None:
    figure = draw_enhanced(view(), GRID)
    assert [any(title.startswith(start) for start in TITLES[i : i + 1]) for i, title in enumerate(titles(figure))] == [
        True
    ] * len(TITLES)
    assert figure.axes[-1].get_xlabel() == "time in s"
    assert figure.axes[0].get_xlim() == (0.0, 2.0)
    assert f"{VOICED.mean():.0%} of the time" in titles(figure)[3]


@pytest.mark.parametrize(
    ("names", "noise", "panels"),
    [
        ([], False, 3),
        ([], True, 4),
        (["vad_probability"], False, 4),
        (["f0_hz", "snr_db"], False, 5),
        (["noise_level_dbfs"], False, 4),
    ],
)
def test_what_is_missing_is_left_out(names: list[str], noise: bool, panels: int) -> None:
    assert len(draw_enhanced(view(names, noise=noise), GRID).axes) == panels


def test_f0_is_drawn_where_there_is_voice() -> None:
    axis = draw_enhanced(view(), GRID).axes[6]
    drawn = np.asarray(axis.lines[0].get_ydata())
    np.testing.assert_array_equal(np.isfinite(drawn), VOICED)
    everywhere = draw_enhanced(view(["f0_hz"]), GRID).axes[4]
    assert np.isfinite(np.asarray(everywhere.lines[0].get_ydata())).all()


def test_images_share_the_time_axis_of_the_frames() -> None:
    for axis in draw_enhanced(view(), GRID).axes[:3]:
        (image,) = axis.images
        left, right, _, _ = image.get_extent()
        width = (right - left) / np.asarray(image.get_array()).shape[1]
        assert width == pytest.approx(0.016)
        assert left == pytest.approx(-0.008)
    levels = np.asarray(draw_enhanced(view(), GRID).axes[0].images[0].get_array())
    assert levels.max(axis=0).argmax() == CLICK


def test_the_strip_has_the_colour_of_the_likeliest_class() -> None:
    axis = Figure().subplots()
    posteriors = np.array([[0.9, 0.05, 0.05], [0.4, 0.3, 0.3], [0.0, 0.1, 0.9], [0.6, 0.4, 0.0]])
    assert draw_class_strip(axis, posteriors, CLASSES, GRID, "t") == [0, 2]
    (row,) = np.asarray(axis.images[0].get_array())
    for column, index in enumerate([0, 0, 2, 0]):
        np.testing.assert_allclose(row[column][:3], to_rgb(class_color(index)), atol=1e-6)
    assert row[0][3] > row[3][3] > row[1][3], "the paler the less sure"
    legend = draw_enhanced(view(), GRID).axes[4].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["street", "music"]


def test_an_average_keeps_what_is_constant_and_the_mean_inside() -> None:
    np.testing.assert_allclose(moving_average(np.full((10, 2), 3.0), 5), np.full((10, 2), 3.0))
    values = np.random.default_rng(0).normal(size=50)
    expected = np.convolve(values, np.ones(7) / 7, mode="valid")
    np.testing.assert_allclose(moving_average(values, 7)[3:-3], expected)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("samples", "suffix"), [(None, ".png"), (0, ".svg"), (1, ".pdf"), (100, ".png")])
def test_a_figure_of_any_length_is_written_whole(tmp_path: Path, samples: int | None, suffix: str) -> None:
    path = tmp_path / "sub" / f"p{suffix}"
    shown = view(samples=samples or 0)
    if samples is None:  # a file without samples has no frame at all
        none = {name: values[:0] for name, values in shown.estimates.items()}
        masks, posteriors = shown.channel_masks[:, :, :0], np.zeros((0, 3))
        shown = replace(shown, channel_masks=masks, estimates=none, noise_posteriors=posteriors)
    save_figure(draw_enhanced(shown, GRID), path)
    assert path.stat().st_size > 1000
    assert list(path.parent.iterdir()) == [path]
