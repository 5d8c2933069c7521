"""Ridge probe fitted from moments, its strength chosen by cross-validation over utterances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from probes.linear import l2_grid, linear_output
from probes.moments import Moments, NormalEquations

# With 50,000 rows these are scikit-learn alphas of 500 to 150,000; masks did best between 1e3 and 3e4.
DEFAULT_RIDGE_L2 = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)


class RidgeProbe(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not typed
    """Linear regression with a quadratic penalty on standardised features.

    Minimises, for every output, over weights ``w`` and intercept ``b``::

        (1/n) * sum_i 0.5 * (y_i - w'z_i - b)^2  +  (l2/2) * ||w||^2

    where ``z`` are the features centred and scaled to unit variance; constant features get weight 0 and the intercept
    is free. ``l2`` means the same in ``LogisticProbe`` (mean loss plus ``l2/2 * ||w||^2``). For ``n`` rows it is
    scikit-learn's ``Ridge(alpha=n * l2)`` and ``LogisticRegression(C=1 / (n * l2))``.

    An estimator in the sense of scikit-learn: it can be cloned, cross-validated and put in a pipeline. Settings are
    checked by ``fit``. For ``cross_val_score`` and the like, give one strength.

    Args:
        l2: one strength, or several of which one per output is chosen over folds.
        folds: folds over groups that ``fit`` chooses a strength with.
        seed: seed of these folds.

    Attributes:
        coef_: weights of the raw features, shape (output, feature), or (feature,) after ``fit`` with one-column ``y``.
        intercept_: shape (output,), or a number.
        standard_coef_: weights of the standardised features, always shape (output, feature).
        l2_: strength used, shape (output,).
        cv_r2_: shape (strength, output) in the order of ``l2_grid_``, after a choice by folds; else None.
        l2_grid_: strengths tried, strong to weak; after ``fit_folds`` the weakest may be missing.
        constant_: features that did not vary, shape (feature,).
        n_features_in_, n_rows_: size of the fit.

    Example:
        >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> probe = RidgeProbe(l2=1e-9).fit(x, 2 * x[:, 0] + 1)
        >>> np.round(probe.predict(np.array([[10.0]])), 3).tolist()
        [21.0]
    """

    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]
    standard_coef_: NDArray[np.float64]
    l2_: NDArray[np.float64]
    cv_r2_: NDArray[np.float64] | None
    l2_grid_: tuple[float, ...]
    constant_: NDArray[np.bool_]
    n_features_in_: int
    n_rows_: int

    def __init__(self, l2: float | Sequence[float] = DEFAULT_RIDGE_L2, folds: int = 3, seed: int = 0) -> None:
        self.l2 = l2
        self.folds = folds
        self.seed = seed

    def fit(self, x: NDArray[Any], y: NDArray[Any], groups: NDArray[Any] | None = None) -> RidgeProbe:
        """Fit from rows.

        Args:
            x: shape (row, feature); bool or 0/1 uint8 for binary features.
            y: shape (row,) or (row, output).
            groups: utterance of every row, shape (row,); needed to choose among several strengths. With one utterance
                the strongest is taken.

        Returns:
            self.

        Raises:
            ValueError: if a setting is out of range, shapes disagree, values are not finite, or several strengths
                have no groups to be chosen with.
        """
        grid = l2_grid(self.l2)
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2, got {self.folds}")
        x, y = validate_data(self, x, y, multi_output=True, y_numeric=True)
        columns = y[:, None] if y.ndim == 1 else y
        shape = x.shape[1], columns.shape[1]
        if len(grid) > 1 and groups is None:
            raise ValueError(f"choosing among {len(grid)} strengths needs groups: give them, or one l2")
        if len(grid) > 1 and np.unique(np.asarray(groups)).size > 1:
            assigned = utterance_folds(np.asarray(groups), self.folds, self.seed)
            members = [assigned == fold for fold in range(self.folds)]
            self.fit_folds([Moments(*shape).update(x[rows], columns[rows]) for rows in members])
        else:
            self.cv_r2_ = None
            self._fit(Moments(*shape).update(x, columns), np.full(shape[1], grid[0]))
        if y.ndim == 1:
            self.coef_, self.intercept_ = self.coef_[0], self.intercept_[0]
        return self

    def fit_moments(self, moments: Moments) -> RidgeProbe:
        """Fit from moments with a single strength.

        Returns:
            self.

        Raises:
            ValueError: if several strengths are given, or there are no rows.
        """
        grid = l2_grid(self.l2)
        if len(grid) > 1:
            raise ValueError(f"l2 has {len(grid)} strengths to choose from: give one, or use fit_folds")
        self.cv_r2_ = None
        return self._fit(moments, np.full(moments.y_sum.size, grid[0]))

    def fit_folds(self, folds: Sequence[Moments]) -> RidgeProbe:
        """Choose a strength per output by leaving out one fold at a time, then fit on all of them.

        The choice has the least squared error summed over the held-out folds; equal errors go to the stronger penalty.
        Strengths are tried from the strongest on, until none of the outputs improves.

        Args:
            folds: moments of disjoint sets of utterances; empty ones are passed over.

        Returns:
            self.

        Raises:
            ValueError: if there are no rows, or one fold only and several strengths.
        """
        folds = [fold for fold in folds if fold.count]
        total = Moments.total(folds)
        grid = l2_grid(self.l2)
        if len(grid) == 1:
            return self.fit_moments(total)
        if len(folds) < 2:
            raise ValueError(f"choosing among {len(grid)} strengths needs two folds with rows, got {len(folds)}")
        training = [Moments.total([total]).subtract(fold).normal_equations() for fold in folds]
        errors: list[NDArray[np.float64]] = []
        for strength in grid:
            fits = [
                _to_raw(equations, _solve(equations, equations.cross, strength, torch.float32))
                for equations in training
            ]
            errors.append(np.sum([fold.residual_squares(*fit) for fold, fit in zip(folds, fits, strict=True)], axis=0))
            if len(errors) > 1 and not (errors[-1] < np.min(errors[:-1], axis=0)).any():
                break
        spread = total.y_centred_squares
        with np.errstate(invalid="ignore", divide="ignore"):
            self.cv_r2_ = np.where(spread > 0, 1 - np.stack(errors) / spread, np.nan)
        del training
        self._fit(total, np.asarray(grid)[np.argmin(errors, axis=0)])
        self.l2_grid_ = grid[: len(errors)]
        return self

    def _fit(self, moments: Moments, l2: NDArray[np.float64]) -> RidgeProbe:
        equations = moments.normal_equations()
        standard = np.zeros((l2.size, moments.x_sum.size))
        for strength in np.unique(l2):
            outputs = np.flatnonzero(l2 == strength)
            standard[outputs] = _solve(equations, equations.cross[:, outputs], float(strength))
        self.standard_coef_ = standard
        self.coef_, self.intercept_ = _to_raw(equations, standard)
        self.l2_, self.l2_grid_ = l2, l2_grid(self.l2)
        self.constant_ = ~equations.active
        self.n_features_in_, self.n_rows_ = moments.x_sum.size, moments.count
        return self

    def predict(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Predict the outputs.

        Args:
            x: shape (row, feature).

        Returns:
            Shape (row, output), or (row,) after ``fit`` with one-column ``y``.

        Raises:
            NotFittedError: if there was no fit.
            ValueError: if the number of features differs from the fit, or values are not finite.
        """
        check_is_fitted(self)
        x = validate_data(self, x, reset=False)
        output = linear_output(x, np.atleast_2d(self.coef_), np.atleast_1d(self.intercept_))
        return output if self.coef_.ndim == 2 else output[:, 0]

    def single(self, output: int) -> RidgeProbe:
        """Give one output of a fit as a probe of its own, with ``coef_`` of shape (feature,).

        Args:
            output: index of the output.
        """
        one = RidgeProbe(self.l2, self.folds, self.seed)
        one.coef_, one.intercept_ = np.atleast_2d(self.coef_)[output], np.atleast_1d(self.intercept_)[output]
        one.standard_coef_, one.l2_ = self.standard_coef_[output : output + 1], self.l2_[output : output + 1]
        one.cv_r2_ = None if self.cv_r2_ is None else self.cv_r2_[:, output : output + 1]
        one.l2_grid_, one.constant_ = self.l2_grid_, self.constant_
        one.n_features_in_, one.n_rows_ = self.n_features_in_, self.n_rows_
        return one

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def utterance_folds(utterances: NDArray[Any], folds: int, seed: int) -> NDArray[np.int64]:
    """Assign whole utterances to folds of nearly equal numbers of utterances.

    Args:
        utterances: utterance of every row, shape (row,).
        folds: number of folds.
        seed: seed of the assignment.

    Returns:
        Fold of every row, shape (row,).

    Example:
        >>> assigned = utterance_folds(np.array([7, 7, 8, 8]), folds=2, seed=0)
        >>> bool(assigned[0] == assigned[1] != assigned[2])
        True
    """
    unique, index = np.unique(utterances, return_inverse=True)
    return np.random.default_rng(seed).permutation(unique.size)[index] % folds


def _solve(
    equations: NormalEquations, cross: NDArray[np.float64], l2: float, dtype: torch.dtype = torch.float64
) -> NDArray[np.float64]:
    """Solve ``(gram + l2 I) w = cross``: weights of the standardised features, shape (output, feature).

    Single precision halves the time and is enough to compare strengths; where it fails, double precision takes over.
    """
    # torch's Cholesky (MKL) took a sixth of the time of scipy's (OpenBLAS) on 2304 features and two cores.
    gram = torch.from_numpy(equations.gram).to(dtype, copy=True)
    gram.diagonal().add_(l2)
    factor, failed = torch.linalg.cholesky_ex(gram)
    if failed and dtype != torch.float64:
        return _solve(equations, cross, l2)
    if failed:
        raise np.linalg.LinAlgError(f"the normal equations are singular with l2 {l2}: give a stronger one")
    solution = torch.cholesky_solve(torch.from_numpy(np.ascontiguousarray(cross)).to(dtype), factor)
    standard = np.zeros((cross.shape[1], equations.active.size))
    standard[:, equations.active] = solution.double().numpy().T
    return standard


def _to_raw(
    equations: NormalEquations, standard: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights and intercepts for raw features from those for standardised ones."""
    coef = standard / np.where(equations.active, equations.x_scale, 1.0)
    return coef, equations.y_mean - coef @ equations.x_mean
