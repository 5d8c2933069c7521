"""Speaker verification: do the mean masks of two utterances tell whether one speaker says both?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from probes.intervals import NAN, percentile_interval, resample_counts
from probes.moments import scale_of
from probes.reservoir import FrameRows
from probes.statistics import Floats, rank_bins

WEIGHTS_AT_ONCE = 4_000_000  # of pairs in resamples, float64: bounds the memory


@dataclass(frozen=True)
class Verification:
    """Outcome of all trials.

    Attributes:
        eer: equal error rate; 0.5 is chance, NaN without trials of both kinds.
        low, high: ends of its interval over speakers; NaN with fewer than two speakers.
        trials: pairs of utterances.
        target_trials: those of one speaker.
        speakers: number of speakers.
    """

    eer: float
    low: float
    high: float
    trials: int
    target_trials: int
    speakers: int


def equal_error_rate(scores: NDArray[Any], same: NDArray[Any]) -> float:
    """Find the error rate at which as large a share of targets is missed as of others is accepted.

    Trials are accepted from a score on; equal scores are accepted together, and between two such operating points the
    rates are interpolated linearly, as on a ROC curve drawn with straight lines.

    Args:
        scores: higher for more alike, shape (trial,).
        same: whether a trial is a target, shape (trial,), bool or 0/1.

    Returns:
        From 0 to 1; NaN without trials of both kinds.

    Example:
        >>> equal_error_rate(np.array([0.9, 0.4, 0.6, 0.1]), np.array([1, 1, 0, 0]))
        0.5
        >>> equal_error_rate(np.zeros(4), np.array([1, 1, 0, 0]))
        0.5
    """
    same = np.asarray(same).astype(np.int64)
    column, bins = rank_bins(np.asarray(scores, dtype=np.float64), bins=max(same.size, 1))
    counts = np.bincount(same * bins + column, minlength=2 * bins).reshape(2, 1, -1).astype(np.float64)
    return float(_crossing(counts[1], counts[0])[0])


def cosine_trials(
    embeddings: NDArray[Any], speakers: NDArray[Any]
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Score every pair of utterances by the cosine of their embeddings.

    Args:
        embeddings: shape (utterance, feature); the cosine with an embedding of zeros is 0.
        speakers: shape (utterance,).

    Returns:
        Scores, and the speakers of the first and of the second utterance, numbered in the order of
        ``np.unique(speakers)``; shapes (trial,). No utterance is paired with itself.

    Raises:
        ValueError: if the shapes disagree.

    Example:
        >>> scores, first, second = cosine_trials(np.array([[1.0, 0], [2, 0], [0, 1]]), np.array([7, 7, 8]))
        >>> scores.tolist(), (first == second).tolist()
        ([1.0, 0.0, 0.0], [True, False, False])
    """
    if embeddings.ndim != 2 or speakers.shape != embeddings.shape[:1]:
        raise ValueError(
            f"embeddings must be (utterance, feature) and speakers (utterance,), "
            f"got {embeddings.shape} and {speakers.shape}"
        )
    wide = embeddings.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    unit = wide / np.where(length > 0, length, 1.0)
    one, other = np.triu_indices(speakers.size, k=1)
    number = np.unique(speakers, return_inverse=True)[1]
    return (unit @ unit.T)[one, other], number[one], number[other]


