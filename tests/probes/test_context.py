"""Context: earlier frames of the same utterance, and none of any other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.context import context_rows, late_rows, later_rows, stack_context
from probes.reservoir import FrameReservoir, FrameRows
from probes.ridge import RidgeProbe


def make_rows(lengths: list[int], seed: int = 0, binary: bool = True) -> FrameRows:
    generator = np.random.default_rng(seed)
    total = sum(lengths)
    features = generator.random((total, 11)) < 0.5 if binary else generator.normal(size=(total, 11))
    reservoir = FrameReservoir(None)
    reservoir.add(features, {"index": np.arange(total)}, np.repeat(np.arange(len(lengths)), lengths))
    return reservoir.rows()


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5), frames=st.integers(1, 6), seed=st.integers(0, 9))
def test_every_column_is_the_past_of_its_own_utterance(lengths: list[int], frames: int, seed: int) -> None:
    rows = make_rows(lengths, seed)
    x = rows.features
    stacked = stack_context(x, rows.utterances, frames).reshape(len(x), frames, 11)
    starts = np.cumsum([0, *lengths])[rows.utterances]
    for row in range(len(x)):
        for lag in range(frames):
            assert np.array_equal(stacked[row, lag], x[max(row - lag, starts[row])])


@pytest.mark.parametrize("binary", [True, False])
def test_rows_keep_their_targets_and_a_stride_comes_after(binary: bool) -> None:
    rows = make_rows([7, 5], binary=binary)
    chosen = np.array([10, 3])
    wide = context_rows(rows, chosen, frames=3)
    assert wide.num_features == 6 and wide.packed == binary and len(wide) == 12
    expected = stack_context(rows.features[:, chosen], rows.utterances, 3)
    assert np.array_equal(wide.features, expected)
    strided = wide.take(np.arange(0, 12, 4))
    assert np.array_equal(strided.features, expected[::4]) and strided.targets["index"].tolist() == [0, 4, 8]


def test_rows_with_gaps_or_of_scattered_utterances_are_refused() -> None:
    rows = make_rows([7, 5])
    with pytest.raises(ValueError, match=r"\(0, 0\) and \(0, 4\) are not neighbours"):
        context_rows(rows.take(np.arange(0, 12, 4)), np.arange(11), 2)
    context_rows(rows.take(np.r_[1:5, 9:12]), np.arange(11), 2)  # whole pieces are fine
    with pytest.raises(ValueError, match="several places"):
        stack_context(np.zeros((3, 1)), np.array([0, 1, 0]), 2)
    with pytest.raises(ValueError, match="frames must be positive"):
        stack_context(np.zeros((3, 1)), np.zeros(3), 0)
    with pytest.raises(ValueError, match="utterances"):
        stack_context(np.zeros((3, 1)), np.zeros(4), 2)


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5), frames=st.integers(0, 6), seed=st.integers(0, 9))
def test_late_rows_are_the_future_of_their_own_utterance(lengths: list[int], frames: int, seed: int) -> None:
    rows = make_rows(lengths, seed)
    late = late_rows(rows, frames)
    last = np.cumsum(lengths)[rows.utterances] - 1
    expected = np.minimum(np.arange(len(rows)) + frames, last)
    assert np.array_equal(late.features, rows.features[expected])
    assert np.array_equal(late.targets["index"], rows.targets["index"]) and np.array_equal(late.order, rows.order)


def test_late_rows_of_what_is_not_whole_are_refused() -> None:
    rows = make_rows([7, 5])
    with pytest.raises(ValueError, match=r"\(0, 0\) and \(0, 4\) are not neighbours"):
        late_rows(rows.take(np.arange(0, 12, 4)), 1)
    with pytest.raises(ValueError, match="frames must not be negative, got -1"):
        later_rows(rows.utterances, -1)


def test_what_only_the_past_shows_is_found_with_context_and_not_without() -> None:
    rows = make_rows([50] * 20)
    x = rows.features
    past = np.r_[x[:2, 0], x[:-2, 0]].astype(float)
    within = np.arange(len(x)) % 50 >= 2
    without = RidgeProbe(0.01).fit(x[within], past[within]).predict(x[within])
    wide = context_rows(rows, np.arange(11), 3).features
    with_context = RidgeProbe(0.01).fit(wide[within], past[within]).predict(wide[within])
    assert np.corrcoef(without, past[within])[0, 1] < 0.25
    assert np.corrcoef(with_context, past[within])[0, 1] > 0.99
