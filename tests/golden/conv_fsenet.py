"""Write the golden values of the full-size network: ``python -m tests.golden.conv_fsenet``.

Weights are drawn in float32 and everything is computed in float64, where no gate logit comes closer to its threshold
than ``MARGIN``, a million times the rounding error: no mask flips between machines. What is left is the rounding of
the spectral mask, which the network makes in float32 (6e-8 a bin), hence the tolerance. Another seed changes the
weighted sum by more than a tenth.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from networks.complexity import count_parameters, mac_budget
from networks.conv_fsenet import ConvFSENet
from networks.gating import ChannelGate

GOLDEN = Path(__file__).with_suffix(".json")
FRAMES = 12
TOLERANCE = 1e-6
MARGIN = 1e-6


def probe_spectrum() -> Tensor:
    """Return a spectrum of shape (1, frequency, frame), written as a formula: no random generator can change it."""
    frequency, frame = torch.arange(257.0).double()[:, None], torch.arange(FRAMES).double()
    level = torch.exp(-frequency / 60) * (1.2 + torch.sin(0.3 * frequency + 0.9 * frame))
    return torch.polar(level, 0.7 * frequency * frame)[None]


def build(gated: bool, seed: int = 0) -> ConvFSENet:
    """Return the default network, freshly drawn, normalising with the statistics of what it is given."""
    torch.manual_seed(seed)
    return ConvFSENet(gated=gated).double().train()


def state_shapes(network: nn.Module) -> dict[str, str]:
    """Return the shape of every tensor of the state, which old checkpoints depend on."""
    return {name: "x".join(map(str, value.shape)) for name, value in network.state_dict().items()}


def describe(network: ConvFSENet) -> dict[str, float]:
    """Return numbers that change when the computation does."""
    with torch.no_grad():
        enhanced = network(probe_spectrum())
    magnitude = enhanced.spectrum.abs()
    weights = torch.cos(0.37 * torch.arange(257.0)[:, None] + 0.61 * torch.arange(FRAMES))
    return {
        "magnitude_sum": magnitude.sum().item(),
        "weighted_sum": (magnitude * weights).sum().item(),
        "utilization": enhanced.channel_masks.mean().item(),
    }


def smallest_margin(network: ConvFSENet) -> float:
    """Return how close a gate logit comes to its threshold."""
    margins: list[float] = []
    for gate in network.modules():
        if isinstance(gate, ChannelGate):
            gate.register_forward_hook(
                lambda gate, _inputs, output: margins.append((output.gate_logit - gate.threshold).abs().min().item())
            )
    describe(network)
    return min(margins)


def golden_values(gated: bool) -> dict[str, Any]:
    """Return everything that is stored about one variant."""
    network = build(gated)
    budget = mac_budget(network)
    return {
        "parameters": count_parameters(network),
        "macs_dense": budget.dense,
        "macs_gates": budget.gates,
        **describe(network),
        "state": state_shapes(network),
    }


def main() -> None:
    """Write the file."""
    margin = smallest_margin(build(True))
    if margin < MARGIN:
        raise SystemExit(f"a gate logit lies {margin} from its threshold: masks may flip by rounding; change FRAMES")
    golden = {"gated": golden_values(True), "dense": golden_values(False)}
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
