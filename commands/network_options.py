"""The options that say which network computes, of every subcommand that runs one."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_network_options(group: argparse._ArgumentGroup) -> None:
    """Add the options that name network, probes and engine."""
    group.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="network: .safetensors, .ckpt, or .onnx for --engine onnx (default: that of the package)",
    )
    group.add_argument(
        "--probes", metavar="FILE", help="probes of the network; `none` for none (default: those beside the checkpoint)"
    )
    group.add_argument("--engine", choices=("numba", "onnx"), default="numba", help="what computes (default: numba)")
