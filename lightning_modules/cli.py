"""Entry point of the ``lightning`` command; what it does is in :mod:`lightning_modules.enhancement_cli`."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> None:
    """Run the command.

    Exits with 1 and one line where the input is at fault or the disk is full, 2 for a wrong command line, 130 if
    interrupted by Ctrl-C and 143 by SIGTERM.
    """
    # Threads that wait for one another sleep instead of spinning. On cores that something else uses too (a data worker
    # is enough) spinning doubled the time of a training step. Torch's thread pool reads it once, when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from datamodules.corpus import CorpusError
    from datamodules.shards.store import ShardError
    from lightning_modules.checkpoints import CheckpointError
    from lightning_modules.enhancement_cli import ConfigError, run
    from lightning_modules.interruption import resume_command, tell_interruption
    from lightning_modules.joint_probes import JointTargetError
    from lightning_modules.nonfinite import NonfiniteError
    from lightning_modules.pesq_pool import MetricError
    from reports.quality_scores import ScoresError
    from storage.full_disk import DiskFullError

    refusals = (
        ConfigError,
        CorpusError,
        ShardError,
        CheckpointError,
        JointTargetError,
        MetricError,
        NonfiniteError,
        ScoresError,
    )
    try:
        run()
    except refusals as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except DiskFullError as error:
        again = f"; go on with: {resume_command(Path('last'), sys.argv)}" if "fit" in sys.argv[1:2] else ""
        print(f"error: {error}{again}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt as interruption:
        sys.exit(tell_interruption(interruption))


if __name__ == "__main__":
    main()
