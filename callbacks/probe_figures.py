"""Figures of the probes of one validation: scores, errors and weights, as the page of a study draws them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.figure import Figure

from probes.embedding import embed_rows
from probes.results import ProbeResult
from probes.suite import ProbeSuite
from reports.probing.coefficient_figure import draw_coefficients
from reports.probing.embedding_figure import draw_embedding
from reports.probing.error_figures import draw_calibration, draw_confusion
from reports.probing.probe_rows import calibration_rows, coefficient_rows, confusion_rows, score_rows
from reports.probing.rows import EmbeddingPoint
from reports.probing.score_figures import draw_scores

MASKS = "masks"
PROTOCOL = "unseen_recordings"
EMBEDDING_ITERATIONS = 500  # half of what a study takes: the map hardly changes, and training waits for it


def probe_figures(
    results: Mapping[str, Sequence[ProbeResult]],
    suite: ProbeSuite,
    class_names: Mapping[str, Mapping[int, str]],
    feature_names: Sequence[str],
    embedding_frames: int = 0,
    seed: int = 0,
) -> Iterator[tuple[str, Figure]]:
    """Draw what the probes of the masks know, beside the controls.

    Args:
        results: set of features to the results of all tasks.
        suite: that of the masks, run.
        class_names: task to label to name; labels without a name are shown as numbers.
        feature_names: of the masks.
        embedding_frames: most scored frames that are laid out by t-SNE.
        seed: of that.

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
    drawn["embedding"] = draw_embedding(_embedding(suite, class_names, embedding_frames, seed))
    yield from ((name, figure) for name, figure in drawn.items() if figure is not None)


def _embedding(
    suite: ProbeSuite, class_names: Mapping[str, Mapping[int, str]], frames: int, seed: int
) -> list[EmbeddingPoint]:
    """Lay out scored frames, with every target that is probed; classes by name, of tasks named as their target."""
    points, rows = embed_rows(suite.score_rows, frames, seed, EMBEDDING_ITERATIONS)
    targets: dict[str, list[float | str]] = {}
    for name in dict.fromkeys(task.target for task in suite.tasks):
        values, known = rows.targets[name].tolist(), class_names.get(name)
        targets[name] = values if known is None else [known.get(value, "") for value in values]  # unknown ones are NaN
    return [
        EmbeddingPoint(float(x), float(y), int(rows.utterances[row]), {name: targets[name][row] for name in targets})
        for row, (x, y) in enumerate(points)
    ]
