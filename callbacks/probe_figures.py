"""Figures of the probes of one validation: scores, errors and weights, as the page of a study draws them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.figure import Figure

from probes.results import ProbeResult
from probes.suite import ProbeSuite
from reports.probing.coefficient_figure import draw_coefficients
from reports.probing.error_figures import draw_calibration, draw_confusion
from reports.probing.probe_rows import calibration_rows, coefficient_rows, confusion_rows, score_rows
from reports.probing.score_figures import draw_scores

MASKS = "masks"
PROTOCOL = "unseen_recordings"


def probe_figures(
    results: Mapping[str, Sequence[ProbeResult]],
    suite: ProbeSuite,
    class_names: Mapping[str, Mapping[int, str]],
    feature_names: Sequence[str],
) -> Iterator[tuple[str, Figure]]:
    """Draw what the probes of the masks know, beside the controls.

    Args:
        results: set of features to the results of all tasks.
        suite: that of the masks, run.
        class_names: task to label to name; labels without a name are shown as numbers.
        feature_names: of the masks.

    Yields:
        Name and figure; figures without anything to show are left out.
    """
    scores = [
        row for features, several in results.items() for result in several for row in score_rows(features, result)
    ]
    drawn = {"scores": draw_scores(scores)}
    calibration, coefficients = [], []
    for task in suite.tasks:
        scored, probe = suite.scored(task.name), suite.probe(task.name)
        known = class_names.get(task.name, {})
        names = [known.get(int(label), str(int(label))) for label in scored.classes]
        if task.kind == "binary":
            calibration += calibration_rows(scored)
        if task.kind == "category":
            confusion = confusion_rows(scored, names, PROTOCOL)
            drawn[f"confusion_{task.name}"] = draw_confusion(confusion, task.name)
        fitted = getattr(probe, "classes_", ())
        outputs = [known.get(int(label), str(int(label))) for label in fitted]
        coefficients += coefficient_rows(task.name, probe, outputs, feature_names)
    drawn |= {"calibration": draw_calibration(calibration), "coefficients": draw_coefficients(coefficients)}
    yield from ((name, figure) for name, figure in drawn.items() if figure is not None)
