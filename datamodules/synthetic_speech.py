"""Speech-like utterances whose F0, voicing and activity are known at every sample.

A source-filter synthesiser: harmonics of a moving F0, weighted by five moving formants (additive, so that the F0 is
exact), plus shaped noise for fricatives, bursts and breath. It is not intelligible and not meant to be: it has the
syllables, formants, pitch movements and pauses that enhancement networks, voice activity detectors and pitch trackers
respond to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
BoolArray = NDArray[np.bool_]

BAND_LIMIT_HZ = 7500.0  # highest harmonic; leaves a margin below the 8 kHz Nyquist frequency of 16 kHz audio
CONTROL_S = 0.004  # formants and amplitudes are piecewise linear between points this far apart
VOICING_RAMP_S = 0.008  # onset and decay of a voiced span, inside the span
ROOM_FLOOR_DBFS = -78.0
BASE_F0_HZ = {"F": (165.0, 255.0), "M": (85.0, 155.0)}
F0_RANGE_SEMITONES = (-4.0, 7.0)  # keeps every F0 between 67 and 382 Hz, inside the 60 to 500 Hz of pitch trackers

# First three formants of men's vowels in Hz: Peterson and Barney, J. Acoust. Soc. Am. 24(2), 1952, table II.
VOWELS = (
    (270, 2290, 3010), (390, 1990, 2550), (530, 1840, 2480), (660, 1720, 2410), (730, 1090, 2440),
    (570, 840, 2410), (440, 1020, 2240), (300, 870, 2240), (640, 1190, 2390), (490, 1350, 1690),
)  # fmt: skip
SONORANTS = (  # formants in Hz and level in dB relative to a vowel, typical of m n l r j w
    (250, 1100, 2200, -9.0), (250, 1500, 2500, -9.0), (360, 1100, 2700, -5.0),
    (400, 1200, 1600, -4.0), (270, 2200, 2900, -4.0), (300, 700, 2200, -4.0),
)  # fmt: skip
UPPER_FORMANTS_HZ = (3400.0, 4400.0)
BANDWIDTHS_HZ = np.array([60.0, 90.0, 130.0, 200.0, 280.0])
# Noise bands: low edge, high edge in Hz, level in dB relative to the voiced speech, formant locus of the place.
FRICATIVES = (
    (3800, 7400, -10.0, (320, 1800, 2600)),
    (2000, 5500, -9.0, (320, 1900, 2500)),
    (1200, 7000, -17.0, (300, 1100, 2300)),
    (700, 2600, -14.0, (500, 1400, 2400)),
)
BURSTS = (
    (400, 1600, -8.0, (300, 900, 2200)),
    (2800, 7000, -8.0, (320, 1800, 2600)),
    (1400, 3600, -7.0, (300, 2000, 2300)),
)
BREATH_BAND_HZ = (1000, 6500)


@dataclass(frozen=True)
class Voice:
    """What stays the same in all utterances of one speaker.

    Args:
        sex: ``"F"`` or ``"M"``.
        base_f0_hz: F0 that the intonation moves around.
        formant_scale: factor on the formants of an average man (about 1.15 for women).
        tilt_db_per_octave: slope of source and lip radiation together, negative.
        tempo: factor on the speaking rate.
        accent_semitones: standard deviation of the pitch accents.
        breath_db: level of the aspiration noise relative to the voiced sound.
    """

    sex: str
    base_f0_hz: float
    formant_scale: float
    tilt_db_per_octave: float
    tempo: float
    accent_semitones: float
    breath_db: float


@dataclass(frozen=True)
class Utterance:
    """One utterance and its truth at every sample.

    Args:
        waveform: float32, shape (sample,), full scale is 1.0.
        f0_hz: shape (sample,), NaN where unvoiced.
        voicing: bool, shape (sample,).
        activity: bool, shape (sample,): everything but pauses. The short closures of plosives are active.
    """

    waveform: NDArray[np.float32]
    f0_hz: NDArray[np.float64]
    voicing: BoolArray
    activity: BoolArray


@dataclass(frozen=True)
class _Phone:
    """One sound: what it is, how long, and where its formants and its noise band lie."""

    kind: str  # vowel, sonorant, fricative, closure, burst, pause
    duration_s: float
    formants_hz: tuple[float, float, float]
    level_db: float = 0.0
    band_hz: tuple[float, float] | None = None

    @property
    def voiced(self) -> bool:
        return self.kind in ("vowel", "sonorant")


def draw_voice(sex: str, rng: np.random.Generator) -> Voice:
    """Draw one speaker.

    Args:
        sex: ``"F"`` or ``"M"``.
        rng: source of randomness; the speaker is a function of its state.

    Raises:
        ValueError: if ``sex`` is neither.
    """
    if sex not in BASE_F0_HZ:
        raise ValueError(f"sex must be one of {sorted(BASE_F0_HZ)}, got {sex!r}")
    low, high = BASE_F0_HZ[sex]
    return Voice(
        sex=sex,
        base_f0_hz=float(rng.uniform(low, high)),
        formant_scale=(1.15 if sex == "F" else 1.0) * float(rng.uniform(0.95, 1.05)),
        tilt_db_per_octave=float(rng.uniform(-8.0, -5.0)) - (1.0 if sex == "F" else 0.0),
        tempo=float(rng.uniform(0.9, 1.15)),
        accent_semitones=float(rng.uniform(1.2, 2.4)),
        breath_db=float(rng.uniform(-38.0, -30.0)),
    )


def synthesize_utterance(voice: Voice, num_samples: int, sample_rate: int, rng: np.random.Generator) -> Utterance:
    """Synthesise one utterance of ``voice``.

    Args:
        voice: the speaker.
        num_samples: length of the result; at least one second makes sense.
        sample_rate: Hz, at least 16000.
        rng: source of randomness; the utterance is a function of its state.

    Returns:
        The utterance at an active level of -26 dBFS +- 4 dB, over a noise floor of -78 dBFS.

    Raises:
        ValueError: if ``sample_rate`` or ``num_samples`` is too small.
    """
    if sample_rate < 2 * BAND_LIMIT_HZ + 1000:
        raise ValueError(f"sample_rate must be at least 16000 Hz for synthetic speech, got {sample_rate}")
    if num_samples < sample_rate:
        raise ValueError(f"num_samples must be at least one second ({sample_rate}), got {num_samples}")
    phones = _plan_phones(voice, num_samples / sample_rate, rng)
    ends = np.round(np.cumsum([phone.duration_s for phone in phones]) * sample_rate).astype(int)
    ends[-1] = num_samples
    lengths = np.diff(ends, prepend=0)
    voicing = np.repeat([phone.voiced for phone in phones], lengths)
    activity = np.repeat([phone.kind != "pause" for phone in phones], lengths)

    f0_hz = _f0_track(voice, phones, ends, sample_rate, rng)
    voiced = _voiced_sound(voice, phones, lengths, f0_hz, voicing, sample_rate, rng)
    sound = voiced + _noise_sound(voice, phones, ends, voiced, sample_rate, rng)
    level_dbfs = -26.0 + rng.uniform(-4.0, 4.0)
    sound *= 10 ** (level_dbfs / 20) / np.sqrt(np.mean(sound[activity] ** 2))
    sound += 10 ** (ROOM_FLOOR_DBFS / 20) * rng.standard_normal(num_samples)
    sound *= min(1.0, 0.97 / float(np.max(np.abs(sound))))
    return Utterance(sound.astype(np.float32), np.where(voicing, f0_hz, np.nan), voicing, activity)


def band_noise(
    num_samples: int, sample_rate: int, low_hz: float, high_hz: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return Gaussian noise of unit power between two soft band edges (24 dB per octave), shape (sample,)."""
    spectrum = np.fft.rfft(rng.standard_normal(num_samples))
    frequency = np.fft.rfftfreq(num_samples, 1 / sample_rate) + 1e-3
    spectrum /= np.sqrt((1 + (low_hz / frequency) ** 8) * (1 + (frequency / high_hz) ** 8))
    noise = np.fft.irfft(spectrum, num_samples)
    return noise / np.sqrt(np.mean(noise**2))


