"""Detectors find speech where it is, at the frame where it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datamodules.mixing import Waveform
from datamodules.synthetic_speech import draw_voice, synthesize_utterance
from datamodules.targets.vad import detect_voice
from estimators import Estimator, SileroDetector, WebRtcDetector, voice_activity
from networks.framing import FrameGrid
from tests.estimators.signals import DETECTORS, GRID, HOP, RATE, skip_where_missing

LATE_FRAMES = 20  # WebRTC's detector keeps speech on for up to 10 of its windows, Silero's network for longer

every_detector = pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.name)


class Loudness:
    """Stands for Silero's network: its answer is the loudness of a window, and it remembers what it heard."""

    def __init__(self) -> None:
        self.windows: list[torch.Tensor] = []
        self.resets = 0

    def reset_states(self) -> None:
        self.resets += 1

    def __call__(self, window: torch.Tensor, rate: int) -> torch.Tensor:
        self.windows.append(window)
        return window.abs().mean()


def bursts(onsets: tuple[int, ...], length: int, total: int, sex: str = "F") -> Waveform:
    """Return synthetic speech that starts at the given samples, over faint noise."""
    rng = np.random.default_rng(1)
    speech = synthesize_utterance(draw_voice(sex, rng), 2 * RATE, RATE, rng)
    first = int(np.flatnonzero(speech.voicing)[0])
    heard = 1e-4 * rng.standard_normal(total)
    for onset in onsets:
        heard[onset : onset + length] += speech.waveform[first : first + length]
    return heard.astype(np.float32)


@every_detector
@pytest.mark.parametrize("sex", ["F", "M"])
def test_bursts_of_speech_are_found_where_they_start(detector: Estimator, sex: str) -> None:
    skip_where_missing(detector)
    onsets, length = (RATE, 3 * RATE + 5 * HOP), RATE // 2
    vad = detector.estimate(bursts(onsets, length, 5 * RATE, sex), GRID)["vad"] >= 0.5
    starts = np.flatnonzero(np.diff(vad.astype(int)) == 1) + 1
    stops = np.flatnonzero(np.diff(vad.astype(int)) == -1) + 1
    for onset in onsets:
        assert np.abs(starts - onset / HOP).min() <= 3
        late = stops - (onset + length) / HOP
        assert ((late >= -3) & (late <= LATE_FRAMES)).any()
    quiet = np.ones(len(vad), dtype=bool)
    for onset in onsets:
        quiet[onset // HOP - 3 : (onset + length) // HOP + LATE_FRAMES] = False
    assert vad[quiet].mean() < 0.05


@every_detector
@pytest.mark.parametrize("level", [0.0, 1e-4])
def test_silence_is_no_speech(detector: Estimator, level: float) -> None:
    skip_where_missing(detector)
    quiet = level * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    assert (detector.estimate(quiet, GRID)["vad"] < 0.5).mean() > 0.95


@every_detector
def test_estimates_are_the_same_again_and_do_not_depend_on_what_was_heard_before(detector: Estimator) -> None:
    skip_where_missing(detector)
    speech = bursts((RATE // 2,), RATE, 2 * RATE)
    first = detector.estimate(speech, GRID)["vad"]
    detector.estimate(bursts((0,), RATE, RATE), GRID)
    assert np.array_equal(detector.estimate(speech, GRID)["vad"], first)


@every_detector
@pytest.mark.parametrize("samples", [0, 1, 255, 256, 1000])
def test_short_recordings_have_their_frames(detector: Estimator, samples: int) -> None:
    skip_where_missing(detector)
    vad = detector.estimate(np.zeros(samples, dtype=np.float32), GRID)["vad"]
    assert vad.shape == (GRID.num_frames(samples),) and vad.dtype == np.float32
    assert ((vad >= 0) & (vad <= 1)).all()


def test_windows_of_silero_are_read_at_their_centres(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Loudness()
    monkeypatch.setattr(voice_activity, "_silero", lambda: model)
    waveform = np.zeros(3 * 512 + 100, dtype=np.float32)
    waveform[512:1024] = 0.5  # the second window, centred on sample 768, frame 3
    vad = SileroDetector().estimate(waveform, GRID)["vad"]
    np.testing.assert_allclose(vad, [0, 0, 0.25, 0.5, 0.25, 0, 0], atol=1e-7)
    assert model.resets == 1
    assert [window.shape for window in model.windows] == [(512,)] * 4  # the last one is filled with zeros


def test_webrtc_hears_the_level_as_it_is() -> None:
    speech = bursts((RATE // 2,), RATE, 2 * RATE)
    quiet = (speech * 1e-4).astype(np.float32)
    detector = WebRtcDetector()
    assert detector.estimate(speech, GRID)["vad"].any()
    assert not detector.estimate(quiet, GRID)["vad"].any()
    assert detect_voice(quiet, GRID, 2).any()  # the target is found at a level of its own


def test_a_stricter_detector_hears_less_speech_in_noise() -> None:
    noise = 0.05 * np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32)
    noisy = bursts((RATE,), RATE, 3 * RATE) + noise
    shares = [float(WebRtcDetector(level).estimate(noisy, GRID)["vad"].mean()) for level in range(4)]
    assert shares == sorted(shares, reverse=True) and shares[0] > shares[3]


def test_wrong_settings_and_signals_are_named() -> None:
    with pytest.raises(ValueError, match=r"WebRtcDetector.aggressiveness must be 0, 1, 2 or 3, got 4"):
        WebRtcDetector(4)
    detector = WebRtcDetector()
    with pytest.raises(ValueError, match=r"shape \(sample,\), got float32 \(2, 100\)"):
        detector.estimate(np.zeros((2, 100), dtype=np.float32), GRID)
    with pytest.raises(ValueError, match="must be finite"):
        detector.estimate(np.full(100, np.nan, dtype=np.float32), GRID)
    with pytest.raises(ValueError, match=r"needs grid.sample_rate 16000 Hz, got 8000"):
        detector.estimate(np.zeros(800, dtype=np.float32), FrameGrid(8000))


def test_the_threads_of_torch_are_as_before() -> None:
    skip_where_missing(SileroDetector())
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        voice_activity._silero.cache_clear()
        SileroDetector().estimate(np.zeros(RATE, dtype=np.float32), GRID)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
