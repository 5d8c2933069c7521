"""Takes the steps that are left, some at a time, until every network is trained and tested or has failed."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reports.tested_runs import DENSE, SCORES, scored_version
from sweeps.job import Job, tail
from sweeps.plan import SETTINGS_FILE, Step, SweepError, SweptNetwork, check_settings, may_start, next_step
from sweeps.progress import ProgressLines, scoring_position, training_position
from sweeps.settings import fit_config, scoring_config, training_settings, write_yaml

POLL_S = 0.5
VERBS = {"fit": ("training", "trained"), "test": ("testing", "tested")}


@dataclass(frozen=True)
class Recipe:
    """What all networks of a sweep have in common.

    Attributes:
        config: base configuration.
        out: folder of the sweep.
        jobs: processes at a time.
        threads: of torch in each of them, where the settings name none.
    """

    config: Path
    out: Path
    jobs: int = 1
    threads: int | None = None


@contextmanager
def only_sweep(out: Path) -> Iterator[int]:
    """Hold the lock of a sweep's folder, also for the processes that are handed the file.

    Raises:
        SweepError: if another sweep, or a process that one left behind, still works there.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SweepError(f"{out}: another sweep is at work there, or a training that it left behind") from error
        yield file.fileno()


class Sweep:
    """Trains and tests networks.

    Args:
        networks: in the order in which they are taken, the dense one first.
        recipe: common to all.
        lines: tell what happens.
    """

    def __init__(self, networks: Sequence[SweptNetwork], recipe: Recipe, lines: ProgressLines) -> None:
        self._networks = {network.name: network for network in networks}
        self._recipe = recipe
        self._lines = lines
        self._running: dict[str, tuple[Step, Job]] = {}
        self._unfinished = set(self._networks)
        self.failed: list[str] = []
        self.taken: set[str] = set()

    def run(self) -> None:
        """Take all steps; an interruption stops the processes, leaves everything resumable and is raised again.

        Raises:
            SweepError: before anything is started, if a network was trained with other settings.
        """
        for network in self._networks.values():
            check_settings(network)
        with only_sweep(self._recipe.out) as held_file:
            try:
                while self._unfinished:
                    self._start(held_file)
                    time.sleep(POLL_S if self._running else 0)
                    self._watch()
            except BaseException:
                self._stop()
                raise

    def _start(self, held_file: int) -> None:
        """Start what can be started."""
        for name, network in self._networks.items():
            if name in self._running or name not in self._unfinished or len(self._running) >= self._recipe.jobs:
                continue
            step = next_step(network)
            if step is None:
                self._unfinished.remove(name)
                if name not in self.taken:
                    self._lines.say(f"{name}: trained and tested before, skipped")
            elif may_start(step, name, self._unfinished):
                job = Job(self._arguments(network, step), network.folder / "log.txt", held_file)
                self._running[name] = step, job
                self.taken.add(name)
                origin = f" from {step.checkpoint}" if step.action == "fit" and step.checkpoint else ""
                self._lines.say(f"{name}: {VERBS[step.action][0]}{origin} (output in {job.log})")

    def _arguments(self, network: SweptNetwork, step: Step) -> list[str]:
        """Write what a step's process needs and return its arguments."""
        recipe = self._recipe
        write_yaml(
            training_settings(network.settings), network.folder / SETTINGS_FILE, "settings that the runs here are of"
        )
        config = fit_config(network.settings, recipe.out, network.name, recipe.threads)
        if step.action == "test":
            dense = None if network.name == DENSE else scored_version(recipe.out / DENSE)
            config = scoring_config(config, network.settings, dense / SCORES if dense is not None else None)
        generated = network.folder / f"{step.action}.yaml"
        write_yaml(config, generated, f"written by dyncp sweep; stacked on {recipe.config} and {network.overlay}")
        files = ["--config", str(recipe.config), "--config", str(network.overlay)]
        checkpoint = [] if step.checkpoint is None else ["--ckpt_path", str(step.checkpoint)]
        return [step.action, *files, *network.arguments, "--config", str(generated), *checkpoint]

    def _watch(self) -> None:
        """Show how far running processes are, and take note of those that have ended."""
        for name, (step, job) in list(self._running.items()):
            doing, done = VERBS[step.action]
            label, status, text = f"{name}: {doing}", job.exit_status, job.text()
            settings = self._networks[name].settings
            at = training_position(text, settings) if step.action == "fit" else scoring_position(text)
            if at is not None:
                self._lines.update(label, at)
            if status is None:
                continue
            self._lines.end(label)
            del self._running[name]
            after = next_step(self._networks[name])
            if status == 0 and (after is None or after.action != step.action):
                self._lines.say(f"{name}: {done} in {job.seconds / 60:.1f} min")
                continue
            reason = f"exit status {status}" if status else "it ended before its last step or without its results"
            self._unfinished.remove(name)
            self.failed.append(name)
            self._lines.say(f"{name}: {doing} failed ({reason}); the end of {job.log}:")
            for line in tail(text):
                self._lines.say(f"    {line}")

    def _stop(self) -> None:
        """Stop all processes, together."""
        try:
            for _, job in self._running.values():
                job.interrupt()
            for name, (step, job) in self._running.items():
                job.wait()
                self._lines.say(f"{name}: {VERBS[step.action][0]} stopped")
        finally:  # also where Ctrl-C is pressed again
            for _, job in self._running.values():
                job.kill()
