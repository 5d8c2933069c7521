"""Targets against signals whose truth is known, and in time with them: one frame off must be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import pytest
import webrtcvad
from numpy.typing import NDArray

from datamodules.audio import AudioReader
from datamodules.corpus import Corpus, NoiseRecord, SpeechRecord, read_corpus
from datamodules.dataset import MixtureDataset
from datamodules.mixing import Mixture, Waveform, mix
from datamodules.sampler import ItemKey
from datamodules.scene import MixingSettings, Scene
from datamodules.synthetic import SyntheticCorpus, generate, truth_path
from datamodules.synthetic_speech import Utterance, draw_voice, synthesize_utterance
from datamodules.targets import Labels, Levels, Pitch, VoiceActivity
from datamodules.targets.base import TargetArray
from datamodules.targets.pitch import track_pitch
from datamodules.targets.vad import detect_voice
from networks.framing import FrameGrid

GRID = FrameGrid()
HOP = GRID.hop_length
RATE = GRID.sample_rate
FloatArray = NDArray[np.floating]
Scalar = TypeVar("Scalar", bound=np.generic)


def scene_of(
    clean: Waveform,
    noise: Waveform | None = None,
    grid: FrameGrid = GRID,
    speaker: tuple[str, str] = ("anna", "F"),
    category: str = "rain",
) -> Scene:
    noise = np.full_like(clean, 1e-3) if noise is None else noise
    return Scene(
        grid,
        Mixture(clean + noise, clean, noise),
        (),
        4.5,
        SpeechRecord(Path("speech"), *speaker, "train"),
        NoiseRecord(Path("noise"), category, "train"),
    )


CORPUS = Corpus((), (), ("hum", "rain", "wind"), ("anna", "bert", "cleo"))


def utterance_of(sex: str, seconds: float, seed: int = 0) -> Utterance:
    rng = np.random.default_rng(seed)
    return synthesize_utterance(draw_voice(sex, rng), round(seconds * RATE), RATE, rng)


def at_centres(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """Sample a signal at the centre of every frame."""
    return values[np.minimum(np.arange(GRID.num_frames(len(values))) * HOP, len(values) - 1)]


# --- voice activity ---------------------------------------------------------------------------------------------------


def vad_of(clean: Waveform, aggressiveness: int = 2) -> TargetArray:
    return VoiceActivity(aggressiveness).compute(scene_of(clean), CORPUS, {})["vad"]


def test_vad_is_the_detector_on_30_ms_centred_on_each_frame() -> None:
    clean = utterance_of("F", 3.0).waveform
    clean *= np.float32(10 ** (-26 / 20)) / np.sqrt(np.mean(clean[at_samples_above(clean)] ** 2))
    padded = np.concatenate([np.zeros(480), clean, np.zeros(480)])

    def reference(offset: int) -> TargetArray:
        detector = webrtcvad.Vad(2)
        active = []
        for frame in range(GRID.num_frames(len(clean))):
            centre = 480 + frame * 256 + offset
            pcm = np.round(padded[centre - 240 : centre + 240] * 32768).astype("<i2")
            active.append(detector.is_speech(pcm.tobytes(), RATE))
        return np.array(active, dtype=np.float32)

    agreement = {offset: np.mean(vad_of(clean) == reference(offset)) for offset in (-128, 0, 128)}
    assert agreement[0] > 0.995
    assert max(agreement[-128], agreement[128]) < agreement[0]


def at_samples_above(clean: Waveform) -> NDArray[np.bool_]:
    """Tell which samples lie in hops within 15.9 dB of the loud ones: an independent, rough active level."""
    power = (clean[: len(clean) // HOP * HOP].reshape(-1, HOP) ** 2).mean(axis=1)
    level = power[power > power.mean() / 10].mean()
    return np.append((power > level / 39).repeat(HOP), np.zeros(len(clean) % HOP, dtype=bool))


def test_vad_starts_with_the_first_window_that_holds_speech() -> None:
    """The detector may be late by its own nature; early it cannot be, and at times it is in time."""
    vowel = utterance_of("M", 1.0)
    start = int(np.flatnonzero(vowel.voicing)[0])
    delays = []
    for onset in range(8000, 8000 + 16 * 40, 40):
        clean = np.zeros(24_000, dtype=np.float32)
        clean[onset : onset + 8000] = vowel.waveform[start : start + 8000]
        frame = int(np.flatnonzero(vad_of(clean))[0])
        delays.append(frame * HOP + 240 - onset)  # end of the window that was called speech
    assert min(delays) > 0, "no window before the onset is speech"
    assert min(delays) < HOP, "one frame late at most"


@pytest.mark.parametrize("sex", ["F", "M"])
def test_vad_agrees_with_the_activity_of_synthetic_speech(sex: str) -> None:
    utterance = utterance_of(sex, 8.0, seed="FM".index(sex))
    clean = utterance.waveform
    truth = at_centres(utterance.activity)
    vad = vad_of(clean) > 0
    assert vad[truth].mean() > 0.95
    assert (~vad[~truth]).mean() > 0.7  # the detector holds on for some frames after speech
    agreement = np.mean(vad == truth)
    assert agreement > 0.92
    late = np.mean(np.append(False, vad[:-1]) == truth)
    assert agreement > late + 0.003, "one frame later is measurably worse; earlier is not, the detector being late"


def test_vad_does_not_depend_on_level_or_on_what_was_heard_before() -> None:
    clean = utterance_of("F", 2.0).waveform
    first = vad_of(clean)
    assert 0.3 < first.mean() < 1
    np.testing.assert_array_equal(vad_of(clean * np.float32(2**-7)), first)
    np.testing.assert_array_equal(vad_of(clean), first)


def test_vad_of_silence_and_of_every_aggressiveness() -> None:
    assert not vad_of(np.zeros(10_000, dtype=np.float32)).any()
    clean = utterance_of("F", 4.0).waveform
    shares = [vad_of(clean, aggressiveness).mean() for aggressiveness in range(4)]
    assert shares[0] > shares[3]
    assert detect_voice(clean, GRID, 1).shape == (GRID.num_frames(len(clean)),)


def test_vad_refuses_what_the_detector_cannot_do() -> None:
    with pytest.raises(ValueError, match=r"VoiceActivity\.aggressiveness must be 0, 1, 2 or 3, got 4"):
        VoiceActivity(4)
    scene = scene_of(np.zeros(4096, dtype=np.float32), grid=FrameGrid(22050, 512, 256))
    with pytest.raises(ValueError, match=r"VoiceActivity needs a sample rate of .*16000.* Hz, got 22050"):
        VoiceActivity().compute(scene, CORPUS, {})


# --- levels -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed() -> Mixture:
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(4 * RATE) * np.repeat(rng.uniform(0.01, 0.2, 40), 4 * RATE // 40)
    return mix(utterance_of("M", 4.0).waveform, noise.astype(np.float32), 2.0, -28.0, HOP)


def test_frame_snr_and_levels_are_those_of_the_window_around_each_frame(mixed: Mixture) -> None:
    targets = Levels().compute(scene_of(mixed.clean, mixed.noise), CORPUS, {})
    clean = mixed.clean.astype(np.float64)
    residual = mixed.noisy.astype(np.float64) - clean
    assert targets["snr_db"].shape == (251,)
    for frame in range(251):
        span = slice(max(frame * HOP - 256, 0), frame * HOP + 256)
        speech_db = 10 * np.log10(np.sum(clean[span] ** 2) / 512)
        noise_db = 10 * np.log10(np.sum(residual[span] ** 2) / 512)
        assert targets["snr_db"][frame] == pytest.approx(np.clip(speech_db - noise_db, -20, 30), abs=0.1)
        assert targets["speech_level_dbfs"][frame] == pytest.approx(max(speech_db, -80), abs=0.1)
        assert targets["noise_level_dbfs"][frame] == pytest.approx(max(noise_db, -80), abs=0.1)
    assert targets["mixture_snr_db"] == 4.5
    assert targets["mixture_snr_db"].shape == ()
    assert all(values.dtype == np.float32 for values in targets.values())


def test_levels_are_clipped_to_their_ranges(mixed: Mixture) -> None:
    silent = np.zeros_like(mixed.clean)
    pause = Levels((-10.0, 5.0), floor_dbfs=-50.0).compute(scene_of(silent, mixed.noise), CORPUS, {})
    assert (pause["snr_db"] == -10).all()
    assert (pause["speech_level_dbfs"] == -50).all()
    quiet = Levels((-10.0, 5.0)).compute(scene_of(mixed.clean, np.full_like(silent, 1e-7)), CORPUS, {})
    assert quiet["snr_db"].max() == 5
    with pytest.raises(ValueError, match=r"Levels\.snr_range_db: the first value must be smaller, got \[5\.0, 5\.0\]"):
        Levels((5.0, 5.0))


# --- labels -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("speaker", "sex", "category", "expected"),
    [("anna", "F", "hum", (0, 0, 0)), ("bert", "M", "wind", (2, 1, 1)), ("cleo", "", "rain", (1, np.nan, 2))],
)
def test_labels_are_positions_in_the_sorted_names(
    speaker: str, sex: str, category: str, expected: tuple[float, float, float]
) -> None:
    scene = scene_of(np.ones(512, dtype=np.float32), speaker=(speaker, sex), category=category)
    labels = Labels().compute(scene, CORPUS, {})
    np.testing.assert_array_equal([labels[name] for name in ("noise_class", "speaker_sex", "speaker")], expected)
    assert all(label.shape == () and label.dtype == np.float32 for label in labels.values())


# --- pitch ------------------------------------------------------------------------------------------------------------


def cents(f0_hz: FloatArray, reference_hz: FloatArray) -> FloatArray:
    return 1200 * np.log2(f0_hz / reference_hz)


def joined(targets: Sequence[Mapping[str, NDArray[Scalar]]], name: str) -> NDArray[Scalar]:
    """Return one target of several scenes, one after the other."""
    return np.concatenate([target[name] for target in targets])


class Oracle(NamedTuple):
    """Mixtures of a generated corpus with their targets, and the truth on the same frames, one after the other."""

    scenes: list[Scene]
    corpus: Corpus
    pitch: Pitch
    vad: TargetArray
    f0_hz: TargetArray
    voicing: NDArray[np.bool_]
    true_f0_hz: FloatArray
    true_voicing: NDArray[np.bool_]
    true_activity: NDArray[np.bool_]
    sex: NDArray[np.str_]

    def again(self, pitch: Pitch, vad: TargetArray) -> tuple[TargetArray, NDArray[np.bool_]]:
        """Compute F0 and voicing of all scenes with other settings or other voice activity."""
        pieces = np.split(vad, len(self.scenes))
        targets = [pitch.compute(s, self.corpus, {"vad": piece}) for s, piece in zip(self.scenes, pieces, strict=True)]
        return joined(targets, "f0_hz"), joined(targets, "voicing") > 0


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    folder = tmp_path_factory.mktemp("oracle")
    settings = SyntheticCorpus(
        speakers_train=2,
        speakers_valid=2,
        speakers_test=2,
        utterances_per_speaker=1,
        utterance_s=2.5,
        noise_train=1,
        noise_valid=1,
        noise_test=1,
        noise_s=1.0,
    )
    corpus = read_corpus(generate(settings, folder / "corpus", GRID, progress=False))
    reader, pitch = AudioReader(RATE, 8), Pitch(str(folder / "pitch"))
    pitch.prepare(corpus, ("valid",), reader, GRID)
    targets = [VoiceActivity(), pitch]
    dataset = MixtureDataset(corpus, "valid", reader, GRID, MixingSettings(segment_s=3.0), targets, seed=1, stream=0)
    keys = [ItemKey(index, 0) for index in range(6)]
    scenes, items = [dataset.scene(key) for key in keys], [dataset[key]["targets"] for key in keys]
    truths = []
    for scene in scenes:
        truth = {
            "f0_hz": np.full(scene.num_frames, np.nan),
            "voicing": np.zeros(scene.num_frames),
            "activity": np.zeros(scene.num_frames),
        }
        for excerpt in scene.excerpts:
            source, start, length = excerpt.source_start // HOP, excerpt.start // HOP, excerpt.length // HOP
            with np.load(truth_path(excerpt.path)) as stored:
                for name, values in truth.items():
                    values[start : start + length] = stored[name][source : source + length]
        truths.append(truth)
    return Oracle(
        scenes=scenes,
        corpus=corpus,
        pitch=pitch,
        vad=joined(items, "vad"),
        f0_hz=joined(items, "f0_hz"),
        voicing=joined(items, "voicing") > 0,
        true_f0_hz=joined(truths, "f0_hz"),
        true_voicing=joined(truths, "voicing") > 0,
        true_activity=joined(truths, "activity") > 0,
        sex=np.repeat([scene.speech.sex for scene in scenes], scenes[0].num_frames),
    )


def test_the_oracle_has_speech_of_both_sexes_and_pauses(oracle: Oracle) -> None:
    assert set(oracle.sex) == {"F", "M"}
    assert 0.2 < oracle.true_voicing.mean() < oracle.true_activity.mean() < 0.8


@pytest.mark.parametrize("sex", ["F", "M"])
def test_f0_of_synthetic_speech_is_right_where_it_is_voiced(oracle: Oracle, sex: str) -> None:
    both = oracle.voicing & oracle.true_voicing & (oracle.sex == sex)
    error = np.abs(cents(oracle.f0_hz, oracle.true_f0_hz))[both]
    assert len(error) > 100
    assert np.median(error) < 20
    assert (error < 100).mean() > 0.95


def shifted_agreement(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> dict[int, float]:
    """Return how often labels agree with the truth if they came so many frames later."""
    return {shift: float(np.mean(np.roll(found, shift) == truth)) for shift in (-2, -1, 0, 1, 2)}


def test_voicing_of_synthetic_speech_is_right_and_in_time(oracle: Oracle) -> None:
    agreement = shifted_agreement(oracle.voicing, oracle.true_voicing)
    assert agreement[0] > 0.95
    assert max(agreement, key=lambda shift: agreement[shift]) == 0


def test_vad_of_mixtures_is_right(oracle: Oracle) -> None:
    agreement = shifted_agreement(oracle.vad > 0, oracle.true_activity)
    assert agreement[0] > 0.93
    assert agreement[0] > agreement[1] > agreement[2]


def test_f0_is_nan_exactly_where_unvoiced(oracle: Oracle) -> None:
    assert oracle.f0_hz.dtype == np.float32
    assert oracle.f0_hz.shape == oracle.voicing.shape == oracle.vad.shape
    np.testing.assert_array_equal(np.isnan(oracle.f0_hz), ~oracle.voicing)
    outside = []
    for scene in oracle.scenes:
        inside = np.zeros(scene.num_frames, dtype=bool)
        for excerpt in scene.excerpts:
            inside[excerpt.start // HOP : (excerpt.start + excerpt.length) // HOP] = True
        outside.append(~inside)
    assert not oracle.voicing[np.concatenate(outside)].any(), "pauses between excerpts are unvoiced"


def test_voicing_requires_voice_activity(oracle: Oracle) -> None:
    some = oracle.vad.copy()
    some[::2] = 0
    f0_hz, voicing = oracle.again(oracle.pitch, some)
    assert oracle.voicing[::2].any()
    assert not voicing[::2].any()
    assert np.isnan(f0_hz[::2]).all()
    np.testing.assert_array_equal(f0_hz[1::2], oracle.f0_hz[1::2])
    assert Pitch.requires == ("vad",)


def test_a_higher_threshold_voices_fewer_frames(oracle: Oracle) -> None:
    strict = Pitch(str(oracle.pitch.cache.folder), periodicity_threshold=0.9)
    _, voicing = oracle.again(strict, oracle.vad)
    assert 0 < voicing.sum() < oracle.voicing.sum()
    assert not (voicing > oracle.voicing).any()


def test_f0_of_a_glide_is_in_time() -> None:
    time_s = np.arange(RATE // 2) / RATE
    glide_hz = 110 * 2 ** (2.4 * time_s)  # 46 cents in one hop
    phase = 2 * np.pi * np.cumsum(glide_hz) / RATE
    clean = np.sum([0.1 * np.sin(k * phase) / k for k in range(1, 12)], axis=0)
    track = track_pitch(clean.astype(np.float32), HOP, "tiny", (60.0, 500.0), batch_size=64)
    assert track.f0_hz.shape == track.periodicity.shape == (GRID.num_frames(len(clean)),)
    inside = slice(2, -2)
    errors = {
        shift: float(np.abs(cents(track.f0_hz, np.roll(at_centres(glide_hz), shift))[inside]).mean())
        for shift in (-1, 0, 1)
    }
    assert errors[0] < 15
    assert min(errors[-1], errors[1]) > 30
    assert track.periodicity[inside].min() > 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"periodicity_threshold": 1.0}, r"Pitch\.periodicity_threshold must lie in \(0, 1\), got 1\.0"),
        ({"f0_range_hz": (500.0, 60.0)}, r"Pitch\.f0_range_hz must be positive and rising, got \[500\.0, 60\.0\]"),
        ({"f0_range_hz": (0.0, 60.0)}, r"Pitch\.f0_range_hz must be positive and rising"),
    ],
)
def test_pitch_refuses_wrong_settings(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pitch(**arguments)  # type: ignore[arg-type]
