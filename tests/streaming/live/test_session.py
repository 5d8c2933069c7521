"""A session from device to device: exact, counted, and complete when it ends."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streaming.live.devices import NO_FLAGS, AudioCallback, DeviceError
from streaming.live.file_device import FileDevice
from streaming.live.session import LiveSession, LiveSettings
from tests.streaming.planted_enhancer import GAIN, HOP, WINDOW, PlantedChunk, PlantedEnhancer

RATE = 16000
QUICK = LiveSettings(spare_s=0.0, trial_s=0.5)


class PlantedDevice:
    """A device whose blocks are called by the test."""

    def __init__(self, sample_rate: int = RATE, block: int = HOP) -> None:
        self.description, self.sample_rate, self.block, self.latency_s = "planted", sample_rate, block, 0.005
        self.finished, self.failure = threading.Event(), None
        self.callback: AudioCallback | None = None

    def start(self, callback: AudioCallback, delay: int) -> None:
        self.callback = callback

    def stop(self) -> None:
        self.finished.set()

    def play(self, noisy: NDArray[np.float32], settle: bool = True) -> NDArray[np.float32]:
        assert self.callback is not None
        played = np.empty_like(noisy)
        for at in range(0, noisy.size, self.block):
            part = slice(at, at + self.block)
            self.callback(noisy[part], played[part], NO_FLAGS)
            if settle:
                self.callback.settle()
        return played


def white(samples: int) -> NDArray[np.float32]:
    return np.random.default_rng(samples).uniform(-0.5, 0.5, samples).astype(np.float32)


def delayed(signal: NDArray[np.float32], delay: int) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(delay, np.float32), signal])[: signal.size]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@given(block=st.integers(1, 1500), blocks=st.integers(1, 30))
def test_what_is_played_is_the_enhanced_signal_after_the_declared_delay(block: int, blocks: int) -> None:
    device = PlantedDevice(block=block)
    session = LiveSession(device, PlantedEnhancer(), QUICK)
    session.start()
    noisy = white(block * blocks)
    played = device.play(noisy)
    session.stop()
    np.testing.assert_array_equal(played, delayed(GAIN * noisy, session.delay))
    assert session.state().late_blocks == 0
    # No later than a block and a window; for blocks that divide the hop, a window is all.
    assert session.delay <= block + WINDOW
    assert session.delay == WINDOW or HOP % block


def test_one_sample_less_delay_would_be_too_little() -> None:
    device = PlantedDevice(block=100)
    session = LiveSession(device, PlantedEnhancer(), QUICK)
    session.callback.delay -= 1
    session.start()
    device.play(white(20000))
    session.stop()
    assert session.state().late_blocks > 0


def test_the_declared_latency_is_the_sum_of_its_parts() -> None:
    device = PlantedDevice()
    session = LiveSession(device, PlantedEnhancer(), LiveSettings(spare_s=0.01, trial_s=0.5))
    latency = session.latency
    assert latency.total == pytest.approx(session.delay / RATE + device.latency_s)
    assert (latency.block, latency.algorithm, latency.resampling) == (0.016, 0.016, 0.0)
    assert str(latency) == "47 ms (device 5 + block 16 + algorithm 16 + resampling 0 + spare 10)"


@pytest.mark.parametrize("rate", [48000, 44100, 8000])
def test_other_rates_are_resampled_with_a_constant_delay(rate: int) -> None:
    pytest.importorskip("soxr")
    device = PlantedDevice(rate, block=rate * HOP // RATE)
    session = LiveSession(device, PlantedEnhancer(), LiveSettings(spare_s=0.0, trial_s=3.0))
    session.start()
    seconds = np.arange(device.block * 120) / rate
    noisy = (0.5 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
    played = device.play(noisy)
    session.stop()
    assert session.state().late_blocks == 0
    found, expected = (
        2 * np.mean((signal * np.exp(-2j * np.pi * 440 * seconds))[rate // 2 : rate // 2 + rate])
        for signal in (played, delayed(GAIN * noisy, session.delay))
    )
    assert abs(found) == pytest.approx(0.25, rel=1e-3)
    assert abs(np.angle(found / expected)) / (2 * np.pi * 440) < 0.3e-3  # seconds
    assert 0.02 < session.latency.resampling < 0.05


def test_a_device_that_is_too_fast_is_counted_and_the_delay_stays() -> None:
    device, enhancer = PlantedDevice(), PlantedEnhancer()
    session = LiveSession(device, enhancer, QUICK)
    session.start()
    enhancer.slow_s = 0.05
    hurried = device.play(white(20 * HOP), settle=False)
    enhancer.slow_s = 0.0
    wait_for(lambda: session.position == 20 * HOP)
    assert session.state().late_blocks > 10
    assert not hurried[5 * HOP :].any()  # silence
    noisy = white(40 * HOP)
    played = device.play(noisy)
    session.stop()
    np.testing.assert_array_equal(played[session.delay :], delayed(GAIN * noisy, session.delay)[session.delay :])


def test_input_that_the_network_never_gets_to_is_counted() -> None:
    device, enhancer = PlantedDevice(), PlantedEnhancer()
    session = LiveSession(device, enhancer, LiveSettings(spare_s=0.0, trial_s=0.5, backlog_s=0.32))
    session.start()
    enhancer.slow_s = 0.2
    device.play(white(HOP), settle=False)
    wait_for(lambda: session.position == HOP)
    device.play(white(60 * HOP), settle=False)  # three times the backlog while the worker sleeps
    enhancer.slow_s = 0.0
    wait_for(lambda: session.position == 61 * HOP)
    assert session.state().overruns >= 1
    noisy = white(40 * HOP)
    played = device.play(noisy)
    session.stop()
    np.testing.assert_array_equal(played[session.delay :], delayed(GAIN * noisy, session.delay)[session.delay :])


def test_bypass_plays_the_noisy_signal_after_the_same_delay() -> None:
    device = PlantedDevice(block=160)
    session = LiveSession(device, PlantedEnhancer(), LiveSettings(spare_s=0.003, trial_s=0.5, bypass=True))
    session.start()
    noisy = white(RATE)
    played = device.play(noisy[:8000])
    session.toggle_bypass()
    played = np.concatenate([played, device.play(noisy[8000:])])
    session.stop()
    faded = 480  # 20 ms are two blocks of 160 and a bit: from the third block on
    np.testing.assert_array_equal(played[faded:8000], delayed(noisy, session.delay)[faded:8000])
    np.testing.assert_array_equal(played[8000 + faded :], delayed(GAIN * noisy, session.delay)[8000 + faded :])


def test_recordings_are_aligned_complete_and_hold_everything(tmp_path: Path) -> None:
    device = PlantedDevice(block=100)
    session = LiveSession(device, PlantedEnhancer(), LiveSettings(trial_s=0.5, record=tmp_path / "new"))
    session.start()
    noisy = white(9999)
    device.play(noisy[:5000])
    assert session.state().recording is not None
    session.toggle_recording()
    device.play(noisy[5000:6000])
    session.toggle_recording()
    device.play(noisy[6000:])
    session.stop()
    takes = [soundfile.read(path, dtype="float32")[0] for path in sorted((tmp_path / "new").glob("*-noisy.wav"))]
    paths = sorted((tmp_path / "new").iterdir())
    assert len(takes) == 2 and len(paths) == 4 and all(path.suffix == ".wav" for path in paths)
    for noisy_path in (tmp_path / "new").glob("*-noisy.wav"):
        recorded, _ = soundfile.read(noisy_path, dtype="float32")
        enhanced, _ = soundfile.read(
            noisy_path.with_name(noisy_path.name.replace("noisy", "enhanced")), dtype="float32"
        )
        np.testing.assert_array_equal(enhanced, GAIN * recorded)
        assert any(
            np.array_equal(recorded, noisy[at : at + recorded.size]) for at in (0, 5632, 5888, 9999 - recorded.size)
        )
    # The first lacks what was in the network when it was stopped, the second ends with the last sample.
    assert sum(take.size for take in takes) >= 9999 - 1000 - WINDOW


def test_recording_needs_a_folder() -> None:
    session = LiveSession(PlantedDevice(), PlantedEnhancer(), QUICK)
    session.toggle_recording()
    assert session.state().message == "to record, give --record DIR" and session.state().recording is None


def test_a_failing_network_ends_the_session_with_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = white(RATE)
    noisy[5000] = 0.625
    feed = PlantedEnhancer.feed

    def failing(self: PlantedEnhancer, samples: NDArray[np.float32]) -> PlantedChunk:
        if samples.max(initial=0) == 0.625:
            raise RuntimeError("planted")
        return feed(self, samples)

    monkeypatch.setattr(PlantedEnhancer, "feed", failing)
    soundfile.write(tmp_path / "noisy.wav", noisy, RATE, "FLOAT")
    device = FileDevice(tmp_path / "noisy.wav", block=HOP, fast=True)
    session = LiveSession(device, PlantedEnhancer(), LiveSettings(trial_s=0.5, record=tmp_path / "takes"))
    session.start()
    wait_for(lambda: session.ended)
    with pytest.raises(RuntimeError, match="planted"):
        session.stop()
    recorded = next((tmp_path / "takes").glob("*-noisy.wav"))
    assert 4000 < soundfile.info(recorded).frames <= 5000


def test_a_device_that_does_not_start_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    device = PlantedDevice()
    monkeypatch.setattr(device, "start", lambda *_: (_ for _ in ()).throw(DeviceError("planted")))
    before, interval = threading.active_count(), sys.getswitchinterval()
    session = LiveSession(device, PlantedEnhancer(), QUICK)
    with pytest.raises(DeviceError, match="planted"):
        session.start()
    assert threading.active_count() == before and sys.getswitchinterval() == interval


def test_the_state_tells_what_was_heard() -> None:
    device = PlantedDevice()
    session = LiveSession(device, PlantedEnhancer(), QUICK)
    session.start()
    device.play(np.full(2 * RATE // HOP * HOP, 0.1, np.float32))
    state = session.state()
    session.stop()
    assert state.noisy.rms_dbfs == pytest.approx(-20, abs=0.1) and state.noisy.peak_dbfs == pytest.approx(-20, abs=0.1)
    assert state.enhanced.rms_dbfs == pytest.approx(-26.02, abs=0.1)
    assert state.readings is not None and state.readings["vad"].decision and state.readings["f0_hz"].value == 220
    assert state.readings["noise_class"].top(2)[0][0] == "office"
    assert state.block_utilization == pytest.approx([0.5, 0] * 4 + [0.5]) and state.utilization == pytest.approx(5 / 18)
    assert state.elapsed_s == pytest.approx(2, abs=0.02) and 0 < state.load_median <= state.load_p99


@pytest.mark.parametrize(("name", "value"), [("spare_s", -1.0), ("fade_s", 0.0), ("backlog_s", float("nan"))])
def test_settings_out_of_range_are_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        LiveSettings(**{name: value})
