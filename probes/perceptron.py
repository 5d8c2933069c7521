"""A perceptron with one hidden layer: what a linear probe leaves in the masks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator
from torch import Tensor
from torch.nn import functional

from probes.linear import linear_output
from probes.logistic import standardise
from probes.moments import column_statistics

Parameters = list[Tensor]


class PerceptronProbe(BaseEstimator):  # type: ignore[misc]
    """Classes or values from one hidden layer of rectified units.

    Minimises the mean log loss (classes) or squared error of standardised values by AdamW (Loshchilov & Hutter, 2019)
    on standardised features; constant features get weight 0. Training stops when the loss on held-out groups has not
    improved for ``patience`` epochs, and the best weights are kept. scikit-learn's own perceptrons hold out single
    rows, and neighbouring frames of an utterance are nearly equal: they would not see overfitting.

    The result depends on ``seed`` and the data only, on one machine; the global random state is not touched. With
    binary features the hidden layer is a sum of the weights of active channels, as in a linear probe.

    Args:
        kind: ``classes`` or ``values``.
        hidden: units of the hidden layer.
        learning_rate: of AdamW.
        weight_decay: decoupled, per unit of learning rate; not on biases.
        batch_rows: rows per step.
        max_epochs: most passes over the rows.
        patience: epochs without improvement before training stops.
        holdout: share of the groups held out.
        seed: seed of the held-out groups, the first weights and the order of rows.

    Attributes:
        classes_: labels seen, shape (class,), sorted; for classes only.
        coefs_: weights of the raw features and of the hidden units, shapes (hidden, feature) and (output, hidden).
        intercepts_: shapes (hidden,) and (output,).
        n_weights_: number of weights and biases.
        n_iter_: epochs run.
        converged_: whether training stopped by itself, before ``max_epochs``.
        holdout_loss_: loss of every epoch on the held-out groups.
        n_features_in_, n_rows_: size of the fit.

    Example:
        >>> x = np.random.default_rng(0).random((400, 2)) < 0.5
        >>> probe = PerceptronProbe(hidden=8, learning_rate=0.03, max_epochs=60, patience=10)
        >>> bool((probe.fit(x, x[:, 0] ^ x[:, 1]).predict(x) == (x[:, 0] ^ x[:, 1])).all())
        True
    """

    classes_: NDArray[Any]
    coefs_: list[NDArray[np.float64]]
    intercepts_: list[NDArray[np.float64]]
    n_weights_: int
    n_iter_: int
    converged_: bool
    holdout_loss_: list[float]
    n_features_in_: int
    n_rows_: int

    def __init__(
        self,
        kind: Literal["classes", "values"] = "classes",
        hidden: int = 64,
        learning_rate: float = 1e-3,
        weight_decay: float = 1.0,
        batch_rows: int = 256,
        max_epochs: int = 30,
        patience: int = 3,
        holdout: float = 0.25,
        seed: int = 0,
    ) -> None:
        self.kind = kind
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_rows = batch_rows
        self.max_epochs = max_epochs
        self.patience = patience
        self.holdout = holdout
        self.seed = seed

    def fit(self, x: NDArray[Any], y: NDArray[Any], groups: NDArray[Any] | None = None) -> PerceptronProbe:
        """Fit from rows.

        Args:
            x: shape (row, feature).
            y: labels, shape (row,), or finite values, shape (row,) or (row, output).
            groups: utterance of every row, shape (row,); without, rows are held out one by one, which is right only
                for rows that are independent.

        Returns:
            self.

        Raises:
            ValueError: if a setting is out of range, shapes disagree, values are not finite, or there are fewer than
                two groups.
        """
        self._check_settings()
        y, groups = np.asarray(y), np.arange(len(y)) if groups is None else np.asarray(groups)
        outputs_ok = y.ndim == 1 or (y.ndim == 2 and self.kind == "values")
        if x.ndim != 2 or not outputs_ok or not len(x) == len(y) == groups.size:
            raise ValueError(
                f"x (row, feature), y (row,), groups (row,) expected: {x.shape}, {y.shape}, {groups.shape}"
            )
        self.n_rows_, self.n_features_in_ = x.shape
        self._columns = y.ndim == 2
        target, centre, spread = self._encode(y)
        mean, scale = column_statistics(x)
        z = torch.from_numpy(standardise(x, mean, scale))
        held_out = self._held_out(groups)
        outputs = self.classes_.size if self.kind == "classes" else target.shape[1]
        first, first_bias, second, second_bias = (
            parameter.double().numpy() for parameter in self._train(z, target, held_out, outputs)
        )
        raw = np.zeros((self.hidden, self.n_features_in_))
        raw[:, scale > 0] = first / scale[scale > 0]
        self.coefs_ = [raw, second * spread[:, None]]
        self.intercepts_ = [first_bias - raw @ mean, second_bias * spread + centre]
        self.n_weights_ = sum(array.size for array in (*self.coefs_, *self.intercepts_))
        return self

    def _check_settings(self) -> None:
        if self.kind not in ("classes", "values"):
            raise ValueError(f"kind must be 'classes' or 'values', got {self.kind!r}")
        for name in ("hidden", "batch_rows", "max_epochs", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.learning_rate <= 0 or self.weight_decay < 0 or not 0 < self.holdout < 1:
            raise ValueError(
                "learning_rate > 0, weight_decay >= 0 and holdout in (0, 1) expected, got "
                f"{self.learning_rate}, {self.weight_decay} and {self.holdout}"
            )

    def _encode(self, y: NDArray[Any]) -> tuple[Tensor, NDArray[np.float64], NDArray[np.float64]]:
        """Targets of the loss, and centre and spread of each output that undo their standardisation."""
        if self.kind == "classes":
            self.classes_, index = np.unique(y, return_inverse=True)
            return torch.from_numpy(index), np.zeros(self.classes_.size), np.ones(self.classes_.size)
        values = y.reshape(len(y), -1).astype(np.float64)
        if not np.isfinite(values).all():
            raise ValueError("y must be finite: leave out frames whose target is unknown")
        centre, spread = column_statistics(values)
        standard = (values - centre) / np.where(spread > 0, spread, 1.0)
        return torch.from_numpy(standard.astype(np.float32)), centre, spread

    def _held_out(self, groups: NDArray[Any]) -> Tensor:
        unique, index = np.unique(groups, return_inverse=True)
        if unique.size < 2:
            raise ValueError(f"groups must hold at least 2 utterances, one to stop on, got {unique.size}")
        count = min(max(1, round(self.holdout * unique.size)), unique.size - 1)
        return torch.from_numpy((np.random.default_rng(self.seed).permutation(unique.size) < count)[index])

    def _train(self, z: Tensor, target: Tensor, held_out: Tensor, outputs: int) -> Parameters:
        generator = torch.Generator().manual_seed(self.seed)
        parameters = _first_parameters(z.shape[1], self.hidden, outputs, generator)
        optimizer = torch.optim.AdamW(
            [
                {"params": parameters[::2], "weight_decay": self.weight_decay},
                {"params": parameters[1::2], "weight_decay": 0.0},
            ],
            lr=self.learning_rate,
        )
        rows, judged = torch.nonzero(~held_out)[:, 0], torch.nonzero(held_out)[:, 0]
        judged_z, judged_target = z[judged], target[judged]
        best, best_loss, best_epoch = parameters, math.inf, 0
        self.holdout_loss_, self.converged_, self.n_iter_ = [], False, 0
        while self.n_iter_ < self.max_epochs and not self.converged_:
            for batch in _batches(rows, self.batch_rows, generator):
                optimizer.zero_grad()
                _loss(_forward(z[batch], parameters), target[batch]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            self.n_iter_ += 1
            with torch.no_grad():
                self.holdout_loss_.append(float(_loss(_forward(judged_z, parameters), judged_target)))
            if self.holdout_loss_[-1] < best_loss:
                best_loss, best_epoch = self.holdout_loss_[-1], self.n_iter_
                best = [parameter.detach().clone() for parameter in parameters]
            self.converged_ = self.n_iter_ - best_epoch >= self.patience
        return [parameter.detach() for parameter in best]

    def _outputs(self, x: NDArray[Any]) -> NDArray[np.float64]:
        hidden = linear_output(x, self.coefs_[0], self.intercepts_[0]).clip(min=0.0)
        return linear_output(hidden, self.coefs_[1], self.intercepts_[1])

    def predict_proba(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Compute the posterior of every class, shape (row, class) in the order of ``classes_``.

        Args:
            x: shape (row, feature).

        Raises:
            ValueError: if the probe predicts values, or the number of features differs from the fit.
        """
        if self.kind != "classes":
            raise ValueError("predict_proba needs kind 'classes', this probe predicts values")
        posterior: NDArray[np.float64] = softmax(self._outputs(x), axis=1)
        return posterior

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """Predict classes, shape (row,), or values, shaped like the ``y`` of the fit.

        Args:
            x: shape (row, feature).

        Raises:
            ValueError: if the number of features differs from the fit.
        """
        if self.kind == "classes":
            labels: NDArray[Any] = self.classes_[self._outputs(x).argmax(axis=1)]
            return labels
        values = self._outputs(x)
        return values if self._columns else values[:, 0]


def _first_parameters(features: int, hidden: int, outputs: int, generator: torch.Generator) -> Parameters:
    """Weights that keep the variance of rectified units (He et al., 2015); outputs start at 0, as a constant answer."""
    first = torch.randn(hidden, features, generator=generator) * math.sqrt(2 / max(features, 1))
    parameters = [first, torch.zeros(hidden), torch.zeros(outputs, hidden), torch.zeros(outputs)]
    return [parameter.requires_grad_() for parameter in parameters]


def _forward(z: Tensor, parameters: Parameters) -> Tensor:
    first, first_bias, second, second_bias = parameters
    return functional.linear(functional.relu(functional.linear(z, first, first_bias)), second, second_bias)


def _loss(outputs: Tensor, target: Tensor) -> Tensor:
    if target.is_floating_point():
        return functional.mse_loss(outputs, target)
    return functional.cross_entropy(outputs, target)


def _batches(rows: Tensor, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    yield from torch.split(rows[torch.randperm(rows.numel(), generator=generator)], size)
