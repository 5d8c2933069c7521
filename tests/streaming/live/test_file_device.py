"""Files as a device: aligned, equally long, complete or not there."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streaming.live.devices import DeviceError, DeviceFlags, parse_device
from streaming.live.file_device import FileDevice, GrowingFile
from tests.conftest import full_disk

RATE = 8000


class Delay:
    """A callback that plays what it captured ``delay`` samples before."""

    def __init__(self, delay: int, broken: bool = False) -> None:
        self.heard, self.delay, self.settled, self.broken = np.zeros(delay, np.float32), delay, 0, broken

    def __call__(self, captured: NDArray[np.float32], played: NDArray[np.float32], flags: DeviceFlags) -> None:
        if self.broken:
            raise RuntimeError("planted")
        self.heard = np.concatenate([self.heard, captured])
        played[:] = self.heard[: played.size]
        self.heard = self.heard[played.size :]

    def settle(self) -> None:
        self.settled += 1


def write(path: Path, samples: int, channels: int = 1) -> NDArray[np.float32]:
    signal = np.random.default_rng(samples).uniform(-1, 1, (samples, channels)).astype(np.float32)
    soundfile.write(path, signal, RATE, "FLOAT")
    return signal.mean(axis=1)


def pass_through(device: FileDevice, callback: Delay) -> None:
    device.start(callback, callback.delay)
    assert device.finished.wait(10)
    device.stop()


@given(samples=st.integers(1, 500), block=st.integers(1, 200), delay=st.integers(0, 300))
def test_output_is_aligned_and_equally_long(
    tmp_path_factory: pytest.TempPathFactory, samples: int, block: int, delay: int
) -> None:
    folder = tmp_path_factory.mktemp("files")
    signal = write(folder / "noisy.wav", samples)
    device = FileDevice(folder / "noisy.wav", folder / "out.wav", block=block, fast=True)
    pass_through(device, Delay(delay))
    read, rate = soundfile.read(folder / "out.wav", dtype="float32")
    np.testing.assert_array_equal(read, signal)
    assert rate == RATE and sorted(path.name for path in folder.iterdir()) == ["noisy.wav", "out.wav"]


def test_channels_are_averaged_and_seconds_limit(tmp_path: Path) -> None:
    signal = write(tmp_path / "stereo.wav", 4000, channels=2)
    device = FileDevice(tmp_path / "stereo.wav", tmp_path / "out.wav", block=100, fast=True, seconds=0.25)
    callback = Delay(50)
    pass_through(device, callback)
    read, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    np.testing.assert_array_equal(read, signal[:2000])
    assert callback.settled == 21  # 2050 samples in blocks of 100


def test_real_time_takes_as_long_as_the_signal(tmp_path: Path) -> None:
    write(tmp_path / "noisy.wav", RATE // 2)
    for fast, low, high in ((False, 0.45, 5.0), (True, 0.0, 0.4)):
        device, callback = FileDevice(tmp_path / "noisy.wav", fast=fast), Delay(0)
        started = time.monotonic()
        pass_through(device, callback)
        assert low <= time.monotonic() - started <= high
        assert (callback.settled > 0) == fast


def test_stopped_early_the_file_is_complete_to_there(tmp_path: Path) -> None:
    signal = write(tmp_path / "noisy.wav", 100 * RATE)
    device = FileDevice(tmp_path / "noisy.wav", tmp_path / "out.wav", block=80)
    device.start(Delay(0), 0)
    time.sleep(0.1)
    assert not (tmp_path / "out.wav").exists()
    device.stop()
    read, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert 0 < read.size < signal.size
    np.testing.assert_array_equal(read, signal[: read.size])


def test_an_error_in_the_callback_is_kept_and_no_half_of_a_file(tmp_path: Path) -> None:
    write(tmp_path / "noisy.wav", 100)
    device = FileDevice(tmp_path / "noisy.wav", tmp_path / "out.wav", fast=True)
    pass_through(device, Delay(0, broken=True))
    assert str(device.failure) == "planted"
    assert [path.name for path in tmp_path.iterdir()] == ["noisy.wav"]


def test_a_damaged_source_is_told_and_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "whole.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 40000), RATE)
    content = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "noisy.flac").write_bytes(content[: len(content) // 2])
    device = FileDevice(tmp_path / "noisy.flac", tmp_path / "out.wav", block=100, fast=True)
    pass_through(device, Delay(0))
    assert isinstance(device.failure, DeviceError)
    assert "noisy.flac: cannot be decoded after" in str(device.failure)
    assert {path.name for path in tmp_path.iterdir()} == {"noisy.flac", "whole.flac"}


def test_a_full_disk_is_told_and_leaves_no_half_of_a_file(tmp_path: Path) -> None:
    write(tmp_path / "noisy.wav", 20000)
    device = FileDevice(tmp_path / "noisy.wav", tmp_path / "out.wav", fast=True)
    with full_disk():
        pass_through(device, Delay(0))
    assert isinstance(device.failure, DeviceError) and "out.wav: cannot be written" in str(device.failure)
    assert [path.name for path in tmp_path.iterdir()] == ["noisy.wav"]


def test_a_device_that_was_never_started_leaves_an_older_file_alone(tmp_path: Path) -> None:
    write(tmp_path / "noisy.wav", 100)
    write(tmp_path / "out.wav", 10)
    FileDevice(tmp_path / "noisy.wav", tmp_path / "out.wav").stop()
    assert soundfile.info(tmp_path / "out.wav").frames == 10


def test_bad_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    write(tmp_path / "noisy.wav", 100)
    for source, expected in (
        ("absent.wav", "cannot be read"),
        ("text.wav", "cannot be read"),
        ("empty.wav", "no samples"),
    ):
        with pytest.raises(DeviceError, match=f"{source}.*{expected}"):
            FileDevice(tmp_path / source)
    with pytest.raises(DeviceError, match=r"out\.mid: expected an ending that names an audio format"):
        FileDevice(tmp_path / "noisy.wav", tmp_path / "out.mid")
    (tmp_path / "folder.wav.part").mkdir()
    with pytest.raises(DeviceError, match=r"folder\.wav: cannot be written at 8000 Hz"):
        GrowingFile(tmp_path / "folder.wav", RATE)


@pytest.mark.parametrize("text", ["file:", "", "  "])
def test_empty_device_names_are_refused(text: str) -> None:
    with pytest.raises(DeviceError, match=f"device '{text}'"):
        parse_device(text)
