"""Reservoir: independent of batches, uniform, mergeable; packing loses nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.reservoir import FrameReservoir, FrameRows


def fill(sizes: list[int], capacity: int | None, seed: int = 0, stream: int = 0) -> FrameReservoir:
    total = sum(sizes)
    features = np.random.default_rng(9).random((total, 11)) < 0.5
    reservoir = FrameReservoir(capacity, seed, stream)
    for part in np.split(np.arange(total), np.cumsum(sizes)[:-1]):
        reservoir.add(features[part], {"index": part}, part // 10)
    return reservoir


def assert_same(one: FrameRows, other: FrameRows) -> None:
    for name in ("stored", "utterances", "keys", "order"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert np.array_equal(one.targets["index"], other.targets["index"])


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=8), capacity=st.integers(1, 60), seed=st.integers(0, 9))
def test_sample_does_not_depend_on_the_batches(sizes: list[int], capacity: int, seed: int) -> None:
    rows = fill(sizes, capacity, seed).rows()
    assert len(rows) == min(capacity, sum(sizes))
    assert_same(rows, fill([sum(sizes)], capacity, seed).rows())


def test_every_row_is_as_likely() -> None:
    counts = np.zeros(50)
    for seed in range(2000):
        counts[fill([20, 30], 10, seed).rows().targets["index"]] += 1
    # Binomial(2000, 0.2): mean 400, standard deviation 18.
    assert abs(counts - 400).max() < 5 * 18


def test_merged_streams_are_the_sample_of_their_union() -> None:
    first, second = fill([30, 30], 25, stream=0), fill([50], 25, stream=1)
    everything = fill([60], None, stream=0).merge(fill([50], None, stream=1)).rows()
    rows = first.merge(second).rows()
    assert first.seen == 110
    assert set(rows.keys) == set(np.sort(everything.keys)[:25])
    with pytest.raises(ValueError, match="streams must differ"):
        first.merge(fill([5], 25, stream=1))
    with pytest.raises(ValueError, match="share capacity and seed"):
        first.merge(fill([5], 24, stream=2))


@settings(max_examples=30, deadline=None)
@given(owners=st.lists(st.integers(0, 2), min_size=1, max_size=12), capacity=st.integers(1, 60) | st.none())
def test_rows_with_positions_are_sampled_as_by_one_process(owners: list[int], capacity: int | None) -> None:
    rows = 10 * len(owners)
    features = np.random.default_rng(9).random((rows, 11)) < 0.5
    ranks = [FrameReservoir(capacity, seed=3) for _ in range(3)]
    for utterance, owner in enumerate(owners):
        places = np.arange(10 * utterance, 10 * utterance + 10)
        ranks[owner].add(features[places], {"index": places}, places // 10, places)
    merged = ranks[2].merge(ranks[0]).merge(ranks[1])
    assert merged.seen == rows
    assert_same(merged.rows(), fill([rows], capacity, seed=3).rows())


def test_an_utterance_of_two_ranks_is_refused() -> None:
    one, other, without = (FrameReservoir(None) for _ in range(3))
    place, ids = np.arange(4), np.array([0, 0, 1, 1])
    one.add(np.ones((4, 3), dtype=bool), {}, ids, place)
    other.add(np.ones((4, 3), dtype=bool), {}, ids + 1, place + 2)
    with pytest.raises(ValueError, match=r"utterances must differ .* \[1\]"):
        one.merge(other)
    without.add(np.ones((4, 3), dtype=bool), {}, ids)
    with pytest.raises(ValueError, match="both have positions"):
        one.merge(without)
    with pytest.raises(ValueError, match="in every call"):
        one.add(np.ones((4, 3), dtype=bool), {}, ids)


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_packing_round_trip(dtype: type) -> None:
    features: np.ndarray = (np.random.default_rng(0).random((37, 19)) < 0.5).astype(dtype)
    reservoir = FrameReservoir(None)
    reservoir.add(features, {}, np.arange(37))
    rows = reservoir.rows()
    assert rows.stored.shape == (37, 3) and rows.features.dtype == np.bool_
    assert np.array_equal(rows.features, features.astype(bool))
    assert np.array_equal(rows.take(np.array([5, 2])).features, features[[5, 2]].astype(bool))


def test_float_features_and_text_ids_are_kept() -> None:
    reservoir = FrameReservoir(None)
    reservoir.add(np.array([[0.5, 1.5]]), {"f0_hz": np.array([np.nan])}, np.array(["a"]))
    reservoir.add(np.array([[2.5, 3.5]]), {"f0_hz": np.array([90.0])}, np.array(["longer"]))
    rows = reservoir.rows()
    assert rows.features.dtype == np.float32 and rows.features.tolist() == [[0.5, 1.5], [2.5, 3.5]]
    assert rows.utterances.tolist() == ["a", "longer"]


def test_what_does_not_fit_is_refused() -> None:
    reservoir = FrameReservoir(4)
    assert len(reservoir.rows()) == 0
    reservoir.add(np.ones((2, 3), dtype=bool), {"vad": np.ones(2)}, np.zeros(2))
    with pytest.raises(ValueError, match=r"were .* before"):
        reservoir.add(np.ones((2, 3), dtype=bool), {"voicing": np.ones(2)}, np.zeros(2))
    with pytest.raises(ValueError, match="vad"):
        reservoir.add(np.ones((2, 3), dtype=bool), {"vad": np.ones(3)}, np.zeros(2))
    with pytest.raises(ValueError, match="capacity"):
        FrameReservoir(0)


@pytest.mark.parametrize("binary", [True, False])
def test_columns_are_those_of_the_dense_features(binary: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probes.reservoir.UNPACKED_ROWS", 7)
    values = np.random.default_rng(0).random((20, 11))
    features = values < 0.4 if binary else values.astype(np.float32)
    reservoir = FrameReservoir(None)
    reservoir.add(features, {"vad": np.arange(20) % 2}, np.zeros(20, dtype=int))
    chosen = reservoir.rows().columns(np.array([9, 0, 3]))
    assert chosen.num_features == 3
    assert np.array_equal(chosen.features, features[:, [9, 0, 3]])
    assert np.array_equal(chosen.targets["vad"], np.arange(20) % 2)
