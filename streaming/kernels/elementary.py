"""Powers and the logistic function as polynomials, which vectorise in loops; accurate to a few float32 roundings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from streaming.kernels.dense import OPTIONS
from streaming.kernels.simd import bits_of, float_of, fused

LOG2_E = np.float32(1.4426950408889634)
ROOT_HALF_BITS = np.int32(0x3F3504F3)  # of sqrt(1/2): mantissas are taken from [sqrt(1/2), sqrt(2))
MANTISSA_BITS = np.int32(23)
LARGEST_EXPONENT = np.float32(126)
# log2((1 + s) / (1 - s)) = 2 / ln 2 * (s + s^3 / 3 + s^5 / 5 + ...), |s| < 0.172: five terms leave 4e-10.
LOG_1, LOG_3, LOG_5, LOG_7, LOG_9 = (np.float32(2 / np.log(2) / n) for n in (1, 3, 5, 7, 9))
# 2^g = sum (g ln 2)^n / n!, |g| <= 1/2: seven terms leave 1e-8.
EXP_1, EXP_2, EXP_3, EXP_4, EXP_5, EXP_6 = (
    np.float32(np.log(2) ** n / factorial) for n, factorial in ((1, 1), (2, 2), (3, 6), (4, 24), (5, 120), (6, 720))
)


@njit(**OPTIONS)
def scaled_power_of_two(whole: Any, g: Any) -> Any:
    """Return ``2^(whole + g)`` of a whole float32 and one of at most 1/2."""
    tail = EXP_3 + g * (EXP_4 + g * (EXP_5 + g * EXP_6))
    value = np.float32(1) + g * (EXP_1 + g * (EXP_2 + g * tail))
    return float_of(np.int32(bits_of(value) + (np.int32(whole) << MANTISSA_BITS)))


@njit(**OPTIONS)
def power_of_two(x: Any) -> Any:
    """Return ``2^x`` of a float32."""
    bounded = min(max(x, -LARGEST_EXPONENT), LARGEST_EXPONENT)
    whole = np.floor(bounded + np.float32(0.5))
    return scaled_power_of_two(whole, bounded - whole)


@njit(**OPTIONS)
def power(x: Any, exponent: Any, remainder: Any) -> Any:
    """Return ``x^(exponent + remainder)`` of a positive, normal float32; the remainder is what float32 leaves out."""
    bits = bits_of(x)
    shift = (bits - ROOT_HALF_BITS) >> MANTISSA_BITS
    mantissa, octaves = float_of(np.int32(bits - (shift << MANTISSA_BITS))), np.float32(shift)
    s = (mantissa - np.float32(1)) / (mantissa + np.float32(1))
    square = s * s
    log = s * (LOG_1 + square * (LOG_3 + square * (LOG_5 + square * (LOG_7 + square * LOG_9))))
    # in two parts, since one float32 has no room for both octaves and fractions of them
    coarse = exponent * octaves
    fine = fused(exponent, octaves, -coarse) + remainder * (octaves + log)
    fine = fused(exponent, log, fine)
    whole = np.floor(coarse + fine + np.float32(0.5))
    return scaled_power_of_two(whole, (coarse - whole) + fine)


@njit(**OPTIONS)
def logistic(x: Any) -> Any:
    """Return ``1 / (1 + exp(-x))`` of a float32."""
    return np.float32(1) / (np.float32(1) + power_of_two(-LOG2_E * x))
