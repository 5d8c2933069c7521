"""The audio callback: a fixed delay, silence for what is late, and a bypass that does not click."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streaming.live.callback import LiveCallback
from streaming.live.devices import NO_FLAGS, DeviceFlags

BLOCK, DELAY, FADE = 32, 80, 48


def run(
    callback: LiveCallback, noisy: NDArray[np.float32], late: set[int] = frozenset(), switch: tuple[int, ...] = ()
) -> NDArray[np.float32]:
    """Play a signal with a worker that halves it at once, except for blocks during which it does nothing."""
    played = np.empty_like(noisy)
    for number, at in enumerate(range(0, noisy.size, BLOCK)):
        if number in switch:
            callback.bypass = not callback.bypass
        callback(noisy[at : at + BLOCK], played[at : at + BLOCK], NO_FLAGS)
        if number not in late:
            waiting = np.empty(callback.captured.end - callback.enhanced.end, np.float32)
            assert callback.captured.read_into(callback.enhanced.end, waiting) == 0
            callback.enhanced.write(waiting * np.float32(0.5))
    return played


def delayed(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(DELAY, np.float32), signal])[: signal.size]


@pytest.fixture
def callback() -> LiveCallback:
    return LiveCallback(DELAY, 2 * BLOCK, 4096, FADE)


@pytest.fixture
def noisy() -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal(40 * BLOCK).astype(np.float32)


def test_what_is_played_is_the_enhanced_signal_delayed(callback: LiveCallback, noisy: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(run(callback, noisy), delayed(noisy * np.float32(0.5)))
    assert callback.late_blocks == 0


def test_bypass_is_the_noisy_signal_delayed_exactly(callback: LiveCallback, noisy: NDArray[np.float32]) -> None:
    played = run(callback, noisy, switch=(0,))
    settled = -(-FADE // BLOCK) * BLOCK
    np.testing.assert_array_equal(played[settled:], delayed(noisy)[settled:])


def test_bypass_and_back(callback: LiveCallback, noisy: NDArray[np.float32]) -> None:
    played, full, half = run(callback, noisy, switch=(10, 20)), delayed(noisy), delayed(noisy * np.float32(0.5))
    first, second, fade = 10 * BLOCK, 20 * BLOCK, -(-FADE // BLOCK) * BLOCK
    np.testing.assert_array_equal(played[:first], half[:first])
    np.testing.assert_array_equal(played[first + fade : second], full[first + fade : second])
    np.testing.assert_array_equal(played[second + fade :], half[second + fade :])


@pytest.mark.parametrize("switch", [(10,), (10, 20), (10, 11), (10, 11, 12)])
def test_the_crossfade_has_no_step(callback: LiveCallback, switch: tuple[int, ...]) -> None:
    constant = np.ones(40 * BLOCK, np.float32)
    played = run(callback, constant, switch=switch)[2 * DELAY :]
    steepest = 0.5 * np.pi / 2 / FADE  # of a raised cosine over the difference of the signals
    assert np.abs(np.diff(played)).max() <= 1.01 * steepest
    assert np.abs(np.diff(played)).max() > 0.5 * steepest  # something was faded
    assert played[-1] == (1.0 if len(switch) % 2 else 0.5)


def test_without_a_fade_there_is_a_step() -> None:
    played = run(LiveCallback(DELAY, BLOCK, 4096, 1), np.ones(40 * BLOCK, np.float32), switch=(10,))
    assert np.abs(np.diff(played[2 * DELAY :])).max() == pytest.approx(0.5)


def test_what_is_late_is_silent_and_the_delay_stays(callback: LiveCallback, noisy: NDArray[np.float32]) -> None:
    expected = delayed(noisy * np.float32(0.5))
    played = run(callback, noisy, late={10, 11, 12, 13})
    # Processed up to the end of block 9, and again after block 14 was taken.
    first, last = 10 * BLOCK + DELAY, 15 * BLOCK
    expected[first:last] = 0.0
    np.testing.assert_array_equal(played, expected)
    assert callback.late_blocks == len(range(first // BLOCK, last // BLOCK))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize("bypass", [False, True])
def test_what_is_no_sound_is_silence_and_counted(
    callback: LiveCallback, noisy: NDArray[np.float32], value: float, bypass: bool
) -> None:
    broken, silent = noisy.copy(), noisy.copy()
    broken[[100, 400]], silent[[100, 400]] = value, 0.0
    played = run(callback, broken, switch=(0,) if bypass else ())
    expected = delayed(silent if bypass else silent * np.float32(0.5))
    np.testing.assert_array_equal(played[2 * BLOCK :], expected[2 * BLOCK :])
    assert callback.unusable_samples == 2 and np.isnan(broken[100]) == np.isnan(value)


def test_flags_are_counted_and_long_blocks_divided(callback: LiveCallback, noisy: NDArray[np.float32]) -> None:
    played = np.empty(300, np.float32)
    callback(noisy[:300], played, DeviceFlags(True, False))
    callback(noisy[300:307], played[:7], DeviceFlags(True, True))
    assert (callback.input_overflows, callback.output_underflows) == (2, 1)
    assert callback.captured.end == 307
    kept = np.empty(307, np.float32)
    assert callback.captured.read_into(0, kept) == 0
    np.testing.assert_array_equal(kept, noisy[:307])
