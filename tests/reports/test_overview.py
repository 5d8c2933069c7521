"""The overview figure on made-up data: what is drawn, and that everything shares one time axis."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from networks.framing import FrameGrid
from reports.overview import Overview, draw_overview

GRID = FrameGrid()
SAMPLES, BLOCKS, CHANNELS, CLICK = 16000, 3, 8, 20  # not a whole number of hops; a click in the middle of frame 20
TITLES = {"vad": "voice activity (probability)", "snr_db": "frame SNR in dB", "f0_hz": "F0 in Hz, voiced frames"}
FRAMES = GRID.num_frames(SAMPLES)
VOICED = np.arange(FRAMES) % 20 < 8


def make_overview(names: Sequence[str] = ("vad", "snr_db", "f0_hz"), noisy: NDArray | None = None) -> Overview:
    rng = np.random.default_rng(0)
    click = np.zeros(SAMPLES, dtype=np.float32)
    click[GRID.center(CLICK)] = 1.0
    masks = rng.random((BLOCKS, CHANNELS, FRAMES)) < np.linspace(0.1, 0.6, CHANNELS)[:, None]
    masks[..., CLICK] = True
    targets = {
        "vad": VOICED.astype(float),
        "snr_db": rng.uniform(-20, 30, FRAMES),
        "f0_hz": np.where(VOICED, 150.0, np.nan),
        "noise_class": np.zeros(FRAMES),
    }
    predictions = {name: rng.uniform(1, 2, FRAMES) for name in (*names, "noise_class")}
    return Overview(click if noisy is None else noisy, click, 0.5 * click, masks, targets, predictions)


def draw(overview: Overview) -> Figure:
    return draw_overview(overview, GRID)


def titles(figure: Figure) -> list[str]:
    return [axis.get_title(loc="left") for axis in figure.axes]


@pytest.mark.parametrize("names", [[], ["vad"], ["f0_hz", "vad"], ["vad", "snr_db", "f0_hz"]])
def test_signals_masks_and_one_track_per_predicted_task(names: list[str]) -> None:
    figure = draw(make_overview(names))
    first, tracks = titles(figure)[:4], titles(figure)[4:]
    assert first[:3] == ["noisy", "enhanced", "clean"]
    assert first[3].startswith("channel masks")
    assert tracks == [title for name, title in TITLES.items() if name in names]  # a class index is not drawn
    assert [axis.get_ylabel() for axis in figure.axes[:4]] == ["kHz", "kHz", "kHz", "block"]
    assert figure.axes[-1].get_xlabel() == "time in s"
    assert figure.axes[-1].get_xlim() == (0.0, 1.0)


def test_every_track_holds_its_target_and_its_prediction_at_the_centres_of_frames() -> None:
    overview = make_overview()
    figure = draw(overview)
    for axis, name in zip(figure.axes[4:], TITLES, strict=True):
        target, prediction = axis.lines
        assert (target.get_label(), prediction.get_label()) == ("target", "from the masks")
        for line in (target, prediction):
            assert np.asarray(line.get_xdata()).tolist() == pytest.approx([0.016 * frame for frame in range(FRAMES)])
        np.testing.assert_array_equal(target.get_ydata(), overview.targets[name])
        shown = VOICED if name == "f0_hz" else np.ones(FRAMES, dtype=bool)
        drawn = np.asarray(prediction.get_ydata())
        np.testing.assert_array_equal(drawn[shown], overview.predictions[name][shown])
        assert np.isnan(drawn[~shown]).all()
    legend = figure.axes[4].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["target", "from the masks"]


def test_images_and_tracks_share_one_time_axis() -> None:
    """The column of frame t is centred on its time, in spectrograms and masks alike."""
    for axis in draw(make_overview()).axes[:4]:
        (image,) = axis.images
        left, right, _, _ = image.get_extent()
        columns = np.asarray(image.get_array()).shape[1]
        width = (right - left) / columns
        assert left + (CLICK + 0.5) * width == pytest.approx(CLICK * 0.016, abs=1e-9)
        assert width == pytest.approx(0.016)


def test_spectrograms_share_one_colour_scale_and_show_the_click_where_it_is() -> None:
    axes = draw(make_overview()).axes[:3]
    limits = {axis.images[0].get_clim() for axis in axes}
    assert len(limits) == 1
    low, high = limits.pop()
    assert high - low == pytest.approx(70)
    levels = [np.asarray(axis.images[0].get_array()) for axis in axes]
    assert levels[2].max() == pytest.approx(high, abs=0.1)
    assert all(level.max(axis=0).argmax() == CLICK for level in levels)
    np.testing.assert_allclose(levels[1][:, CLICK], levels[2][:, CLICK] - 20 * np.log10(2), atol=0.01)
    assert axes[0].images[0].get_extent()[2:] == [0.0, 8.0]


def test_masks_are_drawn_block_by_block_most_active_channel_first() -> None:
    overview = make_overview()
    axis = draw(overview).axes[3]
    rows = np.asarray(axis.images[0].get_array()).reshape(BLOCKS, CHANNELS, FRAMES)
    activity = rows.mean(axis=2)
    assert (np.diff(activity, axis=1) <= 0).all()
    np.testing.assert_allclose(np.sort(activity), np.sort(overview.channel_masks.mean(axis=2)))
    assert [label.get_text() for label in axis.get_yticklabels()] == ["00", "01", "02"]
    assert f"{overview.channel_masks.mean():.0%}" in axis.get_title(loc="left")


@pytest.mark.filterwarnings("error")
def test_it_can_be_saved_without_a_display_even_when_all_is_silent() -> None:
    silent = make_overview()
    zeros = np.zeros(SAMPLES, dtype=np.float32)
    silent = Overview(zeros, zeros, zeros, np.zeros_like(silent.channel_masks), silent.targets, silent.predictions)
    for overview in (make_overview(), silent):
        stream = io.BytesIO()
        draw(overview).savefig(stream, dpi=40)
        assert stream.getvalue().startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in vars(sys.modules["reports.overview"])
