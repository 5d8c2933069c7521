"""Tested networks of a sweep: what each one is, what it costs, and how it scored on every utterance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from reports.quality import read_run
from reports.quality_intervals import Bootstrap
from reports.quality_scores import ScoreTable
from reports.tested_runs import DENSE, SCORES, read_summary, scored_version


@dataclass(frozen=True)
class ScoredNetwork:
    """A network of a sweep after its test.

    Attributes:
        name: of its folder.
        kind: ``dense``, ``narrow`` (fewer channels, no gates), or the decision of its gates: ``frame``, ``static``,
            ``random``.
        channels: inside a block.
        parameters: trainable numbers.
        frame_rate_hz: frames per second.
        full_macs_per_frame: of the same network with every channel computed and no gates, NaN if it was not logged.
        scores: of every utterance.
        bootstrap: how its test made intervals.
        path: of the scores.
    """

    name: str
    kind: str
    channels: int
    parameters: int
    frame_rate_hz: float
    full_macs_per_frame: float
    scores: ScoreTable
    bootstrap: Bootstrap
    path: Path

    @property
    def utilization(self) -> float:
        """Mean share of the channels that are computed."""
        return float(np.mean([row.utilization for row in self.scores.rows]))

    @property
    def macs_per_frame(self) -> float:
        """Mean over utterances, gates included."""
        return float(np.mean([row.macs_per_frame for row in self.scores.rows]))

    @property
    def mmacs_per_second(self) -> float:
        """Millions of MACs per second of audio."""
        return self.macs_per_frame * self.frame_rate_hz / 1e6


def network_kind(name: str, arguments: Mapping[str, Any]) -> str:
    """Tell what kind a network is from its name and the arguments it was built with.

    Example:
        >>> network_kind("static_25", {"gated": False, "channels": 88})
        'narrow'
    """
    if not arguments.get("gated", True):
        return "dense" if name == DENSE else "narrow"
    return str((arguments.get("gate") or {}).get("decision", "frame"))


def read_network(version: Path) -> ScoredNetwork:
    """Read what a test has left in ``OUT/NAME/version_N``.

    Args:
        version: folder of the test.

    Raises:
        ScoresError: if the scores are not as a test writes them.
    """
    config, summary = yaml.safe_load((version / "config.yaml").read_text()), read_summary(version)
    arguments, grid = config["model"]["network"]["init_args"], config["data"]["grid"]
    name = version.parent.name
    scores, settings = read_run(version)
    return ScoredNetwork(
        name=name,
        kind=network_kind(name, arguments),
        channels=arguments["channels"],
        parameters=summary["parameters"],
        frame_rate_hz=grid["sample_rate"] / grid["hop_length"],
        full_macs_per_frame=summary["metrics"].get("cost/macs_per_frame_dense", float("nan")),
        scores=scores,
        bootstrap=settings.bootstrap,
        path=version / SCORES,
    )


def read_networks(out: Path) -> list[ScoredNetwork]:
    """Read every tested network of a sweep, those that cost most first.

    Args:
        out: folder of the sweep.

    Raises:
        FileNotFoundError: if no network has been tested.
        ScoresError: if scores are not as a test writes them.
    """
    tested = [scored_version(folder) for folder in sorted(out.glob("*")) if folder.is_dir()]
    networks = [read_network(version) for version in tested if version is not None]
    if not networks:
        raise FileNotFoundError(f"{out}: no tested network; expected {out}/NAME/version_N with {SCORES}")
    return sorted(networks, key=lambda network: -network.macs_per_frame)
