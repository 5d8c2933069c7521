"""`dyncp live` from the command line: files end to end with a real engine, interruption, and faults."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from commands.main import main
from streaming.enhancer import StreamingEnhancer
from tests.streaming.transparent_network import write_transparent_network

REPOSITORY = Path(__file__).resolve().parent.parent.parent
RATE = 16000


@pytest.fixture(scope="module")
def network(small_network: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_network().save(tmp_path_factory.mktemp("network"))


def write(path: Path, seconds: float, rate: int = RATE) -> NDArray[np.float32]:
    noisy = np.random.default_rng(1).uniform(-0.5, 0.5, round(seconds * rate)).astype(np.float32)
    soundfile.write(path, noisy, rate, "FLOAT")
    return noisy


def read(path: Path) -> NDArray[np.float32]:
    return soundfile.read(path, dtype="float32")[0]


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["live", *map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(("block", "fast"), [(None, True), (1000, True), (77, True), (256, False)])
def test_the_output_is_that_of_the_enhancer_on_the_whole_file(
    tmp_path: Path, network: Path, block: int | None, fast: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    noisy = write(tmp_path / "noisy.wav", 1.23)
    arguments = ["--checkpoint", network, "--probes", "none", *(["--block", block] if block else [])]
    if fast:
        arguments.append("--fast")
    files = ["--input", f"file:{tmp_path}/noisy.wav", "--output", f"file:{tmp_path}/clean.wav"]
    assert run(*files, *arguments, "--record", tmp_path / "takes") == 0, capsys.readouterr().err
    # To a device, what follows the end of the file is silence.
    silence = np.zeros(1024, np.float32)
    expected = StreamingEnhancer(network, probes=False).feed(np.concatenate([noisy, silence])).samples[: noisy.size]
    np.testing.assert_array_equal(read(tmp_path / "clean.wav"), expected)
    assert np.abs(expected - noisy).max() > 0.01  # it was enhanced
    for name, signal_ in (("noisy", noisy), ("enhanced", expected)):
        take = read(next((tmp_path / "takes").glob(f"*-{name}.wav")))
        np.testing.assert_array_equal(take[: noisy.size], signal_)
    assert "late 0" in capsys.readouterr().out


def test_bypass_gives_the_input_back(tmp_path: Path, network: Path) -> None:
    noisy = write(tmp_path / "noisy.wav", 0.5, 48000)
    files = ["--input", f"file:{tmp_path}/noisy.wav", "--output", f"file:{tmp_path}/out.wav"]
    assert run(*files, "--fast", "--bypass", "--checkpoint", network) == 0
    faded = 1920  # 40 ms: the delay exceeds it
    np.testing.assert_array_equal(read(tmp_path / "out.wav")[faded:], noisy[faded:])


def test_an_interrupted_recording_is_complete(tmp_path: Path) -> None:
    noisy = write(tmp_path / "noisy.wav", 60)
    arguments = ["live", "--input", f"file:{tmp_path}/noisy.wav", "--output", f"file:{tmp_path}/out.wav"]
    arguments += ["--checkpoint", str(write_transparent_network(tmp_path))]
    process = subprocess.Popen(
        [sys.executable, "-m", "commands.main", *arguments, "--record", str(tmp_path / "takes")],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]  # where it runs, and the first second
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, lines
    assert "recorded" in rest and not list(tmp_path.rglob("*.part"))
    recorded, enhanced = (read(next((tmp_path / "takes").glob(f"*-{name}.wav"))) for name in ("noisy", "enhanced"))
    assert 0.9 * RATE < recorded.size == enhanced.size < 30 * RATE
    np.testing.assert_array_equal(recorded, noisy[: recorded.size])
    np.testing.assert_allclose(enhanced[:-512], recorded[:-512], atol=1e-5)  # a network that changes nothing
    played = read(tmp_path / "out.wav")
    assert 0 < played.size <= recorded.size


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--input", "none"], "--input none: nothing to enhance"),
        (["--input", "file:absent.wav"], "--input file:absent.wav: no such file"),
        (["--input", "file:"], "expected the name of a file"),
        (["--input", "file:{0}", "--output", "3"], "expected --output file:PATH or none"),
        (["--input", "file:{0}", "--output", "file:{0}"], "is the input"),
        (["--input", "file:{0}", "--output", "file:out.mid"], "out.mid: expected an ending"),
        (["--input", "file:{0}", "--rate", "8000"], "--rate is for sound devices"),
        (["--output", "file:out.wav"], "--record DIR"),
        (["--fast"], "--fast is for files"),
        (["--block", "0"], "--block must be positive, got 0"),
        (["--seconds", "nan"], "--seconds must be positive, got nan"),
        (["--spare", "-1"], "--spare must be 0 or more ms, got -1.0"),
    ],
)
def test_faults_end_with_one_line_before_a_network_is_loaded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    monkeypatch.setattr("commands.enhance_network.load_enhancer", None)
    write(tmp_path / "noisy.wav", 0.1)
    assert run(*(argument.format(tmp_path / "noisy.wav") for argument in arguments)) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and expected in error and error.count("\n") == 1


def test_without_portaudio_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    for arguments in ([], ["--list-devices"]):
        assert run(*arguments) == 1
        assert "dyncp[live]" in capsys.readouterr().err
