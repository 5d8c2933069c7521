"""What the network computes, counted on the masks of what it heard."""

from __future__ import annotations

from collections.abc import Iterator

from checkpoints.network_file import StoredNetwork
from networks.complexity import count_parameters, mac_budget
from networks.conv_fsenet import ConvFSENet
from reproduction.listening import Heard
from reproduction.rows import COST, Score

ALWAYS = 0.99  # share of the frames from which on a channel counts as always on, as in a study


def cost_scores(stored: StoredNetwork, heard: Heard) -> Iterator[Score]:
    """Count utilization and multiply-accumulates.

    Args:
        stored: the network.
        heard: what it heard.
    """
    network = ConvFSENet(**vars(stored.architecture))
    share = heard.active / len(heard.utterances)
    budget = mac_budget(network)
    macs = budget.fixed + budget.gates + float(share.sum()) * budget.per_channel
    numbers = {
        "utilization": float(share.mean()),
        "constant_channels": float(((share >= ALWAYS) | (share <= 1 - ALWAYS)).mean()),
        "macs_per_second": macs * stored.grid.frame_rate_hz,
        "macs_saved": 1 - macs / budget.dense,
        "parameters": float(count_parameters(network)),
    }
    for name, value in numbers.items():
        yield Score(f"{COST}/{name}", value, utterances=len(heard.mixtures))
