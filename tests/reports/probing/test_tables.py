"""Tables are read back as they were written, and broken ones are refused with file, line and column."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.probing.rows import TABLES, EmbeddingPoint, FewestFeatures, LearningPoint, ScoreEntry
from reports.probing.tables import TableError, column_types, read_table, read_tables, write_table

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NAMES = st.text(st.characters(codec="utf-8", categories=("L", "P")), min_size=1, max_size=8)
BY_TYPE = {str: TEXT, float: st.floats(), int: st.integers(), bool: st.booleans()}
ROW = LearningPoint("vad", "accuracy", 40, 0.8, 0.75, 0.85, 0.1)


def same(ours: Any, theirs: Any) -> bool:
    """Compare rows field by field; NaN equals NaN."""
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and all(same(ours[name], theirs[name]) for name in ours)
    if isinstance(ours, float) and isinstance(theirs, float) and math.isnan(ours):
        return math.isnan(theirs)
    return type(ours) is type(theirs) and ours == theirs


@st.composite
def some_rows(draw: st.DrawFn, row_type: type) -> list[Any]:
    plain, hints = column_types(row_type), get_type_hints(row_type)
    columns = {name: BY_TYPE[kind] for name, kind in plain.items()}
    for name, kind in plain.items():
        if hints[name] is not kind:
            columns[name] = st.none() | columns[name]
    count = draw(st.integers(0, 3))
    rows = [{name: draw(column) for name, column in columns.items()} for _ in range(count)]
    if row_type is EmbeddingPoint:
        kinds = draw(st.dictionaries(NAMES.filter(lambda name: name not in plain), st.booleans(), max_size=3))
        for row in rows:  # a column of names has at least one that is no number
            row["targets"] = {name: "x" + draw(TEXT) if text else draw(st.floats()) for name, text in kinds.items()}
    return [row_type(**row) for row in rows]


@pytest.mark.parametrize("name", TABLES)
def test_what_is_written_is_read_back(name: str, tmp_path: Path) -> None:
    @given(rows=some_rows(TABLES[name]))
    def check(rows: list[Any]) -> None:
        write_table(tmp_path / name, rows)
        again = read_table(tmp_path / f"{name}.csv", TABLES[name])
        assert len(again) == len(rows)
        for ours, theirs in zip(rows, again, strict=True):
            for field in fields(TABLES[name]):
                assert same(getattr(ours, field.name), getattr(theirs, field.name)), field.name
        assert len(json.loads((tmp_path / f"{name}.json").read_text("utf-8"))) == len(rows)

    check()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.csv", f"{name}.json"]


def test_columns_are_those_of_the_study() -> None:
    expected = {
        "scores": "features blocks task metric score low high chance shuffled fit_rows score_rows utterances l2 "
        "converged note",
        "selection": "task method count metric cv_score score low high",
        "fewest": "task method c_star metric score_at_c_star full_score",
        "overlap": "method task_a task_b count shared jaccard expected_jaccard",
        "learning_curve": "task metric utterances score low high l2",
        "conditions": "condition value task metric score low high utterances",
        "calibration": "task bin_low bin_high mean_probability share_true count",
        "confusion": "task protocol unit true predicted count",
        "coefficients": "task output feature standard_coef",
        "embedding": "x y utterance",
        "estimators": "task estimator metric score low high microseconds_per_hop network_shared note",
        "refinements": "task variant metric score low high latency_ms weights bytes",
        "verification": "features eer low high trials speakers",
        "quality": "measure noisy enhanced gain low high utterances",
    }
    assert {name: " ".join(column_types(kind)) for name, kind in TABLES.items()} == expected


def test_unknown_numbers_are_empty_cells_and_nulls(tmp_path: Path) -> None:
    write_table(tmp_path / "scores", [ScoreEntry("masks", "all", "vad", "accuracy", np.float32(0.5))])
    assert (tmp_path / "scores.csv").read_text().splitlines()[1] == "masks,all,vad,accuracy,0.5,,,,,,,,,,"
    record = json.loads((tmp_path / "scores.json").read_text())[0]
    assert record["score"] == 0.5
    assert record["low"] is None and record["converged"] is None


def test_infinite_numbers_are_kept_in_csv_only(tmp_path: Path) -> None:
    write_table(tmp_path / "learning_curve", [LearningPoint("vad", "r2", 1, -math.inf)])
    assert read_table(tmp_path / "learning_curve.csv", LearningPoint)[0].score == -math.inf
    assert json.loads((tmp_path / "learning_curve.json").read_text())[0]["score"] is None


def test_a_target_that_some_points_lack_is_unknown(tmp_path: Path) -> None:
    rows = [EmbeddingPoint(0.0, 1.0, 3, {"f0_hz": 100.0, "noise_class": "rain"}), EmbeddingPoint(0.0, 1.0, 4)]
    write_table(tmp_path / "embedding", rows)
    first, second = read_table(tmp_path / "embedding.csv", EmbeddingPoint)
    assert first == rows[0]
    assert math.isnan(second.targets["f0_hz"]) and second.targets["noise_class"] == ""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("score,", "other,", "column 'score' is missing"),
        (",0.75,0.85,0.1", "", "row 2: column 'low' is missing, the line ends before it"),
        ("0.85", "0.85,1", "row 2: 8 cells, expected 7"),
        ("0.75", "0.7x", "row 2, column 'low' must be a number or empty, got '0.7x'"),
        ("40", "", "row 2, column 'utterances' must be a whole number, got ''"),
        ("40", "4.5", "row 2, column 'utterances' must be a whole number, got '4.5'"),
        ("vad", '"vad', "not a CSV file"),
    ],
)
def test_a_broken_table_is_refused(old: str, new: str, expected: str, tmp_path: Path) -> None:
    write_table(tmp_path / "learning_curve", [ROW])
    path = tmp_path / "learning_curve.csv"
    assert read_table(path, LearningPoint) == [ROW]
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(TableError) as caught:
        read_table(path, LearningPoint)
    assert str(path) in str(caught.value) and expected in str(caught.value)


def test_a_truth_is_true_or_false(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_table(path.with_suffix(""), [ScoreEntry("masks", "all", "vad", "accuracy", 0.5, converged=True)])
    path.write_text(path.read_text().replace("true", "yes"))
    with pytest.raises(TableError, match="column 'converged' must be true or false or empty, got 'yes'"):
        read_table(path, ScoreEntry)


def test_a_missing_or_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"learning_curve\.csv: no such file"):
        read_table(tmp_path / "learning_curve.csv", LearningPoint)
    (tmp_path / "fewest.csv").touch()
    with pytest.raises(TableError, match=r"fewest\.csv: column 'task' is missing"):
        read_table(tmp_path / "fewest.csv", FewestFeatures)


def test_columns_of_later_releases_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "fewest.csv").write_text("more,task,method,c_star,metric,score_at_c_star,full_score\n1,vad,m,,r,1,1\n")
    assert read_table(tmp_path / "fewest.csv", FewestFeatures) == [FewestFeatures("vad", "m", None, "r", 1.0, 1.0)]


def test_a_failed_write_leaves_the_previous_table(tmp_path: Path) -> None:
    write_table(tmp_path / "embedding", [EmbeddingPoint(0.0, 1.0, 3)])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="'x' is already a column"):
        write_table(tmp_path / "embedding", [EmbeddingPoint(0.0, 1.0, 3, {"x": 1.0})])
    with pytest.raises(UnicodeEncodeError):
        write_table(tmp_path / "embedding", [EmbeddingPoint(0.0, 1.0, 3, {"\ud800": 1.0})])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_rows_of_an_unknown_or_mixed_class_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="row_type must be given"):
        write_table(tmp_path / "other", [])
    write_table(tmp_path / "other", [], LearningPoint)
    assert read_table(tmp_path / "other.csv", LearningPoint) == []
    with pytest.raises(TypeError, match="EmbeddingPoint"):
        write_table(tmp_path / "learning_curve", [ROW, EmbeddingPoint(0.0, 1.0, 3)])


def test_a_folder_gives_the_tables_that_it_holds(tmp_path: Path) -> None:
    assert read_tables(tmp_path) == {}
    write_table(tmp_path / "learning_curve", [ROW])
    write_table(tmp_path / "selection", [])
    assert read_tables(tmp_path) == {"selection": [], "learning_curve": [ROW]}
