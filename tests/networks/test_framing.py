"""The frame grid: counts, centres, spans, and what it refuses."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from networks.framing import FrameGrid

GRIDS = st.builds(
    lambda half_hop, hops, rate: FrameGrid(rate, 2 * half_hop * hops, 2 * half_hop),
    st.integers(1, 300),
    st.integers(2, 6),
    st.sampled_from([8000, 16000, 44100]),
)


@pytest.mark.parametrize(("num_samples", "frames"), [(0, 1), (1, 1), (255, 1), (256, 2), (16000, 63), (64000, 251)])
def test_frame_counts_of_the_default_grid(num_samples: int, frames: int) -> None:
    assert FrameGrid().num_frames(num_samples) == frames


def test_derived_values_of_the_default_grid() -> None:
    grid = FrameGrid()
    assert (grid.num_frequencies, grid.frame_rate_hz, grid.latency) == (257, 62.5, 512)
    assert grid.span(0, 480) == (-240, 240)
    assert grid.span(3, 5) == (766, 771)
    assert grid.seconds_to_samples(0.1) == 1600


@settings(max_examples=100, deadline=None, database=None)
@given(GRIDS, st.integers(0, 200_000))
def test_frames_are_those_centred_inside_the_signal(grid: FrameGrid, num_samples: int) -> None:
    last = grid.num_frames(num_samples) - 1
    assert grid.center(last) <= num_samples < grid.center(last + 1)


@settings(max_examples=100, deadline=None, database=None)
@given(GRIDS, st.integers(0, 1000), st.integers(1, 2000))
def test_spans_are_as_long_as_asked_and_hold_the_centre(grid: FrameGrid, frame: int, length: int) -> None:
    start, stop = grid.span(frame, length)
    assert stop - start == length
    assert start <= grid.center(frame) < stop
    assert grid.center(frame) - start in (stop - grid.center(frame), stop - grid.center(frame) - 1)  # centred
    following = grid.span(frame + 1, length)
    assert (following[0] - start, following[1] - stop) == (grid.hop_length, grid.hop_length)


@settings(max_examples=100, deadline=None, database=None)
@given(GRIDS, st.integers(0, 200_000))
def test_whole_hops_lose_less_than_a_hop_and_no_frame(grid: FrameGrid, num_samples: int) -> None:
    whole = grid.floor_to_hop(num_samples)
    assert whole % grid.hop_length == 0
    assert 0 <= num_samples - whole < grid.hop_length
    assert grid.num_frames(whole) == grid.num_frames(num_samples)


@pytest.mark.parametrize("name", ["sample_rate", "window_length", "hop_length"])
@pytest.mark.parametrize("value", [0, -256])
def test_values_that_are_not_positive_are_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"grid\.{name} must be positive, got {value}"):
        FrameGrid(**{name: value})


@pytest.mark.parametrize(("window", "hop"), [(512, 200), (256, 256), (300, 75 * 3), (257, 257), (255, 51)])
def test_windows_that_hops_do_not_tile_are_refused(window: int, hop: int) -> None:
    with pytest.raises(ValueError, match=rf"got {window} with grid\.hop_length {hop}"):
        FrameGrid(window_length=window, hop_length=hop)


def test_negative_length_is_refused_and_the_grid_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="num_samples must not be negative, got -1"):
        FrameGrid().num_frames(-1)
    with pytest.raises(FrozenInstanceError):
        FrameGrid().hop_length = 128  # type: ignore[misc]
