"""Augmented scenes, measured back: SNR, target, level, and that no augmentation disturbs another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from datamodules.audio import AudioReader
from datamodules.augmentation import (
    AdditionalNoise,
    BandLimit,
    Clipping,
    Equalization,
    NoiseSpeed,
    Reverberation,
    SpeedPerturbation,
)
from datamodules.corpus import Corpus, CorpusError, NoiseRecord, RoomResponse, SpeechRecord
from datamodules.mixing import PEAK_LIMIT, Waveform, active_speech_power
from datamodules.mixing_settings import MixingSettings
from datamodules.scene import Scene, SceneSources, draw_scene
from datamodules.targets import Labels, Levels
from networks.framing import FrameGrid

GRID = FrameGrid()
HOP, RATE = GRID.hop_length, GRID.sample_rate
SPEECH = [SpeechRecord(Path(name), "anna", "F", "train") for name in ("long", "other")]
RAIN = [NoiseRecord(Path(name), "rain", "train") for name in ("rain1", "rain2")]
TONES = [NoiseRecord(Path(name), "tone", "train") for name in ("tone1", "tone2")]
ROOMS = [RoomResponse(Path(name), None) for name in ("hall", "bathroom")]
SOURCES = SceneSources([RAIN, TONES], ROOMS)
LEAD = 48  # samples of a response before its direct path: 3 ms

EVERY = MixingSettings(
    segment_s=2.0,
    level_dbfs=(-45.0, -20.0),
    additional_noise=AdditionalNoise(1.0),
    reverberation=Reverberation(1.0, noise_probability=0.5),
    equalization=Equalization(1.0),
    band_limit=BandLimit(1.0),
    clipping=Clipping(1.0),
    speed=SpeedPerturbation(1.0),
    noise_speed=NoiseSpeed(1.0),
)
NAMES = ("additional_noise", "reverberation", "equalization", "band_limit", "clipping", "speed", "noise_speed")


class MadeUpReader(AudioReader):
    """Recordings that never were on disk, by path."""

    def __init__(self, recordings: Mapping[str, NDArray[np.floating]]) -> None:
        super().__init__(RATE, cache_mb=1)
        self.recordings = {Path(name): samples.astype(np.float32) for name, samples in recordings.items()}

    def read(self, path: Path) -> Waveform:
        return self.recordings[path]


def syllables(seconds: float, seed: int) -> Waveform:
    rng = np.random.default_rng(seed)
    num_samples = round(seconds * RATE)
    envelope = np.concatenate(
        [np.repeat([rng.uniform(0.02, 0.2), 1e-3], rng.integers([1500, 800], [5000, 2000])) for _ in range(100)]
    )
    return (rng.standard_normal(num_samples) * envelope[:num_samples]).astype(np.float32)


def response(seed: int, decay_s: float) -> NDArray[np.floating]:
    rng = np.random.default_rng(seed)
    tail = 0.1 * rng.standard_normal(8000) * np.exp(-np.arange(8000) / (decay_s * RATE))
    return np.concatenate([rng.uniform(-0.01, 0.01, LEAD), [0.9], tail])


@pytest.fixture(scope="module")
def reader() -> MadeUpReader:
    rng = np.random.default_rng(9)
    time_s = np.arange(5 * RATE) / RATE
    return MadeUpReader(
        {
            "long": syllables(7.3, 0),
            "other": syllables(5.1, 1),
            "rain1": 0.1 * rng.standard_normal(9 * RATE + 77),
            "rain2": 0.03 * rng.standard_normal(20_000),
            "tone1": 0.2 * np.sin(2 * np.pi * 1000 * time_s),
            "tone2": 0.05 * np.sin(2 * np.pi * 1500 * time_s),
            "hall": response(3, 0.1),
            "bathroom": response(4, 0.04),
        }
    )


def scene_of(reader: AudioReader, seed: int, settings: MixingSettings) -> Scene:
    return draw_scene(SPEECH, RAIN, reader, GRID, settings, np.random.default_rng(seed), SOURCES)


def only(*names: str, **changes: object) -> MixingSettings:
    """Return settings with these augmentations alone, in every mixture."""
    off = {name: None for name in NAMES if name not in names}
    return replace(EVERY, **{**off, **changes})  # type: ignore[arg-type]


def db(ratio: float) -> float:
    return float(10 * np.log10(ratio))


def power(waveform: NDArray[np.floating]) -> float:
    return float(np.mean(waveform.astype(np.float64) ** 2))


def measured_snr_db(scene: Scene) -> float:
    """Return the SNR by its definition, all that is not target being noise."""
    clean = scene.mixture.clean
    residual = scene.mixture.noisy.astype(np.float64) - clean
    return db(active_speech_power(clean, HOP) / power(residual))


@given(seed=st.integers(0, 2**32 - 1), names=st.sets(st.sampled_from(NAMES)))
def test_whatever_is_on_a_mixture_is_the_sum_of_its_parts_at_the_snr_it_says(
    reader: MadeUpReader, seed: int, names: set[str]
) -> None:
    scene, plain = scene_of(reader, seed, only(*names)), scene_of(reader, seed, only())
    mixture = scene.mixture
    assert all(signal.dtype == np.float32 and signal.shape == (32_000 // HOP * HOP,) for signal in mixture)
    assert all(np.isfinite(signal).all() for signal in mixture)
    np.testing.assert_array_equal(mixture.noisy, mixture.clean + mixture.noise)
    assert max(np.abs(signal).max() for signal in mixture) <= PEAK_LIMIT * (1 + 1e-6)
    assert scene.snr_db == pytest.approx(measured_snr_db(scene), abs=0.01)
    assert Levels().compute(scene, Corpus((), (), (), ()), {})["mixture_snr_db"] == pytest.approx(scene.snr_db)
    if not names & {"reverberation", "clipping"}:
        assert scene.snr_db == plain.snr_db, "what was drawn"
    for excerpt, expected in zip(scene.excerpts, plain.excerpts, strict=True):
        assert excerpt.start == expected.start and excerpt.path == expected.path
    assert scene.noise == plain.noise
    if max(np.abs(signal).max() for signal in mixture) < 0.98:
        level_db = db(power(mixture.noisy))
        if max(np.abs(signal).max() for signal in plain.mixture) < 0.98:
            assert level_db == pytest.approx(db(power(plain.mixture.noisy)), abs=0.01)


@given(seed=st.integers(0, 2**32 - 1))
def test_switched_off_is_switched_off(reader: MadeUpReader, seed: int) -> None:
    zero = only(**{name: replace(getattr(EVERY, name), probability=0.0) for name in NAMES})
    absent, never = scene_of(reader, seed, only()), scene_of(reader, seed, zero)
    for one, other in zip(absent.mixture, never.mixture, strict=True):
        np.testing.assert_array_equal(one, other)
    assert absent.excerpts == never.excerpts and absent.further_noise == never.further_noise == ()


def test_every_augmentation_does_something(reader: MadeUpReader) -> None:
    plain = scene_of(reader, 5, only()).mixture
    for name in NAMES:
        assert np.abs(scene_of(reader, 5, only(name)).mixture.noisy - plain.noisy).max() > 1e-3, name


def test_a_scene_is_a_function_of_its_seed(reader: MadeUpReader) -> None:
    first, again, other = (scene_of(reader, seed, EVERY) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.mixture.noisy, again.mixture.noisy)
    assert first.excerpts == again.excerpts and first.further_noise == again.further_noise
    assert np.abs(first.mixture.noisy - other.mixture.noisy).max() > 1e-3


def scale_between(signal: Waveform, reference: NDArray[np.floating]) -> tuple[float, float]:
    """Return the gain from a reference to a signal, and the share of the signal's power that it leaves unexplained."""
    one, other = signal.astype(np.float64), reference.astype(np.float64)
    gain = float(np.dot(one, other) / np.dot(other, other))
    return gain, power(one - gain * other) / power(one)


