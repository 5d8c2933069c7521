"""The table at the end of a run: rows, missing controls, headline numbers, Markdown, the command."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from reports.summary import ScoreRow, headline_numbers, main, markdown_summary, print_summary, score_rows

METRICS = {
    "val/loss": 0.5,
    "probes/vad/auroc": 0.95,
    "probes/vad/accuracy": 0.9,
    "probes/vad/balanced_accuracy": 0.85,
    "probes/vad/balanced_accuracy_chance": 0.5,
    "probes/vad/balanced_accuracy_shuffled": 0.501,
    "controls/log_magnitude/vad/balanced_accuracy": 0.7,
    "controls/log_energy/vad/balanced_accuracy": 0.65,
    "probes/f0_hz/r2": -0.04,
    "probes/f0_hz/r2_chance": 0.0,
    "probes/speaker_sex/utterance_accuracy": 0.75,
    "probes/skipped/frames": 0.0,
    "cost/probing_seconds": 3.0,
    "cost/macs_saved": 0.583,
    "gates/utilization": 0.2512,
    "gates/constant": 0.0,
    "val/si_sdr_noisy_db": 3.9,
    "val/si_sdr_db": 6.0,
    "val/si_sdr_gain_db": 2.1,
    "val/pesq_wb": 1.5,
}


def test_rows_keep_the_order_of_targets_and_of_headline_metrics() -> None:
    rows = score_rows(METRICS)
    assert [(row.target, row.metric) for row in rows] == [
        ("vad", "balanced_accuracy"),
        ("vad", "accuracy"),
        ("f0_hz", "r2"),
        ("speaker_sex", "utterance_accuracy"),
    ]
    assert rows[0] == ScoreRow("vad", "balanced_accuracy", 0.85, 0.5, 0.501, 0.7, 0.65)


def test_controls_that_were_not_computed_are_missing_not_zero() -> None:
    rows = {(row.target, row.metric): row for row in score_rows(METRICS)}
    assert rows["vad", "accuracy"] == ScoreRow("vad", "accuracy", 0.9, None, None, None, None)
    assert rows["f0_hz", "r2"].chance == 0.0
    assert rows["f0_hz", "r2"].shuffled is None


def test_no_probes_no_rows() -> None:
    assert score_rows({"val/loss": 1.0, "controls/log_energy/vad/accuracy": 0.5}) == []


def test_headline_numbers_are_readable_and_need_both_sides() -> None:
    assert headline_numbers(METRICS, "val") == {
        "SI-SDR noisy -> enhanced": "3.90 -> 6.00 dB",
        "SI-SDR gain": "+2.10 dB",
        "utilization (share of channels computed)": "25.1%",
        "MACs saved (of the dense network, gates paid)": "58.3%",
        "channels always on or off": "0.0%",
    }  # the PESQ of the noisy signal is missing, so neither is shown
    assert "PESQ-WB noisy -> enhanced" in headline_numbers(METRICS | {"val/pesq_wb_noisy": 1.3}, "val")
    assert "SI-SDR gain" not in headline_numbers(METRICS, "test")
    assert headline_numbers(METRICS | {"val/si_sdr_gain_db": -1.0}, "val")["SI-SDR gain"] == "-1.00 dB"


def test_markdown_is_a_table_with_dashes_for_what_is_missing() -> None:
    lines = markdown_summary(METRICS, "val").splitlines()
    assert lines[0] == "| target | metric | masks | chance | shuffled labels | log-magnitude | log-energy |"
    assert lines[2] == "| vad | balanced_accuracy | 0.850 | 0.500 | 0.501 | 0.700 | 0.650 |"
    assert lines[4] == "| f0_hz | r2 | -0.040 | 0.000 | - | - | - |"
    blank = lines.index("")
    assert {line.count("|") for line in lines[:blank]} == {8}
    assert {line.count("|") for line in lines[blank + 1 :]} == {3}
    assert "| SI-SDR gain | +2.10 dB |" in lines


def test_the_printed_table_shows_scores_numbers_and_places_whole() -> None:
    stream = io.StringIO()
    place = "runs/a_name_that_is_longer_than_the_console/version_0/checkpoints/best.ckpt"
    print_summary(METRICS, "val", {"best checkpoint": place}, Console(file=stream, width=100, color_system=None))
    printed = stream.getvalue()
    for text in ("balanced_accuracy", "0.850", "-0.040", "shuffled labels", "log-magnitude", "58.3%", place):
        assert text in printed
    row = next(line for line in printed.splitlines() if "balanced_accuracy" in line)
    assert [float(cell) for cell in row.replace("│", " ").split()[2:]] == [0.85, 0.5, 0.501, 0.7, 0.65]


def test_without_probes_the_numbers_are_printed_alone() -> None:
    stream = io.StringIO()
    print_summary({"gates/utilization": 0.25}, "test", {}, Console(file=stream, width=100))
    assert "25.0%" in stream.getvalue()
    assert "channel masks" not in stream.getvalue()


def test_the_command_prints_the_summary_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "summary.json").write_text(json.dumps({"metrics": METRICS, "stage": "val"}))
    monkeypatch.setattr(sys, "argv", ["summary", str(tmp_path)])
    main()
    assert capsys.readouterr().out == markdown_summary(METRICS, "val") + "\n"


@pytest.mark.parametrize("arguments", [[], ["no_such_run"], ["a", "b"]])
def test_the_command_refuses_what_is_not_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["summary", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "usage: python -m reports.summary [-h] RUN_DIR" in capsys.readouterr().err
