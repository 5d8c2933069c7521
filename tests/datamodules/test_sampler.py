"""Dealing mixtures out to ranks: none twice, none lost, and equally many batches everywhere."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, DistributedSampler

from datamodules.sampler import EpochSampler, ItemKey, check_equal_batches, dealt_indices, num_dealt

SIZES = st.integers(0, 300)
BLOCKS = st.integers(1, 40)
WORLDS = st.integers(1, 9)


@given(SIZES, BLOCKS, WORLDS)
def test_every_index_goes_to_one_rank(num_items: int, block: int, world_size: int) -> None:
    dealt = [list(dealt_indices(num_items, block, rank, world_size)) for rank in range(world_size)]
    assert sorted(index for indices in dealt for index in indices) == list(range(num_items))
    assert [len(indices) for indices in dealt] == [num_dealt(num_items, rank, world_size) for rank in range(world_size)]
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1
    assert all(indices == sorted(indices) for indices in dealt)


@given(st.integers(1, 12), BLOCKS, WORLDS)
def test_blocks_stay_whole_where_they_can_be_shared_out(rounds: int, block: int, world_size: int) -> None:
    for rank in range(world_size):
        blocks = [index // block for index in dealt_indices(rounds * block * world_size, block, rank, world_size)]
        assert len(set(blocks)) == rounds
        assert all(blocks.count(number) == block for number in set(blocks))


@given(st.integers(1, 300), st.integers(1, 20), WORLDS)
def test_counts_are_refused_exactly_where_no_dealing_gives_equal_batches(
    num_items: int, batch_size: int, world_size: int
) -> None:
    """Brute force: some number of batches b that W ranks can fill with at least b and at most b * size mixtures."""
    possible = any(
        world_size * ((batches - 1) * batch_size + 1) <= num_items <= world_size * batches * batch_size
        for batches in range(1, num_items + 1)
    )
    try:
        check_equal_batches("data.train_mixtures", num_items, batch_size, world_size)
    except ValueError as error:
        assert not possible
        named = [int(word) for word in str(error).split("set it to ")[1].split() if word.isdigit()]
        for count in named:
            check_equal_batches("data.train_mixtures", count, batch_size, world_size)
    else:
        assert possible
        counts = {math.ceil(num_dealt(num_items, rank, world_size) / batch_size) for rank in range(world_size)}
        assert len(counts) == 1 and counts != {0}


def test_a_refusal_names_the_key_and_what_to_do() -> None:
    with pytest.raises(
        ValueError, match=r"data\.valid_mixtures: 97 mixtures .* 8 ranks .* of 12 .* set it to 96 or 104"
    ):
        check_equal_batches("data.valid_mixtures", 97, 12, 8)
    with pytest.raises(ValueError, match="set it to at least 8"):
        check_equal_batches("data.valid_mixtures", 3, 12, 8)


def test_batches_of_all_ranks_are_one_batch_of_a_single_process() -> None:
    def batches(batch_size: int, rank: int, world_size: int) -> list[list[int]]:
        sampler = EpochSampler(24, fixed=False, block=batch_size, rank=rank, world_size=world_size)
        loader = DataLoader(range(24), batch_size=batch_size, sampler=sampler, collate_fn=list)  # type: ignore[arg-type]
        return [[key.index for key in keys] for keys in loader.batch_sampler]  # type: ignore[union-attr, attr-defined]

    single, first, second = batches(8, 0, 1), batches(4, 0, 2), batches(4, 1, 2)
    assert single == [one + other for one, other in zip(first, second, strict=True)]


def test_an_iteration_begins_where_the_position_says_and_keeps_its_length() -> None:
    where = (0, 0)
    sampler = EpochSampler(10, fixed=False, block=2, rank=1, world_size=2, position=lambda: where)
    assert [key.index for key in sampler] == [2, 3, 6, 7, 9]
    where = (4, 3)
    sampler.set_epoch(7)  # what Lightning says counts less
    assert list(sampler) == [ItemKey(7, 4), ItemKey(9, 4)]
    assert len(sampler) == 5
    assert isinstance(sampler, DistributedSampler), "Lightning would wrap it in one"
