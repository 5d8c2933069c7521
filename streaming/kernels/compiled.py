"""The loops that are called from outside, compiled once per machine and kept on disk."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

from streaming.kernels import stream
from streaming.kernels.dense import OPTIONS
from streaming.kernels.layout import FRAME_NUMBER, RECEIVED
from streaming.kernels.network import estimate
from streaming.kernels.outputs import sum_active as _sum_active
from streaming.kernels.workspace import split_floats, split_integers


def _stamp() -> int:
    """Return a number that changes with any source of the kernels.

    Numba looks only at the file of the function it keeps, not at those of what it calls; so the number goes into the
    function as a constant.
    """
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return zlib.crc32(b"".join(source.read_bytes() for source in sources))


def _build(stamp: int) -> tuple[Callable[..., Any], ...]:
    @njit(cache=True, **OPTIONS)
    def advance(
        plan: Any, blocks: Any, weights: Any, fixed: Any, heads: Any, state: Any, clock: Any, samples: Any,
        enhanced: Any, results: Any, utilization: Any, masks: Any, forced: Any, work: Any, positions: Any,
    ) -> int:  # fmt: skip
        """Enhance the next samples of a stream.

        Args:
            plan: lengths and positions, see ``layout``.
            blocks: the same of every block, shape (block, field).
            weights: all weights.
            fixed: channels of gates that are the same in every frame.
            heads: what becomes of the probes' outputs, shape (output, 3).
            state: of the stream, changed.
            clock: of the stream, changed.
            samples: shape (sample,).
            enhanced: written, with room for all samples that become final.
            results: written, what the probes say, as it is and smoothed, shape (2, frame, output).
            utilization: written, share of active channels, shape (frame,).
            masks: written unless empty, uint8, shape (frame, block, channel).
            forced: masks to compute with instead of the gates', or empty.
            work: scratch of ``workspace.work_size`` floats.
            positions: scratch of ``workspace.position_count`` integers.

        Returns:
            Number of samples written; -1, and nothing is changed, if a sample is not finite or beyond ``stream.LIMIT``.
        """
        if stamp < 0 or stream.count_unusable(samples):
            return -1
        (re, im, magnitudes, estimates), scratch, outputs, spare, sums = split_floats(plan, work)
        lists = split_integers(plan, positions)
        starts = lists[1]
        position = written = done = 0
        while position < samples.size:
            frames, position = stream.collect(
                plan, weights, state, clock, samples, position, re, im, magnitudes, spare, starts, sums
            )
            if frames == 0:
                break
            estimate(
                plan, blocks, weights, fixed, state, clock[FRAME_NUMBER], frames, magnitudes, estimates, outputs,
                utilization[done : done + frames], masks[done : done + frames], forced[done : done + frames],
                scratch, lists,
            )  # fmt: skip
            written = stream.deliver(
                plan, weights, heads, state, clock, frames, estimates, re, im, outputs, enhanced, written, results,
                done, spare, starts, sums,
            )  # fmt: skip
            done += frames
        clock[RECEIVED] += samples.size
        return written

    @njit(cache=True, **OPTIONS)
    def count_unusable(samples: Any) -> int:
        return stream.count_unusable(samples) if stamp >= 0 else -1

    @njit(cache=True, **OPTIONS)
    def collect(
        plan: Any, weights: Any, state: Any, clock: Any, samples: Any, position: int, re: Any, im: Any,
        magnitudes: Any, spare: Any, starts: Any, sums: Any,
    ) -> tuple[int, int]:  # fmt: skip
        if stamp < 0:
            return 0, 0
        return stream.collect(plan, weights, state, clock, samples, position, re, im, magnitudes, spare, starts, sums)

    @njit(cache=True, **OPTIONS)
    def deliver(
        plan: Any, weights: Any, heads: Any, state: Any, clock: Any, frames: int, estimates: Any, re: Any, im: Any,
        outputs: Any, samples: Any, position: int, results: Any, row: int, spare: Any, starts: Any,
        sums: Any,
    ) -> int:  # fmt: skip
        if stamp < 0:
            return 0
        return stream.deliver(
            plan, weights, heads, state, clock, frames, estimates, re, im, outputs, samples, position, results,
            row, spare, starts, sums,
        )  # fmt: skip

    @njit(cache=True, **OPTIONS)
    def sum_active(plan: Any, blocks: Any, weights: Any, masks: Any, frame: int, outputs: Any, start: int) -> int:
        return _sum_active(plan, blocks, weights, masks, frame, outputs, start) if stamp >= 0 else 0

    return advance, count_unusable, collect, deliver, sum_active


advance, count_unusable, collect, deliver, sum_active = _build(_stamp())
