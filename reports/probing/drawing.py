"""All figures of a study: their sections, titles and captions, and how they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from reports.probing.coefficient_figure import draw_coefficients
from reports.probing.condition_figure import draw_conditions
from reports.probing.cost_figures import draw_estimators, draw_learning, draw_refinements
from reports.probing.embedding_figure import draw_embedding
from reports.probing.error_figures import draw_calibration, draw_confusion
from reports.probing.marks import TASKS, ordered, task_title
from reports.probing.score_figures import draw_blocks, draw_scores, draw_verification
from reports.probing.selection_figures import draw_overlap, draw_selection
from storage.whole_files import replacing

FIGURES, CONFUSION = "figures", "confusion_"
DPI = 150
SUFFIXES = (".png", ".svg")
Tables = Mapping[str, list[Any]]
SECTIONS = {
    "know": "What the masks know",
    "where": "Where it is: blocks and channels",
    "errors": "Where the probes err",
    "cost": "What it takes",
    "networks": "Networks side by side",
}


@dataclass(frozen=True)
class Drawing:
    """A figure of a study.

    Attributes:
        name: of the file, without suffix.
        section: key of ``SECTIONS``.
        title: one line above.
        caption: what is seen, and how it was computed.
        tables: names of the tables that it is drawn from.
        draw: makes the figure from all tables; None if there is nothing to draw.
    """

    name: str
    section: str
    title: str
    caption: str
    tables: tuple[str, ...]
    draw: Callable[[Tables], Figure | None]


DRAWINGS = (
    Drawing(
        "scores",
        "know",
        "Score per task and set of features",
        "Logistic regression for classes, ridge regression for values, fitted on training speakers and recordings and "
        "scored on unseen ones. Bars: score, with intervals by bootstrap over utterances. Dashed: chance, the score of "
        "always answering the same. Circles: the same probe fitted on shuffled labels. R² below -0.5 is cut off, its "
        "value written in the bar.",
        ("scores",),
        lambda tables: draw_scores(tables.get("scores", [])),
    ),
    Drawing(
        "verification",
        "know",
        "Telling speakers apart",
        "Equal error rate of deciding whether two utterances are of one speaker; bars with bootstrap intervals. 50 % "
        "is chance; less is better.",
        ("verification",),
        lambda tables: draw_verification(tables.get("verification", [])),
    ),
    Drawing(
        "embedding",
        "know",
        "Masks in the plane",
        "t-SNE of the channel masks of single frames, drawn once per target. Targets took no part in placing the "
        "points; light grey: not known or not defined. Colour bars span the 2nd to the 98th percentile.",
        ("embedding",),
        lambda tables: draw_embedding(tables.get("embedding", [])),
    ),
    Drawing(
        "blocks",
        "where",
        "Score from single blocks",
        "Probes fitted on the features of one block only (points with bootstrap intervals), beside the one on all "
        "blocks (line and band) and chance (dashed).",
        ("scores",),
        lambda tables: draw_blocks(tables.get("scores", [])),
    ),
    Drawing(
        "selection",
        "where",
        "Score against number of features",
        "Features are chosen on the fit set only, by each method; lines show scores on unseen utterances, bands their "
        "bootstrap intervals. Stars: C*, the fewest features within 1 % of the score with all.",
        ("selection", "fewest"),
        lambda tables: draw_selection(tables.get("selection", []), tables.get("fewest", [])),
    ),
    Drawing(
        "overlap",
        "where",
        "Features that tasks share",
        "Of the features chosen for two tasks, the share that both have (Jaccard index: common ones of all chosen). "
        "The title gives what random choices of the same size would share.",
        ("overlap",),
        lambda tables: draw_overlap(tables.get("overlap", [])),
    ),
    Drawing(
        "coefficients",
        "where",
        "Weights of the features that matter most",
        "Coefficients of standardised features, every row scaled to its largest magnitude; the 64 features with the "
        "largest magnitude in any row, in the order of blocks and channels. Red raises the answer, blue lowers it.",
        ("coefficients",),
        lambda tables: draw_coefficients(tables.get("coefficients", [])),
    ),
    Drawing(
        "calibration",
        "errors",
        "What probabilities promise",
        "Frames are binned by the predicted probability; above, the share of them for which the target is true (on the "
        "dashed line if probabilities are honest), below, how many there are.",
        ("calibration",),
        lambda tables: draw_calibration(tables.get("calibration", [])),
    ),
    Drawing(
        "conditions_snr",
        "errors",
        "Score by the SNR of the mixture",
        "The same probes, fitted on everything, scored on the mixtures of one range of SNR at a time; bars are "
        "bootstrap intervals.",
        ("conditions",),
        lambda tables: draw_conditions(tables.get("conditions", []), "snr"),
    ),
    Drawing(
        "conditions_noise",
        "errors",
        "Score by the noise class of the mixture",
        "The same probes, fitted on everything, scored on the mixtures of one noise class at a time; bars are "
        "bootstrap intervals.",
        ("conditions",),
        lambda tables: draw_conditions(tables.get("conditions", []), "noise"),
    ),
    Drawing(
        "learning_curve",
        "cost",
        "Score against utterances to learn from",
        "Probes fitted on part of the utterances, scored on the same unseen ones; bars and bands are bootstrap "
        "intervals.",
        ("learning_curve",),
        lambda tables: draw_learning(tables.get("learning_curve", [])),
    ),
    Drawing(
        "estimators",
        "cost",
        "Estimators of their own",
        "Score against time per hop on one core. Probes on the masks share the network that enhances speech anyway: "
        "their time is that of the probe alone. Bars are bootstrap intervals.",
        ("estimators",),
        lambda tables: draw_estimators(tables.get("estimators", [])),
    ),
    Drawing(
        "refinements",
        "cost",
        "Refined probes",
        "Variants of the probe on single frames (dark): smoothed over frames, with context, with a hidden layer, with "
        "coarse weights. Bars with bootstrap intervals; the dashed line continues the plain probe.",
        ("refinements",),
        lambda tables: draw_refinements(tables.get("refinements", [])),
    ),
    Drawing(
        "comparison",
        "networks",
        "Networks of several target utilizations",
        "Speech quality, cost, and scores of probes on the masks, against the share of channels that networks were "
        "trained to compute. Bars are bootstrap intervals.",
        (),
        lambda tables: None,  # drawn from several folders: reports.probing.comparison_figure
    ),
)


def _confusion(task: str) -> Drawing:
    """Return the drawing of the confusion matrices of a task."""
    return Drawing(
        f"{CONFUSION}{task}",
        "errors",
        f"Classes taken for others: {task_title(task)}",
        "Rows are true classes and sum to 100 %; columns are answers. Unseen recordings: no recording of the score set "
        "was fitted on. Known recordings: other segments of the recordings that were fitted on.",
        ("confusion",),
        lambda tables: draw_confusion(tables.get("confusion", []), task),
    )


def drawings(tables: Tables) -> list[Drawing]:
    """List the figures of a study in the order of the page, drawable or not; one of confusion matrices per task."""
    tasks = ordered((row.task for row in tables.get("confusion", [])), TASKS)
    listed = [*DRAWINGS, *map(_confusion, tasks)]
    return [drawing for section in SECTIONS for drawing in listed if drawing.section == section]


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and SVG; equal figures give equal files.

    Args:
        figure: what is written.
        path: without suffix.
    """
    for suffix in SUFFIXES:
        metadata = {"Date": None} if suffix == ".svg" else None
        with replacing(path.with_name(path.name + suffix)) as part, rc_context({"svg.hashsalt": path.name}):
            figure.savefig(part, dpi=DPI, metadata=metadata)
        figure.set_layout_engine("none")  # places are kept; finding them takes longer than drawing


def save_figures(folder: Path, tables: Tables) -> list[str]:
    """Draw all figures that the tables allow, into ``figures`` of a folder; one without its tables is removed there.

    Args:
        folder: of the study.
        tables: name to rows, as of :func:`reports.probing.tables.read_tables`.

    Returns:
        Names of the figures drawn.
    """
    drawn = []
    for old in (folder / FIGURES).glob(f"{CONFUSION}*"):  # of tasks that are no longer there, perhaps
        old.unlink()
    for drawing in drawings(tables):
        figure = drawing.draw(tables)
        if figure is not None:
            save_figure(figure, folder / FIGURES / drawing.name)
            drawn.append(drawing.name)
        elif drawing.tables:
            for suffix in SUFFIXES:
                (folder / FIGURES / f"{drawing.name}{suffix}").unlink(missing_ok=True)
    return drawn
