"""Batch normalisation over the batches of all ranks, on CPUs and GPUs alike."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn import functional

from networks.ranks import num_ranks


class _NormalizeOverRanks(torch.autograd.Function):
    """Standardise by the statistics of all ranks: one collective forward, one backward."""

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        scale: Tensor | None,
        shift: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        count: Tensor,
        eps: float,
    ) -> Tensor:
        ctx.save_for_backward(features, scale, mean, variance, count)
        ctx.eps = eps
        return functional.batch_norm(features, mean, variance, scale, shift, training=False, eps=eps)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        features, scale, mean, variance, count = ctx.saved_tensors
        # As if the statistics were constants. The gradients of scale and shift are the sums over this rank's batch that
        # the gradient of the statistics needs of all ranks; DistributedDataParallel averages the former.
        grad, grad_scale, grad_shift = torch.ops.aten.native_batch_norm_backward(
            grad_outputs[0], features, scale, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([grad_scale, grad_shift]).to(mean.dtype)
        dist.all_reduce(sums)
        factor = torch.rsqrt(variance + ctx.eps) / count
        if scale is not None:
            factor = factor * scale
        slope, offset = sums * factor
        through_statistics = functional.batch_norm(features, mean, variance, slope, offset, training=False, eps=ctx.eps)
        grad = grad - through_statistics
        return (grad, *((grad_scale, grad_shift) if scale is not None else (None, None)), None, None, None, None)


class SyncedBatchNorm1d(nn.BatchNorm1d):
    """BatchNorm whose statistics in training are those of the batches of all ranks.

    Equal to ``nn.BatchNorm1d`` of one process with all batches, in output, gradients and running statistics, which are
    the same on every rank; batches may differ in size. Its state has the names of a plain norm. In evaluation, and
    without other ranks, it is a plain norm. ``nn.SyncBatchNorm`` does the same on GPUs and refuses tensors on a CPU.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise features of shape (batch, channel, frame) or (batch, channel)."""
        if not self.training or num_ranks() == 1:
            return super().forward(input)
        assert self.num_batches_tracked is not None, "synchronize_norms() takes norms with running statistics only"
        self.num_batches_tracked.add_(1)
        mean, variance, count = rank_statistics(input)
        self._follow(mean, variance, count)
        normalized: Tensor = _NormalizeOverRanks.apply(  # type: ignore[no-untyped-call]
            input, self.weight, self.bias, mean, variance, count, self.eps
        )
        return normalized

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Move the running statistics, as a plain norm does: by the unbiased variance."""
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        share = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        unbiased = variance * (count / (count - 1).clamp_min(1))
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)


@torch.no_grad()
def rank_statistics(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute mean and variance of each channel over the batches of all ranks, which all call this.

    The variances of the ranks are joined with the distances of their means (Chan et al., 1979), which loses no digits
    where a mean is large, as sums of squares do.

    Args:
        features: shape (batch, channel, ...); batches may differ between ranks.

    Returns:
        Mean and biased variance, shape (channel,), and how many values a channel has, shape (1,); float32 or wider.
    """
    values = features if features.dtype == torch.float64 else features.float()
    if values.device.type == "cpu":  # a tenth of the time of var_mean there
        mean, variance = torch.batch_norm_update_stats(values, None, None, 0.0)
    else:
        variance, mean = torch.var_mean(values, dim=[0, *range(2, values.ndim)], correction=0)
    count = mean.new_tensor([features.numel() // features.shape[1]])
    own = torch.cat([mean, variance, count])
    everyone = [torch.empty_like(own) for _ in range(num_ranks())]
    dist.all_gather(everyone, own)
    gathered = torch.stack(everyone)  # (rank, 2 channel + 1)
    counts = gathered[:, -1:]
    means, variances = gathered[:, :-1].chunk(2, dim=1)
    total = counts.sum(dim=0)
    mean = (counts * means).sum(dim=0) / total
    variance = (counts * (variances + (means - mean).square())).sum(dim=0) / total
    return mean, variance, total


def synchronize_norms(network: nn.Module) -> int:
    """Replace the BatchNorms of a network by ones with the statistics of all ranks; weights and buffers stay theirs.

    Args:
        network: changed in place.

    Returns:
        How many norms were replaced.

    Example:
        >>> network = nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3))
        >>> synchronize_norms(network), type(network[1]).__name__, synchronize_norms(network)
        (1, 'SyncedBatchNorm1d', 0)
    """
    replaced = 0
    for parent in list(network.modules()):
        for name, norm in list(parent.named_children()):
            if type(norm) is nn.BatchNorm1d and norm.track_running_stats:
                setattr(parent, name, _synced(norm))
                replaced += 1
    return replaced


def _synced(norm: nn.BatchNorm1d) -> SyncedBatchNorm1d:
    synced = SyncedBatchNorm1d(norm.num_features, norm.eps, norm.momentum, norm.affine)
    # the tensors themselves, so that an optimiser that has them already goes on
    synced._parameters, synced._buffers = norm._parameters, norm._buffers
    return synced.train(norm.training)
