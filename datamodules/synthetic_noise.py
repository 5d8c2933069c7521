"""Procedural noise in the nine categories of real corpora, every recording with its own parameters.

Each category has one function. It draws the parameters of a recording (rates, resonances, colours) first and then its
events, so that two recordings of a category differ in more than their random samples: classifying the noise of unseen
recordings is a real task, and a solvable one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from datamodules.synthetic_speech import band_noise, draw_voice, synthesize_utterance

Signal = NDArray[np.float64]
Rng = np.random.Generator


def make_noise(category: str, num_samples: int, sample_rate: int, rng: Rng) -> NDArray[np.float32]:
    """Generate one noise recording.

    Args:
        category: one of `NOISE_CATEGORIES`.
        num_samples: length of the result, at least one second.
        sample_rate: Hz, at least 16000.
        rng: source of randomness; the recording is a function of its state.

    Returns:
        Shape (sample,), level between -32 and -22 dBFS, or lower where the peaks would clip.

    Raises:
        ValueError: if ``category`` is unknown.
    """
    if category not in _GENERATORS:
        raise ValueError(f"category must be one of {list(NOISE_CATEGORIES)}, got {category!r}")
    noise = _GENERATORS[category](num_samples, sample_rate, rng)
    noise *= 10 ** (rng.uniform(-32.0, -22.0) / 20) / np.sqrt(np.mean(noise**2))
    noise *= min(1.0, 0.97 / float(np.max(np.abs(noise))))
    return noise.astype(np.float32)


def _street(num_samples: int, sample_rate: int, rng: Rng) -> Signal:
    """Distant rumble and vehicles that pass by, brighter while they are near."""
    noise = 0.35 * band_noise(num_samples, sample_rate, 40.0, rng.uniform(250.0, 500.0), rng)
    tyres = band_noise(num_samples, sample_rate, rng.uniform(250.0, 450.0), rng.uniform(1200.0, 2200.0), rng)
    body = band_noise(num_samples, sample_rate, 60.0, rng.uniform(300.0, 600.0), rng)
    time_s = np.arange(num_samples) / sample_rate
    for start_s in _event_times(num_samples / sample_rate, rng.uniform(0.35, 0.7), rng):
        half_s = rng.uniform(0.5, 1.1)
        near = 1 / (1 + ((time_s - start_s) / half_s) ** 2) ** 2
        noise += rng.uniform(0.6, 1.3) * (near * body + 0.8 * near**2 * tyres)
    return noise


def _babble(num_samples: int, sample_rate: int, rng: Rng) -> Signal:
    """Five to seven talkers that exist in this recording only, at different distances."""
    noise = np.zeros(num_samples)
    for talker in range(int(rng.integers(5, 8))):
        voice = draw_voice("FM"[talker % 2], rng)
        noise += rng.uniform(0.5, 1.0) * synthesize_utterance(voice, num_samples, sample_rate, rng).waveform
    return noise


def _office(num_samples: int, sample_rate: int, rng: Rng) -> Signal:
    """A quiet fan and bursts of typing: two short, bright clicks per key."""
    noise = 0.05 * band_noise(num_samples, sample_rate, 90.0, rng.uniform(500.0, 900.0), rng)
    low_hz, decay_s = rng.uniform(1300.0, 2200.0), rng.uniform(0.003, 0.008)
    keys_per_s = rng.uniform(5.0, 9.0)
    start_s, total_s = rng.uniform(0.0, 0.3), num_samples / sample_rate
    while start_s < total_s:
        for offset_s, gain in ((0.0, 1.0), (rng.uniform(0.05, 0.09), rng.uniform(0.3, 0.6))):
            burst = band_noise(round(0.05 * sample_rate), sample_rate, low_hz, 6500.0, rng)
            click = _decaying(burst, sample_rate, decay_s)
            _add(noise, click, start_s + offset_s, gain * rng.uniform(0.6, 1.2), sample_rate)
        start_s += rng.uniform(0.6, 1.4) / keys_per_s + (rng.uniform(0.3, 0.8) if rng.random() < 0.08 else 0.0)
    return noise


def _domestic(num_samples: int, sample_rate: int, rng: Rng) -> Signal:
    """A running tap and dishes: inharmonic ringing over bright, splashing noise."""
    tap = band_noise(num_samples, sample_rate, rng.uniform(1200.0, 2200.0), rng.uniform(5000.0, 7000.0), rng)
    splash = 1.0 + 0.5 * _slow_curve(num_samples, sample_rate, rng.uniform(6.0, 12.0), rng)
    noise = 0.25 * tap * splash
    for start_s in _event_times(num_samples / sample_rate, rng.uniform(2.0, 4.0), rng):
        first_hz = rng.uniform(900.0, 2200.0)
        partials_hz = first_hz * np.array([1.0, 1.58, 2.24, 2.92, 3.46]) * rng.uniform(0.97, 1.03, 5)
        dish = _ring(partials_hz, rng.uniform(0.04, 0.15), 0.5, sample_rate, rng)
        _add(noise, dish, start_s, rng.uniform(0.6, 1.8), sample_rate)
    return noise


def _nature(num_samples: int, sample_rate: int, rng: Rng) -> Signal:
    """Gusty wind and rain, from mostly one to mostly the other."""
    wind = band_noise(num_samples, sample_rate, 25.0, rng.uniform(120.0, 300.0), rng)
    wind *= np.exp(1.2 * _slow_curve(num_samples, sample_rate, rng.uniform(0.5, 1.2), rng))
    drops = np.zeros(num_samples)
    hits = rng.integers(num_samples, size=round(rng.uniform(700.0, 2500.0) * num_samples / sample_rate))
    np.add.at(drops, hits, rng.standard_normal(len(hits)) * rng.exponential(1.0, len(hits)))
    drop_hz = rng.uniform(2500.0, 5000.0)
    drop = _ring(drop_hz * np.array([0.6, 1.0, 1.37]), 0.0008, 0.01, sample_rate, rng)
    rain = fftconvolve(drops, drop)[:num_samples]
    share = rng.uniform(0.35, 0.65)
    return share * wind / np.std(wind) + (1 - share) * rain / np.std(rain)


def _transport(num_samples: int, sample_rate: int, rng: Rng) -> Signal:
    """Inside a vehicle: engine orders that drift with the speed, and low cabin noise."""
    time_s = np.arange(num_samples) / sample_rate
    rate_hz = rng.uniform(35.0, 75.0) * 2 ** (rng.uniform(-0.35, 0.35) * time_s / time_s[-1])
    rate_hz = rate_hz * (1 + 0.03 * _slow_curve(num_samples, sample_rate, 1.0, rng))
    cycles = np.cumsum(rate_hz) / sample_rate
    order_db = -2.2 * np.arange(16) + rng.uniform(-5.0, 5.0, 16)
    engine = np.zeros(num_samples)
    for order, level_db in enumerate(order_db, start=1):
        engine += 10 ** (level_db / 20) * np.sin(2 * np.pi * (np.mod(order * cycles, 1.0) + rng.random()))
    cabin = band_noise(num_samples, sample_rate, 30.0, rng.uniform(200.0, 400.0), rng)
    hiss = band_noise(num_samples, sample_rate, 400.0, 2500.0, rng)
    return engine / np.std(engine) + rng.uniform(0.3, 0.6) * cabin + rng.uniform(0.02, 0.06) * hiss


def _machinery(num_samples: int, sample_rate: int, rng: Rng) -> Signal:
    """Regular impacts that ring, over mains hum and a motor's whine."""
    time_s = np.arange(num_samples) / sample_rate
    hum = sum(np.sin(2 * np.pi * 100.0 * k * time_s + 2 * np.pi * rng.random()) / k for k in range(1, 6))
    whine_hz = rng.uniform(700.0, 1800.0) * (1 + 0.01 * _slow_curve(num_samples, sample_rate, 2.0, rng))
    whine = np.sin(2 * np.pi * np.cumsum(whine_hz) / sample_rate)
    noise = rng.uniform(0.05, 0.12) * hum + rng.uniform(0.05, 0.1) * whine
    noise += 0.05 * band_noise(num_samples, sample_rate, 500.0, 5000.0, rng)
    period_s, decay_s = 1 / rng.uniform(7.0, 13.0), rng.uniform(0.012, 0.03)
    strike = _ring(np.sort(rng.uniform(300.0, 4500.0, 7)), decay_s, 0.15, sample_rate, rng)
    for start_s in np.arange(rng.uniform(0.0, period_s), num_samples / sample_rate, period_s):
        _add(noise, strike, start_s + 0.01 * period_s * rng.standard_normal(), rng.uniform(0.8, 1.1), sample_rate)
    return noise