def _plan_phones(voice: Voice, total_s: float, rng: np.random.Generator) -> list[_Phone]:
    """Draw phrases of syllables and the pauses around them; together they last exactly ``total_s``."""
    neutral = (500.0, 1500.0, 2500.0)
    phones = [_Phone("pause", rng.uniform(0.08, 0.2), neutral)]
    tail_s = rng.uniform(0.08, 0.2)
    remaining_s, to_pause = total_s - phones[0].duration_s - tail_s, int(rng.integers(4, 9))
    while True:
        syllable = _plan_syllable(voice, rng)
        spent_s = sum(phone.duration_s for phone in syllable)
        pause_s = rng.uniform(0.2, 0.45) if to_pause == 0 else 0.0
        if spent_s + pause_s > remaining_s and len(phones) > 1:
            break
        if pause_s:
            phones.append(_Phone("pause", pause_s, neutral))
            to_pause = int(rng.integers(4, 9))
        phones += syllable
        remaining_s -= spent_s + pause_s
        to_pause -= 1
    phones.append(_Phone("pause", tail_s, neutral))
    stretch = total_s / sum(phone.duration_s for phone in phones)
    return [_Phone(p.kind, p.duration_s * stretch, p.formants_hz, p.level_db, p.band_hz) for p in phones]


