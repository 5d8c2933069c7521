"""Settings of a study, with the defaults that ``configs/probing/study.yaml`` lists and explains."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentError, ArgumentParser

from checkpoints.yaml_file import read_yaml
from probes.fitting import FitSettings
from probes.tasks import ProbeTask
from probing.features import FEATURE_SETS, MASKS
from probing.mixtures import MixtureCounts

# Checked at once: a study takes hours, and some of these are first used at its end.
POSITIVE = (
    "frame_stride",
    "selection_counts",
    "overlap_count",
    "learning_utterances",
    "smoothing_frames",
    "context_frames",
    "late_frames",
    "context_features",
    "perceptron_hidden",
    "embedding_frames",
    "estimator_mixtures",
    "timed_mixtures",
    "quality_mixtures",
)


def _default_tasks() -> list[ProbeTask]:
    return [
        ProbeTask("vad", "binary"),
        ProbeTask("voicing", "binary"),
        ProbeTask("noise_class", "category", per_utterance=True),
        ProbeTask("speaker_sex", "binary", where="vad", per_utterance=True),
        ProbeTask("snr_db", "value", unit="dB"),
        ProbeTask("mean_snr_db", "value", unit="dB", source="snr_db", pooled=True),
        ProbeTask("mixture_snr_db", "value", unit="dB", pooled=True),
        ProbeTask("f0_hz", "value", unit="Hz", where="voicing", transform="log2"),
        ProbeTask("f0_or_zero_hz", "value", unit="Hz", source="f0_hz", fill=0.0),
        ProbeTask("speech_level_dbfs", "value", unit="dBFS", where="vad"),
        ProbeTask("noise_level_dbfs", "value", unit="dBFS"),
        ProbeTask("pesq_wb", "value", pooled=True),
        ProbeTask("stoi", "value", pooled=True),
        ProbeTask("si_sdr_db", "value", unit="dB", pooled=True),
    ]


@dataclass(frozen=True)
class IntervalSettings:
    """How intervals are made: percentiles of scores of resampled utterances, or of what utterances share.

    Attributes:
        resamples: draws with replacement.
        confidence: of an interval, in (0, 1).
        by_noise: names of tasks for which noise recordings are drawn instead of utterances.
        by_speaker: names of tasks for which speakers are drawn.
        seed: of the draws.

    Raises:
        ValueError: if a number is out of range, or a task is listed twice.
    """

    resamples: int = 1000
    confidence: float = 0.95
    by_noise: tuple[str, ...] = ("noise_class",)
    by_speaker: tuple[str, ...] = ("speaker_sex",)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 1:
            raise ValueError(f"intervals.resamples must be positive, got {self.resamples}")
        if not 0 < self.confidence < 1:
            raise ValueError(f"intervals.confidence must lie in (0, 1), got {self.confidence}")
        if self.seed < 0:
            raise ValueError(f"intervals.seed must not be negative, got {self.seed}")
        both = sorted(set(self.by_noise) & set(self.by_speaker))
        if both:
            raise ValueError(f"intervals: '{both[0]}' is in by_noise and in by_speaker; only one can be drawn")


@dataclass(frozen=True)
class StudySettings:
    """What a study does.

    Attributes:
        split: whose speakers and noise recordings are scored.
        mixtures: numbers of mixtures.
        fit_noise_share: of every training noise recording, from its beginning, that probes are fitted on.
        frame_stride: every how many frames one is used in fits.
        tasks: what is probed.
        feature_sets: what tasks are probed from, beside each other; the masks are one of them.
        fits: of the linear probes.
        intervals: of scores.
        snr_edges_db: between the bins of the mixture's SNR that are scored alone, in dB, rising.
        block_tasks: tasks that are probed from single blocks too.
        selection_tasks: tasks whose features are selected.
        selection_counts: numbers of features that probes are fitted with.
        overlap_count: best features of every task that are compared between tasks.
        learning_utterances: sizes of the fit set, of the learning curve of the refined tasks.
        refined_tasks: tasks whose probes are fitted on fewer utterances, smoothed, given context, allowed to be
            late, replaced by a perceptron and quantized.
        smoothing_frames: time constants of smoothed predictions, in frames.
        context_frames: numbers of masks that a probe with context reads.
        context_features: best features that it reads of each.
        late_frames: frames by which the answer of a probe may be late.
        perceptron_hidden: hidden units.
        embedding_frames: frames drawn by t-SNE.
        estimator_mixtures: scored mixtures on which dedicated estimators are compared.
        timed_mixtures: mixtures on which their time is taken.
        quality_mixtures: scored mixtures on which the enhancement is rated.
        examples: mixtures with sound and overview in the report.

    Raises:
        ValueError: if a value is out of range or names an unknown task.
    """

    split: Literal["valid", "test"] = "test"
    mixtures: MixtureCounts = field(default_factory=MixtureCounts)
    fit_noise_share: float = 0.7
    frame_stride: int = 4
    tasks: list[ProbeTask] = field(default_factory=_default_tasks)
    feature_sets: tuple[str, ...] = FEATURE_SETS
    fits: FitSettings = field(default_factory=lambda: FitSettings(logistic_rows=6000))
    intervals: IntervalSettings = field(default_factory=IntervalSettings)
    snr_edges_db: tuple[float, ...] = (0.0, 5.0, 10.0)
    block_tasks: tuple[str, ...] = ("vad", "noise_class", "snr_db", "f0_hz")
    selection_tasks: tuple[str, ...] = ("vad", "noise_class", "snr_db", "f0_hz")
    selection_counts: tuple[int, ...] = (8, 16, 32, 64, 128, 256, 512, 1024)
    overlap_count: int = 128
    learning_utterances: tuple[int, ...] = (45, 90, 180)
    refined_tasks: tuple[str, ...] = ("vad", "noise_class", "snr_db", "f0_hz")
    smoothing_frames: tuple[float, ...] = (2.0, 4.0, 8.0, 16.0)
    context_frames: tuple[int, ...] = (2, 4)
    context_features: int = 256
    late_frames: tuple[int, ...] = (1, 2)
    perceptron_hidden: int = 64
    embedding_frames: int = 2000
    estimator_mixtures: int = 60
    timed_mixtures: int = 4
    quality_mixtures: int = 120
    examples: int = 3

    def __post_init__(self) -> None:
        if self.split not in ("valid", "test"):
            raise ValueError(f"split must be valid or test, got {self.split!r}")
        if not 0 < self.fit_noise_share < 1:
            raise ValueError(f"fit_noise_share must lie in (0, 1), got {self.fit_noise_share}")
        for name in POSITIVE:
            numbers = getattr(self, name)
            wrong = [number for number in (numbers if isinstance(numbers, (tuple, list)) else (numbers,)) if number < 1]
            if wrong:
                raise ValueError(f"{name} must be at least 1, got {wrong[0]}")
        edges = self.snr_edges_db
        if not edges or list(edges) != sorted(set(edges)):
            raise ValueError(f"snr_edges_db must rise and hold at least one edge, got {list(edges)}")
        if self.examples < 0:
            raise ValueError(f"examples must not be negative, got {self.examples}")
        names = [task.name for task in self.tasks]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"tasks must have distinct names, at least one, got {names}")
        sets = set(self.feature_sets)
        if MASKS not in sets or not sets <= set(FEATURE_SETS) or len(sets) < len(self.feature_sets):
            others = ", ".join(name for name in FEATURE_SETS if name != MASKS)
            raise ValueError(f"feature_sets: expected masks, and any of {others}, once, got {list(self.feature_sets)}")
        for field_name in ("block_tasks", "selection_tasks", "refined_tasks"):
            unknown = [name for name in getattr(self, field_name) if name not in names]
            if unknown:
                raise ValueError(f"{field_name}: '{unknown[0]}' is none of the tasks {', '.join(names)}")
            pooled = [name for name in getattr(self, field_name) if self.task(name).pooled]
            if pooled:
                raise ValueError(f"{field_name}: '{pooled[0]}' is pooled, expected tasks of single frames")

    @property
    def kept_signals(self) -> int:
        """Scored mixtures whose waveforms are needed."""
        return max(self.estimator_mixtures, self.quality_mixtures, self.examples)

    def task(self, name: str) -> ProbeTask:
        """Return a task by name."""
        return next(task for task in self.tasks if task.name == name)


def read_settings(path: Path) -> StudySettings:
    """Read the settings of a study.

    Raises:
        ValueError: naming the file and the key that is wrong.
    """
    if not path.is_file():
        raise ValueError(f"--study: no file '{path}'; expected one such as configs/probing/study.yaml")
    content = read_yaml(path) or {}
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a mapping of settings, got {type(content).__name__}")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(StudySettings, "study")
    try:
        parsed = parser.parse_object({"study": content})
        settings: StudySettings = parser.instantiate_classes(parsed).study
    except (ArgumentError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path}: {error}") from error
    return settings
