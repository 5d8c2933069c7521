"""Rank all features for a task, by one of several methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from probes.moments import Moments
from probes.reservoir import FrameRows
from probes.selection.elimination import elimination_order
from probes.selection.l1_path import entry_order
from probes.selection.mutual_information import feature_information
from probes.selection.outputs import counting_rows, output_moments
from probes.tasks import ProbeTask

RankingMethod = Literal["mutual_information", "l1_path", "elimination", "random"]
METHODS: tuple[RankingMethod, ...] = get_args(RankingMethod)


@dataclass(frozen=True)
class RankingSettings:
    """Settings of all methods.

    Args:
        information_bins: quantile bins of a value for its mutual information.
        path_alphas: penalties of the lasso path.
        path_weakest: weakest penalty as a share of the one at which the first feature enters.
        path_tol: duality gap allowed on the path.
        path_max_iter: most sweeps per penalty of the path.
        elimination_l2: strength of the ridge fits of elimination.
        elimination_drop: share of features dropped per round.
        elimination_keep: features left that are ordered by weight.

    Raises:
        ValueError: if a setting is out of range.
    """

    information_bins: int = 10
    path_alphas: int = 40
    path_weakest: float = 0.02
    path_tol: float = 0.003
    path_max_iter: int = 1000
    elimination_l2: float = 0.1
    elimination_drop: float = 0.1
    elimination_keep: int = 8

    def __post_init__(self) -> None:
        lower = {"information_bins": 2, "path_alphas": 2, "path_max_iter": 1, "elimination_keep": 1}
        for name, least in lower.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("path_weakest", "path_tol", "elimination_drop"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must be in (0, 1), got {getattr(self, name)}")
        if self.elimination_l2 <= 0:
            raise ValueError(f"elimination_l2 must be positive, got {self.elimination_l2}")


def rank(
    method: RankingMethod,
    rows: FrameRows,
    task: ProbeTask,
    settings: RankingSettings | None = None,
    seed: int = 0,
    moments: Moments | None = None,
) -> NDArray[np.int64]:
    """Order all features from the most to the least useful.

    Args:
        method: ``mutual_information`` (each feature by itself), ``l1_path`` (order of entry into the lasso path),
            ``elimination`` (recursive, by ridge weights) or ``random`` (the control).
        rows: fit rows; those that do not count for the task are left out.
        task: the task.
        settings: settings of the methods; defaults without.
        seed: seed of the random order.
        moments: ``output_moments`` of the rows that count, where they are known already; else they are computed.

    Returns:
        Feature indices, best first, shape (feature,).

    Raises:
        ValueError: if there is no such method, no row counts, or ``mutual_information`` is given floats.
    """
    settings = settings or RankingSettings()
    if method == "random":
        return np.random.default_rng(seed).permutation(rows.num_features)
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}")
    rows = counting_rows(rows, task)
    if method == "mutual_information":
        information = feature_information(task, rows, settings.information_bins)
        return np.argsort(-information, kind="stable")
    if moments is None:
        (moments,) = output_moments(task, rows)
    if method == "l1_path":
        path = (settings.path_alphas, settings.path_weakest, settings.path_tol, settings.path_max_iter)
        return entry_order(moments, *path)
    return elimination_order(moments, settings.elimination_l2, settings.elimination_drop, settings.elimination_keep)
