"""Write a trained network into a file that runs without torch: safetensors, or ONNX for streaming."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from checkpoints import PROBES_SUFFIX
from commands.status import exit_status

SUFFIXES = (".safetensors", ".onnx")
EPILOG = """\
docs/export.md tells what the files hold and how to run them.

    dyncp export runs/corpus/version_0/checkpoints/last.ckpt network.safetensors --probes report/probes.safetensors
    dyncp export network.safetensors network.onnx
    dyncp export network.safetensors small.onnx --quantize static --calibration noisy/*.wav"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the subcommand."""
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="of a training (.ckpt), or a network file")
    parser.add_argument("out", type=Path, metavar="OUT", help="file that ends in .safetensors or .onnx")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration of the training (default: the one saved by the run)"
    )
    parser.add_argument(
        "--probes",
        type=Path,
        metavar="FILE",
        help="of `dyncp probe`; checked, and written beside as NAME.probes.safetensors",
    )
    parser.add_argument("--quantize", choices=("dynamic", "static"), help="weights of 8 bits, for .onnx")
    parser.add_argument(
        "--calibration",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="noisy recordings, for static quantization",
    )
    parser.add_argument(
        "--provenance",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a line about the origin, kept in the file; may be given several times",
    )


def run(options: argparse.Namespace) -> int:
    """Write the files, say what is in them, and return the exit status."""
    return exit_status(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    _check(options)
    from checkpoints.training import read_network
    from reports.environment import software_text
    from streaming import export  # numpy and what reads the files take a moment

    source, out = options.checkpoint, options.out
    made = {"exported_with": software_text()} | _lines(options.provenance)
    network = export.add_provenance(read_network(source, options.config), made)
    probes = None if options.probes is None else export.read_probes(options.probes, network, source)
    found = f"{network.architecture.blocks} blocks of {network.architecture.channels} channels"
    if out.suffix == ".onnx":
        deviation = export.export_onnx(network, out, options.quantize, options.calibration)
        found += f"; run by ONNX Runtime: {deviation}"
    else:
        export.export_network(network, out)
    print(f"{out}: {_size(out)}, fingerprint {network.fingerprint[:12]}, {found}")
    if probes is not None:
        path = export.export_probes(probes, out)
        print(f"{path}: {_size(path)}")


def _check(options: argparse.Namespace) -> None:
    """Refuse options that do not go together.

    Raises:
        ValueError: naming the option.
    """
    if options.out.suffix not in SUFFIXES:
        raise ValueError(f"OUT must end in {' or '.join(SUFFIXES)}, got '{options.out}'")
    if options.out.name.endswith(PROBES_SUFFIX):
        raise ValueError(f"OUT: files that end in {PROBES_SUFFIX} hold probes, got '{options.out}'")
    if options.quantize is not None and options.out.suffix != ".onnx":
        raise ValueError(f"--quantize is for .onnx files, got '{options.out}'")
    if options.quantize == "static" and not options.calibration:
        raise ValueError("--quantize static needs --calibration with noisy recordings")
    if options.calibration and options.quantize != "static":
        raise ValueError("--calibration is for --quantize static")


def _lines(given: Sequence[str]) -> dict[str, str]:
    """Take lines of provenance apart.

    Raises:
        ValueError: if one has no label.

    Example:
        >>> _lines(["data=ESC-10", "licence=CC BY=3.0"])
        {'data': 'ESC-10', 'licence': 'CC BY=3.0'}
    """
    pairs = [line.partition("=") for line in given]
    for label, separator, text in pairs:
        if not label or not separator:
            raise ValueError(f"--provenance must look like KEY=VALUE, got '{label}{separator}{text}'")
    return {label: text for label, _, text in pairs}


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.2f} MB"