@given(seed=st.integers(0, 2**32 - 1), early_ms=st.floats(0.0, 80.0))
def test_the_target_holds_early_reflections_in_time_and_the_noise_the_late_ones(
    reader: MadeUpReader, seed: int, early_ms: float
) -> None:
    settings = only("reverberation", reverberation=Reverberation(1.0, early_ms=early_ms))
    wet, dry = scene_of(reader, seed, settings).mixture, scene_of(reader, seed, only()).mixture
    cut = LEAD + 1 + GRID.seconds_to_samples(early_ms / 1000)
    unexplained = []
    for name in ("hall", "bathroom"):
        room = reader.read(Path(name)).astype(np.float64)
        early = np.convolve(dry.clean, room[:cut])[LEAD : LEAD + len(dry.clean)]
        late = np.convolve(dry.clean, room)[LEAD : LEAD + len(dry.clean)] - early
        gain, rest = scale_between(wet.clean, early)
        unexplained.append(rest)
        if rest < 1e-8:  # this is the room that was drawn
            _, shifted = scale_between(wet.clean, np.roll(early, 1))
            assert shifted > 1e-3, "one sample late would be seen"
            _, rest = scale_between((wet.noise - gain * late).astype(np.float32), dry.noise)
            assert rest < 1e-6, "beside late reverberation there is the background alone"
    assert min(unexplained) < 1e-8


