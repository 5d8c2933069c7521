"""Figures show the numbers of their tables, and are left out where there is nothing to show."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from reports.probing.coefficient_figure import coefficient_matrix, draw_coefficients, top_features
from reports.probing.comparison_figure import Study, draw_comparison, make_study
from reports.probing.cost_figures import draw_estimators, draw_learning
from reports.probing.drawing import DRAWINGS, drawings, save_figure, save_figures
from reports.probing.embedding_figure import draw_embedding
from reports.probing.error_figures import draw_confusion
from reports.probing.marks import headline_pairs
from reports.probing.meta import MetaError, ReportMeta
from reports.probing.rows import (
    Coefficient,
    ConfusionCount,
    EmbeddingPoint,
    FewestFeatures,
    LearningPoint,
    Overlap,
    ScoreEntry,
    SelectionPoint,
)
from reports.probing.score_figures import draw_blocks, draw_scores, draw_verification
from reports.probing.selection_figures import draw_overlap, draw_selection
from tests.reports.probing.made_up_study import NOISES, SETS, made_up_tables

TABLES = made_up_tables()


@cache
def drawn(name: str) -> Figure:
    """Return a figure of the whole study; drawn once, since that is what takes time."""
    drawing = next(drawing for drawing in drawings(TABLES) if drawing.name == name)
    return shown(drawing.draw({table: TABLES[table] for table in drawing.tables}))


def titles(figure: Figure) -> list[str]:
    return [axis.get_title(loc="left").split("\n")[0] for axis in figure.axes]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def shown(figure: Figure | None) -> Figure:
    assert figure is not None
    return figure


def labels(axis: Axes) -> list[str]:
    return [tick.get_text() for tick in axis.get_xticklabels()]


def test_bars_are_as_high_as_scores() -> None:
    figure = drawn("scores")
    accuracies, others, *r2s = figure.axes
    assert labels(accuracies) == ["voice activity", "voicing", "noise class"]
    assert labels(others) == ["noise class,\nper utterance", "speaker's sex", "speaker's sex,\naccuracy per utterance"]
    assert [axis.get_ylabel() for axis in figure.axes] == ["balanced accuracy"] * 2 + ["R²"] * 2
    found = {row.features: row.score for row in TABLES["scores"] if (row.task, row.blocks) == ("vad", "all")}
    assert list(found) == list(SETS)
    heights = [container[0].get_height() for container in accuracies.containers if hasattr(container, "patches")]
    assert heights == pytest.approx(list(found.values()))
    assert {"chance", "shuffled labels", "masks", "masks, untrained network"} <= set(legend(figure))
    assert min(axis.get_ylim()[0] for axis in r2s) == -0.5
    assert "-1.7" in [text.get_text() for axis in r2s for text in axis.texts]


def test_bars_have_intervals_and_chance_lines() -> None:
    row = ScoreEntry("masks", "all", "vad", "balanced_accuracy", 0.8, 0.7, 0.85, 0.5, 0.51)
    (axis,) = shown(draw_scores([row])).axes
    bar, error, chance = axis.patches[0], axis.collections[0], axis.collections[1]
    assert bar.get_height() == 0.8
    assert np.allclose([segment[:, 1] for segment in error.get_segments()], [[0.7, 0.85]])
    assert np.allclose(chance.get_segments()[0][:, 1], 0.5)
    shuffled = next(line for line in axis.lines if line.get_label() == "shuffled labels")
    assert shuffled.get_ydata().tolist() == [0.51]


def test_unknown_intervals_and_chance_are_not_drawn() -> None:
    (axis,) = shown(draw_scores([ScoreEntry("masks", "all", "vad", "accuracy", 0.8)])).axes
    assert axis.patches[0].get_height() == 0.8
    assert labels(axis) == ["voice activity,\naccuracy"]
    assert not any(np.isfinite(segment).any() for segment in axis.collections[0].get_segments())
    assert len(axis.collections) == 1  # no chance


def test_balanced_scores_come_first_and_errors_are_not_drawn() -> None:
    rows = [LearningPoint("vad", name, 8, 0.5) for name in ("rmse", "accuracy", "utterance_accuracy", "auroc")]
    assert headline_pairs(rows) == [("vad", "accuracy"), ("vad", "utterance_accuracy")]
    assert headline_pairs(rows, "r2") == []
    assert draw_learning(rows[:1]) is None


def test_blocks_are_in_order_beside_all_blocks() -> None:
    figure = drawn("blocks")
    own = [row for row in TABLES["scores"] if (row.features, row.task) == ("masks", "vad")]
    line = figure.axes[0].containers[0].lines[0]
    assert line.get_ydata() == pytest.approx([row.score for row in own if row.blocks != "all"])
    assert labels(figure.axes[0]) == [f"{block:02d}" for block in range(9)]
    whole = next(row.score for row in own if row.blocks == "all")
    assert whole in [line.get_ydata()[0] for line in figure.axes[0].lines]
    assert draw_blocks([row for row in TABLES["scores"] if row.blocks == "all"]) is None


def test_the_fewest_features_are_marked() -> None:
    points = [SelectionPoint("vad", "l1_path", count, "accuracy", 0.7, 0.7 + count / 1e5) for count in (2304, 8, 512)]
    fewest = [FewestFeatures("vad", "l1_path", 512, "accuracy", 0.70512, 0.72304)]
    (axis,) = shown(draw_selection(points, fewest)).axes
    assert axis.get_xscale() == "log"
    assert axis.lines[0].get_xdata().tolist() == [8, 512, 2304]
    star = next(line for line in axis.lines if line.get_marker() == "*")
    assert (*star.get_xdata(), *star.get_ydata()) == (512, 0.70512)
    assert any(list(line.get_xdata()) == [512, 512] for line in axis.lines)  # down to the axis
    assert any(list(line.get_ydata()) == [0.72304, 0.72304] for line in axis.lines)  # all features
    assert "L1 path 512" in axis.get_title(loc="left")
    (plain,) = shown(draw_selection(points, [replace(fewest[0], c_star=None)])).axes
    assert not any(line.get_marker() == "*" for line in plain.lines)


def test_overlap_is_symmetric_and_says_what_chance_gives() -> None:
    rows = [
        Overlap("l1_path", "vad", "f0_hz", 200, 50, 0.25, 0.04),
        Overlap("l1_path", "f0_hz", "snr_db", 200, 5, 0.02, 0.04),
    ]
    axis = shown(draw_overlap(rows)).axes[0]
    assert labels(axis) == ["voice activity", "frame SNR", "F0"]
    expected = [[np.nan, np.nan, 25], [np.nan, np.nan, 2], [25, 2, np.nan]]
    assert np.allclose(axis.images[0].get_array().filled(np.nan), expected, equal_nan=True)
    assert "200 features each\nby chance 4.0 %" in axis.get_title(loc="left")


def test_coefficients_are_scaled_by_row_and_grouped_by_block() -> None:
    rows = [Coefficient("vad", "", f"block{block:02d}/ch{block:03d}", block - 1.0) for block in range(4)]
    rows += [Coefficient("f0_hz", "", "block03/ch001", -9.0)]
    outputs, features, matrix = coefficient_matrix(rows)
    assert outputs == [("vad", ""), ("f0_hz", "")]
    assert features == ["block00/ch000", "block01/ch001", "block02/ch002", "block03/ch001", "block03/ch003"]
    assert matrix.tolist() == [[-0.5, 0, 0.5, 0, 1], [0, 0, 0, -1, 0]]
    assert top_features(matrix, 2).tolist() == [3, 4]
    axis = shown(draw_coefficients(rows, count=3)).axes[0]
    assert labels(axis) == ["ch000", "ch001", "ch003"]
    image = axis.images[0]
    assert (image.get_clim(), image.get_cmap().name) == ((-1.0, 1.0), "RdBu_r")
    assert image.get_array().tolist() == [[-0.5, 0, 1], [0, -1, 0]]
    assert [text.get_text() for text in axis.texts] == ["00", "03"]


def test_tasks_of_many_classes_have_no_coefficients() -> None:
    rows = [Coefficient("speaker", str(output), "block00/ch000", 1.0) for output in range(21)]
    assert draw_coefficients(rows) is None
    assert shown(draw_coefficients([*rows, Coefficient("vad", "", "block00/ch000", 1.0)])).axes[0].images[
        0
    ].get_size() == (1, 1)


def test_every_target_colours_the_points() -> None:
    figure = drawn("embedding")
    assert [title for title in titles(figure) if title] == [
        "voice activity", "voicing", "noise class", "speaker's sex", "frame SNR in dB", "F0 in Hz", "speaker",
    ]  # fmt: skip
    named = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert named == NOISES
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["no", "yes"]
    assert [text.get_text() for text in figure.axes[6].texts] == ["20 classes"]
    for axis in figure.axes[:7]:
        assert sum(len(points.get_offsets()) for points in axis.collections) == len(TABLES["embedding"])
    assert draw_embedding([EmbeddingPoint(0.0, 0.0, 0)]) is None


def test_confusion_is_in_per_cent_of_the_true_class() -> None:
    figure = drawn("confusion_noise_class")
    assert titles(figure) == ["unseen noise recordings", "known noise recordings"] * 2
    for axis in figure.axes:
        assert np.allclose(axis.images[0].get_array().sum(axis=1), 1.0)
    rows = [ConfusionCount("t", "unseen_recordings", "frame", *pair) for pair in (("a", "a", 3), ("a", "b", 1))]
    (axis,) = shown(draw_confusion(rows, "t")).axes
    assert [text.get_text() for text in axis.texts] == ["75", "25"]
    assert "4 frames, mean recall 75 %" in axis.get_title(loc="left")
    assert draw_confusion(rows, "other") is None


def test_calibration_has_bins_and_counts() -> None:
    figure = drawn("calibration")
    upper, lower = figure.axes[0], figure.axes[3]
    bins = [row for row in TABLES["calibration"] if row.task == "vad"]
    assert upper.lines[1].get_ydata() == pytest.approx([row.share_true for row in bins])
    assert [bar.get_height() for bar in lower.patches] == [row.count for row in bins]


def test_conditions_stand_in_the_order_of_the_table() -> None:
    for condition in ("snr", "noise"):
        figure = drawn(f"conditions_{condition}")
        rows = [row for row in TABLES["conditions"] if row.condition == condition and row.task == "vad"]
        axis = figure.axes[titles(figure).index("voice activity")]
        assert [label.get_text() for label in axis.get_xticklabels()] == [row.value.removesuffix(" dB") for row in rows]
        drawn_scores = axis.containers[0].lines[0].get_ydata()
        assert drawn_scores.tolist() == pytest.approx([row.score for row in rows])


def test_learning_curves_go_up_in_utterances() -> None:
    rows = [LearningPoint("vad", "accuracy", count, count / 100, 0.0, 1.0) for count in (32, 8, 16)]
    (axis,) = shown(draw_learning(rows)).axes
    assert axis.lines[0].get_xdata().tolist() == [8, 16, 32]
    assert axis.lines[0].get_ydata().tolist() == [0.08, 0.16, 0.32]


def test_estimators_and_mask_probes_are_told_apart() -> None:
    figure = drawn("estimators")
    assert len(legend(figure)) == 2 and "network is shared" in legend(figure)[0]
    axis = figure.axes[titles(figure).index("F0")]
    assert axis.get_xscale() == "log"
    assert {text.get_text() for text in axis.texts} == {"mask probe", "mask probe C*", "pesto", "yin"}
    own = axis.containers[1].lines[0]
    assert (own.get_xdata().tolist(), own.get_ydata().tolist()) == ([900.0, 70.0], [0.8, 0.45])
    assert draw_estimators([replace(row, microseconds_per_hop=np.nan) for row in TABLES["estimators"]]) is None


def test_refinements_stand_beside_the_plain_probe() -> None:
    axis = drawn("refinements").axes[0]
    own = [row for row in TABLES["refinements"] if row.task == "vad"]
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([row.score for row in own])
    assert [tick.get_text() for tick in axis.get_yticklabels()][:2] == ["frame", "smoothed 4"]
    assert own[0].score in [line.get_xdata()[0] for line in axis.lines]


def test_verification_has_a_bar_per_feature_set() -> None:
    (axis,) = drawn("verification").axes
    assert [bar.get_width() for bar in axis.patches] == [row.eer for row in TABLES["verification"]]


def studies() -> list[Study]:
    scores = [row for row in TABLES["scores"] if (row.features, row.blocks) == ("masks", "all")]
    numbers = [
        {"target utilization": share, "PESQ-WB": 1 + share, "MACs per second": 1e9 * share} for share in (0.5, 0.25)
    ]
    return [make_study(ReportMeta("t", numbers=entry), scores, Path("report.json")) for entry in numbers]


def test_studies_are_compared_by_target_utilization() -> None:
    figure = shown(draw_comparison(studies()))
    assert titles(figure) == ["quality", "cost", "probes on the masks", "probes on the masks"]
    quality, cost, shares, _ = figure.axes
    assert (quality.lines[0].get_xdata().tolist(), quality.lines[0].get_ydata().tolist()) == ([0.25, 0.5], [1.25, 1.5])
    assert cost.lines[0].get_ydata().tolist() == [250.0, 500.0]
    vad = next(row.score for row in TABLES["scores"] if row.task == "vad")
    assert shares.containers[0].lines[0].get_ydata() == pytest.approx([vad, vad])
    assert draw_comparison(studies()[:1]) is None


@pytest.mark.parametrize(
    ("numbers", "expected"), [({}, "is missing"), ({"target utilization": "x"}, "must be a number")]
)
def test_a_study_without_utilization_is_refused(numbers: dict[str, Any], expected: str) -> None:
    with pytest.raises(MetaError, match=rf"report\.json: numbers\['target utilization'\] {expected}"):
        make_study(ReportMeta("t", numbers=numbers), [], Path("report.json"))


@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: drawing.name)
def test_missing_and_empty_tables_give_no_figure(drawing: Any) -> None:
    assert drawing.draw({}) is None
    assert drawing.draw({name: [] for name in TABLES}) is None
    if drawing.tables:
        assert drawn(drawing.name).axes


def test_nothing_is_smaller_than_seven_points() -> None:
    for drawing in drawings(TABLES):
        figure = drawn(drawing.name) if drawing.tables else shown(draw_comparison(studies()))
        texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
        assert min(text.get_fontsize() for text in texts) >= 7.0, drawing.name


def test_figures_are_written_twice_alike_and_stale_ones_go(tmp_path: Path) -> None:
    tables = {"verification": TABLES["verification"]}
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "overlap.png").touch()  # of a table that is gone
    (tmp_path / "figures" / "confusion_vad.svg").touch()
    (tmp_path / "figures" / "mine.png").touch()
    assert save_figures(tmp_path, tables) == ["verification"]
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == ["mine.png", "verification.png", "verification.svg"]
    again = shown(draw_verification(tables["verification"]))
    save_figure(again, tmp_path / "verification")
    for suffix in (".png", ".svg"):
        path = tmp_path / "figures" / f"verification{suffix}"
        assert (tmp_path / f"verification{suffix}").read_bytes() == path.read_bytes()
