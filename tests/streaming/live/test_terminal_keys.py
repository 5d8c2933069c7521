"""Keys of a terminal (a pseudo-terminal here), which is as before afterwards."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import TextIO

import pytest

from streaming.live.terminal_keys import TerminalKeys

pty = pytest.importorskip("pty")
termios = pytest.importorskip("termios")


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    """Yield the end that types and the stream that reads."""
    typing, reading = pty.openpty()
    with os.fdopen(reading) as stream:
        yield typing, stream
    os.close(typing)


def test_keys_arrive_without_return_and_the_terminal_is_restored(terminal: tuple[int, TextIO]) -> None:
    typing, stream = terminal
    before = termios.tcgetattr(stream.fileno())
    with TerminalKeys(stream) as keys:
        assert keys.active and termios.tcgetattr(stream.fileno()) != before
        assert keys.read(0.0) == ""
        os.write(typing, b"br")
        assert keys.read(5.0) == "br"
    assert termios.tcgetattr(stream.fileno()) == before


def test_the_terminal_is_restored_after_an_error(terminal: tuple[int, TextIO]) -> None:
    _, stream = terminal
    before = termios.tcgetattr(stream.fileno())
    with pytest.raises(RuntimeError, match="planted"), TerminalKeys(stream):
        raise RuntimeError("planted")
    assert termios.tcgetattr(stream.fileno()) == before


@pytest.mark.parametrize("closed", [False, True])
def test_without_a_terminal_there_are_no_keys(closed: bool) -> None:
    stream = io.StringIO("q")
    if closed:
        stream.close()
    with TerminalKeys(stream) as keys:
        assert not keys.active and keys.read(0.0) == ""
