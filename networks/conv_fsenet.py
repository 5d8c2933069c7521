"""Conv-FSENet with Dynamic Channel Pruning: a real spectral mask from compressed magnitudes, causally."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from networks.blocks import PrunedBlock
from networks.gating import ChannelGate

MAGNITUDE_FLOOR = 1e-9  # keeps the power law differentiable at digital silence


class Enhanced(NamedTuple):
    """What the network returns.

    Attributes:
        spectrum: enhanced complex spectrum, shape (batch, frequency, frame).
        channel_masks: shape (batch, block, channel, frame), 0 or 1 with a surrogate gradient; a dense network has ones.
    """

    spectrum: Tensor
    channel_masks: Tensor


class ConvFSENet(nn.Module):
    """Causal convolutional speech-enhancement network whose channels are switched frame by frame.

    Backbone after Miccini et al., 2025 (arXiv 2412.17121): frontend pointwise F -> R, ``stacks`` x ``len(dilations)``
    blocks, backend pointwise R -> F, sigmoid. Causal; frame ``t`` sees ``receptive_field`` frames up to ``t``.

    Args:
        num_frequencies: bins F of the spectrum.
        residual_channels: channels R between blocks.
        channels: gated channels C inside a block.
        stacks: how often the series of dilations is repeated.
        dilations: frames between the taps of the depthwise convolutions of one stack.
        kernel_size: taps of the depthwise convolutions.
        compression: exponent of the input magnitude.
        gated: False builds the dense network.
        target_utilization: share of active channels aimed at, in (0, 1).
        gate_width: hidden units of a gate.
        gate_normalize: normalise the gates' input and logits.
        surrogate_slope: steepness of the gates' surrogate gradient.

    Raises:
        ValueError: if a size is not positive, or the compression or a gate value is out of range.
    """

    def __init__(
        self,
        num_frequencies: int = 257,
        residual_channels: int = 128,
        channels: int = 256,
        stacks: int = 3,
        dilations: Sequence[int] = (1, 2, 4),
        kernel_size: int = 3,
        compression: float = 0.3,
        gated: bool = True,
        target_utilization: float = 0.25,
        gate_width: int = 16,
        gate_normalize: bool = True,
        surrogate_slope: float = 2.0,
    ) -> None:
        super().__init__()
        sizes = {
            "num_frequencies": num_frequencies,
            "residual_channels": residual_channels,
            "channels": channels,
            "stacks": stacks,
            "kernel_size": kernel_size,
        }
        for name, size in sizes.items():
            if size < 1:
                raise ValueError(f"network.{name} must be positive, got {size}")
        if not dilations or min(dilations) < 1:
            raise ValueError(f"network.dilations must be positive and not empty, got {list(dilations)}")
        if not 0 < compression <= 1:
            raise ValueError(f"network.compression must lie in (0, 1], got {compression}")
        self.num_frequencies = num_frequencies
        self.channels = channels
        self.compression = compression
        self.gated = gated
        self.target_utilization = target_utilization if gated else 1.0
        self.receptive_field = 1 + stacks * (kernel_size - 1) * sum(dilations)
        self.frontend = nn.Conv1d(num_frequencies, residual_channels, 1)
        blocks = []
        for dilation in list(dilations) * stacks:
            gate = (
                ChannelGate(
                    residual_channels, channels, gate_width, target_utilization, surrogate_slope, gate_normalize
                )
                if gated
                else None
            )
            blocks.append(PrunedBlock(residual_channels, channels, kernel_size, dilation, gate))
        self.blocks = nn.ModuleList(blocks)
        self.backend = nn.Conv1d(residual_channels, num_frequencies, 1)

    def forward(self, spectrum: Tensor) -> Enhanced:
        """Enhance a noisy spectrum.

        Args:
            spectrum: complex, shape (batch, frequency, frame).

        Returns:
            Enhanced spectrum and the channel masks of every block.

        Raises:
            ValueError: if the number of frequencies differs from ``num_frequencies``.
        """
        if spectrum.shape[1] != self.num_frequencies:
            raise ValueError(f"expected {self.num_frequencies} frequencies, got {spectrum.shape[1]}")
        magnitude = (spectrum.abs() + MAGNITUDE_FLOOR) ** self.compression
        residual = torch.relu(self.frontend(magnitude))
        masks = []
        for block in self.blocks:
            residual, channel_mask = block(residual)
            if channel_mask is None:
                channel_mask = residual.new_ones(()).expand(residual.shape[0], self.channels, residual.shape[-1])
            masks.append(channel_mask)
        spectral_mask = torch.sigmoid(self.backend(residual).float())
        return Enhanced(spectral_mask * spectrum, torch.stack(masks, dim=1))
