"""One task with a part of the fit utterances held out: rankings, fits and scores of subsets of features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.controls import class_frequencies
from probes.evaluation import score_classes, score_values
from probes.intervals import Intervals
from probes.logistic import LogisticProbe
from probes.moments import Moments
from probes.reservoir import FrameRows
from probes.ridge import utterance_folds
from probes.selection.curve_settings import CurveSettings
from probes.selection.outputs import counting_rows, output_moments
from probes.selection.ranking import RankingMethod, rank
from probes.selection.subset_fits import ClassSubsets, SubsetFit, SubsetProbes, ValueSubsets, subset_outputs
from probes.tasks import ProbeTask


class HeldOutProblem:
    """What the curves of all rankings of a task share.

    Args:
        task: the task.
        fit: fit rows.
        score: score rows.
        settings: settings of the curves.

    Attributes:
        task, settings, num_features: as given.
        metric: what is scored.
        ranking_rows: fit rows of the utterances that are not held out.
        held_rows: fit rows of those held out.
        score_rows: score rows that count.

    Raises:
        ValueError: if features differ, no row counts, there are fewer utterances than parts, or the metric is unknown.
    """

    def __init__(self, task: ProbeTask, fit: FrameRows, score: FrameRows, settings: CurveSettings) -> None:
        if (fit.num_features, fit.packed) != (score.num_features, score.packed):
            raise ValueError(
                f"fit and score features differ: {fit.num_features} (binary: {fit.packed}) "
                f"and {score.num_features} (binary: {score.packed})"
            )
        self.task, self.settings, self.num_features = task, settings, fit.num_features
        self.metric = settings.metrics[task.kind]
        fit, self.score_rows = counting_rows(fit, task), counting_rows(score, task)
        utterances = np.unique(fit.utterances).size
        if utterances < settings.parts:
            raise ValueError(f"task {task.name!r} needs {settings.parts} utterances (parts), got {utterances}")
        part = utterance_folds(fit.utterances, settings.parts, settings.seed)
        held = part == settings.parts - 1
        self.ranking_rows, self.held_rows = fit.take(~held), fit.take(held)
        self._cv: SubsetProbes
        self._final: SubsetProbes
        self._whole: dict[bool, SubsetFit] = {}
        if task.kind == "value":
            self._classes = np.zeros(0)
            moments = output_moments(task, fit, part, settings.parts)
            self._moments: Moments | None = Moments.total(moments[:-1])
            self._cv, self._final = (ValueSubsets(parts, settings.ridge_l2) for parts in (moments[:-1], moments))
        else:
            self._moments = None
            labels = task.encode(fit.targets[task.target])
            seen = np.union1d(labels, task.encode(self.score_rows.targets[task.target]))
            self._classes = np.array([0, 1]) if task.kind == "binary" else seen
            probe = LogisticProbe(settings.logistic_l2, settings.max_iter, seed=settings.seed)
            cv = ClassSubsets(self.ranking_rows, labels[~held], settings.logistic_rows, probe)
            self._cv, self._final = cv, ClassSubsets(fit, labels, settings.logistic_rows, probe, cv.l2)

    def rank(self, method: RankingMethod) -> NDArray[np.int64]:
        """Order all features by a method, best first, without the rows held out; shape (feature,)."""
        if method in ("l1_path", "elimination") and self._moments is None:
            # Shared by both.
            (self._moments,) = output_moments(self.task, self.ranking_rows)
        return rank(method, self.ranking_rows, self.task, self.settings.ranking, self.settings.seed, self._moments)

    def cv_score(self, features: NDArray[np.int64]) -> tuple[float, bool]:
        """Fit without the rows held out and score on them.

        Args:
            features: shape (kept,).

        Returns:
            The score, and whether the fit converged.
        """
        fitted = self._fit(self._cv, features, final=False)
        (outputs,) = subset_outputs([fitted], self.held_rows)
        return self._scores(self._answer(fitted, outputs), self.held_rows)[self.metric], fitted.converged

    def final_fit(self, features: NDArray[np.int64]) -> SubsetFit:
        """Fit on all fit rows."""
        return self._fit(self._final, features, final=True)

    def final_scores(self, fits: Sequence[SubsetFit], intervals: Intervals | None) -> list[tuple[float, float, float]]:
        """Score fits on the score rows.

        Args:
            fits: of ``final_fit``.
            intervals: gives bounds by metric; None leaves them NaN.

        Returns:
            Score, lower and upper bound per fit.
        """
        rows = self.score_rows
        found = []
        for fitted, outputs in zip(fits, subset_outputs(fits, rows), strict=True):
            answer = self._answer(fitted, outputs)
            bounds = (math.nan, math.nan)
            if intervals is not None:
                bounds = intervals(self.task, self._target(rows), answer, rows.utterances)[self.metric]
            found.append((self._scores(answer, rows)[self.metric], *bounds))
        return found

    @cached_property
    def chance(self) -> float:
        """Score of the best constant answer on the rows held out."""
        target, ranked = self._target(self.held_rows), self._target(self.ranking_rows)
        if self.task.kind == "value":
            answer = np.full(len(target), ranked.mean())
        else:
            answer = np.tile(class_frequencies(ranked, self._classes.size), (len(target), 1))
        return self._scores(answer, self.held_rows)[self.metric]

    def _fit(self, probes: SubsetProbes, features: NDArray[np.int64], final: bool) -> SubsetFit:
        if features.size < self.num_features:
            return probes.fit(features)
        # All features are the same subset in any order.
        if final not in self._whole:
            self._whole[final] = probes.fit(np.arange(self.num_features))
        return self._whole[final]

    def _answer(self, fitted: SubsetFit, outputs: NDArray[np.float64]) -> NDArray[np.float64]:
        return fitted.answer(outputs, self.task, self._classes)

    def _target(self, rows: FrameRows) -> NDArray[Any]:
        encoded = self.task.encode(rows.targets[self.task.target])
        return self.task.decode(encoded) if self.task.kind == "value" else np.searchsorted(self._classes, encoded)

    def _scores(self, answer: NDArray[np.float64], rows: FrameRows) -> dict[str, float]:
        scoring = score_values if self.task.kind == "value" else score_classes
        scores = scoring(self.task, self._target(rows), answer, rows.utterances)
        if self.metric not in scores:
            raise ValueError(f"metrics[{self.task.kind}] must be one of {sorted(scores)}, got {self.metric!r}")
        return scores
