"""Enhance from a microphone to headphones as you speak, and show what the network hears."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from commands.extras import told_extras
from commands.network_options import add_network_options
from commands.status import exit_status

if TYPE_CHECKING:
    from streaming.live.devices import AudioDevice, DeviceName

EPILOG = """\
A DEVICE is a number or part of a name (--list-devices), or file:PATH for a file instead of a sound device.
Keys: b switches between enhanced and noisy, r starts and stops a recording, q or Ctrl-C quits.

    dyncp live                                                       # microphone to headphones, both default
    dyncp live --input file:noisy.wav --output file:clean.wav        # as if it were live

docs/live.md has more."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the subcommand."""
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    device, network, session = (parser.add_argument_group(name) for name in ("devices", "network", "session"))
    device.add_argument("--input", metavar="DEVICE", help="to capture (default: the system's)")
    device.add_argument("--output", metavar="DEVICE", help="to play, or none (default: the system's; none for a file)")
    device.add_argument("--list-devices", action="store_true", help="print the sound devices and stop")
    device.add_argument("--rate", type=int, metavar="HZ", help="of the device (default: the network's if it can)")
    device.add_argument("--block", type=int, metavar="SAMPLES", help="of the device per call (default: one hop, 16 ms)")
    device.add_argument("--fast", action="store_true", help="files: as fast as it goes, not in real time")
    add_network_options(network)
    network.add_argument(
        "--smoothing",
        type=float,
        default=0.1,
        metavar="S",
        help="seconds that properties are averaged over (default: 0.1)",
    )
    session.add_argument("--bypass", action="store_true", help="begin with the noisy signal")
    session.add_argument(
        "--record", type=Path, metavar="DIR", help="record noisy and enhanced WAV files, from the start"
    )
    session.add_argument("--seconds", type=float, metavar="N", help="stop after N seconds")
    session.add_argument(
        "--spare", type=float, default=10.0, metavar="MS", help="latency added against gaps under load (default: 10)"
    )
    session.add_argument("--no-view", action="store_true", help="a line per second instead of the view")


def run(options: argparse.Namespace) -> int:
    """Run the session and return the exit status."""
    return exit_status(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    from streaming.live.devices import parse_device
    from streaming.live.sound_device import list_devices

    if options.list_devices:
        print(list_devices())
        return
    _check_numbers(options)
    capture, playback = parse_device(options.input), parse_device(options.output)
    _check_devices(capture, playback, options)
    with told_extras():
        _run_session(options, capture, playback)


def _run_session(options: argparse.Namespace, capture: DeviceName, playback: DeviceName) -> None:
    from rich.console import Console  # what takes long to import comes when the command line is known to be right

    from commands.enhance_network import load_enhancer
    from streaming.live.session import LiveSession, LiveSettings
    from streaming.live.terminal import run_session

    settings = LiveSettings(spare_s=options.spare / 1000, record=options.record, bypass=options.bypass)
    console = Console()
    enhancer = load_enhancer(options, keep_masks=not options.no_view and console.is_terminal)
    device = _open_device(options, capture, playback, enhancer.sample_rate, enhancer.hop_length)
    try:
        run_session(LiveSession(device, enhancer, settings), console, view=not options.no_view, seconds=options.seconds)
    finally:
        device.stop()


def _open_device(
    options: argparse.Namespace, capture: DeviceName, playback: DeviceName, sample_rate: int, hop_length: int
) -> AudioDevice:
    from streaming.live.file_device import FileDevice
    from streaming.live.sound_device import SoundDevice

    block_s = hop_length / sample_rate
    if capture.file is not None:
        return FileDevice(
            capture.file,
            playback.file,
            block=options.block,
            block_s=block_s,
            fast=options.fast,
            seconds=options.seconds,
        )
    return SoundDevice(
        capture.device,
        False if playback.none else playback.device,
        sample_rate=options.rate,
        preferred_rate=sample_rate,
        block=options.block,
        block_s=block_s,
    )


def _check_numbers(options: argparse.Namespace) -> None:
    for name in ("rate", "block", "seconds"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise ValueError(f"--{name} must be positive, got {value}")
    if not 0 <= options.spare < float("inf"):
        raise ValueError(f"--spare must be 0 or more ms, got {options.spare}")


def _check_devices(capture: DeviceName, playback: DeviceName, options: argparse.Namespace) -> None:
    """Refuse what cannot be connected, and look for PortAudio, before a network is loaded."""
    from streaming.live.devices import DeviceError
    from streaming.live.file_device import audio_format
    from streaming.live.sound_device import load_sounddevice

    if capture.none:
        raise DeviceError("--input none: nothing to enhance; name a device or file:PATH")
    if capture.file is not None:
        if playback.device is not None:
            raise DeviceError(
                "--input is a file: expected --output file:PATH or none; `dyncp enhance` is for files, too"
            )
        if not capture.file.is_file():
            raise DeviceError(f"--input file:{capture.file}: no such file")
        if playback.file is not None and playback.file.resolve() == capture.file.resolve():
            raise DeviceError(f"--output file:{playback.file}: is the input")
        if playback.file is not None:
            audio_format(playback.file)
        if options.rate is not None:
            raise DeviceError("--rate is for sound devices: a file has its own")
        return
    if playback.file is not None:
        raise DeviceError("--output is a file, --input is not: record a microphone with --record DIR")
    if options.fast:
        raise DeviceError("--fast is for files: a sound device keeps its own time")
    load_sounddevice()
