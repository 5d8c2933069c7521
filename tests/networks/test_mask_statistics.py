"""Dwell times against a plain walk over every channel."""

from __future__ import annotations

import math
from itertools import groupby

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from networks.mask_statistics import RunCounts, count_masks, count_quantile, count_runs, count_switches


@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 12), st.floats(0, 1))
def test_runs_are_those_of_a_walk_over_every_channel(seed: int, batch: int, frames: int, share: float) -> None:
    masks = torch.rand(batch, 2, 3, frames, generator=torch.Generator().manual_seed(seed)) < share
    lengths: dict[bool, list[int]] = {True: [], False: []}
    for channel in masks.reshape(-1, frames).tolist():
        for state, run in groupby(channel):
            lengths[state].append(len(list(run)))
    expected = RunCounts(sum(lengths[True]), len(lengths[True]), sum(lengths[False]), len(lengths[False]))
    assert count_runs(masks) == count_runs(masks.float()) == expected
    halves = count_runs(masks[:1]).plus(count_runs(masks[1:])) if batch > 1 else expected
    assert halves == expected, "utterances add up"


def test_a_channel_that_never_switches_dwells_for_the_whole_utterance() -> None:
    masks = torch.zeros(2, 1, 2, 50)
    masks[:, :, 0] = 1
    runs = count_runs(masks)
    assert runs.dwell_on == runs.dwell_off == 50
    assert math.isnan(count_runs(torch.zeros(1, 1, 1, 5)).dwell_on)
    assert math.isnan(count_runs(torch.ones(1, 1, 1, 5)).dwell_off)


@given(st.integers(0, 10_000), st.integers(2, 3), st.integers(1, 12), st.floats(0, 1))
def test_counts_of_two_halves_are_those_of_the_whole(seed: int, batch: int, frames: int, share: float) -> None:
    masks = (torch.rand(batch, 2, 3, frames, generator=torch.Generator().manual_seed(seed)) < share).float()
    counts = count_masks(masks[:1]).plus(count_masks(masks[1:]))
    assert torch.equal(counts.packed, count_masks(masks).packed)
    torch.testing.assert_close(counts.active_share, masks.double().mean(dim=(0, 3)))
    expected = count_switches(masks).double() / max(1, batch * (frames - 1))
    torch.testing.assert_close(counts.switch_rate, expected)
    assert counts.runs == count_runs(masks)
    active = masks.sum(dim=(1, 2)).flatten().double()
    assert counts.active_per_frame == pytest.approx(float(active.mean()))
    for level in (0.0, 0.05, 0.5, 0.95, 1.0):
        assert count_quantile(counts.frames_by_active, level) == pytest.approx(float(active.quantile(level)))
