"""A session from device to device: exact, counted, and complete when it ends."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streaming.enhancer import Chunk, StreamingEnhancer
from streaming.live.devices import DeviceError
from streaming.live.file_device import FileDevice
from streaming.live.session import LiveSession, LiveSettings
from tests.streaming.live.planted_device import HOP, RATE, PlantedDevice
from tests.streaming.transparent_network import transparent_enhancer

WINDOW = 512
QUICK = LiveSettings(spare_s=0.0, trial_s=0.5)


@pytest.fixture(scope="module")
def enhancer(small_network: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> StreamingEnhancer:
    path = small_network(window=WINDOW, hop=HOP).save(tmp_path_factory.mktemp("network"))
    return StreamingEnhancer(path, keep_masks=True)


def white(samples: int) -> NDArray[np.float32]:
    return np.random.default_rng(samples).uniform(-0.5, 0.5, samples).astype(np.float32)


def delayed(signal: NDArray[np.float32], delay: int) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(delay, np.float32), signal])[: signal.size]


def enhanced(enhancer: StreamingEnhancer, noisy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Enhance a whole signal that silence follows."""
    return enhancer.new_stream().feed(np.concatenate([noisy, np.zeros(WINDOW, np.float32)])).samples[: noisy.size]


def slow_down(enhancer: StreamingEnhancer, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that sets how many seconds every call of a stream takes longer."""
    feed, extra_s = enhancer.feed, 0.0

    def slow(samples: NDArray[np.float32]) -> Chunk:
        time.sleep(extra_s)
        return feed(samples)

    def by(seconds: float) -> None:
        nonlocal extra_s
        extra_s = seconds

    monkeypatch.setattr(enhancer, "feed", slow)
    return by


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@given(block=st.integers(1, 1500), blocks=st.integers(1, 30))
def test_what_is_played_is_the_enhanced_signal_after_the_declared_delay(
    enhancer: StreamingEnhancer, block: int, blocks: int
) -> None:
    device = PlantedDevice(block=block)
    session = LiveSession(device, enhancer.new_stream(), QUICK)
    session.start()
    noisy = white(block * blocks)
    played = device.play(noisy)
    session.stop()
    np.testing.assert_array_equal(played, delayed(enhanced(enhancer, noisy), session.delay))
    assert session.state().late_blocks == 0
    # No later than a block and a window; for blocks that divide the hop, a window is all.
    assert session.delay <= block + WINDOW
    assert session.delay == WINDOW or HOP % block


def test_one_sample_less_delay_would_be_too_little(enhancer: StreamingEnhancer) -> None:
    device = PlantedDevice(block=100)
    session = LiveSession(device, enhancer.new_stream(), QUICK)
    session.callback.delay -= 1
    session.start()
    device.play(white(20000))
    session.stop()
    assert session.state().late_blocks > 0


def test_the_declared_latency_is_the_sum_of_its_parts(enhancer: StreamingEnhancer) -> None:
    device = PlantedDevice()
    session = LiveSession(device, enhancer.new_stream(), LiveSettings(spare_s=0.01, trial_s=0.5))
    latency = session.latency
    assert latency.total == pytest.approx(session.delay / RATE + device.latency_s)
    assert (latency.block, latency.algorithm, latency.resampling) == (0.016, 0.016, 0.0)
    assert str(latency) == "47 ms (device 5 + block 16 + algorithm 16 + resampling 0 + spare 10)"


@pytest.mark.parametrize("rate", [48000, 44100, 8000])
def test_other_rates_are_resampled_with_a_constant_delay(rate: int, tmp_path: Path) -> None:
    pytest.importorskip("soxr")
    device = PlantedDevice(rate, block=rate * HOP // RATE)
    session = LiveSession(device, transparent_enhancer(tmp_path), LiveSettings(spare_s=0.0, trial_s=3.0))
    session.start()
    seconds = np.arange(device.block * 120) / rate
    noisy = (0.5 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)
    played = device.play(noisy)
    session.stop()
    assert session.state().late_blocks == 0
    found, expected = (
        2 * np.mean((signal * np.exp(-2j * np.pi * 440 * seconds))[rate // 2 : rate // 2 + rate])
        for signal in (played, delayed(noisy, session.delay))
    )
    assert abs(found) == pytest.approx(0.5, rel=1e-3)
    assert abs(np.angle(found / expected)) / (2 * np.pi * 440) < 0.3e-3  # seconds
    assert 0.02 < session.latency.resampling < 0.05


def test_a_device_that_is_too_fast_is_counted_and_the_delay_stays(
    enhancer: StreamingEnhancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, stream = PlantedDevice(), enhancer.new_stream()
    session = LiveSession(device, stream, QUICK)
    slow = slow_down(stream, monkeypatch)
    session.start()
    slow(0.05)
    noisy = white(60 * HOP)
    hurried = device.play(noisy[: 20 * HOP], settle=False)
    slow(0.0)
    wait_for(lambda: session.position == 20 * HOP)
    assert session.state().late_blocks > 10
    assert not hurried[5 * HOP :].any()  # silence
    played = device.play(noisy[20 * HOP :])
    session.stop()
    expected = delayed(enhanced(enhancer, noisy), session.delay)[20 * HOP :]
    np.testing.assert_array_equal(played[session.delay :], expected[session.delay :])


def test_input_that_the_network_never_gets_to_is_counted(
    enhancer: StreamingEnhancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, stream = PlantedDevice(), enhancer.new_stream()
    session = LiveSession(device, stream, LiveSettings(spare_s=0.0, trial_s=0.5, backlog_s=0.32))
    fed: list[NDArray[np.float32]] = []
    feed = stream.feed
    monkeypatch.setattr(stream, "feed", lambda samples: (fed.append(samples), feed(samples))[1])
    slow = slow_down(stream, monkeypatch)
    session.start()
    slow(0.2)
    device.play(white(HOP), settle=False)
    wait_for(lambda: session.position == HOP)
    device.play(white(60 * HOP), settle=False)  # three times the backlog while the worker sleeps
    slow(0.0)
    wait_for(lambda: session.position == 61 * HOP)
    assert session.state().overruns >= 1
    noisy = white(40 * HOP)
    played = device.play(noisy)
    session.stop()
    heard = np.concatenate(fed)  # with zeros for what was lost: nothing moves
    np.testing.assert_array_equal(heard[61 * HOP :], noisy)
    expected = delayed(enhanced(enhancer, heard), session.delay)[61 * HOP :]
    np.testing.assert_array_equal(played[session.delay :], expected[session.delay :])


def test_bypass_plays_the_noisy_signal_after_the_same_delay(enhancer: StreamingEnhancer) -> None:
    device = PlantedDevice(block=160)
    session = LiveSession(device, enhancer.new_stream(), LiveSettings(spare_s=0.003, trial_s=0.5, bypass=True))
    session.start()
    noisy = white(RATE)
    played = device.play(noisy[:8000])
    session.toggle_bypass()
    played = np.concatenate([played, device.play(noisy[8000:])])
    session.stop()
    faded = 480  # 20 ms are two blocks of 160 and a bit: from the third block on
    np.testing.assert_array_equal(played[faded:8000], delayed(noisy, session.delay)[faded:8000])
    expected = delayed(enhanced(enhancer, noisy), session.delay)
    np.testing.assert_array_equal(played[8000 + faded :], expected[8000 + faded :])
    assert np.abs(expected - delayed(noisy, session.delay)).max() > 0.01  # it was enhanced


def test_recordings_are_aligned_complete_and_hold_everything(tmp_path: Path, enhancer: StreamingEnhancer) -> None:
    device = PlantedDevice(block=100)
    session = LiveSession(device, enhancer.new_stream(), LiveSettings(trial_s=0.5, record=tmp_path / "new"))
    session.start()
    noisy = white(9999)
    device.play(noisy[:5000])
    assert session.state().recording is not None
    session.toggle_recording()
    device.play(noisy[5000:6000])
    session.toggle_recording()
    device.play(noisy[6000:])
    session.stop()
    stream = enhancer.new_stream()
    whole = np.concatenate([stream.feed(noisy).samples, stream.flush().samples])
    takes = [soundfile.read(path, dtype="float32")[0] for path in sorted((tmp_path / "new").glob("*-noisy.wav"))]
    paths = sorted((tmp_path / "new").iterdir())
    assert len(takes) == 2 and len(paths) == 4 and all(path.suffix == ".wav" for path in paths)
    for noisy_path in (tmp_path / "new").glob("*-noisy.wav"):
        recorded, _ = soundfile.read(noisy_path, dtype="float32")
        found, _ = soundfile.read(noisy_path.with_name(noisy_path.name.replace("noisy", "enhanced")), dtype="float32")
        at = 0 if np.array_equal(recorded, noisy[: recorded.size]) else 9999 - recorded.size
        part = slice(at, at + recorded.size)
        np.testing.assert_array_equal(recorded, noisy[part])
        np.testing.assert_array_equal(found, whole[part])
    # The first lacks what was in the network when it was stopped, the second ends with the last sample.
    assert sum(take.size for take in takes) >= 9999 - 1000 - WINDOW


def test_recording_needs_a_folder(enhancer: StreamingEnhancer) -> None:
    session = LiveSession(PlantedDevice(), enhancer.new_stream(), QUICK)
    session.toggle_recording()
    assert session.state().message == "to record, give --record DIR" and session.state().recording is None


def test_a_failing_network_ends_the_session_with_its_error(
    tmp_path: Path, enhancer: StreamingEnhancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy = white(RATE)
    noisy[5000] = 0.625
    stream = enhancer.new_stream()
    feed = stream.feed

    def failing(samples: NDArray[np.float32]) -> Chunk:
        if samples.max(initial=0) == 0.625:
            raise RuntimeError("planted")
        return feed(samples)

    soundfile.write(tmp_path / "noisy.wav", noisy, RATE, "FLOAT")
    device = FileDevice(tmp_path / "noisy.wav", tmp_path / "out.wav", block=HOP, fast=True)
    session = LiveSession(device, stream, LiveSettings(trial_s=0.5, record=tmp_path / "takes"))
    monkeypatch.setattr(stream, "feed", failing)
    session.start()
    wait_for(lambda: session.ended)
    with pytest.raises(RuntimeError, match="planted"):
        session.stop()
    assert not list(tmp_path.glob("out*"))  # half of a file would pass for all of it
    recorded = next((tmp_path / "takes").glob("*-noisy.wav"))  # what was said cannot be said again
    assert 4000 < soundfile.info(recorded).frames <= 5000


def test_a_device_that_does_not_start_leaves_nothing(
    tmp_path: Path, enhancer: StreamingEnhancer, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = PlantedDevice()
    monkeypatch.setattr(device, "start", lambda *_: (_ for _ in ()).throw(DeviceError("planted")))
    before, interval = threading.active_count(), sys.getswitchinterval()
    session = LiveSession(device, enhancer.new_stream(), LiveSettings(trial_s=0.5, record=tmp_path / "takes"))
    with pytest.raises(DeviceError, match="planted"):
        session.start()
    assert not list((tmp_path / "takes").iterdir())
    assert threading.active_count() == before and sys.getswitchinterval() == interval


def test_the_state_tells_what_was_heard(enhancer: StreamingEnhancer) -> None:
    device = PlantedDevice()
    session = LiveSession(device, enhancer.new_stream(), QUICK)
    session.start()
    noisy = np.full(2 * RATE // HOP * HOP, 0.1, np.float32)
    device.play(noisy)
    state = session.state()
    session.stop()
    assert state.noisy.rms_dbfs == pytest.approx(-20, abs=0.1) and state.noisy.peak_dbfs == pytest.approx(-20, abs=0.1)
    chunk = enhancer.new_stream().feed(noisy)
    rms = np.sqrt(np.mean(np.square(chunk.samples[RATE:], dtype=np.float64)))
    assert state.enhanced.rms_dbfs == pytest.approx(20 * np.log10(rms), abs=0.5) and rms < 0.09
    names = ["vad", "noise_class", "f0_hz", "snr_db", "mixture_snr_db"]
    assert state.readings is not None and [*state.readings] == names
    for name in ("vad", "f0_hz", "snr_db"):
        assert state.readings[name].value == chunk.properties.smoothed(name)[-1]
    posteriors = chunk.properties.smoothed("noise_class")[-1]
    assert state.readings["noise_class"].posteriors == tuple(posteriors.tolist())
    assert chunk.channel_masks is not None
    assert state.block_utilization == pytest.approx(chunk.channel_masks[-1].mean(axis=1), abs=0.05)
    assert state.utilization == pytest.approx(np.mean(state.block_utilization), abs=1e-6)
    assert state.elapsed_s == pytest.approx(2, abs=0.02) and 0 < state.load_median <= state.load_p99


@pytest.mark.parametrize(("name", "value"), [("spare_s", -1.0), ("fade_s", 0.0), ("backlog_s", float("nan"))])
def test_settings_out_of_range_are_named(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        LiveSettings(**{name: value})
