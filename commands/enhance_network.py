"""The enhancer that the options of `dyncp enhance` describe."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from checkpoints import default_network
from streaming.enhancer import StreamingEnhancer

NOTICE_AFTER_S = 4.0  # of computing; loading what was compiled before takes a second


def load_enhancer(options: argparse.Namespace, keep_masks: bool = False) -> StreamingEnhancer:
    """Load network and probes and compute once, so that nothing is slow afterwards.

    Raises:
        ValueError: if a file or a value cannot be used; the message names it.
    """
    if not 0 <= options.smoothing < float("inf"):
        raise ValueError(f"--smoothing must be 0 or more seconds, got {options.smoothing}")
    enhancer = _load(options, keep_masks)
    compiled = threading.Event()
    threading.Thread(target=_tell_of_compilation, args=(compiled,), daemon=True).start()
    try:
        enhancer.new_stream().feed(np.zeros(enhancer.latency_samples, dtype=np.float32))  # compiles what is not cached
    finally:
        compiled.set()
    return enhancer


def _load(options: argparse.Namespace, keep_masks: bool) -> StreamingEnhancer:
    if options.checkpoint is None:
        try:
            default_network()
        except FileNotFoundError as error:
            raise ValueError(f"--checkpoint: {error}") from error
    named: Path | Literal[False] | None = None
    if options.probes is not None:
        named = False if options.probes == "none" else Path(options.probes)
    return StreamingEnhancer(
        options.checkpoint, named, engine=options.engine, smoothing_s=options.smoothing, keep_masks=keep_masks
    )


def _tell_of_compilation(compiled: threading.Event) -> None:
    """Tell why nothing happens; on a busy machine loading takes long too, but not much of the processor."""
    begin = time.process_time()
    while not compiled.wait(0.25):
        if time.process_time() - begin >= NOTICE_AFTER_S:
            print("compiling for this machine, which takes half a minute once ...", file=sys.stderr)
            return


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
