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
