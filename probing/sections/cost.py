"""What the network computes on the scored mixtures."""

from __future__ import annotations

from typing import Any

import numpy as np

from networks.complexity import count_parameters, mac_budget
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from probes.reservoir import FrameRows

CHUNK = 16384
ALWAYS = 0.99  # share of the frames from which on a channel counts as always on


def cost(network: ConvFSENet, masks: FrameRows, grid: FrameGrid) -> dict[str, Any]:
    """Count utilization and multiply-accumulates from the masks.

    Args:
        network: that made them.
        masks: of all scored frames.
        grid: gives the frame rate.

    Returns:
        Numbers by name.
    """
    active = np.zeros(masks.num_features)
    for start in range(0, len(masks), CHUNK):
        active += masks.dense(slice(start, start + CHUNK)).sum(axis=0)
    share = active / len(masks)
    budget = mac_budget(network)
    macs = budget.fixed + budget.gates + float(share.sum()) * budget.per_channel
    return {
        "target_utilization": network.target_utilization,
        "utilization": float(share.mean()),
        "constant_channels": float(((share >= ALWAYS) | (share <= 1 - ALWAYS)).mean()),
        "macs_per_second": macs * grid.frame_rate_hz,
        "macs_saved": 1 - macs / budget.dense,
        "parameters": count_parameters(network),
    }
