"""The probes beside published tools that do nothing else, on the same frames, with what both cost."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from estimators.base import Estimator, usable
from estimators.comparison import compare
from estimators.cost import estimator_cost, probe_cost
from estimators.pitch import CrepeEstimator, PyinEstimator, WorldEstimator
from estimators.voice_activity import SileroDetector, WebRtcDetector
from probes.evaluation import posterior_of, predicted_values, score_classes, score_values
from probes.logistic import LogisticProbe
from probes.reservoir import FrameRows
from probes.tasks import ProbeTask
from probing.data import StudyData
from probing.outcome import Outcome
from reports.probing.rows import EstimatorEntry

VAD = ProbeTask("vad", "binary")
VOICED_F0 = ProbeTask("f0_hz", "value", unit="Hz", transform="log2")
AGREED_F0 = ProbeTask("f0_agreed_hz", "value", unit="Hz", transform="log2")
EVERY_F0 = ProbeTask("f0_or_zero_hz", "value", unit="Hz")
MASK_PROBE = "masks"
DEDICATED: tuple[Estimator, ...] = (
    WebRtcDetector(),
    SileroDetector(),
    CrepeEstimator(),
    WorldEstimator(),
    PyinEstimator(),
)


def estimators(data: StudyData, outcome: Outcome) -> None:
    """Compare the probes of voice activity and F0 with dedicated estimators."""
    score = data.collected["score"]
    count = min(data.settings.estimator_mixtures, len(score.signals))
    rows = data.score_masks.take(data.score_masks.utterances < count)
    signals = score.signals[:count]
    wanted: list[str] = [name for name in ("vad", "f0_hz") if name in data.mask_fits]
    utterances = ((item.noisy, _chosen(item.targets, wanted), index) for index, item in enumerate(signals))
    chosen = tuple(estimator for estimator in DEDICATED if estimator.task in wanted)
    if not chosen:
        return
    outcome.say(f"estimating {count} mixtures")
    found = compare(utterances, chosen, data.grid, workers=len(os.sched_getaffinity(0)))
    outcome.told["estimators_left_out"] = found.left_out
    timed = [item.noisy for item in signals[: data.settings.timed_mixtures]]
    comparison = EstimatorScores(data, rows)
    for estimator in usable(chosen)[0]:
        outcome.say(f"timing {estimator.name}")
        cost = estimator_cost(estimator, timed, data.grid).process_microseconds_per_hop
        note = f"look-ahead {estimator.lookahead_ms:.0f} ms" if np.isfinite(estimator.lookahead_ms) else "whole file"
        estimates = found.estimates[estimator.name]
        outcome.add({"estimators": list(comparison.dedicated(estimator, estimates, cost, note))})
    outcome.add({"estimators": list(comparison.probes())})


class EstimatorScores:
    """Makes table rows of predictions for the same frames.

    Args:
        data: of the study.
        rows: masks and targets of the compared mixtures.
    """

    def __init__(self, data: StudyData, rows: FrameRows) -> None:
        self.data = data
        self.rows = rows

    def dedicated(
        self, estimator: Estimator, estimates: dict[str, NDArray[Any]], cost: float, note: str
    ) -> Iterator[EstimatorEntry]:
        """Score an estimator."""
        if estimator.task == "vad":
            yield from self._entries(VAD, estimator.name, _posterior(estimates["vad"]), cost, False, note)
            return
        candidates = estimates["candidate_hz"].astype(np.float64)
        voiced = estimates["voicing"] == 1
        yield from self._f0(estimator.name, candidates, voiced, cost, False, note)

    def probes(self) -> Iterator[EstimatorEntry]:
        """Score the probes of the masks."""
        fits = self.data.mask_fits
        if "vad" in fits and isinstance(fits["vad"].probe, LogisticProbe):
            posterior = posterior_of(fits["vad"].probe, self.rows, np.array([0, 1]))
            yield from self._entries(VAD, MASK_PROBE, posterior, self._probe_cost(("vad",)), True, "")
        voicing, f0 = fits.get("voicing"), fits.get("f0_hz")
        if voicing is None or f0 is None or not isinstance(voicing.probe, LogisticProbe) or f0.probe is None:
            return
        voiced = posterior_of(voicing.probe, self.rows, np.array([0, 1]))[:, 1] >= 0.5
        candidates = f0.task.decode(predicted_values(f0.probe, self.rows))
        cost = self._probe_cost(("voicing", "f0_hz"))
        yield from self._f0(MASK_PROBE, candidates, voiced, cost, True, "F0 and voicing probe")

    def _f0(
        self, name: str, candidates: NDArray[Any], voiced: NDArray[np.bool_], cost: float, shared: bool, note: str
    ) -> Iterator[EstimatorEntry]:
        """Score F0 where it is voiced in truth, where both say so, and on all frames with unvoiced as 0 Hz.

        A voiced frame without a candidate gets the median of all candidates, the best constant that is known of.
        """
        known = np.isfinite(candidates)
        middle = float(np.median(candidates[known])) if known.any() else np.nan
        guess = np.where(known, candidates, middle)
        yield from self._entries(VOICED_F0, name, guess, cost, shared, note)
        agreed = np.where(voiced & known, candidates, np.nan)
        yield from self._entries(AGREED_F0, name, agreed, cost, shared, note)
        yield from self._entries(EVERY_F0, name, np.where(voiced & known, candidates, 0.0), cost, shared, note)

    def _entries(
        self, task: ProbeTask, name: str, prediction: NDArray[Any], cost: float, shared: bool, note: str
    ) -> Iterator[EstimatorEntry]:
        target = self.rows.targets["vad" if task is VAD else "f0_hz"].astype(np.float64)
        utterances = self.rows.utterances
        if task is EVERY_F0:
            target = np.nan_to_num(target, nan=0.0)
        counts = np.isfinite(target)
        if task is AGREED_F0:
            counts &= np.isfinite(prediction)
        target, prediction, utterances = target[counts], prediction[counts], utterances[counts]
        if task.kind == "binary":
            target = target.astype(np.int64)
            scores = score_classes(task, target, prediction, utterances)
        else:
            scores = score_values(task, target, prediction, utterances)
        intervals = self.data.intervals(task, target, prediction, utterances)
        for metric, value in scores.items():
            yield EstimatorEntry(task.name, name, metric, value, *intervals[metric], cost, shared, note)

    def _probe_cost(self, tasks: tuple[str, ...]) -> float:
        """Microseconds of a processor per hop, of the probes of some tasks together."""
        probes = [self.data.mask_fits[name].probe for name in tasks]
        coef = np.vstack([np.atleast_2d(probe.coef_) for probe in probes if probe is not None])
        intercepts = np.concatenate([np.atleast_1d(probe.intercept_) for probe in probes if probe is not None])
        mixtures = np.unique(self.rows.utterances)[: self.data.settings.timed_mixtures]
        masks = [self.rows.dense(np.flatnonzero(self.rows.utterances == mixture)) for mixture in mixtures]
        return probe_cost(masks, coef, intercepts).process_microseconds_per_hop


def _posterior(probability: NDArray[Any]) -> NDArray[np.float64]:
    """Turn the probability of speech into a posterior of both classes."""
    speech = probability.astype(np.float64)
    return np.stack([1 - speech, speech], axis=1)


def _chosen(targets: Mapping[str, NDArray[np.float32]], names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    return {name: targets[name] for name in names}
