"""Calibration: a calibrated answer has no error, a boastful one has; bins add up to the error."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import binary_calibration_error

from probes.calibration import expected_calibration_error, probability_bins, reliability_bins


def drawn(sharpen: float, rows: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Targets drawn with the probabilities that are then exaggerated."""
    generator = np.random.default_rng(0)
    true = generator.uniform(0.05, 0.95, rows)
    target = (generator.random(rows) < true).astype(int)
    return target, true**sharpen / (true**sharpen + (1 - true) ** sharpen)


def test_true_probabilities_are_calibrated_and_exaggerated_ones_are_not() -> None:
    assert expected_calibration_error(*drawn(1.0)) < 0.015
    assert expected_calibration_error(*drawn(3.0)) > 0.1


def test_bins_are_those_of_scikit_learn_and_add_up() -> None:
    target, probability = drawn(2.0)
    bins = reliability_bins(target, probability)
    share, mean = calibration_curve(target, probability, n_bins=15)
    filled = [part for part in bins if part.count]
    np.testing.assert_allclose([part.share_true for part in filled], share)
    np.testing.assert_allclose([part.mean_probability for part in filled], mean)
    assert len(bins) == 15 and sum(part.count for part in bins) == target.size
    gaps = sum(part.count * abs(part.mean_probability - part.share_true) for part in filled)
    assert gaps / target.size == pytest.approx(expected_calibration_error(target, probability))


def test_error_of_the_predicted_class_is_that_of_torchmetrics() -> None:
    # torchmetrics bins the confidence in the predicted class: the same where 1 is always predicted.
    generator = np.random.default_rng(1)
    probability, target = generator.uniform(0.5, 1.0, 3000), generator.integers(0, 2, 3000)
    expected = binary_calibration_error(torch.from_numpy(probability), torch.from_numpy(target), n_bins=15)
    assert expected_calibration_error(target, probability) == pytest.approx(float(expected), abs=1e-4)


def test_edges_and_empty_bins() -> None:
    assert probability_bins(np.array([0.0, 1.0, 0.5]), 2).tolist() == [0, 1, 1]
    low, high = reliability_bins(np.array([1]), np.array([0.7]), bins=2)
    assert low.count == 0 and np.isnan(low.mean_probability) and np.isnan(low.share_true)
    assert (high.count, high.mean_probability, high.share_true) == (1, 0.7, 1.0)
    assert np.isnan(expected_calibration_error(np.zeros(0), np.zeros(0)))
    with pytest.raises(ValueError, match="bins must be positive, got 0"):
        probability_bins(np.ones(1), 0)
