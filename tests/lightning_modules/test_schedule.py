"""The learning-rate schedule: golden values and shape."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_modules.schedule import warmup_cosine


@pytest.mark.parametrize(
    ("step", "factor"),
    [
        (0, 0.01),
        (49, 0.5),
        (99, 1.0),
        (100, 1.0),
        (325, 0.05 + 0.95 * (1 + math.sqrt(0.5)) / 2),
        (550, 0.525),
        (1000, 0.05),
        (5000, 0.05),
    ],
)
def test_golden_values(step: int, factor: float) -> None:
    assert warmup_cosine(step, 100, 1000, 0.05) == pytest.approx(factor)


@settings(max_examples=50, deadline=None, database=None)
@given(st.integers(0, 50), st.integers(1, 200), st.floats(0, 1))
def test_rises_to_the_peak_then_falls_to_the_final_share(warmup: int, decay: int, final_share: float) -> None:
    total = warmup + decay
    factors = [warmup_cosine(step, warmup, total, final_share) for step in range(total + 10)]
    rise, fall = factors[:warmup], factors[warmup:]
    assert rise == sorted(rise)
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(fall))
    assert max(factors) == pytest.approx(1.0)
    assert fall[0] == pytest.approx(1.0)
    assert factors[-1] == pytest.approx(final_share)
    assert all(factor > 0 for factor in rise)  # the first step already learns


def test_training_shorter_than_the_warm_up_only_rises() -> None:
    factors = [warmup_cosine(step, 100, 20, 0.05) for step in range(20)]
    assert factors == sorted(factors)
    assert factors[-1] == pytest.approx(0.2)
