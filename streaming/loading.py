"""From files to an engine: the network, its probes, and whether they belong together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from checkpoints import default_network, probes_beside
from checkpoints.network_file import NetworkFileError
from checkpoints.training import read_network
from networks.framing import FrameGrid
from probes.deployment import ProbeBank
from streaming.engine import Engine
from streaming.folding import fold
from streaming.network import FoldedNetwork
from streaming.packing import PackedNetwork, pack
from streaming.probe_fit import Listened, check_probes
from streaming.properties import PropertySpec, schema_of

EngineName = Literal["numba", "onnx"]


class LoadedEngine(NamedTuple):
    """An engine and what it computes.

    Attributes:
        engine: computes streams.
        grid: sample-to-frame alignment.
        schema: properties that the probes tell.
        identity: engine, network and probes, by hashes; what a state of a stream belongs to.
    """

    engine: Engine
    grid: FrameGrid
    schema: tuple[PropertySpec, ...]
    identity: Mapping[str, str]


def load_engine(
    checkpoint: str | Path | None, probes: str | Path | Literal[False] | None, engine: EngineName, smoothing_s: float
) -> LoadedEngine:
    """Load network and probes into an engine; the arguments are those of ``StreamingEnhancer``.

    Raises:
        ValueError: if a file or an argument cannot be used.
    """
    if engine not in get_args(EngineName):
        raise ValueError(f"engine must be one of {get_args(EngineName)}, got {engine!r}")
    if not 0 <= smoothing_s < float("inf"):
        raise ValueError(f"smoothing_s must be at least 0 and finite, got {smoothing_s}")
    path = default_network() if checkpoint is None else Path(checkpoint)
    network, graph = _read_network(path, engine)
    bank = _read_probes(path, probes, network)
    hop_s = network.grid.hop_length / network.grid.sample_rate
    packed = pack(network, bank, max(1.0, smoothing_s / hop_s))
    identity = {"engine": engine, "network": network.fingerprint, "probes": _digest(bank)}
    return LoadedEngine(_make(engine, network, packed, graph, path), network.grid, schema_of(bank), identity)


def _read_network(path: Path, engine: EngineName) -> tuple[FoldedNetwork, bytes | None]:
    """Read a network, of an ONNX file its sizes and its graph."""
    if path.suffix != ".onnx":
        network = read_network(path)
        try:
            return fold(network), None
        except NetworkFileError as error:
            raise NetworkFileError(f"{path}: {error}") from error
    if engine != "onnx":
        raise ValueError(f"{path}: an ONNX file needs engine 'onnx', got {engine!r}")
    from streaming.onnx.file import outline, read_onnx  # needs an extra

    exported = read_onnx(path)
    return outline(exported), exported.model


def _make(name: EngineName, network: FoldedNetwork, packed: PackedNetwork, graph: bytes | None, path: Path) -> Engine:
    """Make the engine.

    Raises:
        NetworkFileError: if the graph of a file cannot be run.
    """
    if name == "onnx":
        from streaming.onnx.engine import OnnxEngine  # needs an extra

        if graph is None:
            return OnnxEngine(network, packed)
        try:
            engine = OnnxEngine(network, packed, model=graph)
            engine.try_out()
        except Exception as error:  # ONNX Runtime has a dozen exceptions without a common type of their own
            raise NetworkFileError(f"{path}: ONNX Runtime cannot run the graph ({error!s:.500})") from error
        return engine
    from streaming.numba_engine import NumbaEngine  # the compiler takes a second to import

    return NumbaEngine(packed)


def _read_probes(
    checkpoint: Path, probes: str | Path | Literal[False] | None, network: FoldedNetwork
) -> ProbeBank | None:
    """Read the probes that were asked for, or those that lie beside the checkpoint.

    Raises:
        ProbeFileError: if they are not those of the network.
    """
    if probes is False:
        return None
    if probes is None:
        beside = probes_beside(checkpoint)
        if beside is None:
            return None
        path = beside
    else:
        path = Path(probes)
    bank = ProbeBank.load(path)
    listened = Listened(checkpoint, len(network.blocks), network.channels, network.grid, network.fingerprint)
    check_probes(path, bank, listened)
    return bank


def _digest(bank: ProbeBank | None) -> str:
    """Return a hash of what the probes compute."""
    digest = hashlib.sha256()
    for name, probe in (bank.probes if bank else {}).items():
        digest.update(f"{name} {probe.kind} {probe.transform} {probe.classes} {probe.averaged_s}".encode())
        for values in (probe.features, probe.weights, probe.bias):
            digest.update(values.tobytes())
    return digest.hexdigest()
