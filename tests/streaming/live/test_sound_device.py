"""The class that faces PortAudio, with a module of sounddevice's interface in its place."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streaming.live.devices import DeviceError, DeviceFlags
from streaming.live.sound_device import SoundDevice, list_devices, load_sounddevice


class PortAudioError(Exception):
    pass


class CallbackAbort(Exception):
    pass


class PlantedStream:
    latency: Any = (0.01, 0.02)

    def __init__(self, module: PlantedSoundDevice, **settings: Any) -> None:
        self.settings, self.running, self.closed = settings, False, False
        module.streams.append(self)
        if module.broken:
            raise PortAudioError("device unavailable")

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False
        self.settings["finished_callback"]()

    def close(self) -> None:
        self.closed = True


class PlantedSoundDevice:
    """Devices: 0 a stereo card, 1 a mono microphone at 44.1 kHz only, 2 a loudspeaker."""

    PortAudioError, CallbackAbort = PortAudioError, CallbackAbort

    def __init__(self, rates: tuple[int, ...] = (16000, 48000), broken: bool = False) -> None:
        self.streams: list[PlantedStream] = []
        self.rates, self.broken = rates, broken
        self.devices = [
            {
                "index": 0,
                "name": "card",
                "max_input_channels": 2,
                "max_output_channels": 8,
                "default_samplerate": 48000.0,
            },
            {
                "index": 1,
                "name": "mic",
                "max_input_channels": 1,
                "max_output_channels": 0,
                "default_samplerate": 44100.0,
            },
            {
                "index": 2,
                "name": "speaker",
                "max_input_channels": 0,
                "max_output_channels": 2,
                "default_samplerate": 48000.0,
            },
        ]
        self.Stream = lambda **settings: PlantedStream(self, **settings)
        self.InputStream = self.Stream

    def query_devices(self, device: int | str | None = None, kind: str | None = None) -> Any:
        if kind is None:
            return "> 0 card\n  1 mic"
        found = [entry for entry in self.devices if device in (None, entry["index"], entry["name"])]
        if not found:
            raise ValueError(f"No {kind} device matching {device!r}")
        return found[0]

    def check_input_settings(self, device: int, samplerate: int, **others: Any) -> None:
        if samplerate not in ((44100,) if device == 1 else self.rates):
            raise PortAudioError("Invalid sample rate")

    check_output_settings = check_input_settings


class Doubling:
    """A callback that plays the double of what it gets and keeps the flags."""

    def __init__(self) -> None:
        self.flags: list[DeviceFlags] = []

    def __call__(self, captured: NDArray[np.float32], played: NDArray[np.float32], flags: DeviceFlags) -> None:
        if not np.isfinite(captured).all():
            raise ValueError("planted")
        played[:] = 2 * captured
        self.flags.append(flags)

    def settle(self) -> None:
        raise AssertionError("a sound device does not wait")


def status(**flags: bool) -> SimpleNamespace:
    return SimpleNamespace(**({"input_overflow": False, "output_underflow": False} | flags))


def test_blocks_pass_through_whatever_their_length() -> None:
    module, callback = PlantedSoundDevice(), Doubling()
    device = SoundDevice(sounddevice=module)
    device.start(callback, 0)
    settings = module.streams[0].settings
    assert settings["channels"] == (2, 2) and settings["device"] == (0, 0)
    assert (settings["samplerate"], settings["blocksize"], settings["dtype"]) == (16000, 256, "float32")
    for length in (256, 100, 1, 700):
        captured = np.random.default_rng(length).standard_normal((length, 2)).astype(np.float32)
        played = np.full((length, 2), np.nan, np.float32)
        settings["callback"](captured, played, length, None, status(input_overflow=length == 100))
        np.testing.assert_array_equal(played, np.repeat(2 * captured[:, :1], 2, axis=1))
    assert [flags.input_overflow for flags in callback.flags] == [False, True, False, False]
    settings["callback"](captured, played, length, None, status(output_underflow=True))
    assert callback.flags[-1] == DeviceFlags(output_underflow=True)
    assert device.latency_s == pytest.approx(0.03)
    device.stop()
    device.stop()
    assert module.streams[0].closed and device.finished.is_set() and device.failure is None


def test_nothing_is_played_without_output() -> None:
    module, callback = PlantedSoundDevice(), Doubling()
    device = SoundDevice("mic", False, sounddevice=module)
    assert device.sample_rate == 44100 and device.block == 706  # the microphone refuses the network's 16 kHz
    device.start(callback, 0)
    settings = module.streams[0].settings
    assert (settings["device"], settings["channels"]) == (1, 1)
    settings["callback"](np.ones((706, 1), np.float32), 706, None, status())
    assert len(callback.flags) == 1
    device.stop()


def test_an_error_in_the_callback_ends_the_stream_and_is_kept() -> None:
    module = PlantedSoundDevice()
    device = SoundDevice(sounddevice=module)
    device.start(Doubling(), 0)
    with pytest.raises(CallbackAbort):
        module.streams[0].settings["callback"](
            np.full((256, 2), np.nan, np.float32), np.zeros((256, 2), np.float32), 256, None, status()
        )
    assert str(device.failure) == "planted"


@pytest.mark.parametrize(
    ("arguments", "settings", "expected"),
    [
        (("absent",), {}, "no input device 'absent'.*--list-devices"),
        ((0, "absent"), {}, "no output device 'absent'"),
        (("speaker",), {}, "'speaker' has no input channels"),
        ((0, "mic"), {}, "'mic' has no output channels"),
        ((0, 0), {"sample_rate": 11025}, "card -> card: refuses 11025 Hz.*--rate"),
        (("mic", "speaker"), {}, "refuses 16000 Hz nor 44100 Hz"),
    ],
)
def test_what_a_device_cannot_do_is_named(arguments: Any, settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(DeviceError, match=expected):
        SoundDevice(*arguments, **settings, sounddevice=PlantedSoundDevice())


def test_a_device_in_use_is_named() -> None:
    device = SoundDevice(sounddevice=PlantedSoundDevice(broken=True))
    with pytest.raises(DeviceError, match=r"card -> card: cannot be started at 16000 Hz \(device unavailable\)"):
        device.start(Doubling(), 0)
    device.stop()


def test_devices_are_listed() -> None:
    assert list_devices(PlantedSoundDevice()).splitlines()[0] == "> 0 card"


def test_a_missing_package_or_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(DeviceError, match=r"package sounddevice: .*dyncp\[live\]"):
        load_sounddevice()

    def without_library(name: str) -> None:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr("importlib.import_module", without_library)
    with pytest.raises(DeviceError, match=r"PortAudio, which was not found.*apt install libportaudio2"):
        load_sounddevice()