def test_the_drawn_snr_is_that_of_the_background_and_late_reverberation_comes_on_top(reader: MadeUpReader) -> None:
    for seed in range(10):
        dry, wet = (scene_of(reader, seed, only(*names)) for names in ((), ("reverberation",)))
        assert wet.snr_db < dry.snr_db
        quiet = only("reverberation", snr_db=(60.0, 60.0))
        assert scene_of(reader, seed, quiet).snr_db < 30, "late reverberation alone"


def test_the_noise_gets_another_room_if_asked(reader: MadeUpReader) -> None:
    other = {"hall": "bathroom", "bathroom": "hall"}
    drawn = set()
    for seed in range(8):
        settings = only("reverberation", reverberation=Reverberation(1.0, early_ms=1000.0, noise_probability=1.0))
        wet, dry = scene_of(reader, seed, settings).mixture, scene_of(reader, seed, only()).mixture
        heard = {}
        for name in other:
            room = reader.read(Path(name)).astype(np.float64)[: len(dry.noise)]
            spoken = np.convolve(dry.clean, room)[LEAD : LEAD + len(dry.clean)]
            rung = np.fft.irfft(np.fft.rfft(dry.noise) * np.fft.rfft(room, len(dry.noise)), len(dry.noise))
            for layer, expected in (("clean", spoken), ("noise", np.roll(rung, -LEAD))):
                if scale_between(getattr(wet, layer), expected)[1] < 1e-6:
                    heard[layer] = name
        assert heard["noise"] == other[heard["clean"]]
        drawn.add(heard["clean"])
    assert drawn == {"hall", "bathroom"}


def test_reverberation_without_responses_is_refused_by_key(reader: MadeUpReader) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(CorpusError, match=r"data\.mixing\.reverberation\.probability is above 0, but .*rir\.csv"):
        draw_scene(SPEECH, RAIN, reader, GRID, only("reverberation"), rng, SceneSources([RAIN], []))
    always = only("reverberation", reverberation=Reverberation(1.0, noise_probability=1.0))
    with pytest.raises(CorpusError, match=r"noise_probability above 0 only one"):
        draw_scene(SPEECH, RAIN, reader, GRID, always, rng, SceneSources([RAIN], ROOMS[:1]))


@pytest.mark.parametrize("count", [1, 2])
def test_further_noises_lie_below_the_main_one_and_do_not_name_the_class(reader: MadeUpReader, count: int) -> None:
    settings = only("additional_noise", additional_noise=AdditionalNoise(1.0, (count, count), (6.0, 9.0)))
    corpus = Corpus(tuple(SPEECH), (*RAIN, *TONES), ("rain", "tone"), ("anna",))
    added = set()
    for seed in range(30):
        scene, plain = scene_of(reader, seed, settings), scene_of(reader, seed, only())
        assert len(scene.further_noise) == count
        assert scene.noise not in scene.further_noise
        added |= {record.path.name for record in scene.further_noise}
        assert Labels().compute(scene, corpus, {})["noise_class"] == 0
        assert scene.snr_db == plain.snr_db == pytest.approx(measured_snr_db(scene), abs=0.01), "over the sum"
        if count == 1:
            gain, share = scale_between(scene.mixture.noise, plain.mixture.noise)
            assert gain > 0
            relative_db = db((1 - share) / share)  # main noise over what was added, which is uncorrelated with it
            assert 5.6 < relative_db < 9.4
    assert added == {"rain1", "rain2", "tone1", "tone2"}


def test_a_single_noise_recording_has_nothing_to_add(reader: MadeUpReader) -> None:
    with pytest.raises(CorpusError, match=r"additional_noise\.probability is above 0, but rain1 is the only noise"):
        draw_scene(
            SPEECH,
            RAIN[:1],
            reader,
            GRID,
            only("additional_noise"),
            np.random.default_rng(0),
            SceneSources([RAIN[:1]], []),
        )


@given(seed=st.integers(0, 2**32 - 1))
def test_clipping_leaves_the_target_alone(reader: MadeUpReader, seed: int) -> None:
    settings = only("clipping", clipping=Clipping(1.0, (6.0, 10.0)))
    clipped, plain = scene_of(reader, seed, settings).mixture, scene_of(reader, seed, only()).mixture
    gain, rest = scale_between(clipped.clean, plain.clean)
    assert rest < 1e-10
    intended = gain * plain.noisy
    limit = np.abs(clipped.noisy).max()
    assert 6.0 - 0.01 < 20 * np.log10(np.abs(intended).max() / limit) < 10.0 + 0.01
    np.testing.assert_allclose(clipped.noisy, np.clip(intended, -limit, limit), atol=1e-5)


