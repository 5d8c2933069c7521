"""What all figures share: names, colours and markers, panels and intervals.

Colours are of Okabe and Ito; nothing is told by colour alone, so that figures can be read in grey.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

INK, GRID_ALPHA = "#222222", 0.25
SMALL, PLAIN, TITLE = 7.0, 8.0, 9.0  # sizes of text in points; nothing is smaller than the first
ORANGE, BLUE, GREEN, PINK, SKY, AMBER, GREY = (
    "#D55E00",
    "#0072B2",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#777777",
)
YELLOW = "#F0E442"
CYCLE = (BLUE, ORANGE, GREEN, PINK, SKY, AMBER, INK, GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
LINES = ("-", "--", "-.", (0, (1, 1.2)), (0, (5, 1, 1, 1, 1, 1)))


class Style(NamedTuple):
    """How a feature set is drawn."""

    label: str
    color: str
    hatch: str
    marker: str


FEATURES = {
    "masks": Style("masks", BLUE, "", "o"),
    "gate_logits": Style("gate logits", SKY, "////", "s"),
    "masked_activations": Style("masked activations", GREEN, "\\\\\\\\", "^"),
    "frontend": Style("frontend output", YELLOW, "....", "v"),
    "log_magnitude": Style("log-magnitude", AMBER, "xxxx", "D"),
    "log_energy": Style("log-energy", ORANGE, "----", "P"),
    "untrained_masks": Style("masks, untrained network", "#BBBBBB", "||||", "X"),
}
METHODS = {
    "mutual_information": "mutual information",
    "l1_path": "L1 path",
    "elimination": "elimination",
    "random": "random",
}
TASKS = {
    "vad": "voice activity",
    "voicing": "voicing",
    "noise_class": "noise class",
    "noise_class_known": "noise class, known noise",
    "speaker_sex": "speaker's sex",
    "snr_db": "frame SNR",
    "mean_snr_db": "SNR of an utterance",
    "mixture_snr_db": "mixture SNR",
    "f0_hz": "F0",
    "f0_agreed_hz": "F0 where both find one",
    "f0_or_zero_hz": "F0, 0 Hz if unvoiced",
    "speech_level_dbfs": "speech level",
    "noise_level_dbfs": "noise level",
    "pesq_wb": "PESQ-WB",
    "stoi": "STOI",
    "si_sdr_db": "SI-SDR",
    "speaker": "speaker",
}
METRICS = {"r2": "R²", "r2_octave": "R² of octaves", "auroc": "area under ROC", "f1": "F1", "ece": "calibration error"}
# Of several scores of a task, the first of these is drawn: those that chance cannot inflate come first.
SHARES = ("balanced_accuracy", "accuracy", "auroc", "f1")
R2S = ("r2", "r2_octave")
UTTERANCE = "utterance_"


class Scored(Protocol):
    """A row of any table of scores."""

    @property
    def task(self) -> str:
        """Name of the target."""

    @property
    def metric(self) -> str:
        """Name of the score."""


class Ranged(Protocol):
    """A row with a score and its interval."""

    @property
    def score(self) -> float:
        """The score."""

    @property
    def low(self) -> float:
        """Lower end of its interval."""

    @property
    def high(self) -> float:
        """Upper end of its interval."""


def metric_kind(metric: str) -> str | None:
    """Return ``share`` for scores from 0 to 1, ``r2`` for those of values, None for errors, which are not drawn.

    Example:
        >>> metric_kind("utterance_accuracy"), metric_kind("r2"), metric_kind("rmse")
        ('share', 'r2', None)
    """
    name = metric.removeprefix(UTTERANCE)
    return "share" if name in SHARES else "r2" if name in R2S else None


def headline_pairs(rows: Iterable[Scored], kind: str | None = None) -> list[tuple[str, str]]:
    """Pick the scores that are drawn: per task one of frames and one of utterances, as far as there are any.

    Args:
        rows: of a table of scores.
        kind: of the metric, as ``metric_kind`` returns it; None takes all.

    Returns:
        Task and metric, in the order of the tasks in the table.

    Example:
        >>> from reports.probing.rows import LearningPoint
        >>> headline_pairs([LearningPoint("vad", name, 9, 0.8) for name in ("accuracy", "balanced_accuracy", "mae")])
        [('vad', 'balanced_accuracy')]
    """
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.task, []).append(row.metric)
    pairs = []
    for task, metrics in found.items():
        for prefix in ("", UTTERANCE):
            ranked = [prefix + name for name in (*SHARES, *R2S) if prefix + name in metrics]
            if ranked and (kind is None or metric_kind(ranked[0]) == kind):
                pairs.append((task, ranked[0]))
    return pairs


def task_title(task: str) -> str:
    """Return the name of a task in words."""
    return TASKS.get(task, task.replace("_", " "))


def metric_title(metric: str) -> str:
    """Return the name of a score in words.

    Example:
        >>> metric_title("utterance_balanced_accuracy")
        'balanced accuracy per utterance'
    """
    name = metric.removeprefix(UTTERANCE)
    words = METRICS.get(name, name.replace("_", " "))
    return f"{words} per utterance" if metric.startswith(UTTERANCE) else words


def axis_title(metric: str) -> str:
    """Return the name of a score for the side of a small panel, in two lines if it is long."""
    return metric_title(metric).replace(" per utterance", "\nper utterance")


def group_title(task: str, metric: str, usual: Sequence[str] = ("balanced_accuracy", "r2")) -> str:
    r"""Return the name of a task where several share an axis; says which score unless it is the usual one.

    Example:
        >>> group_title("vad", "balanced_accuracy"), group_title("vad", "utterance_balanced_accuracy")
        ('voice activity', 'voice activity,\nper utterance')
    """
    if metric in usual:
        return task_title(task)
    what = "per utterance" if metric.removeprefix(UTTERANCE) in usual else metric_title(metric)
    return f"{task_title(task)},\n{what}"


def spaced(counts: Iterable[int], factor: float = 1.9) -> list[int]:
    """Pick counts for the ticks of a logarithmic axis, from the largest down, so that labels do not touch.

    Example:
        >>> spaced([8, 16, 256, 360])
        [8, 16, 360]
    """
    kept: list[int] = []
    for count in sorted(set(counts), reverse=True):
        if not kept or count * factor <= kept[-1]:
            kept.append(count)
    return kept[::-1]


def feature_style(features: str) -> Style:
    """Return how a set of features is drawn, known or not."""
    return FEATURES.get(features, Style(features.replace("_", " "), PINK, "oo", "*"))


def ordered(names: Iterable[str], known: Mapping[str, Any]) -> list[str]:
    """Return names without repetition, known ones first and in their order."""
    found = dict.fromkeys(names)
    return [*(name for name in known if name in found), *(name for name in found if name not in known)]


def reach(rows: Sequence[Ranged]) -> NDArray[np.float64]:
    """Return how far intervals reach below and above scores, shape (2, row); NaN where there is none."""
    scores, lows, highs = (np.array([getattr(row, name) for row in rows]) for name in ("score", "low", "high"))
    return np.maximum(np.stack([scores - lows, highs - scores]), 0.0)


def panels(count: int, size: tuple[float, float], columns: int = 3, share_y: bool = False) -> tuple[Figure, list[Axes]]:
    """Make a figure of equal panels.

    Args:
        count: number of panels.
        size: width and height of each, in inches.
        columns: most panels in a row.
        share_y: one vertical axis for all.

    Returns:
        Figure and its ``count`` axes, row by row.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, sharey=share_y).flat)
    for axis in axes[count:]:
        axis.remove()
    return figure, axes[:count]


def dress(axis: Axes, title: str, x_label: str = "", y_label: str = "") -> None:
    """Give a panel its title, labels and grid."""
    axis.set_title(title, loc="left", fontsize=TITLE, pad=4)
    axis.set_xlabel(x_label, fontsize=PLAIN)
    axis.set_ylabel(y_label, fontsize=PLAIN)
    axis.tick_params(labelsize=SMALL)
    axis.grid(alpha=GRID_ALPHA)
    axis.set_axisbelow(True)


def legend_below(figure: Figure, axes: Sequence[Axes], columns: int = 4) -> None:
    """Put one legend of all panels under the figure."""
    entries: dict[str, Any] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        entries |= {label: handle for handle, label in zip(handles, labels, strict=True) if label not in entries}
    if entries:
        figure.legend(
            list(entries.values()),
            list(entries),
            loc="outside lower center",
            ncols=min(columns, len(entries)),
            fontsize=PLAIN,
            frameon=False,
        )
