"""One training or test in a process of its own, with everything it prints in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

COMMAND = (sys.executable, "-u", "-m", "lightning_modules.cli")
PATIENCE_S = 30.0  # for a stopped process to close its logs, before it is killed


class Job:
    """A running ``lightning`` command.

    Args:
        arguments: of the command.
        log: file that its output is appended to.
        held_file: open file that the process keeps open too; a lock on it lasts as long as any of them.
    """

    def __init__(self, arguments: Sequence[str], log: Path, held_file: int | None = None) -> None:
        self.log = log
        self.started = time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            output.write(f"\n=== {time.strftime('%Y-%m-%d %H:%M:%S')} lightning {' '.join(arguments)}\n".encode())
            self.log_start = output.tell()
            # Apart from the terminal: Ctrl-C reaches the sweep alone, which then stops its processes one way.
            self._process = subprocess.Popen(
                [*COMMAND, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=() if held_file is None else (held_file,),
            )

    @property
    def exit_status(self) -> int | None:
        """Exit status of the process, None while it runs."""
        return self._process.poll()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def interrupt(self) -> None:
        """Ask the process to stop as Ctrl-C does: it closes its logs and keeps its last checkpoint."""
        if self.exit_status is None:
            self._process.send_signal(signal.SIGINT)

    def wait(self) -> None:
        """Wait until an interrupted process has ended; kill it if it takes too long."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE_S)
        self.kill()

    def kill(self) -> None:
        """End the process at once, and its data workers; nothing to do if it has ended."""
        if self.exit_status is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def text(self, num_bytes: int = 1 << 15) -> str:
        """Return the last of what this process has printed."""
        with self.log.open("rb") as output:
            size = output.seek(0, os.SEEK_END)
            output.seek(max(self.log_start, size - num_bytes))
            return output.read().decode(errors="replace")


def tail(text: str, lines: int = 15) -> list[str]:
    r"""Return the last printed lines; of a progress bar only its last state.

    Args:
        text: output of a process.
        lines: how many at most.

    Example:
        >>> tail("start\n 10%\r 20%\nerror: no such file\n")
        ['start', ' 20%', 'error: no such file']
    """
    shown = [line.rsplit("\r", 1)[-1] for line in text.replace("\r\n", "\n").rstrip().split("\n")]
    return [line for line in shown if line.strip()][-lines:]
