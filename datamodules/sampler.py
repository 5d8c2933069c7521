"""Which item with which seed: new draws in every training epoch, the same ones in every validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch.utils.data import Sampler


@dataclass(frozen=True)
class ItemKey:
    """Names one mixture: an item is a function of this key and the seed alone."""

    index: int
    epoch: int


class EpochSampler(Sampler[ItemKey]):
    """Yields the keys of one epoch in order; the draw itself is random, so the order need not be.

    Lightning calls :meth:`set_epoch` before every training epoch, also after resuming.

    Args:
        num_items: mixtures per epoch.
        fixed: yield the same keys whatever the epoch (validation, test).
    """

    def __init__(self, num_items: int, fixed: bool) -> None:
        self.num_items = num_items
        self.fixed = fixed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose keys are yielded next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.num_items

    def __iter__(self) -> Iterator[ItemKey]:
        epoch = 0 if self.fixed else self.epoch
        return (ItemKey(index, epoch) for index in range(self.num_items))
