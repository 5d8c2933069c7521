"""Fourier transforms of real frames, by a complex one of half the length over pairs of samples, radix 4."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from streaming.kernels.dense import OPTIONS
from streaming.kernels.simd import fused

# All of it works in the precision of the arrays. Stockham's algorithm writes each pass in order into the other array,
# so that inner loops run over neighbours.


def twiddles(length: int) -> NDArray[np.float64]:
    """Return the factors ``exp(-2 pi i k / length)`` for ``k < length / 2`` and before them those of every pass.

    Args:
        length: of the real frame, a power of two, at least 8.

    Returns:
        Real parts, then imaginary parts: of every radix-4 pass the powers 1, 2 and 3 of its root, then those that
        separate the real transform; shape (2, factor).
    """
    angles, remaining = [], length // 2
    while remaining > 2:
        step = np.arange(remaining // 4) / remaining
        angles += [step, 2 * step, 3 * step]
        remaining //= 4
    angles.append(np.arange(length // 4 + 1) / length)
    phase = 2 * np.pi * np.concatenate(angles)
    return np.stack([np.cos(phase), -np.sin(phase)])


@njit(**OPTIONS)
def first_pass(re: Any, im: Any, out_re: Any, out_im: Any, root_re: Any, root_im: Any, quarter: Any) -> None:
    """Pass with neighbouring results: the loop runs over the factors."""
    for p in range(quarter):
        b, c, d, e = p + quarter, p + np.uint64(2) * quarter, p + np.uint64(3) * quarter, np.uint64(4) * p
        sum_r, sum_i = re[p] + re[c], im[p] + im[c]
        difference_r, difference_i = re[p] - re[c], im[p] - im[c]
        other_r, other_i = re[b] + re[d], im[b] + im[d]
        turned_r, turned_i = im[b] - im[d], re[d] - re[b]
        out_re[e], out_im[e] = sum_r + other_r, sum_i + other_i
        x, y = difference_r + turned_r, difference_i + turned_i
        out_re[e + np.uint64(1)] = fused(x, root_re[p], -(y * root_im[p]))
        out_im[e + np.uint64(1)] = fused(x, root_im[p], y * root_re[p])
        x, y = sum_r - other_r, sum_i - other_i
        out_re[e + np.uint64(2)] = fused(x, root_re[b], -(y * root_im[b]))
        out_im[e + np.uint64(2)] = fused(x, root_im[b], y * root_re[b])
        x, y = difference_r - turned_r, difference_i - turned_i
        out_re[e + np.uint64(3)] = fused(x, root_re[c], -(y * root_im[c]))
        out_im[e + np.uint64(3)] = fused(x, root_im[c], y * root_re[c])


@njit(**OPTIONS)
def butterflies(
    re: Any, im: Any, out_re: Any, out_im: Any, root_re: Any, root_im: Any, root: Any, p: Any, quarter: Any, stride: Any
) -> None:
    """Part ``p`` of a later pass, with the factors from ``root`` on: the loop runs over neighbours."""
    w1r, w1i = root_re[root], root_im[root]
    w2r, w2i = root_re[root + quarter], root_im[root + quarter]
    w3r, w3i = root_re[root + np.uint64(2) * quarter], root_im[root + np.uint64(2) * quarter]
    far = stride * quarter
    for q in range(stride):
        a = q + stride * p
        b, c, d, e = a + far, a + np.uint64(2) * far, a + np.uint64(3) * far, q + stride * np.uint64(4) * p
        sum_r, sum_i = re[a] + re[c], im[a] + im[c]
        difference_r, difference_i = re[a] - re[c], im[a] - im[c]
        other_r, other_i = re[b] + re[d], im[b] + im[d]
        turned_r, turned_i = im[b] - im[d], re[d] - re[b]  # -i (b - d)
        out_re[e], out_im[e] = sum_r + other_r, sum_i + other_i
        x, y = difference_r + turned_r, difference_i + turned_i
        out_re[e + stride], out_im[e + stride] = fused(x, w1r, -(y * w1i)), fused(x, w1i, y * w1r)
        x, y = sum_r - other_r, sum_i - other_i
        f = e + np.uint64(2) * stride
        out_re[f], out_im[f] = fused(x, w2r, -(y * w2i)), fused(x, w2i, y * w2r)
        x, y = difference_r - turned_r, difference_i - turned_i
        f += stride
        out_re[f], out_im[f] = fused(x, w3r, -(y * w3i)), fused(x, w3i, y * w3r)


@njit(**OPTIONS)
def transform(re: Any, im: Any, spare_re: Any, spare_im: Any, factor_re: Any, factor_im: Any, length: int) -> bool:
    """Transform ``length`` complex numbers; True if the result is in the spare arrays."""
    stride, remaining, factor, swapped = np.uint64(1), np.uint64(length), np.uint64(0), False
    while remaining > 1:
        if remaining == 2:
            for q in range(stride):
                spare_re[q] = re[q] + re[q + stride]
                spare_im[q] = im[q] + im[q + stride]
                spare_re[q + stride] = re[q] - re[q + stride]
                spare_im[q + stride] = im[q] - im[q + stride]
            remaining = np.uint64(1)
        else:
            quarter = remaining // np.uint64(4)
            if stride == 1:
                first_pass(re, im, spare_re, spare_im, factor_re, factor_im, quarter)
            else:
                for p in range(quarter):
                    butterflies(re, im, spare_re, spare_im, factor_re, factor_im, factor + p, p, quarter, stride)
            factor += np.uint64(3) * quarter
            remaining = quarter
            stride *= np.uint64(4)
        re, spare_re = spare_re, re
        im, spare_im = spare_im, im
        swapped = not swapped
    return swapped


@njit(**OPTIONS)
def separate(re: Any, im: Any, out_re: Any, out_im: Any, start: int, root_re: Any, root_im: Any, half: int) -> None:
    """Turn the transform of pairs of samples into that of the samples: bins 0 to ``half``."""
    out_re[start], out_im[start] = re[0] + im[0], np.float32(0)
    out_re[start + half], out_im[start + half] = re[0] - im[0], np.float32(0)
    for k in range(np.uint64(1), np.uint64(half // 2 + 1)):
        mirror = np.uint64(half) - k
        even_r, even_i = re[k] + re[mirror], im[k] - im[mirror]
        odd_r, odd_i = im[k] + im[mirror], re[mirror] - re[k]
        turned_r = fused(odd_r, root_re[k], -(odd_i * root_im[k]))
        turned_i = fused(odd_r, root_im[k], odd_i * root_re[k])
        out_re[np.uint64(start) + k] = np.float32(0.5) * (even_r + turned_r)
        out_im[np.uint64(start) + k] = np.float32(0.5) * (even_i + turned_i)
        out_re[np.uint64(start) + mirror] = np.float32(0.5) * (even_r - turned_r)
        out_im[np.uint64(start) + mirror] = np.float32(0.5) * (turned_i - even_i)


@njit(**OPTIONS)
def join(re: Any, im: Any, start: int, out_re: Any, out_im: Any, root_re: Any, root_im: Any, half: int) -> None:
    """Undo :func:`separate`, scaled so that the inverse transform needs no division."""
    scale = np.float32(0.5) / np.float32(half)
    first, last = re[start], re[start + half]
    out_re[0], out_im[0] = scale * (first + last), scale * (first - last)
    for k in range(np.uint64(1), np.uint64(half // 2 + 1)):
        mirror = np.uint64(half) - k
        low, high = np.uint64(start) + k, np.uint64(start) + mirror
        even_r, even_i = re[low] + re[high], im[low] - im[high]
        difference_r, difference_i = re[low] - re[high], im[low] + im[high]
        odd_r = fused(difference_r, root_re[k], difference_i * root_im[k])
        odd_i = fused(difference_i, root_re[k], -(difference_r * root_im[k]))
        out_re[k], out_im[k] = scale * (even_r - odd_i), scale * (even_i + odd_r)
        out_re[mirror], out_im[mirror] = scale * (even_r + odd_i), scale * (odd_r - even_i)
