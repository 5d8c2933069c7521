"""Conv-FSENet with Dynamic Channel Pruning: a real spectral mask from compressed magnitudes, causally."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from networks.blocks import PrunedBlock
from networks.constant_gates import RandomGate, StaticGate
from networks.framing import MAGNITUDE_FLOOR
from networks.gate_settings import GateSettings
from networks.gating import ChannelGate, Gate, gate_norm

DEFAULT_GATE = GateSettings()


class Enhanced(NamedTuple):
    """What the network returns.

    Attributes:
        spectrum: enhanced complex spectrum, shape (batch, frequency, frame).
        channel_masks: shape (batch, block, channel, frame), 0 or 1 with a surrogate gradient; a dense network has ones.
    """

    spectrum: Tensor
    channel_masks: Tensor


class Trace(NamedTuple):
    """What is inside a gated network, for probes.

    Attributes:
        frontend: output of the first layer after its ReLU, shape (batch, residual channel, frame).
        gate_logits: what the gates compare with their thresholds, shape (batch, block, channel, frame).
        masked_activations: what the last pointwise layer of every block reads, shape (batch, block, channel, frame).
        channel_masks: shape (batch, block, channel, frame), 0 or 1.
    """

    frontend: Tensor
    gate_logits: Tensor
    masked_activations: Tensor
    channel_masks: Tensor


class ConvFSENet(nn.Module):
    """Causal convolutional speech-enhancement network whose channels are switched frame by frame.

    Backbone after Miccini et al., 2025 (arXiv 2412.17121): frontend pointwise F -> R, ``stacks`` x ``len(dilations)``
    blocks, backend pointwise R -> F, sigmoid. Causal; frame ``t`` sees ``receptive_field`` frames up to ``t``
    (None: all of them, where gates have a leaky average or hysteresis).

    Args:
        num_frequencies: bins F of the spectrum.
        residual_channels: channels R between blocks.
        channels: gated channels C inside a block.
        stacks: how often the series of dilations is repeated.
        dilations: frames between the taps of the depthwise convolutions of one stack.
        kernel_size: taps of the depthwise convolutions.
        compression: exponent of the input magnitude.
        gated: False builds the dense network.
        gate: what the gates are like; a dense network ignores it.

    Raises:
        ValueError: if a size is not positive, or the compression is out of range.
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
        gate: GateSettings = DEFAULT_GATE,
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
        self.gate_settings = gate
        self.target_utilization = gate.target_utilization if gated else 1.0
        self.frontend = nn.Conv1d(num_frequencies, residual_channels, 1)
        # Once for all gates that read magnitudes.
        self.magnitude_norm = gate_norm(num_frequencies, gate) if gated and gate.reads_magnitude else None
        blocks = []
        for index, dilation in enumerate(list(dilations) * stacks):
            shared_by = {"block": 1, "stack": len(dilations), "network": stacks * len(dilations)}[gate.stem_scope]
            owns_stem = index % shared_by == 0
            decider = None
            if gated:
                decider = _make_gate((residual_channels, channels, num_frequencies), gate, index, owns_stem)
            blocks.append(PrunedBlock(residual_channels, channels, kernel_size, dilation, decider))
        self.blocks = nn.ModuleList(blocks)
        self.backend = nn.Conv1d(residual_channels, num_frequencies, 1)
        history = stacks * (kernel_size - 1) * sum(dilations) + sum(gate.history or 0 for gate in self.gates)
        holds = gated and gate.idle == "hold" and gate.decision != "static" and kernel_size > 1
        endless = holds or any(gate.history is None for gate in self.gates)
        self.receptive_field = None if endless else 1 + history

    @property
    def gates(self) -> list[Gate]:
        """The gates of all blocks; none in a dense network."""
        return [gate for block in self.blocks if (gate := cast(PrunedBlock, block).gate) is not None]

    def set_target_utilization(self, target_utilization: float) -> None:
        """Move the thresholds of all gates; 1 computes every channel. ``target_utilization`` keeps the final target."""
        for gate in self.gates:
            gate.set_target_utilization(target_utilization)

    def set_temperature(self, temperature: float) -> None:
        """Set the temperature of the surrogate gradient of all gates."""
        for gate in self.gates:
            gate.temperature.fill_(temperature)

    def compile_estimate(self, backend: str | Callable[..., Any] = "inductor") -> None:
        """Translate :meth:`estimate` as one graph with ``torch.compile``; the state stays as it is.

        What is around it is complex, which the compiler does not translate.

        Args:
            backend: of ``torch.compile``; ``inductor`` needs a C++ compiler on a CPU.
        """
        self.estimate = torch.compile(self.estimate, backend=backend, fullgraph=True)  # type: ignore[method-assign]

    def estimate(self, magnitude: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate the spectral mask.

        Args:
            magnitude: compressed, shape (batch, frequency, frame).

        Returns:
            Spectral mask of the same shape, in (0, 1), and channel masks of shape (batch, block, channel, frame).
        """
        residual, read = torch.relu(self.frontend(magnitude)), self._read_by_gates(magnitude)
        masks = []
        hidden: Tensor | None = None
        for block in self.blocks:
            residual, decision = block(residual, hidden, read)
            if decision is None:
                masks.append(residual.new_ones(()).expand(residual.shape[0], self.channels, residual.shape[-1]))
            else:
                hidden = decision.hidden
                masks.append(decision.channel_mask)
        return torch.sigmoid(self.backend(residual).float()), torch.stack(masks, dim=1)

    def _read_by_gates(self, magnitude: Tensor) -> Tensor | None:
        """Normalise magnitudes for the gates; None if these read none."""
        return None if self.magnitude_norm is None else self.magnitude_norm(magnitude)

    def forward(self, spectrum: Tensor) -> Enhanced:
        """Enhance a noisy spectrum.

        Args:
            spectrum: complex, shape (batch, frequency, frame).

        Returns:
            Enhanced spectrum and the channel masks of every block.

        Raises:
            ValueError: if the number of frequencies differs from ``num_frequencies``.
        """
        spectral_mask, channel_masks = self.estimate(self.compressed_magnitude(spectrum))
        return Enhanced(spectral_mask * spectrum, channel_masks)

    def compressed_magnitude(self, spectrum: Tensor) -> Tensor:
        """Compute what the first layer reads from a complex spectrum of shape (batch, frequency, frame).

        Raises:
            ValueError: if the number of frequencies differs from ``num_frequencies``.
        """
        if spectrum.shape[1] != self.num_frequencies:
            raise ValueError(f"expected {self.num_frequencies} frequencies, got {spectrum.shape[1]}")
        return (spectrum.abs() + MAGNITUDE_FLOOR) ** self.compression

    def trace(self, spectrum: Tensor) -> Trace:
        """Compute what is inside the network for a noisy spectrum of shape (batch, frequency, frame).

        Raises:
            ValueError: if the network has no gates, or the number of frequencies differs from ``num_frequencies``.
        """
        if not self.gated:
            raise ValueError("network.gated is false: a dense network has no gates to trace")
        magnitude = self.compressed_magnitude(spectrum)
        frontend = residual = torch.relu(self.frontend(magnitude))
        read = self._read_by_gates(magnitude)
        logits, activations, masks = [], [], []
        shared: Tensor | None = None
        for block in cast(list[PrunedBlock], self.blocks):
            hidden, decision = block.masked_hidden(residual, shared, read)
            assert decision is not None, "every block of a gated network has a gate"
            residual = residual + block.project(hidden)
            shared = decision.hidden
            logits.append(decision.gate_logit)
            activations.append(hidden)
            masks.append(decision.channel_mask)
        return Trace(frontend, torch.stack(logits, 1), torch.stack(activations, 1), torch.stack(masks, 1))


def _make_gate(sizes: tuple[int, int, int], settings: GateSettings, block: int, owns_stem: bool) -> Gate:
    """Build the gate of a block.

    Args:
        sizes: channels R and C, and bins F.
        settings: of the gates.
        block: from 0; gives random gates their own masks.
        owns_stem: whether the gate has a first layer of its own.
    """
    in_channels, channels, num_frequencies = sizes
    if settings.decision == "static":
        return StaticGate(channels, settings)
    if settings.decision == "random":
        return RandomGate(channels, settings, seed=block)
    return ChannelGate(in_channels, channels, settings, owns_stem, num_frequencies)
