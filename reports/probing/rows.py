"""The tables of a probing study: one class per table, one field per column.

An unknown number is NaN (or None where whole numbers and truths are expected) and an empty cell in the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NAN = float("nan")
ALL_BLOCKS = "all"  # in the column of blocks


@dataclass(frozen=True)
class ScoreEntry:
    """One score of one task from one set of features.

    Attributes:
        features: ``masks``, ``gate_logits``, ``masked_activations``, ``frontend``, ``log_magnitude``, ``log_energy`` or
            ``untrained_masks``.
        blocks: ``all`` or the two digits of one block.
        task: name of the target.
        metric: name of the score.
        score: of the probe; ``low`` and ``high`` are the ends of its interval.
        chance: score of always answering the same.
        shuffled: score of a probe that was fitted on shuffled labels.
        fit_rows: frames that the probe was fitted on.
        score_rows: frames that it was scored on, from ``utterances`` utterances.
        l2: strength of the penalty.
        converged: whether the fit did.
        note: whatever a reader must know.
    """

    features: str
    blocks: str
    task: str
    metric: str
    score: float
    low: float = NAN
    high: float = NAN
    chance: float = NAN
    shuffled: float = NAN
    fit_rows: int | None = None
    score_rows: int | None = None
    utterances: int | None = None
    l2: float = NAN
    converged: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class SelectionPoint:
    """Scores with ``count`` features, chosen by ``method``: of cross-validation and of unseen utterances."""

    task: str
    method: str
    count: int
    metric: str
    cv_score: float
    score: float
    low: float = NAN
    high: float = NAN


@dataclass(frozen=True)
class FewestFeatures:
    """The fewest features, C*, with which a task scores about as well as with all."""

    task: str
    method: str
    c_star: int | None
    metric: str
    score_at_c_star: float
    full_score: float


@dataclass(frozen=True)
class Overlap:
    """How many of the ``count`` features chosen for two tasks are the same, and how many would be by chance."""

    method: str
    task_a: str
    task_b: str
    count: int
    shared: int
    jaccard: float
    expected_jaccard: float


@dataclass(frozen=True)
class LearningPoint:
    """A score of a probe that was fitted on ``utterances`` utterances, with a penalty of strength ``l2``."""

    task: str
    metric: str
    utterances: int
    score: float
    low: float = NAN
    high: float = NAN
    l2: float = NAN


@dataclass(frozen=True)
class ConditionEntry:
    """A score on the mixtures of one condition alone.

    Attributes:
        condition: ``snr`` (of the mixture) or ``noise`` (its class).
        value: name of the bin or of the class.
        task: name of the target.
        metric: name of the score.
        score: of the probe; ``low`` and ``high`` are the ends of its interval.
        utterances: mixtures that it was scored on.
    """

    condition: str
    value: str
    task: str
    metric: str
    score: float
    low: float = NAN
    high: float = NAN
    utterances: int | None = None


@dataclass(frozen=True)
class CalibrationBin:
    """Frames whose predicted probability lies in a bin, and the share of them for which the target is true."""

    task: str
    bin_low: float
    bin_high: float
    mean_probability: float
    share_true: float
    count: int


@dataclass(frozen=True)
class ConfusionCount:
    """How often a class was taken for another.

    Attributes:
        task: name of the target.
        protocol: ``unseen_recordings`` or ``known_recordings``.
        unit: what is counted, ``frame`` or ``utterance``.
        true: name of the class.
        predicted: name of the class that the probe answered.
        count: of frames or utterances.
    """

    task: str
    protocol: str
    unit: str
    true: str
    predicted: str
    count: int


@dataclass(frozen=True)
class Coefficient:
    """Weight of a standardised feature; ``output`` is the class, or empty if the task has one output."""

    task: str
    output: str
    feature: str
    standard_coef: float


@dataclass(frozen=True)
class EmbeddingPoint:
    """A frame in the plane of t-SNE, with its targets: one further column each.

    A column of numbers is read as floats (empty: NaN), any other one as strings.
    """

    x: float
    y: float
    utterance: int
    targets: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class EstimatorEntry:
    """Score and time of an estimator; ``network_shared`` if it reads masks of a network that runs anyway."""

    task: str
    estimator: str
    metric: str
    score: float
    low: float = NAN
    high: float = NAN
    microseconds_per_hop: float = NAN
    network_shared: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class RefinementEntry:
    """Score and size of a variant of a probe: ``frame`` is the plain one."""

    task: str
    variant: str
    metric: str
    score: float
    low: float = NAN
    high: float = NAN
    latency_ms: float = NAN
    weights: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class VerificationEntry:
    """Equal error rate of telling speakers apart by a set of features."""

    features: str
    eer: float
    low: float = NAN
    high: float = NAN
    trials: int | None = None
    speakers: int | None = None


@dataclass(frozen=True)
class QualityEntry:
    """Mean quality of the noisy and of the enhanced mixtures, and the interval of the mean gain."""

    measure: str
    noisy: float = NAN
    enhanced: float = NAN
    gain: float = NAN
    low: float = NAN
    high: float = NAN
    utterances: int | None = None


TABLES: Mapping[str, type] = {
    "scores": ScoreEntry,
    "selection": SelectionPoint,
    "fewest": FewestFeatures,
    "overlap": Overlap,
    "learning_curve": LearningPoint,
    "conditions": ConditionEntry,
    "calibration": CalibrationBin,
    "confusion": ConfusionCount,
    "coefficients": Coefficient,
    "embedding": EmbeddingPoint,
    "estimators": EstimatorEntry,
    "refinements": RefinementEntry,
    "verification": VerificationEntry,
    "quality": QualityEntry,
}
