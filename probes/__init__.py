"""Linear probes of what channel masks know; usable without a trainer."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probes.results import ProbeResult
    from probes.suite import ProbeSuite
    from probes.tasks import ProbeTask

__all__ = ["ProbeResult", "ProbeSuite", "ProbeTask"]

# Imported when asked for: fitting takes seconds to import, and probes that were fitted do not need it.
_HOME = {"ProbeResult": "probes.results", "ProbeSuite": "probes.suite", "ProbeTask": "probes.tasks"}


def __getattr__(name: str) -> object:
    """Import the module that a name of the package comes from (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)
