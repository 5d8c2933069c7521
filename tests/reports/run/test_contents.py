"""What is read of a run: whole, under way, resumed, broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.run.contents import RunError, find_run, read_rows, read_run
from tests.reports.run.run_folder import HASH, write_media, write_run


def test_a_whole_run_is_read(tmp_path: Path) -> None:
    run = read_run(write_media(write_run(tmp_path / "version_0")))
    assert run.newest["probes/vad/r2"] == pytest.approx(0.6)
    assert len(run.series["train/loss"][0]) == 300
    assert run.summary["parameters"] == 732186
    assert run.facts["git"]["commit"] == "abc123"
    assert run.manifests == {"speech.csv": HASH}
    assert set(run.media("audio/noisy")) == {"000", "009"}
    assert set(run.media("figures/overview")) == {""}
    assert run.media("figures/confusion") == {"noise_class": tmp_path / "version_0/figures/confusion_noise_class.png"}
    assert run.media("figures/scores") == {}


def test_a_run_under_way_has_curves_alone(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "version_0", steps=20))
    assert (run.summary, run.facts, run.manifests) == ({}, {}, {})
    assert run.series["val/loss"] == ([9, 19], [0.5, 0.5])


def test_media_of_a_resumed_run_stand_in_until_there_are_own(tmp_path: Path) -> None:
    first = write_media(write_run(tmp_path / "version_0"))
    second = write_run(tmp_path / "version_1", resumed_from=first)
    (second / "figures").mkdir()
    (second / "figures" / "overview.png").write_bytes(b"newer")
    run = read_run(second)
    assert run.chain == (first, second)
    assert run.media("figures/overview")[""] == second / "figures" / "overview.png"
    assert run.media("figures/spectrograms")["009"].is_relative_to(first)


def test_the_newest_version_is_found(tmp_path: Path) -> None:
    for number in (2, 10):
        write_run(tmp_path / f"version_{number}", steps=4)
    (tmp_path / "version_11").mkdir()  # no training got as far as a log
    assert find_run(tmp_path) == tmp_path / "version_10"
    assert find_run(tmp_path / "version_2") == tmp_path / "version_2"
    with pytest.raises(RunError, match=r"version_11: expected the folder of a run"):
        find_run(tmp_path / "version_11")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("metrics.csv", "step,train/loss\n1,high\n", "expected numbers in columns"),
        ("metrics.csv", "train/loss\n0.5\n", "a column 'step'"),
        ("config.yaml", "a: [", "expected the resolved configuration"),
        ("config.yaml", "- a\n", "expected the resolved configuration"),
        ("summary.json", "{", "expected JSON"),
        ("facts.json", "[1]", "expected an object, got list"),
        ("hparams.yaml", "a: [", "expected YAML"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: str, expected: str) -> None:
    folder = write_media(write_run(tmp_path / "version_0", steps=4))
    (folder / name).write_text(content)
    with pytest.raises(RunError, match=f"{name}: .*{expected}"):
        read_run(folder)


def test_the_newest_rows_of_a_table(tmp_path: Path) -> None:
    path = write_media(write_run(tmp_path / "version_0", steps=4)) / "tables" / "probes.csv"
    assert [row["score"] for row in read_rows(path)] == ["0.654321"]
    path.write_text("epoch,score\n1,2\n")
    with pytest.raises(RunError, match=r"probes\.csv: expected a column 'step', got epoch, score"):
        read_rows(path)
    path.write_text("step,score\n")
    assert read_rows(path) == []
