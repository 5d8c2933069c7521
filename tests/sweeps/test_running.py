"""What runs when: order, processes at a time, failures. The processes are stand-ins that do not train."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from sweeps import job, running
from sweeps.plan import SETTINGS_FILE, SweepError, SweptNetwork
from sweeps.progress import ProgressLines
from sweeps.running import Recipe, Sweep


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Path(__file__).with_name("lightning_stand_in.py")
    monkeypatch.setattr(job, "COMMAND", (sys.executable, "-u", str(script)))
    monkeypatch.setattr(running, "POLL_S", 0.02)


def sweep(out: Path, *names: str, jobs: int = 1, max_epochs: int = 2) -> tuple[Sweep, str]:
    """Run a sweep and return it with what it printed."""
    settings = {"trainer": {"max_epochs": max_epochs, "callbacks": [{"class_path": "callbacks.PerceptualScores"}]}}
    networks = [SweptNetwork(name, Path(f"{name}.yaml"), out / name, settings) for name in names]
    printed = io.StringIO()
    with ProgressLines(Console(file=printed, width=200)) as lines:
        started = Sweep(networks, Recipe(Path("base.yaml"), out, jobs), lines)
        started.run()
    return started, printed.getvalue()


def events(out: Path) -> list[str]:
    return (out / "events.txt").read_text().splitlines()


def test_one_at_a_time_dense_first_with_its_scores_for_the_others(tmp_path: Path) -> None:
    sweep(tmp_path, "dense", "gated")
    steps = ["dense fit", "dense test", "gated fit", "gated test"]
    assert events(tmp_path) == [f"{step} {moment}" for step in steps for moment in ("starts", "ends")]
    assert (tmp_path / "dense" / "version_1" / "quality" / "utterances.csv").read_text() == "[None]"
    dense_scores = tmp_path / "dense" / "version_1" / "quality" / "utterances.csv"
    assert (tmp_path / "gated" / "version_1" / "quality" / "utterances.csv").read_text() == str([str(dense_scores)])
    again, printed = sweep(tmp_path, "dense", "gated")
    assert not again.taken
    assert printed.count("skipped") == 2
    assert len(events(tmp_path)) == 8


def test_two_train_together_and_tests_wait_for_the_dense_one(tmp_path: Path) -> None:
    sweep(tmp_path, "dense", "gated", "narrow", jobs=2)
    order = events(tmp_path)
    assert set(order[:2]) == {"dense fit starts", "gated fit starts"}
    assert order.index("dense test ends") < min(order.index(f"{name} test starts") for name in ("gated", "narrow"))
    running_now = most = 0
    for event in order:
        running_now += 1 if event.endswith("starts") else -1
        most = max(most, running_now)
    assert most == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failure_is_told_with_the_end_of_its_log_and_the_others_go_on(jobs: int, tmp_path: Path) -> None:
    result, printed = sweep(tmp_path, "broken", "narrow", jobs=jobs)
    assert result.failed == ["broken"]
    assert "broken: training failed (exit status 3)" in printed
    assert "    RuntimeError: planted\n" in printed
    assert "narrow test ends" in events(tmp_path)
    again, _ = sweep(tmp_path, "broken", "narrow")  # tried again
    assert again.taken == {"broken"}


def test_a_training_that_ends_before_its_last_step_is_no_success(tmp_path: Path) -> None:
    result, printed = sweep(tmp_path, "short")
    assert result.failed == ["short"]
    assert "it ended before its last step" in printed
    assert events(tmp_path) == ["short fit starts", "short fit ends"]
    _, printed = sweep(tmp_path, "short")
    assert f"short: training from {tmp_path}/short/version_0/checkpoints/last.ckpt" in printed


def test_nothing_is_started_where_one_network_has_other_settings(tmp_path: Path) -> None:
    sweep(tmp_path, "gated")
    before = (tmp_path / "gated" / SETTINGS_FILE).read_text()
    with pytest.raises(SweepError, match=r"trainer\.max_epochs was 2 and is 9"):
        sweep(tmp_path, "dense", "gated", max_epochs=9)
    assert (tmp_path / "gated" / SETTINGS_FILE).read_text() == before
    assert not (tmp_path / "dense").exists()
