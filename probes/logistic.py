"""Logistic probe for classes, with the same penalty as the ridge probe."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from probes.linear import l2_grid, linear_output
from probes.moments import column_statistics

DEFAULT_LOGISTIC_L2 = (0.01, 0.1, 1.0)


class LogisticProbe(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not typed
    """Binary or multinomial logistic regression with a quadratic penalty on standardised features.

    Minimises, over weights ``W`` (one row, or one per class) and intercepts ``b``::

        (1/n) * sum_i logloss(y_i, W z_i + b)  +  (l2/2) * ||W||^2

    where ``z`` are the features centred and scaled to unit variance; constant features get weight 0 and intercepts
    are free. ``l2`` means the same in ``RidgeProbe``; it is scikit-learn's ``C = 1 / (n * l2)``. The problem is solved
    in float32 by scikit-learn's L-BFGS.

    Several strengths are compared on held-out utterances by log loss, from the strongest on, until it gets worse.

    An estimator in the sense of scikit-learn: it can be cloned, cross-validated and put in a pipeline. Settings are
    checked by ``fit``. For ``cross_val_score`` and the like, give one strength.

    Args:
        l2: one strength, or several to choose from.
        max_iter: most iterations of one fit.
        tol: a fit has converged when no component of the gradient exceeds this.
        holdout: share of the groups held out to choose the strength.
        seed: seed of the held-out groups.

    Attributes:
        classes_: labels seen, shape (class,), sorted.
        coef_: weights of the raw features, shape (1, feature) for two classes, else (class, feature).
        intercept_: shape (1,) or (class,).
        standard_coef_: weights of the standardised features, shape as ``coef_``.
        l2_: strength used.
        converged_, n_iter_: whether the final fit met ``tol``, and its iterations.
        single_class_: True if only one label was seen; it is then always predicted.
        constant_: features that did not vary, shape (feature,).
        n_features_in_, n_rows_: size of the fit.

    Example:
        >>> x = np.array([[False], [True]] * 20)
        >>> probe = LogisticProbe(l2=0.01).fit(x, x[:, 0].astype(int))
        >>> probe.predict(np.array([[True], [False]])).tolist(), probe.converged_
        ([1, 0], True)
    """

    classes_: NDArray[Any]
    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]
    standard_coef_: NDArray[np.float64]
    l2_: float
    converged_: bool
    n_iter_: int
    single_class_: bool
    constant_: NDArray[np.bool_]
    n_features_in_: int
    n_rows_: int

    def __init__(
        self,
        l2: float | Sequence[float] = DEFAULT_LOGISTIC_L2,
        max_iter: int = 200,
        tol: float = 1e-3,
        holdout: float = 0.25,
        seed: int = 0,
    ) -> None:
        self.l2 = l2
        self.max_iter = max_iter
        self.tol = tol
        self.holdout = holdout
        self.seed = seed

    def fit(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        groups: NDArray[Any] | None = None,
        mean: NDArray[Any] | None = None,
        scale: NDArray[Any] | None = None,
    ) -> LogisticProbe:
        """Fit from rows.

        Args:
            x: shape (row, feature).
            y: labels, shape (row,).
            groups: utterance of every row, shape (row,); needed to choose among several strengths.
            mean: centre of the features, shape (feature,); by default that of ``x``.
            scale: their standard deviation, 0 where constant; by default that of ``x``.

        Returns:
            self.

        Raises:
            ValueError: if a setting is out of range, shapes disagree, values are not finite, there are no rows, labels
                are not classes, or several strengths have no groups to be chosen with.
        """
        self._check_settings()
        x, y = validate_data(self, x, y)
        check_classification_targets(y)
        if (mean is None) != (scale is None):
            raise ValueError("mean and scale must be given together")
        if mean is None or scale is None:
            mean, scale = column_statistics(x)
        self.classes_ = np.unique(y)
        self.single_class_ = self.classes_.size == 1
        self.n_rows_ = x.shape[0]
        self.constant_ = scale == 0
        grid = l2_grid(self.l2)
        outputs = 1 if self.classes_.size <= 2 else self.classes_.size
        self.standard_coef_, self.intercept_ = np.zeros((outputs, x.shape[1])), np.zeros(outputs)
        self.l2_, self.converged_, self.n_iter_ = grid[0], True, 0
        if not self.single_class_:
            self._fit_standardised(standardise(x, mean, scale), y, groups, grid)
        self.coef_ = self.standard_coef_ / np.where(self.constant_, 1.0, scale)
        self.intercept_ = self.intercept_ - self.coef_ @ mean
        return self

    def _check_settings(self) -> None:
        l2_grid(self.l2)
        if self.max_iter < 1 or self.tol <= 0 or not 0 < self.holdout < 1:
            given = f"{self.max_iter}, {self.tol}, {self.holdout}"
            raise ValueError(f"max_iter must be positive, tol positive and holdout in (0, 1), got {given}")

    def _fit_standardised(
        self, z: NDArray[np.float32], y: NDArray[Any], groups: NDArray[Any] | None, grid: tuple[float, ...]
    ) -> None:
        if z.shape[1] == 0:
            # Nothing varies: the intercept alone is fitted, on a column of zeros.
            z = np.zeros((z.shape[0], 1), dtype=np.float32)
        if len(grid) > 1:
            if groups is None:
                raise ValueError(f"choosing among {len(grid)} strengths needs groups: give them, or one l2")
            self.l2_ = self._choose(z, y, groups, grid)
        model = self._model()
        self.converged_ = _solve(model, z, y, self.l2_)
        self.n_iter_ = int(np.max(model.n_iter_))
        if not self.constant_.all():
            self.standard_coef_[:, ~self.constant_] = model.coef_
        self.intercept_ = model.intercept_.astype(np.float64)

    def _choose(self, z: NDArray[np.float32], y: NDArray[Any], groups: NDArray[Any], grid: tuple[float, ...]) -> float:
        unique, index = np.unique(groups, return_inverse=True)
        if unique.size < 2:
            return grid[0]
        count = min(max(1, round(self.holdout * unique.size)), unique.size - 1)
        held_out = (np.random.default_rng(self.seed).permutation(unique.size) < count)[index]
        known = np.unique(y[~held_out])
        judged = held_out & np.isin(y, known)
        if known.size < 2 or not judged.any():
            return grid[0]
        train_z, train_y, judged_z = z[~held_out], y[~held_out], z[judged]
        column = np.searchsorted(known, y[judged])
        best, best_loss = grid[0], np.inf
        # Same tolerance and start as the final fit: stopping early regularises too, so it belongs to what is compared.
        model = self._model()
        for strength in grid:
            _solve(model, train_z, train_y, strength)
            logits = judged_z @ model.coef_.T.astype(np.float32) + model.intercept_
            logits = np.hstack([np.zeros_like(logits), logits]) if known.size == 2 else logits
            loss = -float(log_softmax(logits, axis=1)[np.arange(column.size), column].mean())
            if loss >= best_loss:
                break
            best, best_loss = strength, loss
        return best

    def _model(self) -> LogisticRegression:
        return LogisticRegression(max_iter=self.max_iter, tol=self.tol)

    def predict_proba(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Compute the posterior of every class, shape (row, class) in the order of ``classes_``.

        Args:
            x: shape (row, feature).

        Raises:
            NotFittedError: if there was no fit.
            ValueError: if the number of features differs from the fit, or values are not finite.
        """
        check_is_fitted(self)
        x = validate_data(self, x, reset=False)
        return self.posterior(linear_output(x, self.coef_, self.intercept_))

    def posterior(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn linear outputs into the posterior of every class.

        Args:
            logits: shape (row, 1) for one or two classes, else (row, class).

        Returns:
            Shape (row, class), in the order of ``classes_``.
        """
        if self.single_class_:
            return np.ones_like(logits)
        if self.classes_.size == 2:
            return np.hstack([expit(-logits), expit(logits)])
        posterior: NDArray[np.float64] = softmax(logits, axis=1)
        return posterior

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Name the most probable class of every row, shape (row,)."""
        column = self.predict_proba(x).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[column]
        return labels


def _solve(model: LogisticRegression, z: NDArray[np.float32], y: NDArray[Any], l2: float) -> bool:
    """Fit in place and say whether it converged; other warnings pass."""
    model.set_params(C=1 / (z.shape[0] * l2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(z, y)
    converged = True
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            converged = False
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return converged


def standardise(x: NDArray[Any], mean: NDArray[Any], scale: NDArray[Any]) -> NDArray[np.float32]:
    """Centre and scale the columns that vary; the others are left out.

    Args:
        x: shape (row, feature).
        mean: shape (feature,).
        scale: shape (feature,), 0 for constant columns.

    Returns:
        Shape (row, varying feature), float32.

    Example:
        >>> standardise(np.array([[0, 5], [4, 5]]), np.array([2, 5]), np.array([2, 0])).tolist()
        [[-1.0], [1.0]]
    """
    active = scale > 0
    # Centred in float64 for float features: their mean can be large against their spread.
    columns = x if active.all() else x[:, active]
    if x.dtype in (np.bool_, np.uint8):
        z = columns.astype(np.float32)
        z -= mean[active].astype(np.float32)
    else:
        z = (columns - mean[active]).astype(np.float32)
    z /= scale[active].astype(np.float32)
    return z
