"""Linear probes of what channel masks know; usable without a trainer."""

from probes.results import ProbeResult
from probes.suite import ProbeSuite
from probes.tasks import ProbeTask

__all__ = ["ProbeResult", "ProbeSuite", "ProbeTask"]
