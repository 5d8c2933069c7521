"""The outcome of one probe, and the predictions behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.tasks import ProbeTask


@dataclass(frozen=True)
class ProbeResult:
    """Scores of one task with its controls.

    Attributes:
        task: what was probed.
        scores: metric -> score on the score set; NaN if undefined.
        chance: the same metrics of the constant answer learnt from the fit set; ``balanced_accuracy`` is 1/K.
        shuffled: the same metrics of a probe fitted on shuffled labels; empty if not asked for.
        fit_rows: frames used in the fit.
        score_rows: frames scored.
        converged: whether the fit met its tolerance; ridge always does.
        n_iter: iterations of the fit, 0 for ridge.
        l2: strength chosen, NaN without a fit.
        constant_features: features that did not vary in the fit (channels always on or always off).
        note: what a reader must know, such as a missing class; else empty.
        classes: labels of the axes of ``confusion``.
        confusion: frames by true and predicted class, shape (class, class), for classes.
    """

    task: ProbeTask
    scores: dict[str, float]
    chance: dict[str, float]
    shuffled: dict[str, float]
    fit_rows: int
    score_rows: int
    converged: bool
    n_iter: int
    l2: float
    constant_features: int
    note: str = ""
    classes: tuple[int, ...] = ()
    confusion: NDArray[np.int64] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class ScoredRows:
    """What a fitted probe says about the score rows of its task, for intervals, calibration and confusion.

    Attributes:
        task: what was probed.
        target: class indices into ``classes``, or values in the unit of the task, shape (row,).
        prediction: posterior, shape (row, class), or values in the unit of the task, shape (row,).
        classes: labels of the classes, shape (class,); empty for values.
        utterances: shape (row,).

    There are no rows without a fit or without score rows.
    """

    task: ProbeTask
    target: NDArray[Any]
    prediction: NDArray[np.float64]
    classes: NDArray[Any]
    utterances: NDArray[Any]

    def __len__(self) -> int:
        return self.target.size
