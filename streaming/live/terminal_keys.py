"""Single key presses of a terminal, which is put back as it was in any case."""

from __future__ import annotations

import os
import select
import sys
from types import TracebackType
from typing import Self, TextIO

try:
    import termios
    import tty
except ModuleNotFoundError:  # not a POSIX system: no keys
    termios = None  # type: ignore[assignment]


class TerminalKeys:
    """Context in which keys arrive without return and are not shown; Ctrl-C still interrupts.

    Where the input is no terminal, nothing is changed and no key ever arrives.

    Args:
        stream: None takes standard input.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        stream = sys.stdin if stream is None else stream
        usable = termios is not None and stream is not None and not stream.closed and stream.isatty()
        self._descriptor = stream.fileno() if usable else None
        self._before: list[object] | None = None

    @property
    def active(self) -> bool:
        """Whether keys can arrive."""
        return self._descriptor is not None

    def __enter__(self) -> Self:
        if self._descriptor is not None:
            self._before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None and self._before is not None:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)  # type: ignore[arg-type]

    def read(self, timeout_s: float) -> str:
        """Wait for keys.

        Args:
            timeout_s: at most.

        Returns:
            The keys pressed since the last call, "" if none.
        """
        if self._descriptor is None or not select.select([self._descriptor], [], [], timeout_s)[0]:
            return ""
        return os.read(self._descriptor, 64).decode(errors="ignore")
