"""What hostile and damaged input does to everything that reads files: a correct result or a clear error, nothing else.

    python -m benchmarks.fuzzing --examples 10000
    python -m benchmarks.fuzzing --examples 1000 --only probes --seed 3

Inputs are damaged copies of small valid ones (benchmarks/hostile): cut, flipped, exchanged, claimed to be huge, nested,
with values that are no numbers, with planted code. Wrong are a crash, a hang, an error of another kind or without the
name of the file, an accepted input whose result is not finite, memory beyond a bound, and code that is executed. The
input is then kept under --keep, and the exit status is 1. Prints Markdown.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import re
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.hostile import audio, checkpoints, corpora, networks
from benchmarks.hostile import settings as configurations
from benchmarks.hostile.target import Files, Target, WrongResult

TARGETS: dict[str, Callable[[], Target]] = {
    "recordings": audio.recording_target,
    "files": audio.enhanced_file_target,
    "pipes": audio.pipe_target,
    "manifests": corpora.manifest_target,
    "shards": corpora.shard_target,
    "networks": networks.network_target,
    "probes": networks.probe_target,
    "states": networks.state_target,
    "onnx": networks.onnx_target,
    "checkpoints": checkpoints.checkpoint_target,
    "published": configurations.published_target,
    "study_states": configurations.study_state_target,
    "studies": configurations.study_target,
    "reproductions": configurations.reproduction_target,
    "configurations": configurations.configuration_target,
}
SLOW = ("studies", "reproductions", "configurations", "study_states")  # their imports or their parsers take seconds


class UnexpectedOutcome(AssertionError):
    """An input did what none may do; the message says where it is kept."""


@dataclass
class Tally:
    """What came of the inputs of a target.

    Attributes:
        accepted: inputs with a correct result.
        refused: inputs with a clear error.
        slowest_s: seconds of the slowest.
    """

    accepted: int = 0
    refused: int = 0
    slowest_s: float = 0.0


@contextmanager
def bounded_memory(extra_mb: float) -> Iterator[None]:
    """Let the process map at most ``extra_mb`` MiB more than now."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + int(extra_mb * 2**20), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextmanager
def watched(seconds: float) -> Iterator[None]:
    """End the process, with the stacks of all threads, if the block takes longer."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def explore(
    target: Target, examples: int, keep: Path, first_seed: int = 0, hang_s: float = 60.0, memory_mb: float = 2048.0
) -> Tally:
    """Try a target.

    Args:
        target: what is tried.
        examples: how many inputs.
        keep: folder in which every input lies while it is read, so that it is there after a crash too.
        first_seed: of the drawing.
        hang_s: seconds after which an input counts as one that hangs, and ends the process.
        memory_mb: that one input may map, in MiB.

    Raises:
        UnexpectedOutcome: naming the folder that holds the input.
    """
    tally, folder = Tally(), keep / target.name.replace(" ", "_").replace(",", "")

    @seed(first_seed)
    @settings(
        max_examples=examples, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    @given(target.inputs)
    def attempt(files: Files) -> None:
        write(files, folder)
        start = time.perf_counter()
        try:
            with watched(hang_s), bounded_memory(memory_mb), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                target.read(folder)
            tally.accepted += 1
        except target.refusals as error:
            check_message(target, files, folder, error)
            tally.refused += 1
        tally.slowest_s = max(tally.slowest_s, time.perf_counter() - start)

    try:
        attempt()
    except (Exception, SystemExit) as error:
        raise UnexpectedOutcome(
            f"{target.name}: {type(error).__name__}: {str(error)[:500]}; kept in {folder}"
        ) from error
    shutil.rmtree(folder, ignore_errors=True)
    return tally


def write(files: Files, folder: Path) -> None:
    """Write an input into a folder that holds nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def check_message(target: Target, files: Files, folder: Path, error: Exception) -> None:
    """Check that an error says where.

    Raises:
        WrongResult: if it does not, or is so long that nobody reads it.
    """
    text = str(error)
    names = [re.escape(name) for name in (*(Path(name).name for name in files), str(folder))]
    if not any(re.search(name, text) for name in target.named or names):
        raise WrongResult(f"the error names nothing to look at: {text[:200]}") from error
    if len(text) > 5000:
        raise WrongResult(f"an error of {len(text)} characters: {text[:200]}") from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; exits with 1 at an unexpected outcome."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=10000, help="inputs of every target (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=TARGETS, default=list(TARGETS), metavar="NAME", help="targets")
    parser.add_argument("--seed", type=int, default=0, help="of the drawing (default: %(default)s)")
    parser.add_argument("--keep", type=Path, default=Path("fuzzing"), help="folder for inputs (default: %(default)s)")
    parser.add_argument("--hang-s", type=float, default=60.0, help="seconds that an input may take")
    parser.add_argument("--memory-mb", type=float, default=2048.0, help="MiB that an input may map")
    options = parser.parse_args(arguments)
    faulthandler.enable()
    keep = options.keep.resolve()
    with tempfile.TemporaryDirectory() as elsewhere:
        os.chdir(elsewhere)  # planted code would leave its mark here
        failures = [_report(name, options, keep) for name in options.only]
    sys.exit(int(any(failures)))


def _report(name: str, options: argparse.Namespace, keep: Path) -> bool:
    """Try a target, print its row, and return whether it failed."""
    if name == options.only[0]:
        print("| target | inputs | accepted | refused | slowest | wrong |\n|---|---|---|---|---|---|", flush=True)
    target = TARGETS[name]()
    try:
        tally = explore(target, options.examples, keep, options.seed, options.hang_s, options.memory_mb)
    except UnexpectedOutcome as error:
        print(f"| {target.name} | | | | | {error} |", flush=True)
        return True
    cases = tally.accepted + tally.refused
    print(
        f"| {target.name} | {cases} | {tally.accepted} | {tally.refused} | {tally.slowest_s * 1000:.0f} ms | 0 |",
        flush=True,
    )
    return False


if __name__ == "__main__":
    main()
