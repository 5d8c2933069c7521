"""A sound device through sounddevice (PortAudio)."""

from __future__ import annotations

import importlib
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.live.devices import AudioCallback, DeviceError, DeviceFlags

MODULE = "sounddevice"  # imported late and by name: without PortAudio its import fails
INSTALL = (
    "install the extra `live` (pip install 'dyncp[live]'), and on Linux the library PortAudio "
    "(Debian, Ubuntu: apt install libportaudio2; Fedora: dnf install portaudio; Arch: pacman -S portaudio)"
)


def load_sounddevice() -> Any:
    """Import sounddevice, which loads PortAudio.

    Raises:
        DeviceError: if one of them is missing; the message says what to install.
    """
    try:
        return importlib.import_module(MODULE)
    except ModuleNotFoundError as error:
        raise DeviceError(f"sound devices need the package sounddevice: {INSTALL}") from error
    except OSError as error:  # what sounddevice raises if it does not find the library
        raise DeviceError(f"sound devices need PortAudio, which was not found ({error}): {INSTALL}") from error


def list_devices(sounddevice: Any | None = None) -> str:
    """Return one line per device: number, name, channels in and out; `>` and `<` mark the default ones.

    Args:
        sounddevice: the module; None imports it.

    Raises:
        DeviceError: if there is no PortAudio.
    """
    module = sounddevice or load_sounddevice()
    return str(module.query_devices()) or "no sound devices"


class SoundDevice:
    """One or two devices of the system as a mono duplex stream of 32-bit floats.

    Of several channels the first is captured; what is played goes to the first two. Two devices are opened at one rate;
    where their clocks differ, PortAudio loses or repeats samples now and then, which is counted.

    Args:
        capture: number or part of the name; None takes the default device.
        playback: likewise; False plays nothing.
        sample_rate: Hz; None takes ``preferred_rate`` if the devices accept it, otherwise the capturing one's default.
        preferred_rate: Hz, of the network.
        block: samples per call; None takes ``block_s``.
        block_s: seconds per call, if ``block`` is None.
        sounddevice: the module; None imports it.

    Raises:
        DeviceError: if there is no PortAudio, no such device, or none that can do this.
    """

    def __init__(
        self,
        capture: int | str | None = None,
        playback: int | str | bool | None = None,
        *,
        sample_rate: int | None = None,
        preferred_rate: int = 16000,
        block: int | None = None,
        block_s: float = 0.016,
        sounddevice: Any | None = None,
    ) -> None:
        self._module = sounddevice or load_sounddevice()
        self._ends = [self._find(capture, "input")]
        if playback is not False:
            self._ends.append(self._find(playback, "output"))
        self.description = " -> ".join(str(end["name"]) for end in self._ends)
        self.sample_rate = self._rate(sample_rate, preferred_rate)
        self.block = round(block_s * self.sample_rate) if block is None else block
        self.finished = threading.Event()
        self.failure: Exception | None = None
        self._stream: Any = None
        self._latency_s = 0.0
        self._callback: AudioCallback | None = None
        self._captured = np.zeros(self.block, np.float32)
        self._played = np.zeros(self.block, np.float32)

    @property
    def latency_s(self) -> float:
        """As PortAudio states it, of both directions; 0 before the start."""
        return self._latency_s

    def start(self, callback: AudioCallback, delay: int) -> None:
        """Open and start the stream; ``delay`` makes no difference to a sound device."""
        self._callback = callback
        duplex = len(self._ends) == 2
        kind = self._module.Stream if duplex else self._module.InputStream
        settings = [self._settings(end) for end in self._ends]
        merged = {key: tuple(part[key] for part in settings) if duplex else settings[0][key] for key in settings[0]}
        try:
            self._stream = kind(
                samplerate=self.sample_rate,
                blocksize=self.block,
                dtype="float32",
                latency="low",
                callback=self._exchange if duplex else self._capture,
                finished_callback=self.finished.set,
                **merged,
            )
            self._stream.start()
            self._latency_s = float(np.sum(self._stream.latency))
        except self._module.PortAudioError as error:
            raise DeviceError(f"{self.description}: cannot be started at {self.sample_rate} Hz ({error})") from error

    def stop(self) -> None:
        """Stop and close the stream."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            stream.stop()
            stream.close()

    def _find(self, name: int | str | None, direction: str) -> dict[str, Any]:
        """Return PortAudio's description of a device, with its number and direction."""
        wanted = f"the default {direction}" if name is None else f"'{name}'"
        try:
            found = dict(self._module.query_devices(name, direction))
        except (ValueError, self._module.PortAudioError) as error:
            raise DeviceError(
                f"no {direction} device {wanted} ({error}); `dyncp live --list-devices` lists them"
            ) from error
        if found[f"max_{direction}_channels"] < 1:
            raise DeviceError(f"device {wanted} has no {direction} channels; `dyncp live --list-devices` lists them")
        return found | {"direction": direction}

    def _settings(self, end: dict[str, Any]) -> dict[str, Any]:
        """Return device and channels: all of a stereo device, since some drivers refuse to open one channel of two."""
        return {"device": end["index"], "channels": min(2, end[f"max_{end['direction']}_channels"])}

    def _rate(self, wanted: int | None, preferred: int) -> int:
        default = round(self._ends[0]["default_samplerate"])
        candidates = (preferred, default) if wanted is None else (wanted,)
        refused: Exception | None = None
        for rate in candidates:
            try:
                for end in self._ends:
                    check = getattr(self._module, f"check_{end['direction']}_settings")
                    check(samplerate=rate, dtype="float32", **self._settings(end))
            except (ValueError, self._module.PortAudioError) as error:
                refused = error
            else:
                return rate
        rates = " nor ".join(f"{rate} Hz" for rate in candidates)
        raise DeviceError(
            f"{self.description}: refuses {rates} ({refused}); name another rate with --rate"
        ) from refused

    def _exchange(
        self, captured: NDArray[np.float32], played: NDArray[np.float32], _frames: int, _time: Any, status: Any
    ) -> None:
        """Be called by PortAudio with arrays of shape (sample, channel)."""
        first = self._fit(len(captured))
        self._captured[:first] = captured[:, 0]
        self._call(first, status)
        played[:] = self._played[:first, np.newaxis]

    def _capture(self, captured: NDArray[np.float32], _frames: int, _time: Any, status: Any) -> None:
        first = self._fit(len(captured))
        self._captured[:first] = captured[:, 0]
        self._call(first, status)

    def _fit(self, length: int) -> int:
        """Make room for a longer block than agreed, which no known driver delivers; return its length."""
        if length > self._captured.size:
            self._captured, self._played = np.zeros(length, np.float32), np.zeros(length, np.float32)
        return length

    def _call(self, length: int, status: Any) -> None:
        assert self._callback is not None
        flags = DeviceFlags(bool(status.input_overflow), bool(status.output_underflow))
        try:
            self._callback(self._captured[:length], self._played[:length], flags)
        except Exception as error:  # kept for whoever stops the session: PortAudio would only print it
            self.failure = error
            raise self._module.CallbackAbort from error