def verify(
    embeddings: NDArray[Any],
    speakers: NDArray[Any],
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Verification:
    """Compute the equal error rate over all pairs of utterances, with an interval over speakers.

    Speakers are drawn with replacement, with all their utterances. A pair is in a resample as often as the
    multiplicities of its two speakers multiply to; an utterance is never compared with its own copies.

    Args:
        embeddings: shape (utterance, feature).
        speakers: shape (utterance,).
        resamples: number of resamples.
        confidence: of the interval, in (0, 1).
        seed: seed of the draws.

    Raises:
        ValueError: if shapes disagree or a setting is out of range.

    Example:
        >>> embeddings = np.eye(3).repeat(4, axis=0) + 0.1
        >>> verify(embeddings, np.repeat([1, 2, 3], 4)).eer
        0.0
    """
    scores, first, second = cosine_trials(embeddings, speakers)
    same, count = first == second, np.unique(speakers).size
    eer = equal_error_rate(scores, same)
    low, high = NAN, NAN
    if np.isfinite(eer):
        counts = resample_counts(count, resamples, seed)
        low, high = percentile_interval(_resampled_errors(scores, first, second, counts), confidence)
    return Verification(eer, low, high, scores.size, int(same.sum()), count)


def mean_features(rows: FrameRows) -> tuple[NDArray[Any], Floats]:
    """Average the features of every utterance; of masks, how often each channel is active.

    Args:
        rows: features.

    Returns:
        Utterances, shape (utterance,), sorted, and means, shape (utterance, feature).
    """
    utterances, index, counts = np.unique(rows.utterances, return_inverse=True, return_counts=True)
    parts = np.split(np.argsort(index, kind="stable"), np.cumsum(counts)[:-1])
    means = np.zeros((utterances.size, rows.num_features))
    for number, members in enumerate(parts):
        if members.size:
            means[number] = rows.dense(members).mean(axis=0, dtype=np.float64)
    return utterances, means


def verify_speakers(
    score: FrameRows,
    fit: FrameRows | None = None,
    *,
    target: str = "speaker",
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Verification]:
    """Verify speakers by their mean masks, as they are and relative to those of the fit utterances.

    Channels that are active for everybody make all cosines high; less the mean of the fit utterances and over their
    standard deviation, every channel counts by how unusual it is. Nothing is learnt from speaker labels.

    Args:
        score: rows of the utterances that are compared, with their speakers.
        fit: rows of other utterances with the same features; None leaves ``centred`` out.
        target: name of the target that holds the speaker, constant in an utterance; negative or NaN is unknown, and
            such utterances are left out.
        resamples: number of resamples.
        confidence: of the interval, in (0, 1).
        seed: seed of the draws.

    Returns:
        ``raw`` and, with fit utterances, ``centred``.

    Raises:
        ValueError: if the target is missing, changes in an utterance, or a setting is out of range.
    """
    if len(score) and target not in score.targets:
        raise ValueError(f"target {target!r} is missing, the rows have {sorted(score.targets)}")
    utterances, means = mean_features(score)
    first = np.unique(score.utterances, return_index=True)[1]
    labels = np.asarray(score.targets[target], dtype=np.float64) if len(score) else np.zeros(0)
    speakers = labels[first]
    repeated = speakers[np.searchsorted(utterances, score.utterances)]
    if not np.array_equal(repeated, labels, equal_nan=True):
        raise ValueError(f"target {target!r} must be the same in all frames of an utterance")
    known = np.isfinite(speakers) & (speakers >= 0)
    found = {"raw": means[known]}
    if fit is not None and len(fit):
        found["centred"] = standardised(means[known], mean_features(fit)[1])
    return {
        name: verify(embeddings, speakers[known], resamples=resamples, confidence=confidence, seed=seed)
        for name, embeddings in found.items()
    }


def standardised(embeddings: Floats, reference: Floats) -> Floats:
    """Subtract the mean of reference embeddings and divide by their standard deviation.

    Args:
        embeddings: shape (utterance, feature).
        reference: shape (other utterance, feature).

    Returns:
        Shape (utterance, feature); 0 where the reference does not vary.

    Raises:
        ValueError: if the features differ in number.

    Example:
        >>> standardised(np.array([[3.0, 1.0]]), np.array([[0.0, 1.0], [2.0, 1.0]])).tolist()
        [[2.0, 0.0]]
    """
    if embeddings.shape[1] != reference.shape[1]:
        raise ValueError(f"embeddings have {embeddings.shape[1]} features, the reference {reference.shape[1]}")
    mean = reference.mean(axis=0)
    scale = scale_of(mean, np.square(reference).mean(axis=0))
    return np.where(scale > 0, (embeddings - mean) / np.where(scale > 0, scale, 1.0), 0.0)


def _resampled_errors(scores: Floats, first: NDArray[np.int64], second: NDArray[np.int64], counts: Floats) -> Floats:
    """Equal error rate of every resample of speakers, shape (resample,)."""
    members = counts.shape[1]
    column, bins = rank_bins(scores)
    pairs, index = np.unique(first * members + second, return_inverse=True)
    one, other = np.divmod(pairs, members)
    column = np.where(first == second, bins, 0) + column
    # One row per pair of speakers: how many of its trials are in each bin of score.
    histogram = csr_matrix((np.ones(scores.size), (index, column)), shape=(pairs.size, 2 * bins))
    errors = []
    step = max(1, WEIGHTS_AT_ONCE // max(pairs.size, 1))
    for start in range(0, len(counts), step):
        drawn = counts[start : start + step]
        totals = (histogram.T @ (drawn[:, one] * drawn[:, other]).T).T
        errors.append(_crossing(totals[:, bins:], totals[:, :bins]))
    return np.concatenate(errors)


def _crossing(targets: Floats, others: Floats) -> Floats:
    """Equal error rate from histograms over growing scores, shape (resample, bin) -> (resample,)."""
    nothing = np.zeros((len(targets), 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        missed = np.hstack([nothing, np.cumsum(targets, axis=1)]) / targets.sum(axis=1, keepdims=True)
        accepted = 1 - np.hstack([nothing, np.cumsum(others, axis=1)]) / others.sum(axis=1, keepdims=True)
    # From -1, everything accepted, to 1, everything missed.
    gap = missed - accepted
    after = (gap >= 0).argmax(axis=1)
    row, before = np.arange(len(gap)), np.maximum(after - 1, 0)
    step = gap[row, after] - gap[row, before]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = -gap[row, before] / step
    return missed[row, before] + share * (missed[row, after] - missed[row, before])
