"""The estimate for much data follows from its speeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.scaling import stored_mib_per_hour
from benchmarks.scaling_estimate import Plan, Speeds, estimate_rows, estimate_table
from datamodules.corpus import CorpusError

SPEEDS = Speeds(
    step=50.0, efficiency=0.8, device=8000.0, device_efficiency=0.5, data=1000.0, pitch=5.0, mib_per_hour=64.0
)
PLAN = Plan(hours=1000.0, segment_s=4.0, batch_size=12, devices=8)


def figures(plan: Plan, speeds: Speeds) -> dict[str, str]:
    return {name: figure for name, figure, _ in estimate_rows(plan, speeds)}


def test_figures_follow_from_the_speeds() -> None:
    found = figures(PLAN, SPEEDS)
    assert found["steps of a pass"] == "9,375"  # 3.6e6 s in 8 batches of 48 s
    assert found["core hours of a pass on CPUs"] == "25"
    assert found["GPU hours of a pass"] == "0.25"
    assert found["cores that make mixtures beside the GPUs"] == "32"
    assert found["core hours for F0, once"] == "200"
    assert found["speech, FLAC"] == "62 GiB"
    assert figures(PLAN, replace(SPEEDS, device=4000.0))["GPU hours of a pass"] == "0.5"


def test_a_hundred_times_the_data_take_a_hundred_times_the_steps() -> None:
    table = estimate_table([PLAN, replace(PLAN, hours=100_000.0)], SPEEDS)
    assert "| steps of a pass | 9,375 | 937,500 | 8 x 12 x 4 s |" in table
    assert "assumed" in table


def test_the_size_of_an_hour_is_that_of_lossless_files(tmp_path: Path) -> None:
    (tmp_path / "speech.csv").write_text("path,seconds\na.flac,900\nb.flac,900\nc.mp3,900\n")
    for name, mib in {"a.flac": 10, "b.flac": 20, "c.mp3": 1}.items():
        (tmp_path / name).write_bytes(bytes(mib * 2**20))
    assert stored_mib_per_hour(tmp_path) == 60.0
    with pytest.raises(CorpusError, match=r"speech\.csv: lists no FLAC files"):
        stored_mib_per_hour(tmp_path / "nowhere")
