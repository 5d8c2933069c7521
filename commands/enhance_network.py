"""The enhancer that the options of `dyncp enhance` describe."""

from __future__ import annotations

import argparse
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from streaming.enhancer import StreamingEnhancer


def load_enhancer(options: argparse.Namespace, keep_masks: bool = False) -> StreamingEnhancer:
    """Load network and probes.

    Raises:
        ValueError: if a file or a value cannot be used; the message names it.
    """
    if not 0 <= options.smoothing < float("inf"):
        raise ValueError(f"--smoothing must be 0 or more seconds, got {options.smoothing}")
    probes = False if options.probes == "none" else None if options.probes is None else Path(options.probes)
    return StreamingEnhancer(
        options.checkpoint, probes, engine=options.engine, smoothing_s=options.smoothing, keep_masks=keep_masks
    )


def described_network(options: argparse.Namespace, enhancer: StreamingEnhancer) -> dict[str, Any]:
    """Tell what a table is made with: programs, files and the hashes of what was in them."""
    try:
        release = version("dyncp")
    except PackageNotFoundError:  # run from a checkout that is not installed
        release = "unknown"
    return {
        "dyncp": release,
        "network": str(options.checkpoint or "default"),
        "network_sha256": enhancer.identity["network"],
        "probes": str(options.probes or "beside the network"),
        "probes_sha256": enhancer.identity["probes"] if enhancer.schema else None,
        "engine": enhancer.identity["engine"],
        "units": {spec.name: spec.unit for spec in enhancer.schema if spec.unit},
        "thresholds": {spec.name: spec.threshold for spec in enhancer.schema if spec.kind == "binary"},
    }
