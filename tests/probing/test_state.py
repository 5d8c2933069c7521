"""What is done of a study is kept, and never mixed with another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from probing.settings import StudySettings
from probing.state import StudyError, StudyState, Tables, identify
from reports.probing.rows import LearningPoint
from reports.probing.tables import read_table

SECTIONS = ("scores", "selection", "probes")


def test_finished_sections_are_known_to_the_next_run(tmp_path: Path) -> None:
    first = StudyState(tmp_path, "a", SECTIONS)
    assert first.wanted == list(SECTIONS)
    first.note_seconds("collecting", 3.21)
    first.finish("scores", {"numbers": {"utilization": 0.25}}, 1.25)
    second = StudyState(tmp_path, "a", SECTIONS, only=["probes", "scores"])
    assert second.wanted == ["scores", "probes"]
    assert second.done("scores")
    assert not second.done("probes")
    assert second.all_told() == {"numbers": {"utilization": 0.25}}
    assert second.seconds == {"collecting": 3.2, "scores": 1.2}


def test_what_was_made_from_a_section_is_outdated_by_it(tmp_path: Path) -> None:
    state = StudyState(tmp_path, "a", SECTIONS)
    for name in ("scores", "probes"):
        state.finish(name, {}, 1.0)
    state.finish("selection", {}, 1.0, outdated=["probes"])
    again = StudyState(tmp_path, "a", SECTIONS)
    assert [again.done(name) for name in SECTIONS] == [True, True, False]


def test_another_study_is_refused_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    StudyState(tmp_path, "a", SECTIONS).finish("scores", {}, 1.0)
    with pytest.raises(StudyError, match=r"another checkpoint or with other settings.*--anew"):
        StudyState(tmp_path, "b", SECTIONS)
    assert not StudyState(tmp_path, "b", SECTIONS, anew=True).done("scores")


def test_a_replaced_study_leaves_no_table_behind(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.add({"learning_curve": [LearningPoint("vad", "accuracy", 10, 0.5)]})
    tables.write()
    (tmp_path / "notes.csv").write_text("of the user")
    StudyState(tmp_path, "a", SECTIONS).finish("scores", {}, 1.0)
    StudyState(tmp_path, "a", SECTIONS).begin()
    assert (tmp_path / "learning_curve.csv").is_file()
    state = StudyState(tmp_path, "b", SECTIONS, only=["probes"], anew=True)
    assert (tmp_path / "learning_curve.csv").is_file()  # network and data may still be refused
    state.begin()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.csv"]
    state.finish("probes", {}, 1.0)
    state.begin()
    assert StudyState(tmp_path, "b", SECTIONS).done("probes")


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", '{"digest": "a"}', "[" * 5000, '{"digest": "a", "sections": [], "seconds": {}}',
        '{"digest": "a", "sections": {"scores": 1}, "seconds": {}}',
        '{"digest": "a", "sections": {}, "seconds": {"scores": NaN}}',
    ],
)  # fmt: skip
def test_a_broken_state_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(StudyError, match=r"state\.json"):
        StudyState(tmp_path, "a", SECTIONS)


def test_an_unknown_section_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="--only tilt: expected one of scores, selection, probes"):
        StudyState(tmp_path, "a", SECTIONS, only=["tilt"])
    assert list(tmp_path.iterdir()) == []


def test_a_study_is_told_by_all_that_changes_a_number(tmp_path: Path) -> None:
    checkpoint, other = tmp_path / "a.ckpt", tmp_path / "b.ckpt"
    checkpoint.write_bytes(b"weights")
    other.write_bytes(b"weights")
    config = tmp_path / "config.yaml"
    config.write_text("data: {}")
    settings = StudySettings()
    digest = identify(checkpoint, config, ["--data.seed", "0"], settings).digest
    assert identify(other, config, ["--data.seed", "0"], settings).digest == digest  # the same content elsewhere
    other.write_bytes(b"other weights")
    others = [
        identify(other, config, ["--data.seed", "0"], settings),
        identify(checkpoint, config, ["--data.seed", "1"], settings),
        identify(checkpoint, config, ["--data.seed", "0"], replace(settings, frame_stride=5)),
    ]
    config.write_text("data: {seed: 3}")
    others.append(identify(checkpoint, config, ["--data.seed", "0"], settings))
    assert digest not in {identity.digest for identity in others}
    assert len({identity.digest for identity in others}) == 4


def test_tables_are_written_once_with_all_their_rows(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    points = [LearningPoint("vad", "accuracy", count, 0.5) for count in (10, 20)]
    tables.add({"learning_curve": points[:1]})
    tables.add({"learning_curve": points[1:], "overlap": []})
    assert list(tmp_path.iterdir()) == []
    tables.write()
    assert [row.utterances for row in read_table(tmp_path / "learning_curve.csv", LearningPoint)] == [10, 20]
    assert not (tmp_path / "overlap.csv").exists()
