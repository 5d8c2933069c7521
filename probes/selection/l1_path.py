"""Order in which features enter the lasso path."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lasso_path

from probes.moments import Moments
from probes.selection.outputs import correlations, strongest_correlation

# Added to the unit diagonal, so that channels that are copies of each other still have a Cholesky factor. The
# correlations of masks have errors of this size from their finite number of frames many times over.
JITTER = 1e-6


def lasso_entry(
    moments: Moments, alphas: int = 40, weakest: float = 0.02, tol: float = 0.003, max_iter: int = 1000
) -> NDArray[np.float64]:
    """Find the largest penalty at which each feature takes part.

    Every output has a path of its own, on standardised features and outputs; a feature counts from the first of them
    that uses it. Penalties are those of ``sklearn.linear_model.lasso_path`` for one row per standardised moment:
    ``0.5 * mean square + alpha * sum |w|``.

    Args:
        moments: features and outputs.
        alphas: penalties tried, shared by all outputs, evenly spaced on a logarithmic scale.
        weakest: the last penalty as a share of the first, at which the first feature enters.
        tol: allowed duality gap relative to the variance explained by all features. At 0.01, 2304 masks and nine
            outputs took 3 s of one core, at 0.001 12 s.
        max_iter: most sweeps over the features per penalty.

    Returns:
        Shape (feature,), decreasing with later entry; 0 for features that never enter.
    """
    active, gram, cross = correlations(moments)
    entry = np.zeros(active.size)
    first = np.abs(cross).max(initial=0.0)
    if first == 0:
        return entry
    gram[np.diag_indices_from(gram)] += JITTER
    # scikit-learn wants rows beside the Gram matrix. Any rows with these moments do; the factor is the smallest.
    factor = torch.linalg.cholesky(torch.from_numpy(gram))
    outputs = torch.linalg.solve_triangular(factor, torch.from_numpy(np.ascontiguousarray(cross)), upper=False).numpy()
    rows = factor.numpy().T
    # At the very first nothing is in yet.
    penalties = first * np.geomspace(1, weakest, alphas + 1)[1:]
    used = np.zeros((cross.shape[0], alphas), dtype=bool)
    for output in range(cross.shape[1]):
        with warnings.catch_warnings():
            # The order of entry is a heuristic: a penalty that ran out of sweeps has its features all the same.
            warnings.simplefilter("ignore", ConvergenceWarning)
            _, coef, _ = lasso_path(
                rows,
                outputs[:, output],
                precompute=gram,
                Xy=np.ascontiguousarray(cross[:, output]),
                # scikit-learn divides by its number of rows, here one per feature.
                alphas=penalties / cross.shape[0],
                tol=tol,
                max_iter=max_iter,
                check_input=False,
            )
        used |= coef != 0
    entry[active] = np.where(used.any(axis=1), penalties[used.argmax(axis=1)], 0.0)
    return entry


def entry_order(
    moments: Moments, alphas: int = 40, weakest: float = 0.02, tol: float = 0.003, max_iter: int = 1000
) -> NDArray[np.int64]:
    """Order features by entry into the lasso path, equal ones by their largest absolute correlation with an output.

    Args:
        moments: features and outputs.
        alphas: as for ``lasso_entry``, as are the others.
        weakest: last penalty as a share of the first.
        tol: allowed duality gap.
        max_iter: most sweeps per penalty.

    Returns:
        All features, best first, shape (feature,).
    """
    entry = lasso_entry(moments, alphas, weakest, tol, max_iter)
    order: NDArray[np.int64] = np.lexsort((-strongest_correlation(moments), -entry))
    return order
