"""Quality of a test: means against brute force, paired intervals, what is undefined, what is no comparison, files."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from reports.quality import (
    QualitySettings,
    main,
    markdown_report,
    overall_rows,
    print_report,
    summarize,
    write_report,
)
from reports.quality_intervals import Bootstrap, group_scores, label_groups, mean_difference, snr_groups
from reports.quality_scores import (
    ScoresError,
    ScoreTable,
    UtteranceScores,
    beside,
    check_labels,
    make_table,
    read_dense,
    read_table,
    score_columns,
    write_csv,
    write_table,
)

QUICK = Bootstrap(resamples=400)
SETTINGS = QualitySettings(QUICK)
MEASURES = ("pesq_wb", "si_sdr_db")


def table_of(count: int = 24, seed: int = 0, utilization: float = 0.25, gain: float = 0.3) -> ScoreTable:
    """Return a table whose mixtures and noisy scores are always the same."""
    fixed, rng = np.random.default_rng(0), np.random.default_rng(seed)
    rows = []
    for number in range(count):
        noisy, snr_db = fixed.uniform(1, 2), fixed.uniform(-5, 15)
        scores = {
            "pesq_wb_noisy": noisy,
            "pesq_wb": noisy + gain + rng.normal(0, 0.05),
            "si_sdr_db_noisy": snr_db if number else math.nan,
            "si_sdr_db": snr_db + 5 + rng.normal(),
        }
        names = (
            f"speaker{number % 3}",
            f"speech/{number}.flac",
            ("rain", "wind")[number % 2],
            f"noise/{number % 4}.wav",
        )
        rows.append(UtteranceScores(number, *names, snr_db, utilization, 276e3, scores))
    return make_table(MEASURES, rows)


@pytest.mark.parametrize("edges", [None, (0.0, 10.0)])
def test_summaries_are_those_of_brute_force(edges: tuple[float, ...] | None) -> None:
    ours = beside(table_of(), table_of(seed=1, utilization=1.0), Path("dense.csv"))
    groups = snr_groups(ours.snr_db, edges)
    assert sum(int(members.sum()) for members in groups.values()) == len(ours.rows)
    for score in group_scores(ours, groups, QUICK):
        members = [row for row, inside in zip(ours.rows, groups[score.group], strict=True) if inside]
        bounds = [float(word) for word in score.group.replace("dB", "").split() if word.lstrip("-").isdigit()]
        low = -math.inf if score.group.startswith("below") else bounds[0]
        high = math.inf if score.group.endswith("above") else bounds[-1]
        assert all(low <= row.snr_db < high for row in members)
        columns = [[row.scores[score.measure + suffix] for row in members] for suffix in ("_noisy", "", "_dense")]
        rated = [[value for value in values if not math.isnan(value)] for values in columns]
        assert (score.rated_noisy, score.rated, score.rated_dense) == tuple(map(len, rated))
        assert (score.noisy, score.enhanced, score.dense) == tuple(
            pytest.approx(sum(values) / len(values)) if values else None for values in rated
        )
        for difference, other in ((score.to_noisy, columns[0]), (score.to_dense, columns[2])):
            pairs = [a - b for a, b in zip(columns[1], other, strict=True) if not math.isnan(a - b)]
            assert difference.pairs == len(pairs)
            assert difference.mean == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)
            assert (difference.low is None) == (len(pairs) < 2)
            if difference.low is not None and difference.high is not None and difference.mean is not None:
                assert difference.low <= difference.mean <= difference.high


def test_intervals_cover_a_known_difference_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(150):
        hard = rng.normal(0, 3, 60)
        found = mean_difference(hard + 0.5 + rng.normal(0, 1, 60), hard, Bootstrap(300, 0.9))
        assert found.low is not None and found.high is not None
        covered += found.low <= 0.5 <= found.high
    assert 0.8 < covered / 150 < 0.97


def test_intervals_are_paired() -> None:
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 3, 80)
    first, second = hard + rng.normal(0.2, 0.1, 80), hard
    paired = mean_difference(first, second, QUICK)
    assert paired.low is not None and paired.high is not None
    mixed = mean_difference(first, rng.permutation(second), QUICK)
    assert mixed.low is not None and mixed.high is not None
    assert paired.high - paired.low < 0.1 * (mixed.high - mixed.low)
    assert paired.low > 0 > mixed.low, "a small difference is found because it is there in every utterance"


@given(st.lists(st.floats(-100, 100) | st.just(math.nan), max_size=12), st.integers(0, 3))
def test_a_system_does_not_differ_from_itself(values: list[float], seed: int) -> None:
    scores = np.array(values, dtype=np.float64)
    found = mean_difference(scores, scores, Bootstrap(100, seed=seed))
    pairs = sum(not math.isnan(value) for value in values)
    assert found.pairs == pairs
    assert found.mean == (0.0 if pairs else None)
    assert (found.low, found.high) == ((0.0, 0.0) if pairs > 1 else (None, None))


def test_intervals_are_the_same_for_the_same_seed() -> None:
    first, second = np.random.default_rng(0).normal(size=(2, 30))
    assert mean_difference(first, second, QUICK) == mean_difference(first, second, QUICK)
    assert mean_difference(first, second, QUICK) != mean_difference(first, second, replace(QUICK, seed=1))


@pytest.mark.parametrize("fields", [{"resamples": 10}, {"confidence": 1.0}, {"confidence": 0.0}, {"seed": -1}])
def test_bootstrap_refuses_numbers_by_name(fields: Mapping[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        Bootstrap(**fields)  # type: ignore[arg-type]


def test_groups() -> None:
    snr_db = np.array([-5.0, 0.0, 4.99, 20.0, math.inf])
    bins = snr_groups(snr_db)
    assert list(bins) == ["-5 to 0 dB", "0 to 5 dB", "20 to 25 dB", "no SNR"]
    assert bins["0 to 5 dB"].tolist() == [False, True, True, False, False]
    assert list(snr_groups(snr_db, (0.0,))) == ["below 0 dB", "0 dB and above", "no SNR"]
    assert list(label_groups(["b", "a", "b"])) == ["a", "b"]
    assert group_scores(ScoreTable(MEASURES, ()), {}, QUICK) == []
    with pytest.raises(ValueError, match="snr_edges_db must ascend"):
        snr_groups(snr_db, (5.0, 0.0))


def test_a_table_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    table = table_of()
    write_table(tmp_path / "utterances.csv", table)
    again = read_table(tmp_path / "utterances.csv")
    assert again.measures == table.measures
    for column in score_columns(MEASURES):
        name = column.removesuffix("_noisy").removesuffix("_dense")
        np.testing.assert_array_equal(
            again.column(name, column.removeprefix(name)), table.column(name, column.removeprefix(name))
        )
    assert [replace(row, scores={}) for row in again.rows] == [replace(row, scores={}) for row in table.rows]
    with (tmp_path / "utterances.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:8] == [
        "utterance", "speaker", "speech", "noise_class", "noise", "snr_db", "utilization", "macs_per_frame"
    ]  # fmt: skip
    assert list(rows[0])[8:11] == ["pesq_wb_noisy", "pesq_wb", "pesq_wb_dense"]
    assert (rows[0]["si_sdr_db_noisy"], rows[0]["pesq_wb_dense"]) == ("", "")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "rows.csv"

    def rows() -> Iterator[Mapping[str, object]]:
        yield {"a": 1}
        raise RuntimeError("no more")

    for written in (None, "a\r\n3\r\n"):
        with pytest.raises(RuntimeError, match="no more"):
            write_csv(path, ["a"], rows())
        assert list(path.parent.iterdir()) == ([] if written is None else [path])
        assert written is None or path.read_bytes().decode() == written
        write_csv(path, ["a"], [{"a": 3}])


def changed(table: ScoreTable, number: int, **fields: object) -> ScoreTable:
    rows = list(table.rows)
    rows[number] = replace(rows[number], **fields)  # type: ignore[arg-type]
    return ScoreTable(table.measures, tuple(rows))


def test_scores_of_other_mixtures_are_refused() -> None:
    ours, dense = table_of(), table_of(seed=1)
    row = dense.rows[4]
    cases = {
        r"line 6, utterance 4: speaker is 'eve', expected 'speaker1'": changed(dense, 4, speaker="eve"),
        r"line 6, utterance 4: noise is 'x', expected 'noise/0.wav'": changed(dense, 4, noise="x"),
        r"line 6, utterance 4: snr_db is ": changed(dense, 4, snr_db=row.snr_db + 0.1),
        r"line 6, utterance 4: pesq_wb_noisy is ": changed(
            dense, 4, scores={**row.scores, "pesq_wb_noisy": row.scores["pesq_wb_noisy"] + 0.01}
        ),
        r"line 6, utterance 4: si_sdr_db_noisy is nan, expected": changed(
            dense, 4, scores={**row.scores, "si_sdr_db_noisy": math.nan}
        ),
        r"line 6, utterance 4: utterance is '5', expected '4'": ScoreTable(MEASURES, dense.rows[:4] + dense.rows[5:]),
        r"20 utterances, expected 24; line 22 is the first": ScoreTable(MEASURES, dense.rows[:20]),
    }
    for message, other in cases.items():
        with pytest.raises(ScoresError, match=rf"dense\.csv.*{message}"):
            beside(ours, other, Path("dense.csv"))
    with pytest.raises(ScoresError, match=r"dense\.csv, line 6, utterance 4: speech is"):
        check_labels(ours.rows[3:6], changed(dense, 4, speech="other"), Path("dense.csv"))
    with pytest.raises(ScoresError, match="utterance 23 is missing"):
        check_labels(ours.rows[23:], ScoreTable(MEASURES, dense.rows[:23]), Path("dense.csv"))
    check_labels(ours.rows[:6], dense, Path("dense.csv"))
    near = changed(dense, 4, scores={**row.scores, "pesq_wb_noisy": row.scores["pesq_wb_noisy"] + 0.001})
    found = beside(ours, near, Path("dense.csv"))
    assert found.rows[4].scores["pesq_wb_dense"] == row.scores["pesq_wb"]
    assert found.rows[4].scores["pesq_wb"] == ours.rows[4].scores["pesq_wb"]


def test_a_measure_that_the_other_test_lacks_is_no_difference() -> None:
    rows = tuple(replace(row, scores={"pesq_wb_noisy": 9.0, "si_sdr_db": 1.0}) for row in table_of().rows)
    found = beside(table_of(), ScoreTable(("si_sdr_db",), rows), Path("dense.csv"))
    assert np.isnan(found.column("pesq_wb", "_dense")).all()
    assert (found.column("si_sdr_db", "_dense") == 1.0).all()


def test_files_that_are_no_scores_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "dense.csv"
    with pytest.raises(ScoresError, match=r"dense\.csv: no such file; expected utterances\.csv"):
        read_dense(path)
    path.write_text("utterance,speaker\n0,anna\n")
    with pytest.raises(ScoresError, match=r"dense\.csv: column 'speech' is missing"):
        read_dense(path)
    write_table(path, table_of(utilization=0.25))
    with pytest.raises(ScoresError, match=r"dense\.csv, line 2: utilization is 0\.25, expected 1"):
        read_dense(path)
    write_table(path, table_of(utilization=1.0))
    assert len(read_dense(path).rows) == 24
    path.write_text(path.read_text().replace("276000.0", "many", 1))
    with pytest.raises(ScoresError, match=r"dense\.csv, line 2: macs_per_frame must be a number or empty, got 'many'"):
        read_dense(path)


def test_reports_show_every_system_with_intervals(tmp_path: Path) -> None:
    table = table_of()
    assert overall_rows(summarize(table, SETTINGS).overall)[0] == [
        "measure", "noisy", "network", "network - noisy", "rated"
    ]  # fmt: skip
    table = beside(table, table_of(seed=1), Path("dense.csv"))
    report = summarize(table, SETTINGS)
    write_report(tmp_path, table, report, SETTINGS, {"stage": "test"})
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["stage"], summary["utterances"]) == ("test", 24)
    cells = summary["measures"]["pesq_wb"]
    assert cells["minus_noisy_low"] < 0.3 < cells["minus_noisy_high"]
    assert cells["rated_dense"] == cells["minus_dense_pairs"] == 24
    assert summary["measures"]["si_sdr_db"]["rated_noisy"] == 23
    with (tmp_path / "by_snr.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["snr"] for row in rows[::2]] == ["-5 to 0 dB", "0 to 5 dB", "5 to 10 dB", "10 to 15 dB"]
    assert sum(int(row["utterances"]) for row in rows) == 48
    assert (tmp_path / "by_noise_class.csv").read_text().startswith("noise_class,measure,utterances,rated_noisy,")
    console = Console(width=160, file=io.StringIO())
    print_report(report, 0.95, console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    for word in ("PESQ-WB", "network - dense", "23 / 24 / 24 of 24", "10 to 15 dB", "95% intervals"):
        assert word in printed
    mean = cells["minus_noisy"]
    assert f"{mean:+.3f} [{cells['minus_noisy_low']:+.3f}, {cells['minus_noisy_high']:+.3f}]" in printed
    for block in markdown_report(report, 0.95).split("\n\n")[1::2]:
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_the_command_prints_a_run_and_its_difference_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["quality", *map(str, arguments)])
        main()
        return capsys.readouterr().out

    for name, table in {"a": table_of(), "b": table_of(seed=1, gain=0.1), "c": table_of(count=20)}.items():
        report = summarize(table, SETTINGS)
        write_report(tmp_path / name / "quality", table, report, SETTINGS, {})
    printed = command(tmp_path / "a")
    assert printed.strip() == markdown_report(summarize(table_of(), SETTINGS), 0.95)
    assert "| rain | 12 |" in printed
    compared = command(tmp_path / "a", "--against", tmp_path / "b")
    assert f"| measure | noisy | {tmp_path / 'a'} | {tmp_path / 'b'} |" in compared
    same = command(tmp_path / "a", "--against", tmp_path / "a")
    assert "+0.000 [+0.000, +0.000]" in same
    for arguments in ([tmp_path / "a", "--against", tmp_path / "c"], [tmp_path]):
        with pytest.raises(SystemExit) as stopped:
            command(*arguments)
        assert stopped.value.code == 1
        assert "utterances.csv" in capsys.readouterr().err
