"""What a live session needs of a sound device, and how a device is named on the command line."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FILE_PREFIX = "file:"
NO_DEVICE = "none"


class DeviceError(ValueError):
    """No such device, or one that cannot do what is wanted; the message says what can be done."""


@dataclass(frozen=True)
class DeviceFlags:
    """What a device reports about the time before a block.

    Attributes:
        input_overflow: captured samples were lost before they got here.
        output_underflow: the device played a gap because samples came too late.
    """

    input_overflow: bool = False
    output_underflow: bool = False


NO_FLAGS = DeviceFlags()


class AudioCallback(Protocol):
    """What a device calls for every block."""

    def __call__(self, captured: NDArray[np.float32], played: NDArray[np.float32], flags: DeviceFlags) -> None:
        """Take what was captured and fill what is played next.

        Args:
            captured: shape (sample,), full scale is 1.0.
            played: shape (sample,), to be overwritten.
            flags: of the device.
        """

    def settle(self) -> None:
        """Return when all that was captured has been processed; for devices that need not keep time."""


class AudioDevice(Protocol):
    """A mono duplex stream in blocks.

    Attributes:
        description: for people.
        sample_rate: Hz, of both directions.
        block: samples of a block; a device may deliver others now and then.
        finished: set when the device has ended by itself.
        failure: why it ended, if not because its input did; set by the session if the network failed.
    """

    description: str
    sample_rate: int
    block: int
    finished: threading.Event
    failure: Exception | None

    @property
    def latency_s(self) -> float:
        """Seconds from air to block and from block to air; final once the device was started."""

    def start(self, callback: AudioCallback, delay: int) -> None:
        """Begin to call.

        Args:
            callback: from a thread of the device.
            delay: samples by which what is played lags what is captured.

        Raises:
            DeviceError: if the device cannot be started.
        """

    def stop(self) -> None:
        """Stop calling; returns when the last call has returned. May be called again."""


@dataclass(frozen=True)
class DeviceName:
    """One side of a device as the user names it.

    Attributes:
        file: of a file-backed device.
        device: number or part of the name of a sound device; None for the default one.
        none: nothing is connected.
    """

    file: Path | None = None
    device: int | str | None = None
    none: bool = False


def parse_device(text: str | None) -> DeviceName:
    """Read a device's name.

    Args:
        text: ``file:PATH``, ``none``, a number, part of a name, or None for the default device.

    Returns:
        The name in its parts.

    Raises:
        DeviceError: if ``file:`` names no file, or nothing is named.

    Example:
        >>> parse_device("file:noisy.wav").file.name, parse_device("3").device, parse_device("none").none
        ('noisy.wav', 3, True)
    """
    if text is None:
        return DeviceName()
    if text.startswith(FILE_PREFIX):
        if not text.removeprefix(FILE_PREFIX):
            raise DeviceError(f"device '{text}': expected the name of a file after '{FILE_PREFIX}'")
        return DeviceName(file=Path(text.removeprefix(FILE_PREFIX)))
    if text == NO_DEVICE:
        return DeviceName(none=True)
    if not text.strip():
        raise DeviceError(f"device '{text}': expected a number, part of a name, file:PATH or none (see --list-devices)")
    return DeviceName(device=int(text) if text.isdecimal() else text)
