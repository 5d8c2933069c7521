"""Whether probes belong to a network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from networks.framing import FrameGrid
from probes.deployment import ProbeBank, ProbeFileError


class Listened(NamedTuple):
    """What probes must fit to.

    Attributes:
        path: of the network, for messages.
        blocks: of the network.
        channels: of a block.
        grid: sample-to-frame alignment.
        fingerprint: of the network.
    """

    path: Path
    blocks: int
    channels: int
    grid: FrameGrid
    fingerprint: str


def check_probes(path: Path, bank: ProbeBank, network: Listened) -> None:
    """Check that probes listen to this network.

    Args:
        path: of the probes, for messages.
        bank: read from there.
        network: that they are to listen to.

    Raises:
        ProbeFileError: naming what differs.
    """
    hop_s = network.grid.hop_length / network.grid.sample_rate
    if (bank.blocks, bank.channels) != (network.blocks, network.channels) or not math.isclose(bank.hop_s, hop_s):
        raise ProbeFileError(
            f"{path}: probes of {bank.blocks} blocks of {bank.channels} channels every {bank.hop_s} s, but "
            f"{network.path} has {network.blocks} of {network.channels} every {hop_s} s"
        )
    named = bank.provenance.get("network", network.fingerprint)
    if named != network.fingerprint:
        raise ProbeFileError(
            f"{path}: probes of another network ({named[:12]}), but {network.path} is {network.fingerprint[:12]}"
        )
