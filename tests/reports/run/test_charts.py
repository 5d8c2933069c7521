"""What the charts of a run draw."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.curves import Series
from reports.dashboard import Panel
from reports.run.charts import line_chart, line_names, running_mean


def test_a_panel_without_numbers_is_not_drawn() -> None:
    assert line_chart(Panel("Loss", ("train/loss",)), {"val/loss": ([1], [1.0])}) is None


def test_curves_have_steps_values_and_short_names() -> None:
    series: Series = {"train/loss": ([0, 1], [1.0, 0.5]), "val/loss": ([1], [0.75])}
    chart = line_chart(Panel("Loss", ("train/loss", "val/loss")), series)
    assert chart is not None
    assert [(trace["name"], trace["x"], trace["y"]) for trace in chart["data"]] == [
        ("train", [0, 1], [1.0, 0.5]),
        ("val", [1], [0.75]),
    ]


def test_a_single_curve_needs_no_legend() -> None:
    chart = line_chart(Panel("Gain", ("gain",)), {"gain": ([0], [1.0])})
    assert chart is not None
    assert not chart["data"][0]["showlegend"]


def test_many_steps_are_smoothed_over_their_faint_values() -> None:
    values = [float(step % 2) for step in range(400)]
    chart = line_chart(Panel("Loss", ("train/loss",)), {"train/loss": (list(range(400)), values)})
    assert chart is not None
    faint, smooth = chart["data"]
    assert faint["y"] == values
    assert faint["opacity"] < 0.5
    assert smooth["y"][-1] == pytest.approx(0.5)


def test_a_floor_keeps_one_bad_score_from_flattening_the_rest() -> None:
    series: Series = {"probes/a/r2": ([0, 1], [-40.0, -30.0]), "probes/b/r2": ([0, 1], [0.1, 0.8])}
    low = line_chart(Panel("R2", pattern=r"probes/[^/]+/r2", floor=-0.3), series)
    assert low is not None
    bottom, top = low["layout"]["yaxis"]["range"]
    assert (bottom, top) == (-0.3, pytest.approx(0.8 + 0.05 * 1.1))
    series["probes/a/r2"] = ([0, 1], [-0.1, 0.0])
    enough = line_chart(Panel("R2", pattern=r"probes/[^/]+/r2", floor=-0.3), series)
    assert enough is not None
    assert "range" not in enough["layout"]["yaxis"]


@pytest.mark.parametrize(("values", "kind"), [([1.0, 0.1], "log"), ([1.0, 0.0], "linear"), ([float("nan")], "linear")])
def test_only_positive_values_have_a_logarithmic_axis(values: list[float], kind: str) -> None:
    chart = line_chart(Panel("Loss", ("loss",), log_scale=True), {"loss": (list(range(len(values))), values)})
    assert chart is not None
    assert chart["layout"]["yaxis"]["type"] == kind


def test_curves_differ_in_color_or_dash_and_blocks_shade() -> None:
    many: Series = {f"probes/task{place}/r2": ([0], [0.0]) for place in range(20)}
    chart = line_chart(Panel("R2", pattern=r"probes/.*"), many)
    assert chart is not None
    styles = {(trace["line"]["color"], trace["line"]["dash"]) for trace in chart["data"]}
    assert len(styles) == 20
    blocks: Series = {f"gates/utilization/block{place:02d}": ([0], [0.0]) for place in range(9)}
    chart = line_chart(Panel("Blocks", pattern=r"gates/.*"), blocks)
    assert chart is not None
    assert len({trace["line"]["color"] for trace in chart["data"]}) == 9


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join), unique=True, min_size=1))
def test_names_stay_different(keys: list[str]) -> None:
    names = line_names(keys)
    assert list(names) == keys
    assert len(set(names.values())) == len(keys)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60), st.integers(1, 30))
def test_the_running_mean_is_that_of_the_last_values(values: list[float], over: int) -> None:
    expected = [np.mean(values[max(0, end - over) : end]) for end in range(1, len(values) + 1)]
    np.testing.assert_allclose(running_mean(np.array(values), over), expected, atol=1e-9)
