"""A session in a terminal: keys, time limit, lines instead of a view, and what an error leaves."""

from __future__ import annotations

import io
import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from rich.console import Console

from streaming.enhancer import StreamingEnhancer
from streaming.live.file_device import FileDevice
from streaming.live.session import LiveSession, LiveSettings
from streaming.live.terminal import run_session
from streaming.live.terminal_keys import TerminalKeys
from tests.streaming.transparent_network import transparent_enhancer

RATE = 16000


def session_of(folder: Path, seconds: float, *, fast: bool = False, record: bool = False) -> LiveSession:
    noisy = np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)
    soundfile.write(folder / "noisy.wav", noisy, RATE, "FLOAT")
    device = FileDevice(folder / "noisy.wav", folder / "out.wav", fast=fast)
    settings = LiveSettings(trial_s=0.5, record=folder / "takes" if record else None)
    return LiveSession(device, transparent_enhancer(folder), settings)


def consoles(terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100)


def output(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def after(seconds: float, action: Callable[[], object]) -> None:
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()


def press(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    """Let keys arrive one by one."""
    left = list(keys)
    monkeypatch.setattr(TerminalKeys, "active", True)
    monkeypatch.setattr(TerminalKeys, "read", lambda self, timeout_s: left.pop(0) if left else "")


def test_a_view_is_drawn_in_a_terminal(tmp_path: Path) -> None:
    session, console = session_of(tmp_path, 0.3), consoles(True)
    run_session(session, console)
    assert "dyncp live" in output(console) and "voice  " in output(console)
    assert re.search(r"0\.\d s  in -", output(console).splitlines()[-1])


def test_lines_are_written_without_a_terminal_or_view(tmp_path: Path) -> None:
    for terminal, view in ((False, True), (True, False)):
        session, console = session_of(tmp_path, 1.3), consoles(terminal)
        run_session(session, console, view=view)
        first, *lines = output(console).splitlines()
        assert "latency 42 ms" in first and "16000 Hz" in first
        assert [line.split(" s ")[0] for line in lines][-1] == "1.3" and len(lines) == 2
        assert "╭" not in output(console)


def test_keys_switch_record_and_quit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session, console = session_of(tmp_path, 60, record=True), consoles(False)
    press(monkeypatch, "b", "x", "r", "", "q")
    run_session(session, console)
    assert session.state().bypass and session.position < 30 * RATE
    assert len(list((tmp_path / "takes").glob("*.wav"))) == 2 and not list(tmp_path.rglob("*.part"))


def test_the_time_limit_is_that_of_the_signal(tmp_path: Path) -> None:
    session = session_of(tmp_path, 60)
    run_session(session, consoles(False), seconds=0.5)
    assert 0.5 * RATE <= session.position < 5 * RATE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_session_and_are_put_back(tmp_path: Path, number: signal.Signals) -> None:
    session, before = session_of(tmp_path, 60, record=True), signal.getsignal(number)
    after(0.3, lambda: os.kill(os.getpid(), number))
    run_session(session, consoles(False))
    assert 0 < session.position < 30 * RATE and signal.getsignal(number) is before
    assert soundfile.info(tmp_path / "out.wav").frames > 0 and not list(tmp_path.rglob("*.part"))


def test_an_error_of_the_network_arrives_and_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of(tmp_path, 60)

    def broken(self: StreamingEnhancer, samples: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(StreamingEnhancer, "feed", broken)
    with pytest.raises(RuntimeError, match="planted"):
        run_session(session, consoles(True))
    assert not list(tmp_path.rglob("*.part"))
