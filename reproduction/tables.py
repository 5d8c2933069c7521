"""The tables of published scores in documents, as Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from reports.probing.markdown import number, table
from reports.probing.marks import METRICS, TASKS, metric_title, task_title
from reproduction.rows import COST, QUALITY, Score
from reproduction.scoring import COMPOSED_F0, EXPECTED_F0, KNOWN_NOISE

HEADLINE = (
    "vad/balanced_accuracy",
    "noise_class/utterance_accuracy",
    f"{KNOWN_NOISE}/utterance_accuracy",
    "snr_db/r2",
    "mean_snr_db/r2",
    "f0_hz/r2",
)
SCORES = (
    "vad/accuracy",
    "vad/balanced_accuracy",
    "vad/accuracy_at_threshold",
    "vad/balanced_accuracy_at_threshold",
    "voicing/balanced_accuracy",
    "noise_class/balanced_accuracy",
    "noise_class/utterance_accuracy",
    f"{KNOWN_NOISE}/balanced_accuracy",
    f"{KNOWN_NOISE}/utterance_accuracy",
    "snr_db/r2",
    "snr_db/utterance_r2",
    "mean_snr_db/r2",
    "mixture_snr_db/r2",
    "f0_hz/r2",
    "f0_hz/gross_error_rate",
    "f0_or_zero_hz/r2",
    f"{COMPOSED_F0}/r2",
    f"{EXPECTED_F0}/r2",
    "speaker_sex/utterance_balanced_accuracy",
    "speech_level_dbfs/r2",
    "noise_level_dbfs/r2",
    "pesq_wb/r2",
    "stoi/r2",
    "si_sdr_db/r2",
)
TITLES = {
    "noise_class": "noise class, unseen recordings",
    KNOWN_NOISE: "noise class, unseen segments of known recordings",
    "snr_db/utterance_r2": "frame SNR, averaged over an utterance",
    "f0_hz": "F0, voiced frames",
    "f0_or_zero_hz": "F0, all frames, one probe, 0 Hz if unvoiced",
    COMPOSED_F0: "F0, all frames, 0 Hz where the probe of voicing finds none",
    EXPECTED_F0: "F0, all frames, times the probability of voicing",
    "pesq_wb": "PESQ-WB of the noisy input",
    "stoi": "STOI of the noisy input",
    "si_sdr_db": "SI-SDR of the noisy input",
}
AT_THRESHOLD = "_at_threshold"
COSTS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "utilization": ("utilization (share of channels computed)", lambda value: f"{value:.1%}"),
    "macs_saved": ("MACs saved (of the dense network, gates paid)", lambda value: f"{value:.1%}"),
    "macs_per_second": ("MMAC/s", lambda value: f"{value / 1e6:.1f}"),
    "parameters": ("parameters", lambda value: f"{value:,.0f}"),
    "constant_channels": ("channels always on or off", lambda value: f"{value:.1%}"),
}


def tables(scores: Sequence[Score]) -> dict[str, list[str]]:
    r"""Make all tables.

    Args:
        scores: published ones; a table leaves out what is not among them.

    Returns:
        Name, as in the marks of documents, to lines.

    Example:
        >>> print(*tables([Score("vad/balanced_accuracy", 0.9, 0.8, 0.95)])["headline"], sep="\n")
        | target | metric | masks |
        |---|---|---|
        | voice activity | balanced accuracy | 0.900 [0.800, 0.950] |
    """
    found = {score.name: score for score in scores}
    made = {
        "headline": _score_table(found, HEADLINE),
        "scores": _score_table(found, SCORES),
        "enhancement": _quality_table(found),
        "cost": _cost_table(found),
    }
    return {name: lines[:-1] for name, lines in made.items()}  # the last is empty


def _score_table(found: Mapping[str, Score], names: Sequence[str]) -> list[str]:
    def lines() -> Iterator[list[str]]:
        for name in names:
            if name in found:
                score = found[name]
                yield [*_titles(name), number(score.score, score.low, score.high)]

    return table(["target", "metric", "masks"], lines())


def _titles(name: str) -> tuple[str, str]:
    """Return target and metric in words.

    Example:
        >>> _titles("vad/accuracy_at_threshold")
        ('voice activity', "accuracy at the probe's threshold")
    """
    task, _, metric = name.partition("/")
    title = TITLES.get(name, TITLES.get(task, task_title(task)))
    if metric.endswith(AT_THRESHOLD):
        return title, f"{metric_title(metric.removesuffix(AT_THRESHOLD))} at the probe's threshold"
    return title, metric_title(metric)


def _quality_table(found: Mapping[str, Score]) -> list[str]:
    def lines() -> Iterator[list[str]]:
        for measure in dict.fromkeys(name.split("/")[1] for name in found if name.startswith(f"{QUALITY}/")):
            noisy, enhanced, gain = (found.get(f"{QUALITY}/{measure}/{of}") for of in ("noisy", "enhanced", "gain"))
            if noisy and enhanced and gain:
                title = {**METRICS, **TASKS, "estoi": "ESTOI", "si_sdr_db": "SI-SDR, dB"}[measure]
                means = (number(score.score) for score in (noisy, enhanced))
                yield [title, *means, number(gain.score, gain.low, gain.high), str(gain.utterances)]

    return table(["measure", "noisy", "enhanced", "gain", "mixtures"], lines())


def _cost_table(found: Mapping[str, Score]) -> list[str]:
    def lines() -> Iterator[list[str]]:
        for name, (title, written) in COSTS.items():
            score = found.get(f"{COST}/{name}")
            if score is not None and math.isfinite(score.score):
                yield [title, written(score.score)]

    return table(["", ""], lines())
