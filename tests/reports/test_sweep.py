"""The report of a sweep, against numbers computed by hand from made-up scores."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from reports.quality_scores import ScoresError
from reports.sweep import main, report_files, write_report
from reports.sweep_figure import STYLES, draw_sweep
from reports.sweep_runs import network_kind, read_networks
from reports.sweep_table import csv_table, markdown_table, sweep_rows
from tests.reports.swept_folders import DENSE_MACS, FIXED, PER_CHANNEL, RESAMPLES, write_sweep, write_tested

GATED = {"gated": True, "gate": {"decision": "frame"}}


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean, drawn as the report's bootstrap is seeded."""
    draws = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile([np.mean([values[index] for index in draw]) for draw in draws], [2.5, 97.5])
    return float(low), float(high)


def test_the_table_holds_what_brute_force_finds(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    noisy = generator.uniform(1, 2, 30)
    dense, gated, narrow = noisy + 0.5, noisy + generator.normal(0.3, 0.1, 30), noisy + generator.normal(0.2, 0.1, 30)
    gated[3] = np.nan  # cannot be rated
    for name, arguments, scores, utilization, macs in (
        ("dense", {"gated": False}, dense, 1.0, DENSE_MACS),
        ("gated_25", GATED, gated, 0.25, 270_000),
        ("static_25", {"gated": False, "channels": 88}, narrow, 1.0, 271_000),
    ):
        write_tested(tmp_path, name, arguments, {"pesq_wb_noisy": noisy, "pesq_wb": scores}, utilization, macs)
    rows = {row["network"]: row for row in csv.DictReader(io.StringIO(csv_table(sweep_rows(read_networks(tmp_path)))))}
    assert list(rows) == ["noisy", "dense", "static_25", "gated_25"]
    row = {name: float(value) for name, value in rows["gated_25"].items() if name not in ("network", "kind", "narrow")}
    rated = np.isfinite(gated)
    for label, values in (("", gated), ("_minus_dense", gated - dense), ("_minus_narrow", gated - narrow)):
        values = values[rated]
        low, high = percentiles(values)
        spread = values.std() / np.sqrt(len(values))
        assert row[f"pesq_wb{label}"] == pytest.approx(values.mean(), abs=1e-5)
        assert row[f"pesq_wb{label}_low"] == pytest.approx(low, abs=spread / 3)  # other draws, same distribution
        assert row[f"pesq_wb{label}_high"] == pytest.approx(high, abs=spread / 3)
        assert row[f"pesq_wb{label}_utterances"] == 29
    assert rows["gated_25"]["narrow"] == "static_25"
    assert row["macs_saved"] == pytest.approx(1 - 270_000 / DENSE_MACS)
    assert row["mmacs_per_second"] == pytest.approx(270_000 * 62.5 / 1e6)
    assert float(rows["noisy"]["pesq_wb"]) == pytest.approx(noisy.mean(), abs=1e-5)
    assert rows["static_25"]["narrow"] == ""
    assert rows["dense"]["pesq_wb_minus_dense"] == ""


def test_a_paired_interval_is_narrow_where_utterances_differ_more_than_networks(tmp_path: Path) -> None:
    write_sweep(tmp_path)
    for row in sweep_rows(read_networks(tmp_path)):
        for name, difference in row.minus_dense.items():
            alone = row.means[name]
            assert difference.high - difference.low < 0.5 * (alone.high - alone.low)


def test_scores_of_other_mixtures_are_refused(tmp_path: Path) -> None:
    values = np.linspace(1, 2, 6)
    write_tested(tmp_path, "dense", {"gated": False}, {"stoi_noisy": values, "stoi": values})
    write_tested(tmp_path, "gated", GATED, {"stoi_noisy": values[::-1], "stoi": values})
    with pytest.raises(ScoresError, match=r"dense.*same mixtures"):
        write_report(tmp_path)


def test_a_sweep_without_the_dense_network_is_reported_too(tmp_path: Path) -> None:
    values = np.linspace(1, 2, 6)
    write_tested(tmp_path, "gated", GATED, {"stoi_noisy": values, "stoi": values}, 0.25, 270_000)
    (row,) = sweep_rows(read_networks(tmp_path))[1:]
    assert row.macs_saved == pytest.approx(1 - 270_000 / DENSE_MACS)  # what the network would cost ungated was logged
    assert "difference" not in markdown_table([row])
    (axis,) = draw_sweep([row]).axes
    assert axis.get_ylabel() == "STOI"


@pytest.mark.parametrize(
    ("name", "arguments", "kind"),
    [
        ("dense", {"gated": False}, "dense"),
        ("static_25", {"gated": False, "channels": 88}, "narrow"),
        ("gated_25", {"gated": True}, "frame"),
        ("static_mask_25", {"gated": True, "gate": {"decision": "static"}}, "static"),
        ("random_25", {"gated": True, "gate": {"decision": "random"}}, "random"),
    ],
)
def test_kinds(name: str, arguments: dict[str, object], kind: str) -> None:
    assert network_kind(name, arguments) == kind
    assert kind in STYLES


def drawn(axis: Axes) -> dict[str, list[tuple[float, float]]]:
    """Return the points of every labelled series of a panel."""
    series = {bars.get_label(): bars.lines[0].get_xydata() for bars in axis.containers}
    return {str(label): [(float(x), float(y)) for x, y in points] for label, points in series.items()}


def test_the_figure_shows_every_network_where_the_table_says(tmp_path: Path) -> None:
    write_sweep(tmp_path)
    rows = sweep_rows(read_networks(tmp_path))
    panels = dict(zip(("pesq_wb", "si_sdr_db"), draw_sweep(rows).axes, strict=True))
    for measure, axis in panels.items():
        series = drawn(axis)
        assert set(series) == {style.label for style in STYLES.values()}
        for kind, style in STYLES.items():
            expected = [
                (row.network.mmacs_per_second, row.means[measure].mean)
                for row in rows
                if row.network is not None and row.network.kind == kind
            ]
            np.testing.assert_allclose(series[style.label], expected)
        assert len(series[STYLES["frame"].label]) == len(series[STYLES["narrow"].label]) == 3
        noisy = next(line for line in axis.lines if line.get_label() == "noisy")
        assert noisy.get_linestyle() == "--"
        assert noisy.get_ydata()[0] == pytest.approx(rows[0].means[measure].mean)
    assert len({(style.marker, style.color) for style in STYLES.values()}) == len(STYLES)
    narrowest = drawn(panels["pesq_wb"])[STYLES["narrow"].label][-1]
    assert narrowest[0] == pytest.approx((FIXED + 9 * 56 * PER_CHANNEL) * 62.5 / 1e6)


def test_the_command_writes_four_files_and_prints_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sweep(tmp_path / "out", utterances=8)
    monkeypatch.setattr(sys, "argv", ["sweep", str(tmp_path / "out")])
    main()
    printed = capsys.readouterr().out
    assert "| dense | 100.0% | 662.5 | 41.4 | 0.0% |" in printed
    assert "difference at equal MACs" in printed
    assert all(path.stat().st_size > 500 for path in report_files(tmp_path / "out"))
    assert not list((tmp_path / "out").glob("*.part*"))
    for folder, named in ((tmp_path, "no tested network"), (tmp_path / "absent", "usage")):
        monkeypatch.setattr(sys, "argv", ["sweep", str(folder)])
        with pytest.raises(SystemExit, match=named):
            main()
