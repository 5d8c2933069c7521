"""What the streaming benchmark times: the network alone, whole hops, whole signals, the transform."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from benchmarks.streaming_peers import Peer
from streaming.enhancer import StreamingEnhancer
from streaming.kernels import layout as at
from streaming.kernels import stream
from streaming.kernels.dense import OPTIONS
from streaming.kernels.network import estimate
from streaming.kernels.workspace import split_floats, split_integers

WARM_HOPS = 8
Audio = NDArray[np.float32]


@dataclass
class Case:
    """Something to be timed.

    Attributes:
        name: row of the table.
        run: works through the hops and returns how many seconds one took.
        share: share of active channels, if it has any.
        times_us: microseconds per hop, one for every round.
    """

    name: str
    run: Callable[[], float]
    share: float | None = None
    times_us: list[float] = field(default_factory=list)


@njit(**OPTIONS)
def estimate_frames(
    plan: Any, blocks: Any, weights: Any, fixed: Any, state: Any, frames: int, magnitudes: Any, forced: Any,
    utilization: Any, no_masks: Any, work: Any, positions: Any,
) -> None:  # fmt: skip
    """Run the network over frames, one at a time, as a stream does."""
    spectra, scratch, outputs, _, _ = split_floats(plan, work)
    bins = plan[at.PADDED_FREQUENCIES]
    for t in range(frames):
        estimate(
            plan, blocks, weights, fixed, state, t, 1, magnitudes[t * bins : (t + 1) * bins], spectra[3], outputs,
            utilization, no_masks, forced, scratch, split_integers(plan, positions),
        )  # fmt: skip


@njit(**OPTIONS)
def transform_hops(
    plan: Any, weights: Any, heads: Any, state: Any, clock: Any, audio: Any, hops: int, work: Any, positions: Any,
    enhanced: Any, results: Any,
) -> None:  # fmt: skip
    """Analyse and synthesise hops without a network between."""
    (re, im, magnitudes, estimates), _, outputs, spare, sums = split_floats(plan, work)
    starts = split_integers(plan, positions)[1]
    hop = plan[at.HOP]
    for t in range(hops):
        frames, _ = stream.collect(
            plan, weights, state, clock, audio[t * hop : (t + 1) * hop], 0, re, im, magnitudes, spare, starts, sums
        )
        stream.deliver(
            plan, weights, heads, state, clock, frames, estimates, re, im, outputs, enhanced, 0, results, 0, spare,
            starts, sums,
        )  # fmt: skip


def recorded_magnitudes(enhancer: StreamingEnhancer, audio: Audio) -> NDArray[np.float32]:
    """Return what the network reads, (frame, padded frequency) in one row."""
    packed = enhancer._engine.packed
    work: Any = enhancer.new_stream()._stream
    (re, im, magnitudes, _), _, _, spare, sums = split_floats.py_func(packed.plan, work.work)
    starts = split_integers.py_func(packed.plan, work.positions)[1]
    rows, position = [], 0
    while position < len(audio):
        frames, position = stream.collect(
            packed.plan,
            packed.weights,
            work.state,
            work.clock,
            audio,
            position,
            re,
            im,
            magnitudes,
            spare,
            starts,
            sums,
        )
        rows.append(magnitudes[: frames * packed.plan[at.PADDED_FREQUENCIES]].copy())
    return np.concatenate(rows)


def network_case(name: str, enhancer: StreamingEnhancer, audio: Audio, share: float | None = None) -> Case:
    """Time the network alone; ``share`` forces channels on."""
    packed = enhancer._engine.packed
    work: Any = enhancer.new_stream()._stream
    magnitudes = recorded_magnitudes(enhancer, audio)
    frames = len(magnitudes) // int(packed.plan[at.PADDED_FREQUENCIES])
    none = np.zeros((0, 0, 0), dtype=np.uint8)
    forced = none
    if share is not None:
        rng = np.random.default_rng(0)
        order = rng.permuted(np.tile(np.arange(enhancer.channels), (enhancer.blocks, 1)), axis=1)
        forced = (order < round(share * enhancer.channels))[None].astype(np.uint8)
    utilization = np.zeros(1, dtype=np.float32)

    def run() -> float:
        begin = time.perf_counter()
        estimate_frames(
            packed.plan, packed.blocks, packed.weights, packed.fixed, work.state, frames, magnitudes, forced,
            utilization, none, work.work, work.positions,
        )  # fmt: skip
        return (time.perf_counter() - begin) / frames

    run()
    used = share if share is not None else float(enhancer.new_stream().feed(audio).utilization.mean())
    return Case(name, run, used)


def hop_case(name: str, enhancer: StreamingEnhancer, audio: Audio) -> Case:
    """Time whole hops, one call each."""
    hop = enhancer.hop_length
    hops = [audio[start : start + hop] for start in range(0, len(audio) - hop + 1, hop)]
    fed = enhancer.new_stream()

    def run() -> float:
        fed.reset()
        for piece in hops[:WARM_HOPS]:
            fed.feed(piece)
        begin = time.perf_counter()
        for piece in hops[WARM_HOPS:]:
            fed.feed(piece)
        return (time.perf_counter() - begin) / (len(hops) - WARM_HOPS)

    return Case(name, run, float(enhancer.new_stream().feed(audio).utilization.mean()))


def file_case(name: str, enhancer: StreamingEnhancer, audio: Audio) -> Case:
    """Time the whole signal in one call."""
    fed = enhancer.new_stream()

    def run() -> float:
        fed.reset()
        begin = time.perf_counter()
        fed.feed(audio)
        return (time.perf_counter() - begin) / (len(audio) // fed.hop_length)

    return Case(name, run)


def transform_case(enhancer: StreamingEnhancer, audio: Audio) -> Case:
    """Time analysis and synthesis alone."""
    packed = enhancer._engine.packed
    work: Any = enhancer.new_stream()._stream
    hops = len(audio) // enhancer.hop_length
    enhanced = np.zeros(enhancer.hop_length, dtype=np.float32)
    results = np.zeros((2, 1, len(packed.heads)), dtype=np.float32)

    def run() -> float:
        work.reset()
        begin = time.perf_counter()
        transform_hops(
            packed.plan, packed.weights, packed.heads, work.state, work.clock, audio, hops, work.work, work.positions,
            enhanced, results,
        )  # fmt: skip
        return (time.perf_counter() - begin) / hops

    run()
    return Case("transform: analysis and synthesis", run)


def onnx_network_case(name: str, enhancer: StreamingEnhancer, magnitudes: NDArray[np.float32]) -> Case:
    """Time the network alone in ONNX Runtime, on recorded magnitudes, inputs and outputs bound to memory."""
    bound: Any = enhancer.new_stream()._stream
    bins = bound._magnitude.shape[1]
    frames = magnitudes.reshape(-1, int(enhancer._engine.packed.plan[at.PADDED_FREQUENCIES]))[:, :bins]

    def run() -> float:
        begin = time.perf_counter()
        for frame in frames:
            bound._magnitude[0] = frame
            bound._session.run_with_iobinding(bound._binding(1))
            bound._current = 1 - bound._current
        return (time.perf_counter() - begin) / len(frames)

    return Case(name, run)


def peer_case(peer: Peer, audio: Audio) -> Case:
    """Time a program on the whole signal, per hop of ours."""
    peer.run(audio[:16000])

    def run() -> float:
        begin = time.perf_counter()
        peer.run(audio)
        return (time.perf_counter() - begin) / (len(audio) // 256)

    return Case(f"peer: {peer.name}", run)