@given(seed=st.integers(0, 2**32 - 1), cutoff_hz=st.sampled_from([3400.0, 5500.0]))
def test_a_band_limit_holds_for_all_signals(reader: MadeUpReader, seed: int, cutoff_hz: float) -> None:
    settings = only("band_limit", "reverberation", band_limit=BandLimit(1.0, (cutoff_hz,)))
    for signal in scene_of(reader, seed, settings).mixture:
        spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal)))) ** 2
        frequency_hz = np.fft.rfftfreq(len(signal), 1 / RATE)
        above = spectrum[frequency_hz > cutoff_hz + 300].sum() / spectrum.sum()
        assert above < 1e-5


def test_speech_and_noise_are_equalized_differently(reader: MadeUpReader) -> None:
    settings = only("equalization", equalization=Equalization(1.0, (-12.0, 12.0)))
    distances, noise_curves = [], []
    for seed in range(10):
        wet, dry = scene_of(reader, seed, settings).mixture, scene_of(reader, seed, only()).mixture
        curves = []
        for name in ("clean", "noise"):
            spectra = [np.abs(np.fft.rfft(getattr(mixture, name))) ** 2 for mixture in (wet, dry)]
            bands = [spectrum[: len(spectrum) // 64 * 64].reshape(64, -1).sum(axis=1) for spectrum in spectra]
            curves.append(10 * np.log10(bands[0] / bands[1]))
        distances.append(np.std(curves[0] - curves[1]))
        noise_curves.append(curves[1] - curves[1].mean())
    assert np.mean(distances) > 2, "in dB, beside a common gain"
    assert np.std(noise_curves, axis=0).mean() > 1, "another curve in every mixture"


@given(seed=st.integers(0, 2**32 - 1), factor=st.sampled_from([0.8, 0.9, 1.1, 1.25]))
def test_excerpts_at_another_speed_hold_the_recording_at_the_scaled_time(
    reader: MadeUpReader, seed: int, factor: float
) -> None:
    scene = scene_of(reader, seed, only("speed", speed=SpeedPerturbation(1.0, (factor,))))
    plain = scene_of(reader, seed, only())
    assert scene.excerpts
    for excerpt, slot in zip(scene.excerpts, plain.excerpts, strict=True):
        recording = reader.read(excerpt.path)
        assert excerpt.speed == pytest.approx(factor)
        assert excerpt.source_start % HOP == excerpt.start % HOP == excerpt.length % HOP == 0
        assert excerpt.start == slot.start and 0 < excerpt.length <= slot.length
        assert excerpt.source_start + (excerpt.length - HOP) * factor < len(recording)
        inner = np.arange(300, excerpt.length - 300)
        if len(inner) < 1000:
            continue
        # The speech here is noise up to 8 kHz, of which linear interpolation follows the lower part only.
        smooth = [np.convolve(signal, np.hanning(17) / 8, mode="same") for signal in (recording, scene.mixture.clean)]
        expected = np.interp(excerpt.source_start + inner * factor, np.arange(len(recording)), smooth[0])
        late = np.interp(excerpt.source_start + (inner + HOP) * factor, np.arange(len(recording)), smooth[0])
        heard = smooth[1][excerpt.start + inner]
        assert np.corrcoef(heard, expected)[0, 1] > 0.9
        assert abs(np.corrcoef(heard, late)[0, 1]) < 0.5


@given(seed=st.integers(0, 2**32 - 1), factor=st.sampled_from([0.8, 1.25]))
def test_noise_at_another_speed_is_that_of_the_recording_at_scaled_frequencies(seed: int, factor: float) -> None:
    tone = np.sin(2 * np.pi * 1000.0 / RATE * np.arange(3 * RATE))
    hiss = 0.1 * np.random.default_rng(1).standard_normal(4 * RATE)
    tonal = MadeUpReader({"long": hiss, "other": hiss, "tone": tone})
    records = [NoiseRecord(Path("tone"), "tone", "train")]
    settings = only("noise_speed", noise_speed=NoiseSpeed(1.0, (factor,)))
    scene, plain = (
        draw_scene(SPEECH, records, tonal, GRID, chosen, np.random.default_rng(seed)) for chosen in (settings, only())
    )
    spectrum = np.abs(np.fft.rfft(scene.mixture.noise * np.hanning(len(scene.mixture.noise))))
    assert np.argmax(spectrum) * RATE / len(scene.mixture.noise) == pytest.approx(1000.0 * factor, abs=1.0)
    assert len(scene.mixture.noise) == len(plain.mixture.noise)
    assert scene.snr_db == plain.snr_db and scene.noise == plain.noise and scene.excerpts == plain.excerpts


def test_children_are_the_only_randomness_of_augmentations(reader: MadeUpReader) -> None:
    """The parent is left in the same state, so nothing that is drawn from it later changes."""
    states = []
    for settings in (only(), EVERY):
        rng = np.random.default_rng(4)
        draw_scene(SPEECH, RAIN, reader, GRID, settings, rng, SOURCES)
        states.append(rng.random())
    assert states[0] == states[1]
