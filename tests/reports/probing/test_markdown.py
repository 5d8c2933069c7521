"""Tables of studies as Markdown: every number is one of the tables'."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.probing.markdown import comparison, condition_table, learning_table, main, refinement_table, score_table
from reports.probing.rows import (
    ConditionEntry,
    FewestFeatures,
    LearningPoint,
    QualityEntry,
    RefinementEntry,
    ScoreEntry,
)
from reports.probing.tables import write_table

SCORES = [
    ScoreEntry("masks", "all", "vad", "accuracy", 0.9),
    ScoreEntry("masks", "all", "vad", "balanced_accuracy", 0.873, 0.861, 0.884, chance=0.5, shuffled=0.51),
    ScoreEntry("log_energy", "all", "vad", "balanced_accuracy", 0.595),
    ScoreEntry("masks", "03", "vad", "balanced_accuracy", 0.7),
    ScoreEntry("masks", "all", "stoi", "r2", 0.1),
    ScoreEntry("masks", "all", "stoi", "utterance_r2", 0.2),
]


def test_headline_scores_stand_beside_controls() -> None:
    header, _, vad, frame, utterance, _ = score_table(SCORES)
    assert header == "| target | metric | masks | log-energy | chance | shuffled labels |"
    assert vad == "| voice activity | balanced accuracy | 0.873 [0.861, 0.884] | 0.595 | 0.500 | 0.510 |"
    assert frame.startswith("| STOI | R² | 0.100 | - | - | - |")
    assert utterance.startswith("| STOI | R² per utterance | 0.200 |")


def test_wanted_metrics_are_shown() -> None:
    lines = score_table(SCORES, {"vad": ("accuracy", "auroc")})
    assert [line.split(" | ")[1:3] for line in lines[2:-1]] == [["accuracy", "0.900"]]


def test_studies_stand_side_by_side() -> None:
    quality = [QualityEntry("pesq_wb", 1.2, 1.6, 0.4, 0.3, 0.5, 60)]
    lines = comparison({"plain": {"scores": SCORES}, "joint": {"scores": SCORES[:2], "quality": quality}})
    assert lines[0] == "|  |  | plain | joint |"
    assert "| pesq_wb | gain over noisy | - | 0.400 [0.300, 0.500] |" in lines
    assert "| STOI | R² | 0.100 | - |" in lines


def test_learning_curves_rise_from_left_to_right() -> None:
    rows = [
        LearningPoint("f0_hz", "r2", 1600, 0.7, 0.6, 0.8, 0.03),
        LearningPoint("f0_hz", "r2", 200, 0.5, 0.4, 0.6, 0.3),
        LearningPoint("f0_hz", "rmse", 200, 30.0, l2=0.3),
        LearningPoint("vad", "balanced_accuracy", 200, 0.9),
    ]
    assert learning_table(rows) == [
        "| target |  | 200 utterances | 1,600 utterances |",
        "|---|---|---|---|",
        "| F0 | R² | 0.500 [0.400, 0.600] | 0.700 [0.600, 0.800] |",
        "| F0 | strength of the penalty | 0.3 | 0.03 |",
        "| voice activity | balanced accuracy | 0.900 | - |",
        "| voice activity | strength of the penalty | - | - |",
        "",
    ]


def test_variants_of_a_probe_stand_below_each_other() -> None:
    rows = [
        RefinementEntry("vad", "frame", "balanced_accuracy", 0.9, 0.89, 0.91, 0.0, 2305, 9220),
        RefinementEntry("vad", "frame", "auroc", 0.95, 0.94, 0.96, 0.0, 2305, 9220),
        RefinementEntry("vad", "late_1", "balanced_accuracy", 0.91, 0.9, 0.92, 16.0, 2305, 9220),
        RefinementEntry("noise_class", "frame", "balanced_accuracy", 0.4, 0.3, 0.5, 0.0, 20745, 82980),
    ]
    assert refinement_table(rows) == [
        "| variant | latency in ms | bytes | voice activity, balanced accuracy | noise class, balanced accuracy |",
        "|---|---|---|---|---|",
        "| frame | 0 | 9220 to 82980 | 0.900 [0.890, 0.910] | 0.400 [0.300, 0.500] |",
        "| late_1 | 16 | 9220 | 0.910 [0.900, 0.920] | - |",
        "",
    ]


def test_conditions_stand_side_by_side() -> None:
    nan = float("nan")
    rows = [
        ConditionEntry("snr", "below 0 dB", "f0_hz", "r2", 0.6, 0.5, 0.7, 100),
        ConditionEntry("snr", "below 0 dB", "f0_hz", "rmse", 30.0, 28.0, 33.0, 100),
        ConditionEntry("snr", "from 0 dB", "f0_hz", "r2", 0.9, 0.8, 0.95, 80),
        ConditionEntry("snr", "from 0 dB", "vad", "balanced_accuracy", 0.91, 0.9, 0.92, 80),
        ConditionEntry("noise", "rain", "noise_class", "balanced_accuracy", nan, nan, nan, 20),
    ]
    assert condition_table(rows, "snr") == [
        "| target | metric | below 0 dB | from 0 dB |",
        "|---|---|---|---|",
        "| F0 | R² | 0.600 [0.500, 0.700] | 0.900 [0.800, 0.950] |",
        "| voice activity | balanced accuracy | - | 0.910 [0.900, 0.920] |",
        "",
    ]
    assert condition_table(rows, "noise")[2:] == [""], "one class alone has no balanced accuracy"
    assert condition_table([], "snr") == []


def test_the_command_prints_what_a_folder_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_table(tmp_path / "scores", SCORES)
    write_table(tmp_path / "fewest", [FewestFeatures("vad", "l1_path", 49, "balanced_accuracy", 0.87, 0.873)])
    main([str(tmp_path)])
    printed = capsys.readouterr().out
    assert "### Scores" in printed
    assert "| voice activity | L1 path | 49 | balanced accuracy | 0.870 | 0.873 |" in printed
    assert "| voice activity | balanced accuracy | 0.700 | 0.873 |" in printed  # block 03 beside all
    assert "### Enhancement" not in printed


def test_a_broken_table_stops_the_command(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("features\nmasks\n")
    with pytest.raises(SystemExit, match=r"error: .*scores\.csv.*blocks"):
        main([str(tmp_path)])