def _plan_syllable(voice: Voice, rng: np.random.Generator) -> list[_Phone]:
    """Draw an optional onset, a vowel and an optional coda."""
    onset = str(rng.choice(["", "sonorant", "fricative", "plosive"], p=[0.1, 0.35, 0.25, 0.3]))
    coda = str(rng.choice(["", "sonorant", "fricative", "plosive"], p=[0.5, 0.25, 0.15, 0.1]))
    first, second, third = VOWELS[rng.integers(len(VOWELS))]
    vowel = _Phone("vowel", rng.uniform(0.09, 0.2) / voice.tempo, (first, second, third), rng.uniform(-4.0, 2.0))
    return [*_plan_consonant(onset, voice, rng), vowel, *_plan_consonant(coda, voice, rng)]


def _plan_consonant(kind: str, voice: Voice, rng: np.random.Generator) -> list[_Phone]:
    """Draw the sounds of one consonant: none, one, or closure and burst."""
    if not kind:
        return []
    if kind == "sonorant":
        first, second, third, level_db = SONORANTS[rng.integers(len(SONORANTS))]
        return [_Phone(kind, rng.uniform(0.05, 0.09) / voice.tempo, (first, second, third), level_db)]
    table = FRICATIVES if kind == "fricative" else BURSTS
    low, high, level_db, locus = table[rng.integers(len(table))]
    level_db += rng.uniform(-3.0, 3.0)
    if kind == "fricative":
        return [_Phone(kind, rng.uniform(0.06, 0.12) / voice.tempo, locus, level_db, (low, high))]
    closure = _Phone("closure", rng.uniform(0.035, 0.06) / voice.tempo, locus)
    return [closure, _Phone("burst", rng.uniform(0.015, 0.035), locus, level_db, (low, high))]


