"""Exit status of a subcommand, and the one line that says what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

from corpora.source import NotDownloadable
from datamodules.corpus import CorpusError


def exit_status(work: Callable[[], None], again: str = "run the same command again") -> int:
    """Do the work of a subcommand.

    Args:
        work: may be stopped and started again; what it finished before an error is kept.
        again: how to go on after an interruption.

    Returns:
        0 when done, 1 where the input is at fault or something cannot be written, 2 where a corpus must be fetched by
        hand, 130 if interrupted.
    """
    try:
        work()
    except NotDownloadable as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (CorpusError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}; what is finished is kept: {again}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"stopped; what is finished is kept: {again} to go on", file=sys.stderr)
        return 130
    return 0
