"""Splits: complete in every stratum, in the wanted shares, a function of names and seed alone."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.splits import HashSplit, check_categories
from datamodules.corpus import SPLITS, CorpusError

COUNTS = st.dictionaries(st.sampled_from(["rain", "wind", "babble"]), st.integers(3, 60), min_size=1)
SHARES = st.tuples(*(st.floats(0.1, 90) for _ in SPLITS))


def strata(counts: dict[str, int]) -> dict[str, str]:
    return {f"{name}{number}": name for name, count in counts.items() for number in range(count)}


@given(counts=COUNTS, shares=SHARES, seed=st.integers(0, 5))
def test_every_stratum_has_every_split(counts: dict[str, int], shares: tuple[float, float, float], seed: int) -> None:
    names = strata(counts)
    found = HashSplit(seed, shares).assign(names, "recordings of")
    assert found.keys() == names.keys()
    for stratum, count in counts.items():
        parts = Counter(found[name] for name in names if names[name] == stratum)
        assert set(parts) == set(SPLITS)
        for split, share in zip(SPLITS, shares, strict=True):
            assert abs(parts[split] - count * share / sum(shares)) <= 2


@given(counts=COUNTS, seed=st.integers(0, 5))
def test_neither_the_order_nor_the_other_strata_matter(counts: dict[str, int], seed: int) -> None:
    names = strata(counts)
    found = HashSplit(seed).assign(names, "recordings of")
    shuffled = list(names.items())
    random.Random(seed).shuffle(shuffled)
    assert HashSplit(seed).assign(dict(shuffled), "recordings of") == found
    alone = {name: stratum for name, stratum in names.items() if stratum == next(iter(counts))}
    assert HashSplit(seed).assign(alone, "recordings of").items() <= found.items()


def test_the_split_of_these_names_never_changes() -> None:
    """A corpus prepared today and one prepared in a year must agree."""
    found = HashSplit().assign({f"r{number}": "rain" for number in range(20)}, "recordings of")
    held_out = {split: sorted(name for name in found if found[name] == split) for split in ("valid", "test")}
    assert held_out == {"valid": ["r7", "r9"], "test": ["r17", "r8"]}


def test_another_seed_gives_another_split() -> None:
    names = strata({"rain": 50})
    assert HashSplit(0).assign(names, "recordings of") != HashSplit(1).assign(names, "recordings of")


def test_a_small_stratum_is_named() -> None:
    with pytest.raises(CorpusError, match=r"recordings of category 'wind': 2 \(wind0, wind1\); expected at least 3"):
        HashSplit().assign(strata({"rain": 9, "wind": 2}), "recordings of category")


def test_speakers_of_both_sexes_stand_in_every_split() -> None:
    sexes = {f"s{number}": "F" if number < 12 else "M" for number in range(40)}
    found = HashSplit().assign_speakers(sexes)
    assert {(sexes[name], split) for name, split in found.items()} == {(sex, split) for sex in "FM" for split in SPLITS}
    few = {"a": "F", "b": "M", "c": "M", "d": ""}
    assert set(HashSplit().assign_speakers(few).values()) == set(SPLITS)
    with pytest.raises(CorpusError, match="speakers of group 'all': 2"):
        HashSplit().assign_speakers({"a": "F", "b": "M"})


@pytest.mark.parametrize("shares", [(80, 10), (80, 20, 0), (80, -10, 30)])
def test_bad_shares_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="--split-shares must be three positive numbers"):
        HashSplit(0, shares)


def test_an_incomplete_category_is_named_with_what_it_has() -> None:
    rows = [("rain", split) for split in SPLITS] + [("wind", "train"), ("wind", "train"), ("wind", "test")]
    with pytest.raises(
        CorpusError, match=r"^musan: noise category 'wind' has no recording in split 'valid' \(2 in train, 1 in test\)$"
    ):
        check_categories(rows, "musan")
    check_categories(rows[:3], "musan")
