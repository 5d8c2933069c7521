"""Runs a live session until the user ends it: view or log lines, keys, and signals."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.live import Live

from streaming.live.session import LiveSession
from streaming.live.terminal_keys import TerminalKeys
from streaming.live.view import plain_line, render

UPDATES_PER_S = 12
LOG_INTERVAL_S = 1.0
QUIT_KEYS = "q\x03"  # the second is Ctrl-C where the terminal sends it as a key


def run_session(session: LiveSession, console: Console, *, view: bool = True, seconds: float | None = None) -> None:
    """Start a session, show it, and stop it when the device ends, the time is over, or the user says so.

    Keys: ``b`` switches the bypass, ``r`` the recording, ``q`` quits. Ctrl-C and SIGTERM quit too and leave files
    complete; a second Ctrl-C does not wait for that. Without a terminal there are no keys, and a line per second
    instead of a view.

    Args:
        session: not started.
        console: where the view is drawn.
        view: False writes lines, whether there is a terminal or not.
        seconds: of signal at most; None has no limit.

    Raises:
        DeviceError: if the device cannot be started.
        Exception: whatever ended the device or the network.
    """
    limit = None if seconds is None else round(seconds * session.device.sample_rate)
    with _quitting_signals() as quitting, TerminalKeys() as keys:
        session.start()
        device = session.device
        try:
            _print(console, f"{device.description} at {device.sample_rate} Hz, latency {session.latency}")
            with _shown(session, console, view and console.is_terminal) as show:
                while not (quitting.is_set() or session.ended or (limit is not None and session.position >= limit)):
                    show()
                    if _obey(session, _wait(keys, quitting)):
                        break
        finally:
            session.stop()
    _print(console, plain_line(session.state()))


def _print(console: Console, line: str) -> None:
    """Write plain text: nothing coloured, wrapped or taken for markup (names of devices have brackets)."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _wait(keys: TerminalKeys, quitting: threading.Event) -> str:
    if keys.active:
        return keys.read(1.0 / UPDATES_PER_S)
    quitting.wait(1.0 / UPDATES_PER_S)
    return ""


def _obey(session: LiveSession, keys: str) -> bool:
    """Do what the keys say; return whether to quit."""
    for key in keys:
        if key in QUIT_KEYS:
            return True
        if key == "b":
            session.toggle_bypass()
        elif key == "r":
            session.toggle_recording()
    return False


@contextlib.contextmanager
def _shown(session: LiveSession, console: Console, drawn: bool) -> Iterator[Callable[[], None]]:
    """Give something that shows the session when called often."""
    if not drawn:
        yield _LogLines(session, console)
        return
    with Live(render(session.state()), console=console, auto_refresh=False, transient=True) as live:
        yield lambda: live.update(render(session.state()), refresh=True)


class _LogLines:
    """Prints a line when a second has passed."""

    def __init__(self, session: LiveSession, console: Console) -> None:
        self._session, self._console, self._due = session, console, time.monotonic() + LOG_INTERVAL_S

    def __call__(self) -> None:
        if time.monotonic() >= self._due:
            self._due += LOG_INTERVAL_S
            _print(self._console, plain_line(self._session.state()))


@contextlib.contextmanager
def _quitting_signals() -> Iterator[threading.Event]:
    """Turn the first SIGINT or SIGTERM into an event, so that nothing is interrupted half-way."""
    quitting = threading.Event()
    before: dict[signal.Signals, Any] = {}

    def quit_once(number: int, _frame: object) -> None:
        quitting.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, quit_once)
    try:
        yield quitting
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
