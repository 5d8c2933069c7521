"""Beyond single frames and exact weights: smoothing, context, late answers, a hidden layer, few bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from probes.context import context_rows, late_rows
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
        for variants in (
            refined.smoothed,
            refined.with_context,
            refined.late,
            refined.perceptron,
            refined.quantized,
        ):
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
        for frames in (1, *settings.context_frames):
            yield from self._refitted(f"context_{frames}", partial(context_rows, features=features, frames=frames), 0.0)

    def late(self) -> Iterator[RefinementEntry]:
        """Score linear probes on all masks that answer for a frame when later ones are known."""
        grid = self.data.grid
        for frames in self.data.settings.late_frames:
            latency_ms = 1000 * frames * grid.hop_length / grid.sample_rate
            yield from self._refitted(f"late_{frames}", partial(late_rows, frames=frames), latency_ms)

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

    def _refitted(
        self, variant: str, change: Callable[[FrameRows], FrameRows], latency_ms: float
    ) -> Iterator[RefinementEntry]:
        """Score a linear probe of the same task on rows that are changed before frames are left out."""
        settings = self.data.settings
        rows = strided_rows(change(self.data.collected["fit"].rows[MASKS]), settings.frame_stride)
        probe = fit_tasks([self.task], rows, replace(settings.fits, shuffled_control=False))[self.task.name].probe
        if probe is None:
            return
        scored = change(self.score).take(np.flatnonzero(self.counts))
        yield from self._entries(variant, self._answers(probe, scored), latency_ms, _size(probe))

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
