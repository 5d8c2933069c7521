"""Cost per frame: multiply-accumulates and weights touched, dense and as functions of the channel masks."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from networks.blocks import PrunedBlock
from networks.conv_fsenet import ConvFSENet


class FrameBudget(NamedTuple):
    """What one frame costs, linear in the active channels; BatchNorms are folded into convolutions.

    Attributes:
        fixed: frontend and backend.
        gates: all gate subnets.
        per_channel: of one active channel in each block: its row, depthwise filter and column.
        channels: gated channels of a block.
        blocks: number of blocks.
    """

    fixed: int
    gates: int
    per_channel: int
    channels: int
    blocks: int

    @property
    def dense(self) -> int:
        """Cost of the network without gates, every channel computed."""
        return self.fixed + self.blocks * self.channels * self.per_channel


def _budget(network: ConvFSENet, biases: bool) -> FrameBudget:
    """Count the weights of every part, and what is added to their sums if asked."""
    first = cast(PrunedBlock, network.blocks[0])
    fixed = [network.frontend, network.backend]
    block_weights = sum(layer.weight.numel() for layer in (first.expand, first.depthwise.conv, first.project))
    folded = 2 if biases else 0  # of a channel: that of its row, and the one its depthwise filter gets from BatchNorm
    return FrameBudget(
        fixed=sum(layer.weight.numel() + biases * layer.out_channels for layer in fixed),
        gates=sum(gate.weights_per_frame if biases else gate.macs_per_frame for gate in network.gates),
        per_channel=block_weights // network.channels + folded,
        channels=network.channels,
        blocks=len(network.blocks),
    )


def mac_budget(network: ConvFSENet) -> FrameBudget:
    """Count the MACs per frame of the parts of a network: one per weight, as every layer keeps the frame rate.

    Example:
        >>> mac_budget(ConvFSENet()).dense
        662528
    """
    return _budget(network, biases=False)


def weight_budget(network: ConvFSENet) -> FrameBudget:
    """Count the weights and biases that a frame reads, for the memory traffic of an engine that skips channels.

    Example:
        >>> weight_budget(ConvFSENet()).per_channel - mac_budget(ConvFSENet()).per_channel
        2
    """
    return _budget(network, biases=True)


def cost_per_frame(budget: FrameBudget, channel_masks: Tensor) -> Tensor:
    """Count what masks leave to compute or to read, gates included.

    Args:
        budget: of the network that made the masks.
        channel_masks: 0 or 1, shape (batch, block, channel, frame).

    Returns:
        Shape (batch, frame), int64.
    """
    active = channel_masks.to(torch.int32).sum(dim=(1, 2)).to(torch.int64)
    return budget.fixed + budget.gates + active * budget.per_channel


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
