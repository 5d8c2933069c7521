"""Which item with which seed on which rank: new draws in every training epoch, the same ones in every validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, cast

from torch.utils.data import DataLoader, Dataset, DistributedSampler


@dataclass(frozen=True)
class ItemKey:
    """Names one mixture: an item is a function of this key and the seed alone."""

    index: int
    epoch: int


def num_dealt(num_items: int, rank: int, world_size: int) -> int:
    """Return how many of the items a rank takes; ranks differ by one at most."""
    return num_items // world_size + (rank < num_items % world_size)


def dealt_indices(num_items: int, block: int, rank: int, world_size: int) -> Iterator[int]:
    """Yield the indices that a rank takes, in order: every index goes to exactly one rank.

    Whole blocks take turns as long as every rank gets one more; what is left is cut into one run for each rank, their
    lengths differing by one at most.

    Args:
        num_items: indices to deal out.
        block: length of the runs of indices that stay together.
        rank: of this process.
        world_size: number of processes.

    Example:
        >>> [list(dealt_indices(11, 2, rank, 2)) for rank in (0, 1)]
        [[0, 1, 4, 5, 8, 9], [2, 3, 6, 7, 10]]
    """
    stride = block * world_size
    rounds = num_items // stride
    whole = (range(turn * stride + rank * block, turn * stride + (rank + 1) * block) for turn in range(rounds))
    left = num_items - rounds * stride
    start = rounds * stride + sum(num_dealt(left, other, world_size) for other in range(rank))
    return chain(chain.from_iterable(whole), range(start, start + num_dealt(left, rank, world_size)))


def check_equal_batches(key: str, num_items: int, batch_size: int, world_size: int) -> None:
    """Check that every rank gets equally many batches: a rank with one fewer would leave the others waiting for ever.

    Raises:
        ValueError: naming the key and the nearest counts that can be dealt out.
    """
    full, rest = divmod(num_items, world_size)
    if full > 0 and (rest == 0 or full % batch_size != 0):
        return
    lower, upper = full * world_size, (full + 1) * world_size
    counts = f"{lower} or {upper}" if lower > 0 else f"at least {upper}"
    raise ValueError(
        f"{key}: {num_items} mixtures cannot be dealt out once each to {world_size} ranks in equally many batches of "
        f"{batch_size} (data.batch_size); set it to {counts}"
    )


class EpochSampler(DistributedSampler[ItemKey]):
    """Yields the keys of one epoch in order; the draw itself is random, so the order need not be.

    Every rank yields its own keys, none twice and none lost. Lightning wraps samplers of distributed runs in one that
    shuffles and repeats keys, unless they are a DistributedSampler already; hence the base class.

    Args:
        num_items: mixtures per epoch, of all ranks together.
        fixed: yield the same keys whatever the epoch (validation, test).
        block: run of indices that one rank takes whole.
        rank: of this process.
        world_size: number of processes.
        position: tells epoch and item of this rank to begin with, whenever an iteration starts; None begins with the
            first item of the epoch given to :meth:`set_epoch`.
    """

    def __init__(
        self,
        num_items: int,
        fixed: bool,
        block: int = 1,
        rank: int = 0,
        world_size: int = 1,
        position: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        super().__init__(cast(Dataset[Any], range(num_items)), num_replicas=world_size, rank=rank, shuffle=False)
        self.num_items = num_items
        self.fixed = fixed
        self.block = block
        self.world_size = world_size
        self.position = position

    def __len__(self) -> int:
        """Return the keys of this rank in a whole epoch, also where an iteration starts in the middle of one."""
        return num_dealt(self.num_items, self.rank, self.world_size)

    def __iter__(self) -> Iterator[ItemKey]:
        epoch, done = self.position() if self.position is not None else (self.epoch, 0)
        epoch = 0 if self.fixed else epoch
        indices = dealt_indices(self.num_items, self.block, self.rank, self.world_size)
        return (ItemKey(index, epoch) for index in islice(indices, done, None))


class ResumableLoader(DataLoader[dict[str, Any]]):
    """A loader whose sampler is told by the datamodule where to go on.

    Lightning takes a loader without these two methods for one that begins its epoch anew, and warns of it.
    """

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the datamodule keeps the position."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take nothing: the datamodule keeps the position."""
