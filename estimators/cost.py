"""What estimators and mask probes cost per frame, on one thread of this machine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from estimators.base import Estimator, Waveform, kept_threads
from networks.framing import FrameGrid

MICROSECONDS = 1e6


@dataclass(frozen=True)
class Cost:
    """Time per hop of 16 ms (at the default grid), models loaded and warm.

    Attributes:
        microseconds_per_hop: median over utterances of wall time by hops.
        process_microseconds_per_hop: the same of processor time, all threads together; the two differ where the
            machine is busy with something else, or where a library keeps threads of its own.
        utterances: how many were timed.
    """

    microseconds_per_hop: float
    process_microseconds_per_hop: float
    utterances: int


@dataclass(frozen=True)
class ProbeCost(Cost):
    """Cost of linear probes on channel masks; the network that makes the masks is not in it.

    Attributes:
        additions_per_hop: mean over frames; what the time would shrink to in compiled code. There are no
            multiplications, since features are 0 or 1.
        weights: numbers to be stored, intercepts included.
        outputs: numbers computed per frame.
    """

    additions_per_hop: float
    weights: int
    outputs: int


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run the body on one thread of torch and of the numerical libraries; what was set before is restored."""
    with kept_threads(), threadpool_limits(limits=1):
        torch.set_num_threads(1)
        yield


def estimator_cost(estimator: Estimator, waveforms: Sequence[Waveform], grid: FrameGrid) -> Cost:
    """Time an estimator on whole utterances, in this process and on one thread.

    An estimator is timed as it is used, on a whole recording: windows may be worked through in batches, which a stream
    could not do. The first utterance is heard once before, so that loading and compiling are not timed.

    Args:
        estimator: to be timed.
        waveforms: a handful, each of shape (sample,) and at least one hop long.
        grid: sample-to-frame alignment.

    Raises:
        ValueError: if there are no waveforms, or one is shorter than a hop.
    """
    hops = [len(waveform) // grid.hop_length for waveform in waveforms]
    if not hops or min(hops) < 1:
        raise ValueError(f"waveforms must be at least one, each of {grid.hop_length} samples or more, got hops {hops}")
    with one_thread():
        estimator.estimate(waveforms[0], grid)
        times = [_timed(partial(estimator.estimate, waveform, grid)) for waveform in waveforms]
    return Cost(*_median_per_hop(times, hops), len(hops))


def probe_outputs(
    active: NDArray[np.integer], weights: NDArray[np.floating], intercepts: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Compute the outputs of all probes for one frame: the intercepts plus the weights of the active channels.

    Args:
        active: indices of the active channels, shape (active,).
        weights: shape (feature, output), one contiguous row per channel.
        intercepts: shape (output,).

    Returns:
        Shape (output,): logits of classifiers, values of regressions.

    Example:
        >>> probe_outputs(np.array([0, 2]), np.array([[1.0], [10.0], [100.0]]), np.array([0.5])).tolist()
        [101.5]
    """
    return intercepts + np.add.reduce(weights[active], axis=0)


def probe_cost(masks: Sequence[NDArray[np.bool_]], coef: NDArray[Any], intercepts: NDArray[Any]) -> ProbeCost:
    """Time linear probes on channel masks as in a stream, one frame at a time, on one thread.

    The lists of active channels are given: a network that skips channels has them already. The network is shared: it
    runs to enhance the speech, and a probe only adds to it; whoever runs it for the probe alone must add its cost.
    numpy's fixed cost of a few microseconds per call is in the time, so a few outputs cost about as much as one.

    Args:
        masks: of each utterance, shape (frame, feature).
        coef: weights of the raw 0/1 features, shape (output, feature), of all probes stacked.
        intercepts: shape (output,).

    Raises:
        ValueError: if shapes disagree, masks are not bool, or there are no frames.
    """
    coef, intercepts = np.asarray(coef), np.asarray(intercepts)
    if coef.ndim != 2 or intercepts.shape != coef.shape[:1] or not coef.size:
        raise ValueError(
            f"coef must be (output, feature) and intercepts (output,), got {coef.shape} and {intercepts.shape}"
        )
    for mask in masks:
        if mask.dtype != np.bool_ or mask.ndim != 2 or mask.shape[1] != coef.shape[1] or not len(mask):
            raise ValueError(
                f"masks must be bool of shape (frame, {coef.shape[1]}), with frames, got {mask.dtype} {mask.shape}"
            )
    if not masks:
        raise ValueError("masks must hold at least one utterance, got none")
    weights, start = np.ascontiguousarray(coef.T, dtype=np.float32), intercepts.astype(np.float32)
    frames = [[np.flatnonzero(frame) for frame in mask] for mask in masks]

    def run(active_channels: list[NDArray[np.intp]]) -> None:
        for active in active_channels:
            probe_outputs(active, weights, start)

    with one_thread():
        run(frames[0])
        times = [_timed(partial(run, lists)) for lists in frames]
    wall, process = _median_per_hop(times, [len(lists) for lists in frames])
    active_mean = sum(int(mask.sum()) for mask in masks) / sum(len(mask) for mask in masks)
    outputs = coef.shape[0]
    return ProbeCost(wall, process, len(masks), active_mean * outputs, coef.size + outputs, outputs)


def _timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Return the wall and processor seconds of a call."""
    wall, process = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - process


def _median_per_hop(times: list[tuple[float, float]], hops: list[int]) -> tuple[float, float]:
    """Return the medians over utterances of wall and processor microseconds per hop."""
    wall, process = np.median(np.array(times) / np.array(hops)[:, None], axis=0) * MICROSECONDS
    return float(wall), float(process)
