"""Write a network, with its probes, into the files that others run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from checkpoints import PROBES_SUFFIX
from checkpoints.network_file import NetworkFileError, StoredNetwork
from networks.framing import FrameGrid
from probes.deployment import ProbeBank, ProbeFileError
from streaming.folding import fold
from streaming.probe_fit import Listened, check_probes
from streaming.reference import compressed_magnitudes

if TYPE_CHECKING:
    from streaming.onnx.check import Deviation


def add_provenance(network: StoredNetwork, more: Mapping[str, str]) -> StoredNetwork:
    """Add lines to what a file says of its origin; a line of the same label is replaced."""
    return replace(network, provenance={**network.provenance, **more})


def export_network(network: StoredNetwork, out: Path) -> None:
    """Write a network file and read it back.

    Raises:
        NetworkFileError: if what was written is not the network.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    network.save(out)
    if StoredNetwork.load(out).fingerprint != network.fingerprint:
        raise NetworkFileError(f"{out}: does not hold what was written; is the disk damaged?")


def export_onnx(
    network: StoredNetwork,
    out: Path,
    quantization: Literal["dynamic", "static"] | None = None,
    calibration: Iterable[Path] = (),
) -> Deviation:
    """Write an ONNX file, run it, and compare it with the network.

    Args:
        network: to export.
        out: file.
        quantization: weights of 8 bits, or None.
        calibration: recordings of noisy speech, for static quantization.

    Returns:
        How far ONNX Runtime's result is from the network's.

    Raises:
        NetworkFileError: if a float32 file computes something else; it is not left behind.
        ValueError: if a recording cannot be used, or the extra ``onnx`` is not installed.
    """
    try:
        from streaming.onnx.check import check_magnitudes, compare
        from streaming.onnx.file import properties_of, save_onnx
        from streaming.onnx.graph import frame_graph, scan_over_frames
        from streaming.onnx.quantization import quantize
    except ImportError as error:
        raise ValueError(f"{out}: ONNX files need the extra 'onnx' ({error}); pip install 'dyncp[onnx]'") from error
    folded = fold(network)
    if quantization is None:
        graph = frame_graph(folded)
    else:
        spectra = (calibration_magnitudes(path, folded.grid, folded.compression) for path in calibration)
        graph = quantize(folded, quantization, spectra)
    model = scan_over_frames(graph, properties_of(network, quantization or "none"))
    deviation = compare(folded, model.SerializeToString(), check_magnitudes(folded))
    if quantization is None and not deviation.is_rounding:
        raise NetworkFileError(f"{out}: ONNX Runtime does not compute the network: {deviation}")
    out.parent.mkdir(parents=True, exist_ok=True)
    save_onnx(model, out)
    return deviation


def calibration_magnitudes(path: Path, grid: FrameGrid, compression: float) -> NDArray[np.float32]:
    """Read a recording and compute what the network reads of it, shape (frame, frequency); channels are averaged.

    Raises:
        ValueError: if it cannot be read, or has another sample rate.
    """
    try:
        samples, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, TypeError, MemoryError) as error:
        raise ValueError(f"--calibration: {path}: cannot be read as audio ({error})") from error
    if sample_rate != grid.sample_rate:
        raise ValueError(f"--calibration: {path}: {sample_rate} Hz, the network has {grid.sample_rate} Hz")
    if not np.isfinite(samples).all():
        raise ValueError(f"--calibration: {path}: holds samples that are not finite")
    mono: NDArray[np.float32] = samples.mean(axis=1)
    return compressed_magnitudes(mono, grid, compression)


def read_probes(probes: Path, network: StoredNetwork, source: Path) -> ProbeBank:
    """Read probes that are to be exported with a network.

    Args:
        probes: file of `dyncp probe`.
        network: that they listen to.
        source: file that the network was read from.

    Raises:
        ProbeFileError: if they cannot be read, or belong to another network.
    """
    bank, sizes = ProbeBank.load(probes), network.architecture
    check_probes(probes, bank, Listened(source, sizes.blocks, sizes.channels, network.grid, network.fingerprint))
    if source.suffix == ".ckpt" and "network" not in bank.provenance:
        _check_hash(probes, bank.provenance.get("sha256"), source)
    return replace(bank, provenance={**bank.provenance, "network": network.fingerprint})


def export_probes(bank: ProbeBank, out: Path) -> Path:
    """Write probes beside an exported network, under the name by which they are found there.

    Args:
        bank: from :func:`read_probes`.
        out: file of the exported network.

    Returns:
        The file that was written.
    """
    path = out.with_name(out.stem + PROBES_SUFFIX)
    bank.save(path)
    return path


def _check_hash(probes: Path, expected: str | None, checkpoint: Path) -> None:
    """Check that probes were fitted on this checkpoint, as far as they say.

    Raises:
        ProbeFileError: if they name another one.
    """
    with checkpoint.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if expected is not None and expected != found:
        raise ProbeFileError(
            f"{probes}: fitted on another checkpoint (SHA-256 {expected[:12]}), but {checkpoint} is {found[:12]}"
        )
