"""What callbacks collect on every rank, brought to the first one, and what that one decides, to all."""

from __future__ import annotations

from typing import Any, TypeVar

from torch import distributed as dist

from networks.ranks import num_ranks

T = TypeVar("T")


def gather_on_first(collected: T) -> list[T] | None:
    """Bring what every rank has collected to the first one; all ranks call this.

    Args:
        collected: anything that can be pickled; tensors on the CPU.

    Returns:
        That of every rank, in their order; None on all ranks but the first.
    """
    if num_ranks() == 1:
        return [collected]
    gathered: list[Any] | None = [None] * num_ranks() if dist.get_rank() == 0 else None
    dist.gather_object(collected, gathered)
    return gathered


def gather_on_all(collected: list[T]) -> list[T]:
    """Return the items of all ranks, on every rank; all ranks call this."""
    if num_ranks() == 1:
        return collected
    parts: list[Any] = [None] * num_ranks()
    dist.all_gather_object(parts, collected)
    return [item for part in parts for item in part]


def of_first(decided: T) -> T:
    """Return what the first rank has decided, on every rank; all ranks call this."""
    if num_ranks() == 1:
        return decided
    carried = [decided]
    dist.broadcast_object_list(carried, src=0)
    return carried[0]
