"""The signal functions of augmentations against brute force, and their settings."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from datamodules.augmentation import (
    AdditionalNoise,
    BandLimit,
    Clipping,
    Equalization,
    NoiseSpeed,
    Reverberation,
    SpeedPerturbation,
)
from datamodules.augmentation.additional_noise import add_below
from datamodules.augmentation.bandwidth import limit_band, low_pass
from datamodules.augmentation.base import AugmentationSettings, Layers, child_generator
from datamodules.augmentation.clipping import clip_peaks
from datamodules.augmentation.equalization import equalize, section
from datamodules.augmentation.reverberation import reverberate, reverberate_noise, split_response
from datamodules.augmentation.speed import change_speed, speed_ratio
from datamodules.mixing import Waveform
from datamodules.mixing_settings import MixingSettings
from networks.framing import FrameGrid

RATE = 16000
ALL: tuple[type[AugmentationSettings], ...] = (
    AdditionalNoise, BandLimit, Clipping, Equalization, NoiseSpeed, Reverberation, SpeedPerturbation,
)  # fmt: skip
seeds = st.integers(0, 2**32 - 1)


def hiss(num_samples: int, seed: int = 0) -> Waveform:
    return (0.1 * np.random.default_rng(seed).standard_normal(num_samples)).astype(np.float32)


def power(waveform: NDArray[np.floating]) -> float:
    return float(np.mean(waveform.astype(np.float64) ** 2))


# --- random numbers ---------------------------------------------------------------------------------------------------


@given(key=st.lists(st.integers(0, 2**40), min_size=1, max_size=5), drawn=st.integers(0, 50))
def test_children_depend_on_the_seed_alone_and_differ(key: list[int], drawn: int) -> None:
    rng = np.random.default_rng(key)
    rng.random(drawn)
    before = rng.bit_generator.state
    values = {stream: float(child_generator(rng, stream).random()) for stream in range(1, 8)}
    assert rng.bit_generator.state == before, "nothing is drawn from the parent"
    assert values == {stream: float(child_generator(np.random.default_rng(key), stream).random()) for stream in values}
    assert len({*values.values(), float(np.random.default_rng(key).random())}) == 8
    other = np.random.default_rng([*key[:-1], key[-1] + 1])
    assert all(float(child_generator(other, stream).random()) != value for stream, value in values.items())


def test_no_two_augmentations_share_random_numbers() -> None:
    assert sorted(settings.stream for settings in ALL) == [1, 2, 3, 4, 5, 6, 7]


def test_a_generator_without_a_seed_is_refused() -> None:
    class Unseeded(np.random.PCG64):
        seed_seq = None  # type: ignore[assignment]

    with pytest.raises(TypeError, match=r"made by np\.random\.default_rng, got seeds of type NoneType"):
        child_generator(np.random.Generator(Unseeded(0)), 1)


@pytest.mark.parametrize("settings", ALL)
def test_the_probability_is_that_of_doing_it(settings: type[AugmentationSettings]) -> None:
    for probability in (0.0, 0.3, 1.0):
        done = [settings(probability).decide(np.random.default_rng((7, index))) for index in range(1000)]
        assert np.mean([child is not None for child in done]) == pytest.approx(probability, abs=0.05)


def test_augmentations_are_decided_independently() -> None:
    rngs = [np.random.default_rng((3, index)) for index in range(2000)]
    done = np.array([[settings(0.5).decide(rng) is not None for rng in rngs] for settings in ALL])
    assert np.abs(np.corrcoef(done) - np.eye(len(ALL))).max() < 0.1


# --- the functions ----------------------------------------------------------------------------------------------------


@given(seed=seeds, relative_db=st.floats(0, 60), gain_db=st.floats(-60, 20))
def test_a_further_noise_lies_so_far_below_the_main_one(seed: int, relative_db: float, gain_db: float) -> None:
    main, other = hiss(4000, seed), hiss(4000, seed + 1) * np.float32(10 ** (gain_db / 20))
    total = add_below(main, other, relative_db, total=main)
    assert 10 * np.log10(power(main) / power(total.astype(np.float64) - main)) == pytest.approx(relative_db, abs=0.01)


def room(seed: int, lead: int, length: int, upside_down: bool = False) -> Waveform:
    """Make a decaying response whose strongest sample comes after ``lead`` weaker ones."""
    rng = np.random.default_rng(seed)
    response = 0.3 * rng.uniform(-1, 1, lead + length) * np.exp(-np.arange(lead + length) / 2000)
    response[lead] = -0.9 if upside_down else 0.9
    return response.astype(np.float32)


@given(
    seed=seeds,
    num_samples=st.integers(600, 5000),
    lead=st.integers(0, 48),
    length=st.integers(1, 6000),
    early_samples=st.integers(0, 1500),
    upside_down=st.booleans(),
)
def test_reverberation_is_the_whole_convolution_split_behind_the_early_part(
    seed: int, num_samples: int, lead: int, length: int, early_samples: int, upside_down: bool
) -> None:
    dry, response = hiss(num_samples, seed), room(seed, lead, length, upside_down)
    parts = split_response(response, early_samples)
    early, late = reverberate(dry, parts)
    assert early.dtype == late.dtype == np.float32
    assert parts.direct == lead and parts.early[lead] == 1.0

    scaled = response.astype(np.float64) / response[lead]
    cut = lead + 1 + early_samples
    whole = np.convolve(dry, scaled)[lead : lead + num_samples]
    first = np.convolve(dry, scaled[:cut])[lead : lead + num_samples]
    np.testing.assert_allclose(early, first, atol=1e-5)
    np.testing.assert_allclose(early + late, whole, atol=1e-5)


@given(position=st.integers(0, 2999), lead=st.integers(0, 48), early_samples=st.integers(0, 800))
def test_a_click_stays_where_it_is_and_its_early_part_ends_in_time(
    position: int, lead: int, early_samples: int
) -> None:
    click = np.zeros(3000, dtype=np.float32)
    click[position] = 1.0
    early, late = reverberate(click, split_response(room(1, lead, 4000), early_samples))
    assert int(np.abs(early).argmax()) == position
    assert early[position] == pytest.approx(1.0, abs=1e-5)
    assert np.abs(early[position + early_samples + 1 :]).max(initial=0) < 1e-5
    assert np.abs(late[: min(position + early_samples + 1, 3000)]).max(initial=0) < 1e-5
    if position + early_samples + 10 < 3000:
        assert np.abs(late).max() > 1e-3


@given(seed=seeds, num_samples=st.integers(100, 2000), lead=st.integers(0, 48), length=st.integers(1, 4000))
def test_noise_in_a_room_has_no_fade_in(seed: int, num_samples: int, lead: int, length: int) -> None:
    noise, response = hiss(num_samples, seed), room(seed, lead, length)
    parts = split_response(response, early_samples=100)
    heard = reverberate_noise(noise, parts)
    scaled = (response.astype(np.float64) / response[lead])[:num_samples]
    circular = np.fft.irfft(np.fft.rfft(noise) * np.fft.rfft(scaled, num_samples), num_samples)
    assert heard.dtype == np.float32
    np.testing.assert_allclose(heard, np.roll(circular, -lead), atol=1e-5)


def test_a_silent_response_is_refused() -> None:
    for response in (np.zeros(100, dtype=np.float32), np.zeros(0, dtype=np.float32)):
        with pytest.raises(ValueError, match="the room response is silent"):
            split_response(response, 10)


@given(
    shape=st.sampled_from(["low", "peak", "high"]),
    center_hz=st.floats(80, 6000),
    gain_db=st.floats(-20, 20),
    q=st.floats(0.5, 1.5),
)
def test_filters_have_the_gain_they_were_drawn_with(shape: str, center_hz: float, gain_db: float, q: float) -> None:
    coefficients = section(shape, center_hz, gain_db, q, RATE)
    assert np.abs(np.roots(coefficients[3:])).max() < 1, "stable"

    def gain_at(frequency_hz: float) -> float:
        z = np.exp(-2j * np.pi * frequency_hz / RATE * np.arange(3))
        return float(20 * np.log10(abs((coefficients[:3] @ z) / (coefficients[3:] @ z))))

    expected = {"low": (gain_db, gain_db / 2, 0), "peak": (0, gain_db, 0), "high": (0, gain_db / 2, gain_db)}[shape]
    measured = [gain_at(frequency_hz) for frequency_hz in (0.0, center_hz, RATE / 2)]
    np.testing.assert_allclose(measured, expected, atol=1e-6)


def test_equalization_draws_gentle_curves_anew_and_applies_them() -> None:
    settings = Equalization(1.0, gain_db=(-6.0, 6.0), peaks=2)
    click = np.zeros(8192, dtype=np.float32)
    click[0] = 1.0
    curves = [settings.draw(np.random.default_rng(seed), RATE) for seed in range(50)]
    gains_db = np.array([20 * np.log10(np.abs(np.fft.rfft(equalize(click, curve)))) for curve in curves])
    assert curves[0].shape == (4, 6)
    assert np.abs(gains_db).max() < 4 * 6
    assert 2 < gains_db.std() < 6
    assert gains_db.std(axis=0).min() > 1, "every frequency is moved"
    assert Equalization(1.0, peaks=0).draw(np.random.default_rng(0), 8000).shape == (2, 6)


@pytest.mark.parametrize("cutoff_hz", [1000.0, 3400.0, 7000.0])
def test_a_low_pass_keeps_what_is_below_removes_what_is_above_and_does_not_delay(cutoff_hz: float) -> None:
    click = np.zeros(8001, dtype=np.float32)
    click[4000] = 1.0
    response = low_pass(click, cutoff_hz, RATE)
    np.testing.assert_allclose(response, response[::-1], atol=1e-6)
    frequency_hz = np.fft.rfftfreq(8001, 1 / RATE)
    gain_db = 20 * np.log10(np.abs(np.fft.rfft(response)) + 1e-12)
    assert np.abs(gain_db[frequency_hz < cutoff_hz - 200]).max() < 0.05
    assert gain_db[frequency_hz > cutoff_hz + 200].max() < -60
    assert gain_db[np.abs(frequency_hz - cutoff_hz).argmin()] == pytest.approx(-6, abs=0.2)


@pytest.mark.parametrize("num_samples", [1, 100, 257, 5000])
def test_a_low_pass_keeps_the_length(num_samples: int) -> None:
    assert low_pass(hiss(num_samples), 3400.0, RATE).shape == (num_samples,)


def test_a_band_that_would_leave_nothing_is_not_applied() -> None:
    time_s = np.arange(16000) / RATE
    voice, insect = (np.sin(2 * np.pi * f * time_s).astype(np.float32) for f in (300, 6000))
    for layers in (Layers(voice, voice, insect), Layers(insect, None, voice)):
        assert limit_band(layers, 3400.0, RATE) is layers
    limited = limit_band(Layers(voice + insect, insect, voice + 0.1 * insect), 3400.0, RATE)
    inner = slice(500, -500)
    assert limited.late is not None
    np.testing.assert_allclose(limited.target[inner], voice[inner], atol=2e-3)
    np.testing.assert_allclose(limited.late[inner], 0.0, atol=2e-3)
    np.testing.assert_allclose(limited.noise[inner], voice[inner], atol=2e-3)


@given(seed=seeds, overdrive_db=st.floats(0, 60))
def test_clipping_cuts_what_is_above_the_level_and_nothing_else(seed: int, overdrive_db: float) -> None:
    noisy = hiss(3000, seed)
    clipped = clip_peaks(noisy, overdrive_db)
    peaks = [np.abs(signal).max() for signal in (noisy, clipped)]
    assert 20 * np.log10(peaks[0] / peaks[1]) == pytest.approx(overdrive_db, abs=1e-3)
    below = np.abs(noisy) < peaks[1]
    np.testing.assert_array_equal(clipped[below], noisy[below])
    np.testing.assert_array_equal(clipped[~below], np.sign(noisy[~below]) * peaks[1])


@pytest.mark.parametrize("factor", [0.5, 0.9, 0.95, 1.05, 1.1, 2.0])
def test_speed_moves_every_sample_to_its_time(factor: float) -> None:
    speed = speed_ratio(factor)
    assert speed == Fraction(factor).limit_denominator(50)

    def sound(position: NDArray[np.floating]) -> NDArray[np.floating]:
        """Noise-like, and known between its samples; nothing above half of the lower Nyquist frequency."""
        frequencies = np.random.default_rng(0).uniform(0.01, 0.2, 40)
        return np.mean([np.sin(2 * np.pi * f * position + 10 * f) for f in frequencies], axis=0)

    played = change_speed(sound(np.arange(4001)).astype(np.float32), speed)
    assert played.dtype == np.float32
    assert len(played) == -(-4001 * speed.denominator // speed.numerator)
    inner = np.arange(60, len(played) - 60)
    error = {shift: np.abs(played[inner] - sound(inner * factor + shift)).max() for shift in (-1, 0, 1)}
    assert error[0] < 2e-3
    assert min(error[-1], error[1]) > 0.05


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", ALL)
@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_wrong_probability_is_refused_by_key(settings: type[AugmentationSettings], probability: float) -> None:
    with pytest.raises(ValueError, match=rf"data\.mixing\.{settings.key}\.probability must lie in \[0, 1\], got"):
        settings(probability)
    assert settings.key in MixingSettings.__dataclass_fields__
    assert settings().probability == 0.0


@pytest.mark.parametrize(
    ("settings", "arguments", "message"),
    [
        (AdditionalNoise, {"count": (2, 1)}, r"additional_noise\.count must be a range within .*got \[2, 1\]"),
        (AdditionalNoise, {"count": (0, 1)}, r"additional_noise\.count must be a range within \[1,"),
        (AdditionalNoise, {"relative_db": (-3.0, 5.0)}, r"additional_noise\.relative_db must be a range"),
        (Reverberation, {"early_ms": -1.0}, r"reverberation\.early_ms must lie in \[0, 1000\] ms, got -1\.0"),
        (Reverberation, {"noise_probability": 2.0}, r"reverberation\.noise_probability must lie in \[0, 1\], got 2\.0"),
        (Equalization, {"gain_db": (6.0, -6.0)}, r"equalization\.gain_db must be a range"),
        (Equalization, {"peaks": 11}, r"equalization\.peaks must lie in \[0, 10\], got 11"),
        (BandLimit, {"cutoffs_hz": ()}, r"band_limit\.cutoffs_hz must name frequencies"),
        (BandLimit, {"cutoffs_hz": (3400.0, 100.0)}, r"band_limit\.cutoffs_hz must name .* 500 Hz, got \[3400\.0, 100"),
        (Clipping, {"overdrive_db": (-1.0, 3.0)}, r"clipping\.overdrive_db must be a range within \[0\.0,"),
        (SpeedPerturbation, {"factors": ()}, r"speed\.factors must name at least one speed"),
        (NoiseSpeed, {"factors": (2.1,)}, r"noise_speed\.factors must lie in \[0\.5, 2\.0\], got 2\.1"),
        (SpeedPerturbation, {"factors": (0.4,)}, r"speed\.factors must lie in \[0\.5, 2\.0\], got 0\.4"),
        (SpeedPerturbation, {"factors": (0.917,)}, r"speed\.factors must be ratios of whole numbers .*got 0\.917"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused_by_key(
    settings: type[AugmentationSettings], arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=rf"^data\.mixing\.{message}"):
        settings(**arguments)


def test_a_band_wider_than_the_audio_is_refused_where_it_is_used() -> None:
    grid = FrameGrid(8000, 256, 128)
    MixingSettings(band_limit=BandLimit(0.0)).check_grid(grid)
    MixingSettings(band_limit=BandLimit(0.5, cutoffs_hz=(3400.0,))).check_grid(grid)
    with pytest.raises(ValueError, match=r"data\.mixing\.band_limit\.cutoffs_hz must lie below half of .*4000 Hz"):
        MixingSettings(band_limit=BandLimit(0.5)).check_grid(grid)
