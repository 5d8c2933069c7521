"""Beyond single frames and exact weights: smoothing, context, a hidden layer, few bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from probes.context import context_rows
from probes.evaluation import score_classes, score_values, scored_rows
from probes.fitting import counting, fit_tasks
from probes.logistic import LogisticProbe
from probes.moments import CHUNK_ROWS, column_statistics
from probes.perceptron import PerceptronProbe
from probes.quantization import Precision, QuantizedProbe, quantize_probe
from probes.reservoir import FrameRows
from probes.ridge import RidgeProbe
from probes.selection import RankingSettings, rank
from probes.selection.ranking import RankingMethod
from probes.smoothing import leaky_average, smoothing_latency_ms
from probes.tasks import ProbeTask, select
from probing.collection import strided_rows
from probing.data import StudyData
from probing.features import MASKS
from probing.outcome import Outcome
from reports.probing.rows import RefinementEntry

FLOAT_BYTES = 4
CONTEXT_RANKING: RankingMethod = "mutual_information"  # the cheapest one
Probe = LogisticProbe | RidgeProbe | PerceptronProbe | QuantizedProbe


class Size(NamedTuple):
    """Numbers that a probe stores, and the bytes that they take."""

    weights: int
    bytes: int


def refinements(data: StudyData, outcome: Outcome) -> None:
    """Refine the probes of some tasks."""
    for name in data.settings.refined_tasks:
        probe = data.mask_fits[name].probe
        if probe is None or getattr(probe, "single_class_", False):
            continue
        outcome.say(name)
        refined = _Refined(data, data.settings.task(name), probe)
        for variants in (refined.smoothed, refined.with_context, refined.perceptron, refined.quantized):
            outcome.add({"refinements": list(variants())})


class _Refined:
    """Makes the variants of the linear probe of a task on all masks.

    Args:
        data: of the study.
        task: that is probed.
        probe: fitted.
    """

    def __init__(self, data: StudyData, task: ProbeTask, probe: LogisticProbe | RidgeProbe) -> None:
        self.data = data
        self.task = task
        self.probe = probe
        self.score = data.score_masks
        self.counts = select(self.score.targets, task)
        scored = scored_rows(data.mask_fits[task.name], counting(self.score, task))
        self.target, self.classes, self.utterances = scored.target, scored.classes, scored.utterances
        self.fit = counting(data.fit_masks, task)

    def smoothed(self) -> Iterator[RefinementEntry]:
        """Score the probe as it is, then its answers averaged over the past.

        Every frame is smoothed, also those that do not count, as a stream would have to.
        """
        answers = self._answers(self.probe, self.score)
        size = _size(self.probe)
        yield from self._entries("frame", answers[self.counts], 0.0, size)
        grid = self.data.grid
        for tau in self.data.settings.smoothing_frames:
            smooth = leaky_average(answers, self.score.utterances, tau)
            latency = smoothing_latency_ms(tau, grid.hop_length, grid.sample_rate)
            yield from self._entries(f"smoothed_{tau:g}", smooth[self.counts], latency, size)

    def with_context(self) -> Iterator[RefinementEntry]:
        """Score linear probes of the best features of one frame and of several."""
        settings = self.data.settings
        order = rank(CONTEXT_RANKING, self.fit, self.task, RankingSettings(), settings.fits.seed)
        features = np.sort(order[: settings.context_features])
        every_fit = self.data.collected["fit"].rows[MASKS]
        without_control = replace(settings.fits, shuffled_control=False)
        for frames in (1, *settings.context_frames):
            rows = strided_rows(context_rows(every_fit, features, frames), settings.frame_stride)
            probe = fit_tasks([self.task], rows, without_control)[self.task.name].probe
            if probe is None:
                return
            scored = context_rows(self.score, features, frames).take(np.flatnonzero(self.counts))
            yield from self._entries(f"context_{frames}", self._answers(probe, scored), 0.0, _size(probe))

    def perceptron(self) -> Iterator[RefinementEntry]:
        """Score a probe with one hidden layer."""
        settings = self.data.settings
        probe = PerceptronProbe(
            kind="values" if self.task.kind == "value" else "classes",
            hidden=settings.perceptron_hidden,
            seed=settings.fits.seed,
        )
        probe.fit(self.fit.features, self.task.encode(self.fit.targets[self.task.target]), self.fit.utterances)
        answers = self._answers(probe, self.score.take(np.flatnonzero(self.counts)))
        yield from self._entries(f"perceptron_{settings.perceptron_hidden}", answers, 0.0, _size(probe))

    def quantized(self) -> Iterator[RefinementEntry]:
        """Score the probe with weights of few bits."""
        mean, _ = column_statistics(self.fit.features)
        counted = self.score.take(np.flatnonzero(self.counts))
        for precision in get_args(Precision):
            probe = quantize_probe(self.probe, precision, mean)
            yield from self._entries(precision, self._answers(probe, counted), 0.0, _size(probe))

    def _answers(self, probe: Probe, rows: FrameRows) -> NDArray[np.float64]:
        """Return posteriors in the order of ``classes``, or encoded values, shape (row, output)."""
        if self.task.kind == "value":
            return _by_chunk(lambda x: np.asarray(probe.predict(x)).reshape(len(x), 1), rows)
        assert not isinstance(probe, RidgeProbe)
        known = probe.source.classes_ if isinstance(probe, QuantizedProbe) else probe.classes_
        posterior = np.zeros((len(rows), self.classes.size))
        posterior[:, np.searchsorted(self.classes, known)] = _by_chunk(probe.predict_proba, rows)
        return posterior

    def _entries(
        self, variant: str, answers: NDArray[np.float64], latency_ms: float, size: Size
    ) -> Iterator[RefinementEntry]:
        """Score answers for the rows that count."""
        scoring = score_values if self.task.kind == "value" else score_classes
        prediction = self.task.decode(answers[:, 0]) if self.task.kind == "value" else answers
        scores = scoring(self.task, self.target, prediction, self.utterances)
        intervals = self.data.intervals(self.task, self.target, prediction, self.utterances)
        for metric, score in scores.items():
            yield RefinementEntry(self.task.name, variant, metric, score, *intervals[metric], latency_ms, *size)


def _size(probe: Probe) -> Size:
    """Count what a probe stores; weights that are not quantized are float32."""
    if isinstance(probe, PerceptronProbe):
        return Size(probe.n_weights_, FLOAT_BYTES * probe.n_weights_)
    if isinstance(probe, QuantizedProbe):
        return Size(probe.codes.size + 2 * len(probe.codes), probe.bytes)
    numbers = np.size(probe.coef_) + np.size(probe.intercept_)
    return Size(numbers, FLOAT_BYTES * numbers)


def _by_chunk(predict: Callable[[NDArray[Any]], NDArray[np.float64]], rows: FrameRows) -> NDArray[np.float64]:
    starts = range(0, len(rows), CHUNK_ROWS)
    return np.concatenate([predict(rows.dense(slice(start, start + CHUNK_ROWS))) for start in starts])