def _music(num_samples: int, sample_rate: int, rng: Rng) -> Signal:
    """Plucked chords and arpeggios of a key, with decaying partials."""
    noise = np.zeros(num_samples)
    root_hz, beat_s = 110.0 * 2 ** (rng.integers(12) / 12), 60 / rng.uniform(80.0, 150.0)
    decay_s, brightness = rng.uniform(0.3, 0.9), rng.uniform(0.45, 0.75)
    degrees = np.array([0, 2, 4, 5, 7, 9, 11]) if rng.random() < 0.5 else np.array([0, 2, 3, 5, 7, 8, 10])
    partials = np.arange(1, 11)
    chord = 0
    for number, start_s in enumerate(np.arange(0.0, num_samples / sample_rate, beat_s / 2)):
        if number % 8 == 0:
            chord = int(rng.choice([0, 3, 4, 5]))
        steps = [chord + 2 * int(rng.integers(4))] if number % 4 else [chord, chord + 2, chord + 4]
        for step in steps:
            note_hz = root_hz * 2 ** (degrees[step % 7] / 12 + step // 7 + rng.integers(2))
            kept = partials[note_hz * partials < 7000.0]
            note = _ring(note_hz * kept, decay_s, 1.2, sample_rate, rng, brightness**kept)
            _add(noise, note, start_s, rng.uniform(0.6, 1.0), sample_rate)
    return noise


def _animal(num_samples: int, sample_rate: int, rng: Rng) -> Signal:
    """Birdsong: phrases of frequency-modulated chirps from one to three birds, before a quiet background."""
    noise = 0.02 * band_noise(num_samples, sample_rate, 100.0, 3000.0, rng)
    for _ in range(int(rng.integers(2, 4))):
        centre_hz, sweep_hz = rng.uniform(2400.0, 5200.0), rng.uniform(400.0, 1400.0) * rng.choice([-1.0, 1.0])
        chirp_s, gain, trill_hz = rng.uniform(0.04, 0.14), rng.uniform(0.4, 1.0), rng.uniform(0.0, 40.0)
        for phrase_s in _event_times(num_samples / sample_rate, rng.uniform(0.8, 1.4), rng):
            for number in range(int(rng.integers(2, 7))):
                time_s = np.arange(round(chirp_s * sample_rate)) / sample_rate
                sweep = sweep_hz * (time_s / chirp_s - 0.5) + 250.0 * np.sin(2 * np.pi * trill_hz * time_s)
                frequency_hz = centre_hz * rng.uniform(0.96, 1.04) + sweep
                chirp = np.sin(2 * np.pi * np.cumsum(frequency_hz) / sample_rate) * np.hanning(len(time_s))
                _add(noise, chirp, phrase_s + number * 1.5 * chirp_s, gain, sample_rate)
    return noise


_GENERATORS: dict[str, Callable[[int, int, Rng], Signal]] = {
    "street": _street,
    "babble": _babble,
    "office": _office,
    "domestic": _domestic,
    "nature": _nature,
    "transport": _transport,
    "machinery": _machinery,
    "music": _music,
    "animal": _animal,
}
NOISE_CATEGORIES = tuple(_GENERATORS)


def _event_times(total_s: float, rate_hz: float, rng: Rng) -> Signal:
    """Return sorted event times in seconds: one in each period of ``1 / rate_hz``, jittered, at least one."""
    count = max(1, round(total_s * rate_hz))
    return (np.arange(count) + rng.random(count)) * total_s / count


def _slow_curve(num_samples: int, sample_rate: int, rate_hz: float, rng: Rng) -> Signal:
    """Return a smooth random curve within [-1, 1] with one new value every ``1 / rate_hz`` seconds, shape (sample,)."""
    knots = rng.uniform(-1.0, 1.0, int(num_samples / sample_rate * rate_hz) + 3)
    position = np.arange(num_samples) * rate_hz / sample_rate
    left = position.astype(int)
    weight = 0.5 - 0.5 * np.cos(np.pi * (position - left))
    return knots[left] + weight * (knots[left + 1] - knots[left])


def _decaying(signal: Signal, sample_rate: int, decay_s: float) -> Signal:
    """Multiply by an exponential decay with time constant ``decay_s``."""
    return signal * np.exp(-np.arange(len(signal)) / (decay_s * sample_rate))


def _ring(
    partials_hz: Signal, decay_s: float, length_s: float, sample_rate: int, rng: Rng, gains: Signal | None = None
) -> Signal:
    """Return the ringing of partials after a strike; higher ones decay faster. Shape (sample,)."""
    time_s = np.arange(round(length_s * sample_rate))[:, None] / sample_rate
    decays_s = decay_s * np.sqrt(partials_hz[0] / partials_hz)
    phase = 2 * np.pi * (time_s * partials_hz + rng.random(len(partials_hz)))
    weights = rng.uniform(0.4, 1.0, len(partials_hz)) if gains is None else gains
    attack = np.minimum(time_s[:, 0] / 0.001, 1.0) if length_s > 0.1 else 1.0  # no click at the start of a tone
    return (np.sin(phase) * np.exp(-time_s / decays_s)) @ weights * attack


def _add(signal: Signal, event: Signal, start_s: float, gain: float, sample_rate: int) -> None:
    """Add ``event`` to ``signal`` in place, starting at ``start_s`` and cut at both ends."""
    start = max(0, round(start_s * sample_rate))
    length = max(0, min(len(event), len(signal) - start))
    signal[start : start + length] += gain * event[:length]
