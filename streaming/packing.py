"""A folded network and its probes in the arrays that the compiled loops read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from networks.framing import MAGNITUDE_FLOOR
from probes.deployment import DeployedProbe, ProbeBank
from streaming.kernels import layout as at
from streaming.kernels.fourier import twiddles
from streaming.kernels.simd import LANES
from streaming.network import FixedGate, FoldedBlock, FoldedGate, FoldedNetwork, RandomMasks

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class PackedNetwork:
    """What all streams of a network share; ``kernels.layout`` says what is where.

    Attributes:
        plan: lengths and positions, shape (field,).
        blocks: the same of every block, shape (block, field).
        weights: all weights, aligned to cache lines.
        fixed: channels of gates that are the same in every frame.
        heads: kind, span and averaged frames of the probes' outputs, shape (output, 3); as many as there are.
    """

    plan: Integers
    blocks: Integers
    weights: Floats
    fixed: Integers
    heads: Integers


def padded(length: int) -> int:
    """Round up to whole vectors."""
    return -(-length // LANES) * LANES


class _Weights:
    """Collects arrays into one and tells where each starts."""

    def __init__(self) -> None:
        self.parts: list[Floats] = []
        self.size = 0

    def add(self, values: NDArray[np.floating] | float, shape: tuple[int, ...] = ()) -> int:
        """Add an array, zeros behind it in every dimension up to ``shape``, and return its position."""
        values = np.asarray(values, dtype=np.float32)
        room = np.zeros(shape or values.shape, dtype=np.float32)
        room[tuple(slice(length) for length in values.shape)] = values
        # every array starts a cache line
        flat = np.zeros(-(-room.size // 16) * 16, dtype=np.float32)
        flat[: room.size] = room.ravel()
        position = self.size
        self.parts.append(flat)
        self.size += flat.size
        return position

    def add_exact(self, values: NDArray[np.float64]) -> int:
        """Add an array in double precision, every number in the place of two."""
        return self.add(np.frombuffer(values.tobytes(), dtype=np.float32))

    def join(self) -> Floats:
        """Return all arrays in one that starts a cache line."""
        memory = np.zeros(self.size + 16, dtype=np.float32)
        first = -(memory.ctypes.data // 4) % 16
        joined = memory[first : first + self.size]
        np.concatenate(self.parts, out=joined)
        return joined


def pack(network: FoldedNetwork, bank: ProbeBank | None, smoothing_frames: float) -> PackedNetwork:
    """Pack a network with its probes.

    Args:
        network: folded.
        bank: of this network, or None.
        smoothing_frames: time constant of the smoothed outputs, at least 1.
    """
    weights = _Weights()
    plan = np.zeros(at.PLAN_FIELDS, dtype=np.int64)
    residual, channels = padded(network.residual_channels), network.channels
    bins = padded(network.frequencies)
    probes = [] if bank is None else list(bank.probes.values())
    outputs = padded(sum(len(probe.bias) for probe in probes))
    taps = network.blocks[0].depthwise_weight.shape[1]
    plan[at.FREQUENCIES], plan[at.PADDED_FREQUENCIES] = network.frequencies, bins
    plan[at.RESIDUAL], plan[at.CHANNELS], plan[at.PADDED_CHANNELS] = residual, channels, padded(channels + 1)
    plan[at.BLOCKS], plan[at.OUTPUTS], plan[at.TAPS] = len(network.blocks), outputs, taps
    plan[at.RECORD] = -(-(2 * residual + outputs + 2 + taps) // 16) * 16
    gates = [block.gate for block in network.blocks if isinstance(block.gate, FoldedGate)]
    plan[at.HIDDEN] = max([padded(gate.weight.shape[1]) for gate in gates], default=LANES)
    plan[at.FRONTEND] = weights.add(network.frontend_weight, (residual, bins))
    plan[at.FRONTEND_BIAS] = weights.add(network.frontend_bias, (residual,))
    plan[at.BACKEND] = weights.add(network.backend_weight, (bins, residual))
    plan[at.BACKEND_BIAS] = weights.add(network.backend_bias, (bins,))
    exponent = np.float32(network.compression)
    plan[at.EXPONENT] = weights.add(np.array([exponent, network.compression - float(exponent)]))
    plan[at.FLOOR] = weights.add(MAGNITUDE_FLOOR)
    plan[at.SMOOTHING] = weights.add(smoothing_frames)
    plan[at.OUTPUT_BIAS] = weights.add(np.concatenate([np.zeros(0), *(probe.bias for probe in probes)]), (outputs,))
    _add_transform(weights, plan, network)
    blocks, fixed = _add_blocks(
        weights, plan, network, _output_weights(probes, len(network.blocks) * channels, outputs)
    )
    hop_s = network.grid.hop_length / network.grid.sample_rate
    return PackedNetwork(plan, blocks, weights.join(), fixed, _heads(probes, hop_s))


def _output_weights(probes: list[DeployedProbe], features: int, outputs: int) -> Floats:
    """Return the weight of every channel in every output, shape (feature, output); most probes hear only some."""
    table = np.zeros((features, outputs), dtype=np.float32)
    column = 0
    for probe in probes:
        width = len(probe.bias)
        table[probe.features, column : column + width] = probe.weights.T
        column += width
    return table


def _heads(probes: list[DeployedProbe], hop_s: float) -> Integers:
    heads: list[tuple[int, int, int]] = []
    for probe in probes:
        span = len(probe.bias)
        kind = {"binary": at.PROBABILITY, "category": at.POSTERIORS, "value": at.AS_IT_IS}[probe.kind]
        averaged = max(1, round(probe.averaged_s / hop_s)) if probe.averaged_s else 0
        heads += [(at.OCTAVES if probe.transform == "log2" else kind, span, averaged)] * span
    return np.array(heads, dtype=np.int64).reshape(-1, at.HEAD_FIELDS)


def _add_transform(weights: _Weights, plan: Integers, network: FoldedNetwork) -> None:
    window, bins = network.grid.window_length, padded(network.frequencies)
    plan[at.WINDOW], plan[at.HOP], plan[at.PADDED_WINDOW] = window, network.grid.hop_length, padded(window)
    plan[at.NO_BIAS] = weights.add(np.zeros(max(bins, padded(window))))
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    plan[at.ANALYSIS_WINDOW], plan[at.EXACT_WINDOW] = weights.add(taper), weights.add_exact(taper)
    squares = (taper**2).reshape(-1, network.grid.hop_length).cumsum(axis=0)
    plan[at.NORMS] = weights.add(np.divide(1, squares, out=np.zeros_like(squares), where=squares > 0))
    plan[at.FAST_TRANSFORM] = window >= 2 * LANES and window & (window - 1) == 0
    if plan[at.FAST_TRANSFORM]:
        factors = twiddles(window)
        plan[at.ROOTS], plan[at.ROOT_COUNT] = weights.add(factors.ravel()), factors.shape[1]
        plan[at.EXACT_ROOTS] = weights.add_exact(factors.ravel())
        return
    # other lengths are rare: a product with the matrix of the transform, and no second algorithm
    phase = 2 * np.pi * np.outer(np.arange(network.frequencies), np.arange(window)) / window
    forward = np.zeros((2, bins, padded(window)))
    forward[:, : network.frequencies, :window] = np.cos(phase), -np.sin(phase)
    scale = np.full(network.frequencies, 2 / window)
    scale[[0, -1]] = 1 / window  # once in the spectrum, not twice; windows are even
    inverse = np.zeros((2, padded(window), bins))
    inverse[:, :window, : network.frequencies] = (np.cos(phase) * scale[:, None]).T, (-np.sin(phase) * scale[:, None]).T
    plan[at.MATRIX], plan[at.INVERSE_MATRIX] = weights.add(forward), weights.add(inverse)


def _add_blocks(
    weights: _Weights, plan: Integers, network: FoldedNetwork, output_weights: Floats
) -> tuple[Integers, Integers]:
    blocks = np.zeros((len(network.blocks), at.BLOCK_FIELDS), dtype=np.int64)
    fixed: list[int] = []
    state = 0
    for index, (fields, block) in enumerate(zip(blocks, network.blocks, strict=True)):
        channels = slice(index * network.channels, (index + 1) * network.channels)
        fields[at.DILATION] = block.dilation
        fields[at.RECORDS] = weights.add(_records(plan, block, output_weights[channels]))
        fields[at.SLOTS], fields[at.HOLDS] = (plan[at.TAPS] - 1) * block.dilation + 1, block.holds
        fields[at.RING] = state
        state += int(fields[at.SLOTS] * plan[at.PADDED_CHANNELS])
        fields[at.GATE], fields[at.HYSTERESIS] = at.EVERY, -1
        if isinstance(block.gate, FixedGate):
            active = np.flatnonzero(block.gate.channel_mask)
            fields[at.GATE], fields[at.FIXED_START], fields[at.FIXED_COUNT] = at.FIXED, len(fixed), len(active)
            fixed += active.tolist()
        elif isinstance(block.gate, RandomMasks):
            fields[at.GATE], fields[at.SEED] = at.RANDOM, block.gate.seed
            fields[at.THRESHOLD] = weights.add(block.gate.threshold)
        elif block.gate is not None:
            state = _add_gate(weights, plan, fields, block.gate, state)
    plan[at.INPUT], plan[at.OVERLAP] = state, state + plan[at.WINDOW]
    plan[at.SMOOTHED] = state + 2 * plan[at.WINDOW]
    plan[at.STATE_SIZE] = plan[at.SMOOTHED] + plan[at.OUTPUTS]
    return blocks, np.array(fixed, dtype=np.int64)


def _records(plan: Integers, block: FoldedBlock, output_weights: Floats) -> Floats:
    """Return the weights of every channel in one piece each, and silent ones up to a whole group; see ``layout``."""
    residual, channels, outputs = int(plan[at.RESIDUAL]), int(plan[at.CHANNELS]), int(plan[at.OUTPUTS])
    records = np.zeros((channels + 1, int(plan[at.RECORD])), dtype=np.float32)
    narrow = block.expand_weight.shape[1]
    records[:channels, :narrow] = block.expand_weight
    records[:channels, residual : residual + narrow] = block.project_weight.T
    biases = 2 * residual + outputs
    records[:channels, 2 * residual : biases] = output_weights
    records[:channels, biases], records[:channels, biases + 1] = block.expand_bias, block.depthwise_bias
    records[:channels, biases + 2 : biases + 2 + int(plan[at.TAPS])] = block.depthwise_weight
    return records


def _add_gate(weights: _Weights, plan: Integers, fields: Integers, gate: FoldedGate, state: int) -> int:
    """Add a gate that looks at the signal, and return where the state after its own begins."""
    channels, width = gate.weight.shape
    hidden, room = padded(width), int(plan[at.PADDED_CHANNELS])
    fields[at.GATE], fields[at.WIDTH], fields[at.STEM] = at.FRAME, hidden, -1
    fields[at.SKIP] = -1
    if gate.stem is not None:
        fields[at.STEM] = weights.add(gate.stem.weight, (hidden, int(plan[at.RESIDUAL])))
        fields[at.STEM_BIAS] = weights.add(gate.stem.bias, (hidden,))
        if gate.stem.magnitude_weight is not None:
            fields[at.SKIP] = weights.add(gate.stem.magnitude_weight, (hidden, int(plan[at.PADDED_FREQUENCIES])))
        if gate.stem.filter is not None:
            taps = gate.stem.filter.shape[1]
            fields[at.MEMORY], fields[at.MEMORY_TAPS], fields[at.MEMORY_STATE] = at.FILTER, taps, state
            fields[at.MEMORY_WEIGHT] = weights.add(gate.stem.filter.T, (taps, hidden))
            state += taps * hidden
        elif gate.stem.retention is not None:
            fields[at.MEMORY], fields[at.MEMORY_STATE] = at.AVERAGE, state
            fields[at.MEMORY_WEIGHT] = weights.add(gate.stem.retention)
            state += hidden
    fields[at.EXPAND] = weights.add(gate.weight.T, (hidden, room))
    # what pads the channels is never positive
    bias = np.full(room, -1.0, dtype=np.float32)
    bias[:channels] = gate.bias
    fields[at.EXPAND_BIAS] = weights.add(bias)
    if gate.hysteresis > 0:
        fields[at.HYSTERESIS], fields[at.HELD] = weights.add(gate.hysteresis / 2), state
        state += room
    return state
