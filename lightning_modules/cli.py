"""Entry point of the ``lightning`` command; what it does is in :mod:`lightning_modules.enhancement_cli`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command.

    Exits with 1 and one line where the input is at fault, 2 for a wrong command line, 130 if interrupted.
    """
    # Threads that wait for one another sleep instead of spinning. On cores that something else uses too (a data worker
    # is enough) spinning doubled the time of a training step. Torch's thread pool reads it once, when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from datamodules.corpus import CorpusError
    from datamodules.shards.store import ShardError
    from lightning_modules.checkpoints import CheckpointError
    from lightning_modules.enhancement_cli import ConfigError, run
    from lightning_modules.interruption import tell_interruption
    from lightning_modules.joint_probes import JointTargetError
    from lightning_modules.pesq_pool import MetricError
    from reports.quality_scores import ScoresError

    refusals = (ConfigError, CorpusError, ShardError, CheckpointError, JointTargetError, MetricError, ScoresError)
    try:
        run()
    except refusals as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as interruption:
        sys.exit(tell_interruption(interruption))


if __name__ == "__main__":
    main()