def _f0_track(
    voice: Voice, phones: Sequence[_Phone], ends: NDArray[np.int_], sample_rate: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return F0 in Hz at every sample, also between voiced spans: declination, accents and a little jitter."""
    phrase = np.cumsum([phone.kind == "pause" for phone in phones])
    knots_s, knots_st = [], []
    for number in np.unique(phrase):
        vowels = [i for i in np.flatnonzero(phrase == number).tolist() if phones[i].kind == "vowel"]
        line_st = np.linspace(2.5, -2.0, len(vowels)) + voice.accent_semitones * rng.standard_normal(len(vowels))
        if len(vowels) > 1:
            line_st[-1] = rng.choice([-3.0, 4.0], p=[0.75, 0.25])  # a statement falls at its end, a question rises
        knots_s += [ends[i] / sample_rate - phones[i].duration_s / 2 for i in vowels]
        knots_st += list(line_st)
    num_points = _num_control_points(int(ends[-1]), sample_rate)
    track_st = np.interp(np.arange(num_points) * CONTROL_S, knots_s, knots_st)
    track_st = _smooth(np.clip(track_st, *F0_RANGE_SEMITONES), 0.06)
    track_st += 0.05 * _smooth(rng.standard_normal(num_points), 0.02) * np.sqrt(5)  # about 5 cents of slow jitter
    return voice.base_f0_hz * 2 ** (_to_samples(track_st, int(ends[-1]), sample_rate) / 12)


def _voiced_sound(
    voice: Voice,
    phones: Sequence[_Phone],
    lengths: NDArray[np.int_],
    f0_hz: NDArray[np.float64],
    voicing: BoolArray,
    sample_rate: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Sum the harmonics of ``f0_hz`` under the moving formants; unit power over the voiced samples."""
    num_points = _num_control_points(len(f0_hz), sample_rate)
    point_sample = np.minimum(np.round(np.arange(num_points) * CONTROL_S * sample_rate).astype(int), len(f0_hz) - 1)
    point_phone = np.repeat(np.arange(len(phones)), lengths)[point_sample]
    formants_hz, gain = _tract_tracks(voice, phones, point_phone, rng)

    sample = np.flatnonzero(voicing)
    left, weight = np.divmod(sample / (CONTROL_S * sample_rate), 1.0)
    left, weight = left.astype(int), weight.astype(np.float32)
    cycles = np.cumsum(f0_hz)[sample] / sample_rate
    rotation = np.exp(2j * np.pi * np.mod(cycles, 1.0)).astype(np.complex64)
    harmonic = np.ones_like(rotation)
    total = np.zeros(len(sample), dtype=np.float32)
    for k in range(1, int(BAND_LIMIT_HZ / f0_hz.min()) + 1):
        harmonic *= rotation  # exp(i k phase), without a sine per harmonic and sample
        amplitude = (gain * _tract_gain(k * f0_hz[point_sample], formants_hz, voice)).astype(np.float32)
        slope = np.diff(amplitude, append=amplitude[-1:])
        phase = np.complex64(np.exp(1j * rng.uniform(-0.6, 0.6)))  # less peaky than harmonics in phase
        total += (amplitude[left] + weight * slope[left]) * (harmonic * phase).real
    sound = np.zeros(len(f0_hz))
    sound[sample] = total * _span_ramps(voicing, round(VOICING_RAMP_S * sample_rate))[sample]
    return sound / np.sqrt(np.mean(sound[sample] ** 2))


def _tract_tracks(
    voice: Voice, phones: Sequence[_Phone], point_phone: NDArray[np.int_], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return formants in Hz, shape (point, formant), and the amplitude of the voiced sound, shape (point,)."""
    upper = np.array(UPPER_FORMANTS_HZ) * rng.uniform(0.97, 1.03)
    targets = np.array([[*phone.formants_hz, *upper] for phone in phones]) * voice.formant_scale
    level_db = np.array([phone.level_db if phone.voiced else -6.0 for phone in phones])
    return np.exp(_smooth(np.log(targets)[point_phone], 0.06)), 10 ** (_smooth(level_db[point_phone], 0.03) / 20)


def _tract_gain(frequency_hz: FloatArray, formants_hz: FloatArray, voice: Voice) -> FloatArray:
    """Return the amplitude of source and vocal tract at ``frequency_hz``, shape (point,), formants (point, formant).

    A cascade of second-order resonators as in Klatt, J. Acoust. Soc. Am. 67(3), 1980, in the analogue domain.
    """
    squared = formants_hz**2
    distance = squared - frequency_hz[:, None] ** 2
    resonance = squared / np.sqrt(distance**2 + (BANDWIDTHS_HZ * frequency_hz[:, None]) ** 2)
    tilt = (np.maximum(frequency_hz, 50.0) / 100.0) ** (voice.tilt_db_per_octave / 6.02)
    # Five poles alone fall too steeply above the fifth formant: a rough higher-pole correction.
    lift = (1 + (frequency_hz / 3500.0) ** 4) ** 0.5
    return resonance.prod(axis=1) * tilt * lift * np.clip((BAND_LIMIT_HZ - frequency_hz) / 500.0, 0.0, 1.0)


def _noise_sound(
    voice: Voice,
    phones: Sequence[_Phone],
    ends: NDArray[np.int_],
    voiced: NDArray[np.float64],
    sample_rate: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return fricatives, bursts and breath relative to voiced speech of unit power, shape (sample,)."""
    num_samples = len(voiced)
    window = round(0.02 * sample_rate)
    loudness = np.sqrt(np.convolve(voiced**2, np.ones(window) / window, mode="same").clip(0.0)) * (voiced != 0.0)
    sound = 10 ** (voice.breath_db / 20) * loudness * band_noise(num_samples, sample_rate, *BREATH_BAND_HZ, rng)
    bands: dict[tuple[float, float], NDArray[np.float64]] = {}
    for phone, end in zip(phones, ends, strict=True):
        if phone.band_hz is None:
            continue
        if phone.band_hz not in bands:
            bands[phone.band_hz] = band_noise(num_samples, sample_rate, *phone.band_hz, rng)
        span = slice(end - round(phone.duration_s * sample_rate), end)
        progress = np.linspace(0.0, 1.0, span.stop - span.start)
        shape = np.exp(-3.0 * progress) if phone.kind == "burst" else np.sin(np.pi * progress) ** 0.6
        sound[span] += 10 ** (phone.level_db / 20) * shape * bands[phone.band_hz][span]
    return sound


def _num_control_points(num_samples: int, sample_rate: int) -> int:
    """Return how many control points reach past the last sample."""
    return int(num_samples / (CONTROL_S * sample_rate)) + 2


def _to_samples(track: NDArray[np.float64], num_samples: int, sample_rate: int) -> NDArray[np.float64]:
    """Interpolate a control track, shape (point,), to samples."""
    return np.interp(np.arange(num_samples) / sample_rate, np.arange(len(track)) * CONTROL_S, track)


def _smooth(track: NDArray[np.float64], width_s: float) -> NDArray[np.float64]:
    """Smooth a control track, shape (point, ...), with a Hann window, keeping its length and its ends."""
    half = max(1, round(width_s / CONTROL_S / 2))
    window = np.hanning(2 * half + 3)[1:-1]
    window /= window.sum()
    padded = np.pad(track, [(half, half)] + [(0, 0)] * (track.ndim - 1), mode="edge")
    return np.apply_along_axis(np.convolve, 0, padded, window, mode="valid")


def _span_ramps(flags: BoolArray, ramp: int) -> NDArray[np.float64]:
    """Return a gain that rises and falls over ``ramp`` samples inside every run of true flags, shape (sample,)."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    gain = np.zeros(len(flags))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        distance = np.minimum(np.arange(start, stop) - start, stop - 1 - np.arange(start, stop)) + 0.5
        gain[start:stop] = np.sin(0.5 * np.pi * np.minimum(distance / ramp, 1.0)) ** 2
    return gain
