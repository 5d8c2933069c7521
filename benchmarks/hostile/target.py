"""What is fuzzed: inputs, what reads them, and what may come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hypothesis.strategies import SearchStrategy

Files = Mapping[str, bytes]
MARK = "executed"  # file that planted code would make


class WrongResult(AssertionError):
    """Something was accepted and is not what it should be; the message says what."""


@dataclass(frozen=True)
class Target:
    """A reader of files from elsewhere.

    Attributes:
        name: of the target.
        inputs: files by name, as they may come.
        read: gets the folder in which they lie, and reads and uses them; it raises :class:`WrongResult` where what was
            accepted is of no use.
        refusals: errors that it may raise; a message names a file of the input or its folder.
        named: patterns of which every message holds one; None demands the name of a file.
    """

    name: str
    inputs: SearchStrategy[Files]
    read: Callable[[Path], None]
    refusals: tuple[type[Exception], ...]
    named: tuple[str, ...] | None = None


def demand(condition: object, what: str) -> None:
    """Refuse a result.

    Raises:
        WrongResult: if the condition does not hold.
    """
    if not condition:
        raise WrongResult(what)


@contextmanager
def executes_nothing() -> Iterator[None]:
    """Demand that no planted code runs in the block.

    Raises:
        WrongResult: if it did.
    """
    mark = Path(MARK)
    try:
        yield
    finally:
        executed = mark.exists()
        mark.unlink(missing_ok=True)
        demand(not executed, "code in the file was executed")
