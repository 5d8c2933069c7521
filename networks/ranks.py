"""Sums over the processes of a distributed run, through which gradients flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist


def num_ranks() -> int:
    """Return the number of processes that train or evaluate together; 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


class _SumOfRanks(torch.autograd.Function):
    """All-reduce forward; backward without communication, as every rank computes the same from the sum."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        return grad_outputs[0] * num_ranks()


def rank_sum(values: Tensor) -> Tensor:
    """Sum a tensor over all ranks, which all call this; alone, return it as it is.

    What is computed from the sum must be the same on every rank, a loss above all. The gradient is then that of the sum
    over the ranks of these equal losses, and after DistributedDataParallel, which averages gradients, that of one
    process with the batches of all ranks.

    Args:
        values: the same shape and type on every rank, on the device of the process group.

    Returns:
        The same shape, the same values on every rank.

    Example:
        >>> rank_sum(torch.tensor([1.0, 2.0]))
        tensor([1., 2.])
    """
    if num_ranks() == 1:
        return values
    total: Tensor = _SumOfRanks.apply(values)  # type: ignore[no-untyped-call]
    return total


def rank_mean(mean: Tensor, count: float) -> Tensor:
    """Turn the mean over the items of each rank into that over the items of all ranks.

    Args:
        mean: of this rank, any shape; the same shape on every rank.
        count: items that it is of; they may differ.

    Returns:
        The same shape, the same values on every rank; what is computed from it follows the rule of :func:`rank_sum`.

    Example:
        >>> rank_mean(torch.tensor(0.25), 12)
        tensor(0.2500)
    """
    if num_ranks() == 1:
        return mean
    total = rank_sum(torch.cat([(mean * count).flatten(), mean.new_tensor([count])]))
    return (total[:-1] / total[-1]).reshape(mean.shape)


def rank_means(means: Mapping[str, Tensor], count: float) -> dict[str, Tensor]:
    """Turn scalars that are means over the items of each rank into those over the items of all, for logs: no gradient.

    Args:
        means: of this rank, by name, shape (); the same names on every rank.
        count: items that they are of.

    Example:
        >>> rank_means({"loss": torch.tensor(0.5)}, 12)
        {'loss': tensor(0.5000)}
    """
    return dict(zip(means, rank_mean(torch.stack([mean.detach() for mean in means.values()]), count), strict=True))


def all_ranks(flag: Tensor) -> bool:
    """Tell whether a flag is set on every rank, all of which call this; alone, whether it is set.

    Args:
        flag: boolean, of shape (), on the device of the process group.

    Example:
        >>> all_ranks(torch.tensor(True))
        True
    """
    return int(rank_sum(flag.to(torch.int32))) == num_ranks()


def rank_weight(count: int, device: torch.device) -> Tensor:
    """Return by what to multiply the mean over the items of this rank, so that the mean over ranks is that of all.

    Batches of unequal size, the last ones of an epoch, so count by their size when DistributedDataParallel averages
    gradients.

    Args:
        count: items of this rank.
        device: of the process group.

    Returns:
        Scalar, 1 where ranks have equally many.

    Example:
        >>> rank_weight(12, torch.device("cpu"))
        tensor(1.)
    """
    counts = torch.tensor(float(count), device=device)
    return num_ranks() * counts / rank_sum(counts) if num_ranks() > 1 else torch.ones((), device=device)
