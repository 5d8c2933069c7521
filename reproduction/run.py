"""One reproduction: hears all mixtures, scores what was said, and writes it down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from checkpoints import default_network
from checkpoints.training import read_network
from datamodules.enhancement_data import EnhancementDataModule
from datamodules.fingerprint import manifest_hashes
from probing.collection import Collected
from probing.data import StudyData
from probing.mixtures import Part
from probing.settings import StudySettings
from reports.probing.tables import write_table
from reproduction.cost import cost_scores
from reproduction.listening import Heard, listen
from reproduction.mixtures import corpus_data, loaders
from reproduction.quality import NOISY, QualityRating, quality_scores
from reproduction.rows import QUALITY, Score
from reproduction.scoring import Scoring
from reproduction.settings import ReproductionSettings
from streaming.enhancer import StreamingEnhancer
from streaming.loading import EngineName

MANIFESTS = ("speech.csv", "noise.csv")  # what mixtures without augmentation are drawn from
TABLE = "reproduced"


@dataclass(frozen=True)
class Listened:
    """What is to be reproduced.

    Attributes:
        root: folder of the corpus.
        network: file; None takes that of the package.
        probes: file; None takes those beside the network.
        engine: that computes.
    """

    root: Path
    network: Path | None = None
    probes: Path | None = None
    engine: EngineName = "numba"


@dataclass(frozen=True)
class Reproduction:
    """What came out.

    Attributes:
        scores: all of them.
        hashes: of network and probes.
        corpus: manifests and their hashes.
        settings: identity of the settings.
        missing: quality measure to the reason why it is not there.
    """

    scores: Sequence[Score]
    hashes: Mapping[str, str]
    corpus: Mapping[str, str]
    settings: Mapping[str, Any]
    missing: Mapping[str, str] = field(default_factory=dict)

    def reason_without(self, name: str) -> str | None:
        """Say why a score cannot be made here: quality needs packages; None if it can."""
        parts = name.split("/")
        measure = parts[1] if parts[0] == QUALITY and len(parts) > 1 else parts[0]  # noisy quality is a task too
        return self.missing.get(measure)


def reproduce(what: Listened, settings: ReproductionSettings) -> Reproduction:
    """Hear the mixtures of a corpus and score what was said.

    Raises:
        ValueError: if a file or the corpus cannot be used; the message names it.
    """
    path = default_network() if what.network is None else what.network
    stored = read_network(path)
    if not stored.architecture.gated:
        raise ValueError(f"{path}: a dense network has no masks to read")
    enhancer = StreamingEnhancer(path, what.probes, engine=what.engine, smoothing_s=0.0, keep_masks=True)
    if not enhancer.schema:
        raise ValueError(f"--probes: there are none beside {path}; name their file")
    data = corpus_data(what.root, settings, enhancer.grid)
    rating = QualityRating(enhancer.sample_rate, settings.rating_workers)
    try:
        heard = _hear(enhancer, data, settings, rating)
        quality = rating.table()
    finally:
        rating.close()
    _add_quality_targets(heard["score"], quality)
    scoring = Scoring(
        {task.name: task for task in settings.tasks}, enhancer.schema, _study_data(settings, data, enhancer, heard)
    )
    scores = [
        *scoring.all_scores(heard),
        *quality_scores(quality, settings.intervals),
        *cost_scores(stored, heard["score"]),
    ]
    corpus = {name: value for name, value in manifest_hashes(data.root).items() if name in MANIFESTS}
    hashes = {name: enhancer.identity[name] for name in ("network", "probes")}
    return Reproduction(scores, hashes, corpus, settings.identity(), rating.missing)


def _hear(
    enhancer: StreamingEnhancer, data: EnhancementDataModule, settings: ReproductionSettings, rating: QualityRating
) -> dict[Part, Heard]:
    heard: dict[Part, Heard] = {}
    batches = loaders(data, settings)
    with tqdm(total=sum(vars(settings.mixtures).values()), desc="Listening", unit="mixture", leave=False) as bar:
        for part, loader in batches.items():
            heard[part] = listen(enhancer, loader, rating.rate if part == "score" else None, bar.update)
    return heard


def _add_quality_targets(heard: Heard, quality: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> None:
    """Make targets of the quality of the noisy mixtures, which probes tell too."""
    for measure, systems in quality.items():
        heard.targets[measure] = systems[NOISY].astype(np.float32)[heard.utterances]


def _study_data(
    settings: ReproductionSettings,
    data: EnhancementDataModule,
    enhancer: StreamingEnhancer,
    heard: Mapping[Part, Heard],
) -> StudyData:
    """Describe the mixtures as a study does, so that intervals resample the same."""
    study = StudySettings(
        split=settings.split,
        tasks=settings.tasks,
        intervals=settings.intervals,
        block_tasks=(),
        selection_tasks=(),
        refined_tasks=(),
    )
    collected = {part: Collected(mixtures=item.mixtures) for part, item in heard.items()}
    return StudyData(study, collected, data.grid, data.corpus.categories, enhancer.blocks, enhancer.channels)


def write_scores(made: Reproduction, out: Path) -> None:
    """Write ``reproduced.csv`` and ``reproduced.json``."""
    out.mkdir(parents=True, exist_ok=True)
    write_table(out / TABLE, list(made.scores), Score)
