"""Scores of an F0 estimator that also decides on voicing, and of a probe on the same frames."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.scores import binary_scores, value_scores

NAN = float("nan")
GROSS_ERROR = 0.2  # relative deviation beyond which an F0 is grossly wrong (Rabiner et al., 1976; Chu and Alwan, 2009)


def f0_scores(
    target_hz: NDArray[Any], candidate_hz: NDArray[Any], voicing: NDArray[Any], periodicity: NDArray[Any] | None = None
) -> dict[str, float]:
    """Score F0 and voicing.

    A probe on F0 alone is scored with its prediction as ``candidate_hz`` and the decision of the voicing probe as
    ``voicing``. A voiced frame without a candidate gets the median of all candidates, the best constant that the
    estimator knows of; ``coverage`` tells how many have one.

    Args:
        target_hz: NaN where unvoiced, shape (row,).
        candidate_hz: best guess whether called voiced or not, NaN where there is none, shape (row,).
        voicing: decision, 0 or 1, shape (row,).
        periodicity: strength of voicing for ``voicing/auroc``, shape (row,); None takes the decision.

    Returns:
        ``voiced/*``: the value scores on frames voiced in truth; ``both/*``: on those that the estimator calls voiced
        too; ``all/*``: on all frames, with 0 Hz for unvoiced on both sides; ``voicing/*``: the binary scores of the
        decision. ``coverage``: share of truly voiced frames with a candidate; ``both/share``: of those called voiced.
        ``gross_error_rate``: share of ``both`` frames off by more than 20 %; ``voicing_decision_error``: share of all
        frames; ``f0_frame_error``: share of all frames with either error.

    Raises:
        ValueError: if shapes differ, or frequencies are not positive where they are known.

    Example:
        >>> nan = np.nan
        >>> scores = f0_scores(np.array([100.0, 200.0, nan]), np.array([100.0, 300.0, nan]), np.array([1, 1, 1]))
        >>> scores["gross_error_rate"], round(scores["f0_frame_error"], 3), scores["both/median_abs_cents"] > 0
        (0.5, 0.667, True)
    """
    target, candidate = np.asarray(target_hz, dtype=np.float64), np.asarray(candidate_hz, dtype=np.float64)
    called = np.asarray(voicing) == 1
    _check(target, candidate, called)
    voiced, known = np.isfinite(target), np.isfinite(candidate)
    guess = np.where(known, candidate, np.median(candidate[known]) if known.any() else NAN)
    both = voiced & called & known
    gross = np.zeros(len(target), dtype=bool)
    gross[both] = np.abs(candidate[both] / target[both] - 1) > GROSS_ERROR
    wrong = voiced != called
    heard = voiced & np.isfinite(guess)
    decided = binary_scores(voiced, called)
    if periodicity is not None:
        decided["auroc"] = binary_scores(voiced, periodicity)["auroc"]
    return {
        **_named("voiced", value_scores(target[heard], guess[heard], octaves=True)),
        **_named("both", value_scores(target[both], candidate[both], octaves=True)),
        **_named("all", value_scores(np.where(voiced, target, 0.0), np.where(called & known, candidate, 0.0))),
        **_named("voicing", decided),
        "coverage": _share(known[voiced]),
        "both/share": _share(both[voiced]),
        "gross_error_rate": _share(gross[both]),
        "voicing_decision_error": _share(wrong),
        "f0_frame_error": _share(wrong | gross),
    }


def _check(target: NDArray[np.float64], candidate: NDArray[np.float64], called: NDArray[np.bool_]) -> None:
    """Refuse arrays that do not belong together."""
    if target.ndim != 1 or not target.shape == candidate.shape == called.shape:
        raise ValueError(
            "target_hz, candidate_hz and voicing must have the same shape (row,), "
            f"got {target.shape}, {candidate.shape} and {called.shape}"
        )
    for name, values in (("target_hz", target), ("candidate_hz", candidate)):
        if np.isinf(values).any() or (values <= 0).any():
            raise ValueError(
                f"{name} must be positive and finite, or NaN, got {values[np.isinf(values) | (values <= 0)][0]}"
            )


def _named(prefix: str, scores: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}/{name}": value for name, value in scores.items()}


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if flags.size else NAN
