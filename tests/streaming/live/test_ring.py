"""Samples by position: what is there, what is not, and a writer that never waits."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.live.ring import PositionRing


@given(st.lists(st.integers(0, 7), max_size=30), st.integers(-10, 120), st.integers(0, 20))
def test_reads_are_those_of_a_plain_list(blocks: list[int], position: int, count: int) -> None:
    ring, written = PositionRing(7), 0
    for block in blocks:
        ring.write(np.arange(written + 1, written + block + 1, dtype=np.float32))
        written += block
    out = np.full(count, np.nan, np.float32)
    missing = ring.read_into(position, out)
    wanted = np.arange(position, position + count)
    there = (wanted >= ring.start) & (wanted < written)
    np.testing.assert_array_equal(out, np.where(there, wanted + 1, 0))
    assert missing == np.count_nonzero(~there & (wanted >= 0))
    assert ring.start == max(0, written - 7) and ring.end == written


def test_too_long_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 4 samples"):
        PositionRing(4).write(np.zeros(5, np.float32))
    with pytest.raises(ValueError, match="length must be positive"):
        PositionRing(0)


def test_a_reader_of_another_thread_sees_every_sample_unbroken() -> None:
    ring, total = PositionRing(4096), 200_000
    writer = threading.Thread(
        target=lambda: [ring.write(np.arange(at, at + 100, dtype=np.float32)) for at in range(0, total, 100)]
    )
    writer.start()
    out, reads = np.empty(64, np.float32), 0
    while ring.end < total or not reads:
        position = max(0, ring.end - 64)
        if ring.read_into(position, out) == 0:
            np.testing.assert_array_equal(out, np.arange(position, position + 64))
            reads += 1
    writer.join()
    assert reads
