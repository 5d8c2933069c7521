"""The loops that are called from outside, compiled once per machine and kept on disk."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

from streaming.kernels import stream
from streaming.kernels.dense import OPTIONS
from streaming.kernels.outputs import sum_active as _sum_active


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
        if stamp < 0:
            return -2
        return stream.advance(
            plan, blocks, weights, fixed, heads, state, clock, samples, enhanced, results, utilization, masks, forced,
            work, positions,
        )  # fmt: skip

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
