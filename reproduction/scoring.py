"""Scores what deployed probes say against what is true; nothing is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.evaluation import score_classes, score_values
from probes.results import ScoredRows
from probes.scores import utterance_means
from probes.tasks import ProbeTask, select
from probing.data import StudyData
from probing.mixtures import Part
from reproduction.listening import Heard
from reproduction.rows import Score
from streaming.properties import PropertySpec

NOISE_TASK, KNOWN_NOISE = "noise_class", "noise_class_known"
F0_TASK, VOICING_TASK = "f0_hz", "voicing"
COMPOSED_F0, EXPECTED_F0 = "f0_where_voiced_hz", "f0_times_voicing_hz"
AT_THRESHOLD = ("accuracy", "balanced_accuracy")


@dataclass(frozen=True)
class Scoring:
    """Scores the outputs of probes.

    Attributes:
        tasks: how every probe is scored, by name.
        schema: of the outputs.
        data: what is resampled for intervals, and the categories of the corpus.
    """

    tasks: Mapping[str, ProbeTask]
    schema: Sequence[PropertySpec]
    data: StudyData

    def all_scores(self, heard: Mapping[Part, Heard]) -> list[Score]:
        """Score all probes on unseen recordings, and the noise class on unseen segments of known ones too.

        A probe without a task, or whose target could not be measured, is left out. Binary targets are decided at 0.5,
        as in a study, and under names that end in ``_at_threshold`` at the probability that their file holds.
        """
        found: list[Score] = []
        for spec in self.schema:
            if spec.name not in self.tasks or self.tasks[spec.name].target not in heard["score"].targets:
                continue
            rows = self.rows(spec, heard["score"])
            found += self._scores(spec.name, rows, "score")
            if spec.kind == "binary":
                found += self._at_threshold(spec, rows)
            if spec.name == NOISE_TASK:
                found += self._scores(KNOWN_NOISE, self.rows(spec, heard["known"]), "known")
        found += self._composed_f0(heard["score"])
        return found

    def rows(self, spec: PropertySpec, heard: Heard) -> ScoredRows:
        """Lay what a probe said beside what is true, for the frames that count."""
        task, output = self.tasks[spec.name], heard.outputs[spec.name]
        counts = select(heard.targets, task)
        truth, utterances = task.encode(heard.targets[task.target][counts]), heard.utterances[counts]
        if task.kind == "value":
            said, nothing = output[counts], np.zeros(0, dtype=np.int64)
            if task.pooled:
                truth, said = utterance_means(truth, utterances), utterance_means(said, utterances)
                utterances = np.unique(utterances)
            return ScoredRows(task, task.decode(truth), said, nothing, utterances)
        if task.kind == "binary":
            posterior = np.stack([1 - output[counts], output[counts]], axis=1)
            return ScoredRows(task, truth, posterior, np.array([0, 1]), utterances)
        names, labels = self._named_labels(task, spec, truth)
        wide = np.zeros((len(labels), len(names)))
        wide[:, [names.index(name) for name in spec.classes]] = output[counts]
        return ScoredRows(task, labels, wide, np.arange(len(names)), utterances)

    def _named_labels(
        self, task: ProbeTask, spec: PropertySpec, truth: NDArray[np.int64]
    ) -> tuple[list[str], NDArray[np.int64]]:
        """Return all classes that the probe or the corpus knows, and the truth as positions among them."""
        known = (
            self.data.categories if task.target == NOISE_TASK else tuple(map(str, range(int(truth.max(initial=0)) + 1)))
        )
        names = sorted({*known, *spec.classes})
        return names, np.array([names.index(name) for name in known], dtype=np.int64)[truth]

    def _scores(self, name: str, rows: ScoredRows, part: Part) -> Iterator[Score]:
        score = score_values if rows.task.kind == "value" else score_classes
        scores = score(rows.task, rows.target, rows.prediction, rows.utterances)
        intervals = self.data.intervals(rows.task, rows.target, rows.prediction, rows.utterances, part)
        count = int(np.unique(rows.utterances).size)
        for metric, value in scores.items():
            yield Score(f"{name}/{metric}", value, *intervals[metric], count)

    def _at_threshold(self, spec: PropertySpec, rows: ScoredRows) -> Iterator[Score]:
        """Score the answers that a user of the file gets."""
        answers = np.eye(2)[(rows.prediction[:, 1] >= spec.threshold).astype(int)]
        decided = ScoredRows(rows.task, rows.target, answers, rows.classes, rows.utterances)
        for score in self._scores(spec.name, decided, "score"):
            if score.metric in AT_THRESHOLD:
                yield Score(f"{score.name}_at_threshold", score.score, score.low, score.high, score.utterances)

    def _composed_f0(self, heard: Heard) -> Iterator[Score]:
        """Score F0 of all frames from two probes: 0 Hz where no voicing is found, and times its probability."""
        specs = {spec.name: spec for spec in self.schema}
        if not {F0_TASK, VOICING_TASK} <= set(specs) or F0_TASK not in heard.targets:
            return
        voicing, f0_hz = heard.outputs[VOICING_TASK], heard.outputs[F0_TASK]
        decided = voicing >= specs[VOICING_TASK].threshold
        for name, share in ((COMPOSED_F0, decided), (EXPECTED_F0, voicing)):
            task = ProbeTask(name, "value", unit="Hz", source=F0_TASK, fill=0.0)
            truth = task.encode(heard.targets[F0_TASK])
            nothing = np.zeros(0, dtype=np.int64)
            yield from self._scores(name, ScoredRows(task, truth, share * f0_hz, nothing, heard.utterances), "score")
