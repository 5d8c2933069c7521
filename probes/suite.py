"""All probes of one set of features: collect rows, fit, score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.evaluation import evaluate, scored_rows
from probes.fitting import FitSettings, FittedTask, counting, fit_tasks
from probes.linear import l2_grid
from probes.logistic import DEFAULT_LOGISTIC_L2, LogisticProbe
from probes.reservoir import FrameReservoir, FrameRows
from probes.results import ProbeResult, ScoredRows
from probes.ridge import DEFAULT_RIDGE_L2, RidgeProbe
from probes.tasks import ProbeTask, select


class ProbeSuite:
    """Fit and score the probes of several tasks on one kind of feature.

    Classes are fitted logistically on a sample of rows, values by ridge on all rows kept, with strengths chosen over
    held-out utterances. Rows are stored packed: 2304 binary features take 288 bytes a frame.

    Args:
        tasks: what to probe, names distinct.
        ridge_l2: strengths to choose from for values (objective in ``RidgeProbe``).
        logistic_l2: strengths to choose from for classes (same objective).
        ridge_rows: most fit rows kept, a uniform sample of those offered.
        logistic_rows: most rows of one logistic fit, a uniform sample of those that count for the task.
        frame_stride: every how many frames one is offered to the fit; neighbours are nearly equal. Scores use all.
        folds: folds over utterances that choose the strength of ridge.
        seed: seed of samples, folds and shuffles.
        shuffled_control: also fit and score shuffled labels.
        max_iter: most iterations of a logistic fit.
        stream: of the samples; suites whose rows come without positions merge if it differs.

    Raises:
        ValueError: if a setting is out of range, or task names repeat.
    """

    def __init__(
        self,
        tasks: Sequence[ProbeTask],
        ridge_l2: Sequence[float] = DEFAULT_RIDGE_L2,
        logistic_l2: Sequence[float] = DEFAULT_LOGISTIC_L2,
        ridge_rows: int = 30_000,
        logistic_rows: int = 12_000,
        frame_stride: int = 1,
        folds: int = 3,
        seed: int = 0,
        shuffled_control: bool = True,
        max_iter: int = 200,
        stream: int = 0,
    ) -> None:
        names = [task.name for task in tasks]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"tasks must have distinct names, at least one, got {names}")
        for name, value in {"ridge_rows": ridge_rows, "frame_stride": frame_stride}.items():
            if value < 1:
                raise ValueError(f"{name} must be positive, got {value}")
        self.tasks = tuple(tasks)
        self.settings = FitSettings(
            ridge_l2=l2_grid(ridge_l2),
            logistic_l2=l2_grid(logistic_l2),
            logistic_rows=logistic_rows,
            folds=folds,
            seed=seed,
            shuffled_control=shuffled_control,
            max_iter=max_iter,
        )
        self.frame_stride = frame_stride
        named = {task.target for task in tasks} | {task.where for task in tasks if task.where is not None}
        self._target_names = sorted(named)
        self._fit_rows = FrameReservoir(ridge_rows, seed, stream)
        self._score_rows = FrameReservoir(None, seed, stream)
        self._offered = 0
        self._fitted: dict[str, FittedTask] = {}
        self._scored: dict[str, ScoredRows] = {}

    def add_fit(
        self,
        features: NDArray[Any],
        targets: Mapping[str, NDArray[Any]],
        utterance_ids: NDArray[Any],
        positions: NDArray[np.int64] | None = None,
    ) -> None:
        """Offer rows to the fit.

        Args:
            features: shape (frame_total, feature); bool or 0/1 uint8 for masks.
            targets: name -> shape (frame_total,), for every task and every ``where``; constants of an utterance
                repeated for its frames.
            utterance_ids: shape (frame_total,), unique over the data set.
            positions: running index of every frame in the whole data set, shape (frame_total,), in every call or in
                none. Ranks that give it keep together what one process would; None counts the frames of this suite.

        Raises:
            ValueError: if a target is missing or holds values its kind does not allow, or shapes disagree.
        """
        used = self._checked(targets)
        index = np.arange(self._offered, self._offered + features.shape[0]) if positions is None else positions
        keep = np.flatnonzero(index % self.frame_stride == 0)
        self._offered += features.shape[0]
        kept = {name: values[keep] for name, values in used.items()}
        # the running index of a reservoir without positions counts what is left by the stride
        places = None if positions is None else index[keep] // self.frame_stride
        self._fit_rows.add(features[keep], kept, np.asarray(utterance_ids)[keep], places)

    def add_score(
        self,
        features: NDArray[Any],
        targets: Mapping[str, NDArray[Any]],
        utterance_ids: NDArray[Any],
        positions: NDArray[np.int64] | None = None,
    ) -> None:
        """Add rows to score on; arguments and errors as for ``add_fit``."""
        self._score_rows.add(features, self._checked(targets), utterance_ids, positions)

    def merge(self, other: ProbeSuite) -> ProbeSuite:
        """Take in the rows of another rank and return self: a suite with the same settings and other utterances.

        Rows without positions must be of another ``stream``.

        Raises:
            ValueError: if samples cannot be merged.
        """
        self._fit_rows.merge(other._fit_rows)
        self._score_rows.merge(other._score_rows)
        return self

    def run(self) -> list[ProbeResult]:
        """Fit and score every task.

        Returns:
            One result per task, in order. Tasks without rows or with one class give NaN scores and a note.

        Raises:
            ValueError: if fit and score rows have different features.
        """
        fit, score = self.fit_rows, self.score_rows
        if len(fit) and len(score) and (fit.num_features, fit.packed) != (score.num_features, score.packed):
            raise ValueError(
                f"fit and score features differ: {fit.num_features} (binary: {fit.packed}) "
                f"and {score.num_features} (binary: {score.packed})"
            )
        self._fitted, self._scored = fit_tasks(self.tasks, fit, self.settings), {}
        results = []
        for task in self.tasks:
            fitted, rows = self._fitted[task.name], counting(score, task)
            self._scored[task.name] = scored_rows(fitted, rows)
            results.append(evaluate(fitted, rows, self._scored[task.name]))
        return results

    @property
    def fit_rows(self) -> FrameRows:
        """Rows kept for the fit so far, of all tasks."""
        return self._fit_rows.rows()

    @property
    def score_rows(self) -> FrameRows:
        """Rows to score on so far, of all tasks."""
        return self._score_rows.rows()

    def scored(self, task_name: str) -> ScoredRows:
        """Return the targets and predictions that ``run`` scored, for intervals, calibration and confusion.

        Args:
            task_name: name of the task.

        Raises:
            ValueError: if there is no such task, or ``run`` was not called.
        """
        if task_name not in self._scored:
            raise ValueError(f"no scored rows for task {task_name!r}, run() has scored {sorted(self._scored)}")
        return self._scored[task_name]

    def probe(self, task_name: str) -> LogisticProbe | RidgeProbe | None:
        """Return the fitted probe of a task, None if it had no fit rows.

        Raises:
            ValueError: if there is no such task, or ``run`` was not called.
        """
        return self.fitted(task_name).probe

    def fitted(self, task_name: str) -> FittedTask:
        """Return what was fitted for a task.

        Raises:
            ValueError: if there is no such task, or ``run`` was not called.
        """
        if task_name not in self._fitted:
            raise ValueError(f"no fitted probe for task {task_name!r}, run() has fitted {sorted(self._fitted)}")
        return self._fitted[task_name]

    def predict(self, task_name: str, features: NDArray[Any]) -> NDArray[Any]:
        """Predict a task for new frames.

        Args:
            task_name: name of the task.
            features: shape (frame_total, feature), as in ``add_fit``.

        Returns:
            Shape (frame_total,): probability of true (binary), class index (category), or value in the unit of the
            task. All NaN (class -1) if the task had no fit rows.

        Raises:
            ValueError: if there is no such task, ``run`` was not called, or the number of features differs.
        """
        probe = self.probe(task_name)
        task = self._fitted[task_name].task
        if probe is None:
            return np.full(len(features), -1) if task.kind == "category" else np.full(len(features), np.nan)
        if isinstance(probe, RidgeProbe):
            return task.decode(probe.predict(features))
        if task.kind == "category":
            return probe.predict(features)
        probability: NDArray[Any] = probe.predict_proba(features) @ (probe.classes_ == 1).astype(np.float64)
        return probability

    def _checked(self, targets: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        for task in self.tasks:
            select(targets, task)
        return {name: np.asarray(targets[name]) for name in self._target_names}
