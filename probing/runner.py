"""One study from checkpoint to report: builds, collects, takes the sections that are left, and draws."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from rich.console import Console
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from lightning_modules.checkpoints import CheckpointError, check_file
from probing.collection import KNOWN_FEATURES, Collected, collect
from probing.data import StudyData
from probing.features import FEATURE_SETS, MASKS, FeatureExtractor, untrained_twin
from probing.mixtures import Part, study_loaders
from probing.network import build, config_of, fingerprint, load_weights, merged
from probing.outcome import Outcome, Study
from probing.sections.registry import BUILT_ON, COMPARING, SECTIONS
from probing.settings import StudySettings
from probing.state import Stopwatch, StudyState, Tables, identify
from reports.environment import last_parts, software, without_place


@dataclass(frozen=True)
class StudyRequest:
    """What is asked for.

    Attributes:
        checkpoint: of the network.
        out: folder of the report.
        settings: of the study.
        config: of the training; None takes the one beside the checkpoint.
        arguments: of ``lightning fit`` that override it.
        only: names of sections; all if empty.
        anew: replace what the folder holds.
    """

    checkpoint: Path
    out: Path
    settings: StudySettings
    config: Path | None = None
    arguments: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    anew: bool = False


class StudyRun:
    """A study on its way; network and mixtures are built when the first section needs them.

    Args:
        request: what is asked for.
        console: where progress is told.

    Raises:
        CheckpointError: if there is no usable checkpoint, or no configuration.
        StudyError: if the folder holds another study, or a section is unknown.
    """

    def __init__(self, request: StudyRequest, console: Console) -> None:
        check_file(request.checkpoint)
        self.request = request
        self.config = request.config or config_of(request.checkpoint)
        if not self.config.is_file():
            raise CheckpointError(f"--config: no file '{self.config}'")
        self.identity = identify(request.checkpoint, self.config, request.arguments, request.settings)
        self.state = StudyState(request.out, self.identity.digest, SECTIONS, request.only, request.anew)
        self.console = console

    def run(self) -> None:
        """Take the sections that are left."""
        for position, name in enumerate(self.state.wanted, start=1):
            place = f"[{position}/{len(self.state.wanted)}] {name}"
            if self.state.done(name):
                self._say(f"{place}: done before")
                continue
            study = self.study  # before the clock starts: collecting belongs to no section
            self.state.begin()
            watch, tables = Stopwatch(), Tables(self.request.out)

            def tell(what: str, place: str = place) -> None:
                self._say(f"{place}: {what}")

            outcome = Outcome(tables.add, tell, self.state.all_told())
            # One thread of numpy's BLAS: fits are many small products; large systems are torch's.
            with threadpool_limits(1, user_api="blas"):
                SECTIONS[name](study, outcome)
            tables.write()
            outdated = [other for other, sources in BUILT_ON.items() if name in sources]
            self.state.finish(name, outcome.told, watch.seconds, outdated)
            self._say(f"{place}: {watch.seconds:.0f} s")

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    @cached_property
    def study(self) -> Study:
        """The network, and features and targets of all mixtures."""
        settings = self.request.settings
        trained_with = merged(self.config, self.request.arguments)
        module, data = build(trained_with)
        if not module.network.gated:
            raise CheckpointError("model.network.gated is false: a dense network has no masks to probe")
        untrained = copy.deepcopy(module.network)
        load_weights(module, self.request.checkpoint)
        loaders = study_loaders(data, settings.split, settings.mixtures, settings.fit_noise_share)
        some = next(iter(loaders["fit"]))["noisy"]
        untrained = untrained_twin(untrained, module.network, module.stft, some)
        extract = FeatureExtractor(module.network, untrained, module.stft)
        watch = Stopwatch()
        collected = self._collect(loaders, extract)
        self._say(f"collected {sum(map(len, loaders.values()))} batches in {watch.seconds:.0f} s")
        self.state.note_seconds("collecting", watch.seconds)
        network = module.network
        return Study(
            module,
            StudyData(settings, collected, data.grid, data.corpus.categories, len(network.blocks), network.channels),
            self.request.out,
            self._provenance(fingerprint(self.request.checkpoint, trained_with)),
        )

    def _collect(self, loaders: Any, extract: FeatureExtractor) -> dict[Part, Collected]:
        settings = self.request.settings
        collected: dict[Part, Collected] = {}
        total = sum(vars(settings.mixtures).values())
        sets = {MASKS}
        for name in self.state.wanted:
            if name in COMPARING and not self.state.done(name):
                sets |= set(COMPARING[name](settings))
        with tqdm(total=total, desc="Collecting", unit="mixture", leave=False) as bar:
            for part, loader in loaders.items():
                offered = KNOWN_FEATURES if part == "known" else FEATURE_SETS
                wanted = tuple(name for name in offered if name in sets)
                signals = settings.kept_signals if part == "score" else 0
                collected[part] = collect(part, loader, extract, wanted, settings.frame_stride, signals, bar.update)
        return collected

    def _provenance(self, network: str) -> dict[str, str]:
        return {
            "checkpoint": last_parts(self.identity.checkpoint, 4),
            "sha256": self.identity.sha256,
            "network": network,
            "config": last_parts(self.identity.config, 4),
            "arguments": " ".join(map(without_place, self.identity.arguments)),
            "split": self.request.settings.split,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        } | software()
