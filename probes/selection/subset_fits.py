"""Fit a probe on some of the features, and apply many such probes in one pass over the rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.linear import linear_output
from probes.logistic import LogisticProbe
from probes.moments import CHUNK_ROWS, Moments
from probes.reservoir import FrameRows
from probes.ridge import RidgeProbe
from probes.selection.outputs import features_of_moments
from probes.tasks import ProbeTask


@dataclass(frozen=True)
class SubsetFit:
    """A probe of some features.

    Attributes:
        probe: fitted on ``features`` only.
        features: their indices, shape (kept,).
    """

    probe: LogisticProbe | RidgeProbe
    features: NDArray[np.int64]

    @property
    def converged(self) -> bool:
        """Whether the fit met its tolerance; ridge always does."""
        return getattr(self.probe, "converged_", True)

    def answer(self, outputs: NDArray[np.float64], task: ProbeTask, classes: NDArray[Any]) -> NDArray[np.float64]:
        """Turn linear outputs into what is scored.

        Args:
            outputs: shape (row, output).
            task: the task.
            classes: sorted labels that contain those of the probe, shape (class,).

        Returns:
            Posteriors in the order of ``classes``, shape (row, class), or values in the unit of the task, (row,).
        """
        if isinstance(self.probe, RidgeProbe):
            return task.decode(outputs[:, 0])
        posterior = np.zeros((len(outputs), classes.size))
        posterior[:, np.searchsorted(classes, self.probe.classes_)] = self.probe.posterior(outputs)
        return posterior


class SubsetProbes(ABC):
    """Fits probes of one task on subsets of the features, always of the same rows."""

    @abstractmethod
    def fit(self, features: NDArray[np.int64]) -> SubsetFit:
        """Fit on some features, indices of shape (kept,)."""


class ValueSubsets(SubsetProbes):
    """Ridge probes; one set of moments per fold serves all subsets, and each chooses its own strength.

    Args:
        folds: moments of all features and one output, per fold.
        l2: strengths to choose from.
    """

    def __init__(self, folds: Sequence[Moments], l2: Sequence[float]) -> None:
        self.folds, self.l2 = folds, l2

    def fit(self, features: NDArray[np.int64]) -> SubsetFit:
        """Fit on some features, indices of shape (kept,)."""
        probe = RidgeProbe(self.l2).fit_folds([features_of_moments(fold, features) for fold in self.folds])
        return SubsetFit(probe, features)


class ClassSubsets(SubsetProbes):
    """Logistic probes on a sample of the rows.

    The strength is chosen for all features. A subset takes it times its share of the features, ``l2 * kept / all``:
    for independent weights of variance proportional to ``1 / kept``, the output then varies as much a priori whatever
    the number of features. One strength for all would hold back the few weights of a small subset.

    Args:
        rows: rows that count for the task.
        labels: shape (row,).
        max_rows: most rows used, the uniform sub-sample with the smallest keys.
        probe: settings of the probes; its strengths are compared for all features.
        l2: strength for all features where it is known; None chooses it.
    """

    def __init__(
        self,
        rows: FrameRows,
        labels: NDArray[Any],
        max_rows: int,
        probe: LogisticProbe,
        l2: float | None = None,
    ) -> None:
        kept = np.arange(len(rows))
        if len(rows) > max_rows:
            kept = np.sort(np.argpartition(rows.keys, max_rows - 1)[:max_rows])
        # One feature after the other in memory: a subset is then read without passing over the rest.
        self.columns = np.ascontiguousarray(rows.dense(kept).T)
        self.labels, self.utterances = labels[kept], rows.utterances[kept]
        self.probe = probe
        self.whole: LogisticProbe | None = None
        if l2 is None:
            self.whole = self._fit(np.arange(rows.num_features), probe.l2)
            l2 = self.whole.l2_
        self.l2 = l2

    def fit(self, features: NDArray[np.int64]) -> SubsetFit:
        """Fit on some features, indices of shape (kept,)."""
        if self.whole is not None and np.array_equal(np.sort(features), np.arange(len(self.columns))):
            return SubsetFit(self.whole, np.arange(len(self.columns)))
        return SubsetFit(self._fit(features, self.l2 * features.size / len(self.columns)), features)

    def _fit(self, features: NDArray[np.int64], l2: float | Sequence[float]) -> LogisticProbe:
        probe = LogisticProbe(l2, self.probe.max_iter, self.probe.tol, self.probe.holdout, self.probe.seed)
        return probe.fit(np.ascontiguousarray(self.columns[features].T), self.labels, groups=self.utterances)


def subset_outputs(fits: Sequence[SubsetFit], rows: FrameRows) -> list[NDArray[np.float64]]:
    """Compute the linear outputs of several probes, unpacking the features once.

    Args:
        fits: fitted probes.
        rows: rows to apply them to.

    Returns:
        One array of shape (row, output) per probe.
    """
    blocks, intercepts = [], []
    for fit in fits:
        coef = np.atleast_2d(fit.probe.coef_)
        wide = np.zeros((coef.shape[0], rows.num_features))
        wide[:, fit.features] = coef
        blocks.append(wide)
        intercepts.append(np.atleast_1d(fit.probe.intercept_))
    weights, offset = np.concatenate(blocks), np.concatenate(intercepts)
    outputs = np.empty((len(rows), len(weights)))
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = slice(start, start + CHUNK_ROWS)
        outputs[chunk] = linear_output(rows.dense(chunk), weights, offset)
    return np.split(outputs, np.cumsum([len(block) for block in blocks])[:-1], axis=1)
