"""Scenes: where the speech comes from, where the pauses are, and what noise is cut or repeated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from datamodules.audio import AudioReader
from datamodules.background import draw_noise
from datamodules.corpus import CorpusError, NoiseRecord, SpeechRecord, read_corpus
from datamodules.excerpts import FADE_S, Excerpt, draw_speech
from datamodules.mixing import Waveform, active_speech_power, power_db
from datamodules.mixing_settings import MixingSettings
from datamodules.scene import Scene, draw_scene
from datamodules.synthetic_speech import draw_voice, synthesize_utterance
from datamodules.targets.vad import detect_voice
from networks.framing import FrameGrid

GRID = FrameGrid()
HOP = GRID.hop_length
FADE = GRID.seconds_to_samples(FADE_S)


class MadeUpReader(AudioReader):
    """Recordings that never were on disk, by path."""

    def __init__(self, recordings: Mapping[str, NDArray[np.floating]]) -> None:
        super().__init__(GRID.sample_rate, cache_mb=1)
        self.recordings = {Path(name): samples.astype(np.float32) for name, samples in recordings.items()}

    def read(self, path: Path) -> Waveform:
        return self.recordings[path]


def syllables(seconds: float, seed: int) -> Waveform:
    """Noise bursts of random level with quiet gaps, never digitally silent."""
    rng = np.random.default_rng(seed)
    num_samples = round(seconds * GRID.sample_rate)
    envelope = np.concatenate(
        [np.repeat([rng.uniform(0.02, 0.2), 1e-3], rng.integers([1500, 800], [5000, 2000])) for _ in range(100)]
    )
    return (rng.standard_normal(num_samples) * envelope[:num_samples]).astype(np.float32)


def speech_of(*names: str) -> list[SpeechRecord]:
    return [SpeechRecord(Path(name), "anna", "F", "train") for name in names]


def noise_of(*names: str) -> list[NoiseRecord]:
    return [NoiseRecord(Path(name), "rain", "train") for name in names]


@pytest.fixture(scope="module")
def reader() -> MadeUpReader:
    rng = np.random.default_rng(9)
    return MadeUpReader(
        {
            "long": syllables(7.3, 0),
            "other": syllables(5.1, 1),
            "short": syllables(0.4, 2),
            "noise": 0.1 * rng.standard_normal(9 * 16000 + 77),
            "brief noise": 0.1 * rng.standard_normal(20_000),
        }
    )


def scene_of(reader: AudioReader, seed: int, settings: MixingSettings) -> Scene:
    speech, noise = speech_of("long", "other", "short"), noise_of("noise", "brief noise")
    return draw_scene(speech, noise, reader, GRID, settings, np.random.default_rng(seed))


def check_bounds(excerpts: tuple[Excerpt, ...], reader: MadeUpReader, num_samples: int) -> None:
    assert excerpts
    end = 0
    for excerpt in excerpts:
        assert excerpt.source_start % HOP == excerpt.start % HOP == excerpt.length % HOP == 0
        assert excerpt.length > 0
        assert end <= excerpt.start
        end = excerpt.start + excerpt.length
        assert 0 <= excerpt.source_start <= len(reader.read(excerpt.path)) - excerpt.length
    assert end <= num_samples


@given(
    seed=st.integers(0, 2**32 - 1),
    segment_s=st.floats(0.5, 6.0),
    excerpt_s=st.tuples(st.floats(0.02, 2.0), st.floats(2.0, 9.0)),
    pause_s=st.tuples(st.floats(0.0, 0.2), st.floats(0.2, 0.45)),
)
def test_excerpts_lie_on_hops_and_hold_the_source_up_to_one_gain(
    reader: MadeUpReader,
    seed: int,
    segment_s: float,
    excerpt_s: tuple[float, float],
    pause_s: tuple[float, float],
) -> None:
    scene = scene_of(reader, seed, MixingSettings(segment_s=segment_s, excerpt_s=excerpt_s, pause_s=pause_s))
    clean = scene.mixture.clean
    assert len(clean) == GRID.floor_to_hop(GRID.seconds_to_samples(segment_s))
    assert scene.num_frames == 1 + len(clean) // HOP
    check_bounds(scene.excerpts, reader, len(clean))

    source, inside = np.zeros_like(clean), np.zeros(len(clean), dtype=bool)
    outside = np.ones(len(clean), dtype=bool)
    for excerpt in scene.excerpts:
        span = slice(excerpt.start, excerpt.start + excerpt.length)
        source[span] = reader.read(excerpt.path)[excerpt.source_start : excerpt.source_start + excerpt.length]
        inside[excerpt.start + FADE : excerpt.start + excerpt.length - FADE] = True
        outside[span] = False
    assert not clean[outside].any(), "pauses are digital silence"
    if inside.any():
        gain = np.dot(clean[inside], source[inside]) / np.dot(source[inside], source[inside])
        assert gain > 0
        np.testing.assert_allclose(clean[inside], gain * source[inside], rtol=1e-4, atol=1e-7)
        faded = ~inside & ~outside
        assert (np.abs(clean[faded]) <= gain * np.abs(source[faded]) * 1.001 + 1e-7).all()


def test_excerpts_fade_in_and_out_and_are_cut_where_it_is_quiet(reader: MadeUpReader) -> None:
    settings = MixingSettings(segment_s=12.0, excerpt_s=(1.0, 2.0))
    edges, quiet = [], []
    long = reader.read(Path("long"))
    hops = (long[: GRID.floor_to_hop(len(long))].reshape(-1, HOP) ** 2).mean(axis=1)
    for seed in range(20):
        clean, excerpts = draw_speech(
            speech_of("long"), reader, GRID, settings, 12 * 16000, np.random.default_rng(seed)
        )
        for excerpt in excerpts[:-1]:  # the last is cut by the end of the mixture
            piece = clean[excerpt.start : excerpt.start + excerpt.length]
            edges += [abs(piece[0]), abs(piece[-1])]
            quiet += [hops[excerpt.source_start // HOP], hops[(excerpt.source_start + excerpt.length) // HOP]]
    assert max(edges) == 0.0
    assert np.mean(np.array(quiet) < 1e-4) > 0.9
    assert np.mean(hops < 1e-4) < 0.5, "the recording itself is mostly loud"


def test_lengths_of_excerpts_and_pauses_fill_their_ranges(reader: MadeUpReader) -> None:
    settings = MixingSettings(excerpt_s=(1.0, 2.0), pause_s=(0.3, 0.8))
    _, excerpts = draw_speech(speech_of("long"), reader, GRID, settings, 300 * 16000, np.random.default_rng(0))
    lengths_s = np.array([excerpt.length for excerpt in excerpts[:-1]]) / 16000
    starts = np.array([excerpt.start for excerpt in excerpts])
    pauses_s = (starts[1:] - starts[:-1]) / 16000 - lengths_s
    assert 0.3 - HOP / 16000 <= pauses_s.min() < 0.35
    assert 0.75 < pauses_s.max() <= 0.8
    assert lengths_s.min() >= 1.0 - 0.45 and lengths_s.max() <= 2.0 + 0.45  # two cuts move by 0.2 s at most
    assert lengths_s.mean() == pytest.approx(1.5, abs=0.15)


def test_snr_and_level_are_drawn_from_their_ranges_and_measured_back(reader: MadeUpReader) -> None:
    settings = MixingSettings(snr_db=(-5.0, 15.0), level_dbfs=(-35.0, -25.0))
    drawn = []
    for seed in range(40):
        scene = scene_of(reader, seed, settings)
        mixture = scene.mixture
        noise_db = power_db(float(np.mean(mixture.noise.astype(np.float64) ** 2)))
        measured = power_db(active_speech_power(mixture.clean, HOP)) - noise_db
        assert measured == pytest.approx(scene.snr_db, abs=0.01)
        drawn.append((scene.snr_db, power_db(float(np.mean(mixture.noisy.astype(np.float64) ** 2)))))
    snr_db, level_dbfs = np.array(drawn).T
    assert -5 <= snr_db.min() < -2 and 12 < snr_db.max() <= 15
    assert -35.01 <= level_dbfs.min() < -33 and -27 < level_dbfs.max() <= -24.99


def non_speech_share(reader: AudioReader, records: list[list[SpeechRecord]], draws: int) -> float:
    rng = np.random.default_rng(0)
    settings = MixingSettings()
    speech_frames = []
    for draw in range(draws):
        clean, _ = draw_speech(records[draw % len(records)], reader, GRID, settings, 4 * 16000, rng)
        speech_frames.append(detect_voice(clean, GRID, aggressiveness=2).mean())
    return 1 - float(np.mean(speech_frames))


def test_share_of_non_speech_with_synthetic_speech() -> None:
    rng = np.random.default_rng(0)
    reader = MadeUpReader(
        {name: synthesize_utterance(draw_voice(name, rng), 4 * 16000, 16000, rng).waveform for name in ("F", "M")}
    )
    assert 0.3 < non_speech_share(reader, [speech_of("F"), speech_of("M")], draws=40) < 0.55


def test_share_of_non_speech_with_recorded_speech(shared_corpus: Path) -> None:
    corpus = read_corpus(shared_corpus)
    by_speaker: dict[str, list[SpeechRecord]] = {}
    for record in corpus.speech_of("train"):
        by_speaker.setdefault(record.speaker, []).append(record)
    records = [by_speaker[speaker] for speaker in sorted(by_speaker)][::3]
    assert 0.3 < non_speech_share(AudioReader(16000, 64), records, draws=len(records)) < 0.5


def test_silent_speech_is_refused_and_its_speaker_named() -> None:
    reader = MadeUpReader({"silent": np.zeros(30_000)})
    with pytest.raises(CorpusError, match=r"^silent: only silence was found in the recordings of 'anna'"):
        draw_speech(speech_of("silent"), reader, GRID, MixingSettings(), 16000, np.random.default_rng(0))


def test_speech_shorter_than_a_hop_is_refused() -> None:
    reader = MadeUpReader({"tiny": np.ones(HOP - 1)})
    with pytest.raises(CorpusError, match=r"^tiny: shorter than one hop of 256 samples"):
        draw_speech(speech_of("tiny"), reader, GRID, MixingSettings(), 16000, np.random.default_rng(0))


def test_silent_excerpts_among_speech_are_drawn_again() -> None:
    half_silent = syllables(20.0, 3)
    half_silent[: 10 * 16000] = 0
    reader = MadeUpReader({"half": half_silent})
    for seed in range(30):
        clean, _ = draw_speech(speech_of("half"), reader, GRID, MixingSettings(), 16000, np.random.default_rng(seed))
        assert power_db(active_speech_power(clean, HOP)) > -60


def test_noise_is_an_excerpt_anywhere_in_the_recording() -> None:
    numbered = (np.arange(1, 40_001) / 40_000).astype(np.float32)
    reader = MadeUpReader({"noise": numbered})
    starts = []
    for seed in range(200):
        _, noise = draw_noise(noise_of("noise"), reader, GRID, 16_000, np.random.default_rng(seed))
        start = round(float(noise[0]) * 40_000) - 1
        np.testing.assert_array_equal(noise, numbered[start : start + 16_000])
        starts.append(start)
    assert min(starts) < 1000 and max(starts) > 23_000
    _, whole = draw_noise(noise_of("noise"), reader, GRID, 40_000, np.random.default_rng(0))
    np.testing.assert_array_equal(whole, numbered)


@pytest.mark.parametrize("num_samples", [15_900, 9_000, 801])
def test_short_noise_is_repeated_without_a_jump(num_samples: int) -> None:
    ramp = np.linspace(0.5, -0.5, num_samples)  # its ends differ by full scale, its steps are tiny
    reader = MadeUpReader({"ramp": ramp})
    beginnings = set()
    for seed in range(30):
        _, noise = draw_noise(noise_of("ramp"), reader, GRID, 4 * 16_000, np.random.default_rng(seed))
        assert noise.shape == (4 * 16_000,)
        assert np.abs(np.diff(noise)).max() < 0.1
        beginnings.add(round(float(noise[0]), 2))
    assert len(beginnings) > 10, "repeated noise starts anywhere in the recording"


def test_repeating_noise_keeps_its_power() -> None:
    rng = np.random.default_rng(0)
    reader = MadeUpReader({"hiss": 0.1 * rng.standard_normal(8000)})
    _, noise = draw_noise(noise_of("hiss"), reader, GRID, 160_000, rng)
    hops = (noise.reshape(-1, 400) ** 2).mean(axis=1)
    assert hops.mean() == pytest.approx(0.01, rel=0.1)
    assert hops.min() > 0.005, "no dip at the seams"


def test_a_noise_of_one_sample_is_repeated() -> None:
    reader = MadeUpReader({"dc": np.array([0.25])})
    _, noise = draw_noise(noise_of("dc"), reader, GRID, 1000, np.random.default_rng(0))
    np.testing.assert_array_equal(noise, np.full(1000, 0.25, dtype=np.float32))


def test_silent_noise_is_refused_and_silent_parts_are_avoided() -> None:
    half_silent = np.random.default_rng(0).standard_normal(100_000) * 0.1
    half_silent[:70_000] = 0
    reader = MadeUpReader({"half": half_silent, "silent": np.zeros(50_000), "short": np.zeros(500)})
    for seed in range(30):
        _, noise = draw_noise(noise_of("half"), reader, GRID, 16_000, np.random.default_rng(seed))
        assert noise.any()
    for name in ("silent", "short"):
        with pytest.raises(CorpusError, match=f"^{name}: only silence was found"):
            draw_noise(noise_of(name), reader, GRID, 16_000, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"snr_db": (10.0, 0.0)}, r"data\.mixing\.snr_db: the first value must not exceed .*\[10\.0, 0\.0\]"),
        ({"level_dbfs": (-10.0, -20.0)}, r"data\.mixing\.level_dbfs"),
        ({"excerpt_s": (2.0, 1.0)}, r"data\.mixing\.excerpt_s"),
        ({"pause_s": (1.0, 0.5)}, r"data\.mixing\.pause_s"),
        ({"segment_s": 1.0, "pause_s": (1.0, 1.5)}, r"data\.mixing\.pause_s: the shortest pause must be shorter"),
        ({"segment_s": 0.0}, r"data\.mixing: segment_s .* must be positive"),
        ({"excerpt_s": (0.0, 1.0)}, r"data\.mixing: .*excerpt_s must be positive"),
        ({"pause_s": (-0.1, 1.0)}, r"data\.mixing: .*pause_s not negative"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused_by_key(arguments: dict[str, tuple[float, float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MixingSettings(**arguments)  # type: ignore[arg-type]
