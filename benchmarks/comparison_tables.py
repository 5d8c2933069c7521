"""The tables of a comparison: quality, voice activity, F0 and noise class, all on the same mixtures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.comparison_data import Heard, Mixtures, Told, in_corpus_order
from benchmarks.comparison_scores import Bootstrap, Row, Score, Table, rate_signals
from benchmarks.comparison_timing import Timed, Waveform
from datamodules.rating import unavailable
from enhancers import LogMmse, NsNet2, RnNoise, SpectralGating, WebRtcSuppressor
from enhancers import usable as usable_enhancers
from estimators import CrepeEstimator, Estimator, SileroDetector, WebRtcDetector, WorldEstimator
from estimators import usable as usable_estimators
from estimators.comparison import compare
from estimators.noise_classifier import NoiseClassifier, macs_per_frame
from probes.tasks import ProbeTask
from streaming.properties import PropertySpec

VAD = ProbeTask("vad", "binary")
F0 = ProbeTask("f0_hz", "value", unit="Hz", transform="log2")
NOISE = ProbeTask("noise_class", "category")
MEASURES = {"pesq_wb": ("PESQ-WB", 2), "estoi": ("ESTOI", 3), "si_sdr_db": ("SI-SDR, dB", 2)}
ENHANCERS = (
    WebRtcSuppressor(1),
    WebRtcSuppressor(2),
    SpectralGating(),
    SpectralGating(True),
    LogMmse(),
    RnNoise(),
    NsNet2(),
)
ESTIMATORS: tuple[Estimator, ...] = (
    WebRtcDetector(),
    WebRtcDetector(3),
    SileroDetector(),
    CrepeEstimator(),
    WorldEstimator(method="dio"),
    WorldEstimator(method="harvest"),
)
OURS, OURS_WITH_PROBES = "dyncp", "dyncp with all probes"
LATENCY = CNN_LATENCY = "32 ms"  # of ours and of the classifier: one window


@dataclass
class Comparison:
    """What all tables are made from.

    Attributes:
        mixtures: to score on.
        told: what our network said of the scored mixtures, and of those of known noise.
        schema: of the probes.
        bootstrap: how intervals are made.
        programs: to be timed; every table adds its own.
        workers: processes that rate and estimate; 0 does all in this one.
    """

    mixtures: Mixtures
    told: dict[str, list[Told]]
    schema: tuple[PropertySpec, ...]
    bootstrap: Bootstrap
    programs: list[Timed] = field(default_factory=list)
    workers: int = 0

    def add(self, name: str, run: Callable[[Waveform], object]) -> str:
        """Have a program timed, once, and return its name."""
        if name not in [program.name for program in self.programs]:
            self.programs.append(Timed(name, run))
        return name


def quality_table(comparison: Comparison) -> Table:
    """Rate the noisy signal and all enhancers."""
    measures = tuple(name for name in MEASURES if unavailable(name) is None)
    notices = [f"Left out: {name}: {unavailable(name)}." for name in MEASURES if name not in measures]
    chosen, left_out = usable_enhancers(ENHANCERS)
    notices += [f"Left out: {reason}." for reason in left_out.values()]
    score, grid = comparison.mixtures.score, comparison.mixtures.grid
    signals = {"noisy": [item.noisy for item in score], OURS: [one.enhanced for one in comparison.told["score"]]}
    notes, timed = {"noisy": "", OURS: LATENCY}, {OURS: OURS}
    for enhancer in chosen:
        enhance = partial(enhancer.enhance, sample_rate=grid.sample_rate)
        signals[enhancer.name] = [enhance(item.noisy) for item in tqdm(score, desc=enhancer.name, unit="mixture")]
        latency = enhancer.latency_samples
        notes[enhancer.name] = "recording" if latency is None else f"{1000 * latency / grid.sample_rate:.0f} ms"
        timed[enhancer.name] = comparison.add(f"enhancer {enhancer.name}", enhance)
    rated = rate_signals([item.clean for item in score], signals, measures, grid.sample_rate, comparison.workers)
    columns = [MEASURES[name][0] for name in measures]
    decimals = [MEASURES[name][1] for name in measures]
    paired = measures[:1]  # the first that there is, utterance by utterance
    table = Table(
        "Quality",
        (*columns, *(f"{MEASURES[name][0]} less ours, paired" for name in paired)),
        (*decimals, *(MEASURES[name][1] for name in paired)),
        OURS,
        notices=notices,
    )
    for name in ("noisy", *(enhancer.name for enhancer in chosen), OURS):
        scores = [comparison.bootstrap.mean(rated[name][measure]) for measure in measures]
        scores += [comparison.bootstrap.mean(rated[name][measure] - rated[OURS][measure]) for measure in paired]
        table.rows.append(Row(name, tuple(scores), notes[name], timed.get(name)))
    return table


def estimator_tables(comparison: Comparison) -> list[Table]:
    """Compare voice activity and F0 with estimators of their own."""
    score, grid = comparison.mixtures.score, comparison.mixtures.grid
    chosen, left_out = usable_estimators(ESTIMATORS)
    utterances = (
        (item.noisy, {name: item.targets[name] for name in ("vad", "f0_hz")}, index)
        for index, item in enumerate(tqdm(score, desc="Estimating", unit="mixture"))
    )
    found = compare(utterances, chosen, grid, comparison.workers)
    vad = Table("Voice activity, per frame", ("accuracy", "balanced accuracy"), (3, 3), OURS_WITH_PROBES)
    f0 = Table("F0, voiced frames", ("R2", "gross error rate"), (3, 3), OURS_WITH_PROBES)
    rows = FrameScores(comparison.bootstrap, found.targets, found.utterances)
    vad.rows.append(Row("always speech", rows.vad(np.ones(len(found.utterances)))))
    for estimator in chosen:
        timed = comparison.add(f"estimator {estimator.name}", partial(estimator.estimate, grid=grid))
        note = "recording" if math.isinf(estimator.lookahead_ms) else f"{estimator.lookahead_ms:.0f} ms"
        said = found.estimates[estimator.name]
        if estimator.task == "vad":
            vad.rows.append(Row(estimator.name, rows.vad(said["vad"]), note, timed))
        else:
            f0.rows.append(Row(estimator.name, rows.f0(said["candidate_hz"]), note, timed))
    specs, told = {spec.name: spec for spec in comparison.schema}, comparison.told["score"]
    if "vad" in specs:
        for name, kind in ((OURS, "raw"), (f"{OURS}, smoothed", "smoothed")):
            speech = np.concatenate([getattr(one, kind)["vad"] for one in told]) >= specs["vad"].threshold
            vad.rows.append(Row(name, rows.vad(speech), LATENCY, OURS_WITH_PROBES))
    if "f0_hz" in specs:
        candidates = np.concatenate([one.raw["f0_hz"] for one in told])
        f0.rows.append(Row(OURS, rows.f0(candidates), LATENCY, OURS_WITH_PROBES))
    for name, reason in left_out.items():
        task = next(estimator.task for estimator in ESTIMATORS if estimator.name == name)
        (vad if task == "vad" else f0).notices.append(f"Left out: {reason}.")
    return [vad, f0]


@dataclass(frozen=True)
class FrameScores:
    """Scores what is said of frames.

    Attributes:
        bootstrap: how intervals are made.
        targets: ``vad`` and ``f0_hz``, shape (row,).
        utterances: of the rows, shape (row,).
    """

    bootstrap: Bootstrap
    targets: Mapping[str, NDArray[Any]]
    utterances: NDArray[Any]

    def vad(self, speech: NDArray[Any]) -> tuple[Score, ...]:
        """Score the probability of speech, or a decision, shape (row,)."""
        posterior = np.stack([1.0 - speech, speech], axis=1).astype(np.float64)
        target = self.targets["vad"].astype(np.int64)
        return self.bootstrap.scores(VAD, target, posterior, self.utterances, ("accuracy", "balanced_accuracy"))

    def f0(self, candidate_hz: NDArray[Any]) -> tuple[Score, ...]:
        """Score F0 where it is voiced in truth, shape (row,).

        A voiced frame without a candidate (NaN) gets the median of all, the best constant that is known of.
        """
        target, known = self.targets["f0_hz"].astype(np.float64), np.isfinite(candidate_hz)
        median = np.median(candidate_hz[known]) if known.any() else math.nan
        guess, voiced = np.where(known, candidate_hz, median).astype(np.float64), np.isfinite(target)
        rows = target[voiced], guess[voiced], self.utterances[voiced]
        return self.bootstrap.scores(F0, *rows, ("r2", "gross_error_rate"))


def noise_tables(comparison: Comparison, classifier: NoiseClassifier, trained: str) -> list[Table]:
    """Compare the noise class with a classifier of its own; ``trained`` says how."""
    mixtures = comparison.mixtures
    timed = comparison.add("log-mel CNN", classifier.posteriors)
    titles = {
        "score": ("unseen recordings", trained),
        "known": (
            "unseen segments of known recordings",
            "Unseen by the CNN and the probes: networks train on all of them.",
        ),
    }
    tables = []
    for part, (title, notice) in titles.items():
        heard: list[Heard] = getattr(mixtures, part)
        columns = ("per utterance", "per frame")
        table = Table(f"Noise class, {title}", columns, (3, 3), OURS_WITH_PROBES, notices=[notice])
        asked = [classifier.posteriors(item.noisy) for item in heard]
        name = f"log-mel CNN, {macs_per_frame(classifier) / 1e6:.2f} M MACs"
        table.rows.append(Row(name, _noise_scores(comparison.bootstrap, heard, asked), CNN_LATENCY, timed))
        spec = next((spec for spec in comparison.schema if spec.name == "noise_class"), None)
        if spec is None:
            table.notices.append("Left out: the network has no probe of the noise class.")
        else:
            raw = [one.raw["noise_class"] for one in comparison.told[part]]
            ordered = [in_corpus_order(posterior, spec.classes, mixtures.categories) for posterior in raw]
            known = [posterior for posterior in ordered if posterior is not None]
            if len(known) < len(ordered):
                table.notices.append(f"Left out: the probe knows only the classes {', '.join(spec.classes)}.")
            else:
                pairs = [(posterior, posterior.mean(axis=0)) for posterior in known]
                scores = _noise_scores(comparison.bootstrap, heard, pairs)
                table.rows.append(Row(OURS, scores, LATENCY, OURS_WITH_PROBES))
        tables.append(table)
    return tables


def _noise_scores(
    bootstrap: Bootstrap, heard: Sequence[Heard], posteriors: Sequence[tuple[NDArray[Any], NDArray[Any]]]
) -> tuple[Score, ...]:
    """Score posteriors of utterances and of frames; recordings are resampled, since utterances share them."""
    labels = np.array([item.noise_class for item in heard])
    recordings = np.unique([item.noise for item in heard], return_inverse=True)[1]
    whole = np.stack([posterior for _, posterior in posteriors]), np.arange(len(heard)), recordings
    lengths = [len(frames) for frames, _ in posteriors]
    frames = (
        np.concatenate([frames for frames, _ in posteriors]),
        np.repeat(np.arange(len(heard)), lengths),
        np.repeat(recordings, lengths),
    )
    return tuple(
        bootstrap.scores(NOISE, target, posterior, utterances, ("accuracy",), clusters)[0]
        for target, (posterior, utterances, clusters) in ((labels, whole), (np.repeat(labels, lengths), frames))
    )
