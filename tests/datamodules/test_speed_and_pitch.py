"""F0 of speech at another speed: against a glide that is known at every sample, and one frame off must be seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from datamodules.audio import AudioReader
from datamodules.augmentation import SpeedPerturbation
from datamodules.corpus import Corpus, NoiseRecord, SpeechRecord
from datamodules.mixing_settings import MixingSettings
from datamodules.scene import Scene, draw_scene
from datamodules.targets import Pitch
from datamodules.targets.pitch import LARGEST_GLIDE, PitchTrack, read_track, track_pitch
from networks.framing import FrameGrid

GRID = FrameGrid()
HOP, RATE = GRID.hop_length, GRID.sample_rate
FloatArray = NDArray[np.floating]
TOLERANCE_CENTS = 20.0


def glide_hz(position: FloatArray) -> FloatArray:
    """Return the F0 of the voice at a sample: up to 48 cents in one frame, 30 on average."""
    return 170 * 2 ** (0.4 * np.sin(2 * np.pi * position / RATE))


class Voice(NamedTuple):
    """A corpus of one voice that never pauses, its F0 known, with the tracks of its recording in a cache."""

    corpus: Corpus
    pitch: Pitch
    reader: AudioReader


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Voice:
    folder = tmp_path_factory.mktemp("glide")
    phase = 2 * np.pi * np.cumsum(glide_hz(np.arange(4 * RATE))) / RATE
    soundfile.write(folder / "voice.wav", np.sum([0.1 * np.sin(k * phase) / k for k in range(1, 12)], axis=0), RATE)
    soundfile.write(folder / "noise.wav", 0.1 * np.random.default_rng(0).standard_normal(3 * RATE), RATE)
    speech = SpeechRecord(folder / "voice.wav", "anna", "F", "train")
    noise = NoiseRecord(folder / "noise.wav", "rain", "train")
    corpus = Corpus((speech,), (noise,), ("rain",), ("anna",))
    pitch, reader = Pitch(str(folder / "cache")), AudioReader(RATE, 8)
    pitch.prepare(corpus, ("train",), reader, GRID)
    return Voice(corpus, pitch, reader)


def scene_of(voice: Voice, factor: float, seed: int) -> Scene:
    speed = SpeedPerturbation(1.0, (factor,))
    settings = MixingSettings(segment_s=3.0, excerpt_s=(0.8, 1.6), pause_s=(0.1, 0.3), speed=speed)
    rng = np.random.default_rng(seed)
    return draw_scene(voice.corpus.speech, voice.corpus.noise, voice.reader, GRID, settings, rng)


def truth_hz(scene: Scene) -> FloatArray:
    """Return the F0 at the centre of every frame, NaN outside excerpts and at their edges."""
    f0_hz = np.full(scene.num_frames, np.nan)
    for excerpt in scene.excerpts:
        frames = np.arange(excerpt.start // HOP + 3, (excerpt.start + excerpt.length) // HOP - 2)
        source = excerpt.source_start + (frames * HOP - excerpt.start) * excerpt.speed
        f0_hz[frames] = excerpt.speed * glide_hz(source)
    return f0_hz


def mean_error_cents(f0_hz: FloatArray, truth: FloatArray, shift: int) -> float:
    """Return the mean distance if the F0 came so many frames later."""
    cents = np.abs(1200 * np.log2(np.roll(f0_hz, shift) / truth))
    assert np.isfinite(cents).sum() > 60
    return float(np.nanmean(cents))


@pytest.mark.parametrize("factor", [0.8, 0.9, 1.0, 1.05, 1.25])
def test_f0_of_a_perturbed_voice_is_right_and_in_time(voice: Voice, factor: float) -> None:
    for seed in (0, 1):
        scene = scene_of(voice, factor, seed)
        assert {excerpt.speed for excerpt in scene.excerpts} == {factor}
        everywhere = np.ones(scene.num_frames, dtype=np.float32)
        target = voice.pitch.compute(scene, voice.corpus, {"vad": everywhere})["f0_hz"]
        heard = track_pitch(scene.mixture.clean, HOP, "tiny", (60.0, 500.0), batch_size=64).f0_hz
        truth = truth_hz(scene)
        assert np.isfinite(target[np.isfinite(truth)]).mean() > 0.98, "voiced throughout"
        for name, f0_hz in (("target", target), ("what CREPE hears in the mixture's clean speech", heard)):
            errors = {shift: mean_error_cents(f0_hz, truth, shift) for shift in (-1, 0, 1)}
            assert errors[0] < TOLERANCE_CENTS, name
            assert min(errors[-1], errors[1]) > TOLERANCE_CENTS, f"{name}: one frame off must fail"
        unscaled = mean_error_cents(target / np.float32(factor), truth, 0)
        assert unscaled > TOLERANCE_CENTS or factor == 1.0, "an F0 that is not scaled must fail"


def test_voicing_of_a_perturbed_voice_lies_in_its_excerpts(voice: Voice) -> None:
    for factor in (0.8, 1.25):
        scene = scene_of(voice, factor, seed=3)
        everywhere = np.ones(scene.num_frames, dtype=np.float32)
        voicing = voice.pitch.compute(scene, voice.corpus, {"vad": everywhere})["voicing"]
        inside = np.zeros(scene.num_frames, dtype=bool)
        for excerpt in scene.excerpts:
            inside[excerpt.start // HOP : (excerpt.start + excerpt.length) // HOP] = True
        np.testing.assert_array_equal(voicing > 0, inside)


@given(count=st.integers(1, 60), seed=st.integers(0, 2**32 - 1))
def test_a_track_at_whole_frames_is_itself(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    track = PitchTrack(rng.uniform(60, 500, count).astype(np.float32), rng.random(count).astype(np.float32))
    for one, other in zip(read_track(track, np.arange(count, dtype=np.float64)), track, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_track_is_read_between_its_frames_but_not_across_a_jump() -> None:
    octave = np.float32(100 * 2 ** (LARGEST_GLIDE * 2))
    track = PitchTrack(np.array([100, 110, octave], np.float32), np.array([0.2, 0.4, 0.8], np.float32))
    read = read_track(track, np.array([0.0, 0.5, 1.25, 1.75, 2.0]))
    np.testing.assert_allclose(read.f0_hz, [100, 105, 110, octave, octave], rtol=1e-6)
    np.testing.assert_allclose(read.periodicity, [0.2, 0.3, 0.5, 0.7, 0.8], rtol=1e-6)
