"""What is left to do for a network, read from small folders."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from reports.tested_runs import is_trained, last_checkpoint, scored_version, versions
from sweeps.plan import (
    SETTINGS_FILE,
    Step,
    SweepError,
    SweptNetwork,
    check_settings,
    may_start,
    name_overlays,
    next_step,
)
from sweeps.settings import training_settings, write_yaml


def version(folder: Path, number: int, *, checkpoint: bool = False, scores: bool = False, **summary: Any) -> Path:
    """Write a version as a training or a test leaves it."""
    path = folder / f"version_{number}"
    path.mkdir(parents=True)
    if checkpoint:
        (path / "checkpoints").mkdir()
        with zipfile.ZipFile(path / "checkpoints" / "last.ckpt", "w") as archive:
            archive.writestr("data", "weights")
    if scores:
        (path / "quality").mkdir()
        (path / "quality" / "utterances.csv").write_text("utterance\n0\n")
        scoring = {
            "class_path": "callbacks.PerceptualScores",
            "init_args": {"measures": ["stoi"], "dense_scores": "d.csv"},
        }
        (path / "config.yaml").write_text(yaml.safe_dump({"trainer": {"callbacks": [scoring]}}))
    if summary:
        (path / "summary.json").write_text(json.dumps(summary))
    return path


def network(folder: Path, measures: tuple[str, ...] = ("stoi",), **trainer: Any) -> SweptNetwork:
    scores = {"class_path": "callbacks.PerceptualScores", "init_args": {"measures": list(measures), "workers": 4}}
    given = {"max_epochs": 2, "logger": [{"class_path": "CSVLogger"}], "callbacks": [scores], **trainer}
    return SweptNetwork("gated", Path("gated.yaml"), folder, {"trainer": given, "data": {"root": "corpus"}})


def test_an_empty_folder_is_trained_from_the_beginning(tmp_path: Path) -> None:
    assert next_step(network(tmp_path / "absent")) == Step("fit", None)


def test_an_interrupted_training_goes_on_from_its_newest_checkpoint(tmp_path: Path) -> None:
    for number in (0, 2, 10):
        version(tmp_path, number, checkpoint=True)
    version(tmp_path, 11)  # stopped before its first checkpoint
    assert [path.name for path in versions(tmp_path)] == ["version_0", "version_2", "version_10", "version_11"]
    assert next_step(network(tmp_path)) == Step("fit", tmp_path / "version_10" / "checkpoints" / "last.ckpt")


def test_a_torn_checkpoint_is_passed_over(tmp_path: Path) -> None:
    version(tmp_path, 0, checkpoint=True)
    torn = version(tmp_path, 1, checkpoint=True) / "checkpoints" / "last.ckpt"
    torn.write_bytes(torn.read_bytes()[:20])
    assert last_checkpoint(tmp_path) == tmp_path / "version_0" / "checkpoints" / "last.ckpt"


@pytest.mark.parametrize(
    ("summary", "trained"),
    [
        ({"stage": "val", "finished": True}, True),
        ({"stage": "val", "finished": False}, False),  # ended by a limit of time
        ({"stage": "val"}, False),  # a validation that was asked for by itself
    ],
)
def test_a_training_is_over_when_its_summary_says_so(summary: dict[str, Any], trained: bool, tmp_path: Path) -> None:
    path = version(tmp_path, 0, checkpoint=True, **summary)
    assert is_trained(tmp_path) == trained
    assert next_step(network(tmp_path)) == Step("test" if trained else "fit", path / "checkpoints" / "last.ckpt")


def test_a_test_counts_with_its_summary_and_its_scores(tmp_path: Path) -> None:
    checkpoint = version(tmp_path, 0, checkpoint=True, stage="val", finished=True) / "checkpoints" / "last.ckpt"
    version(tmp_path, 1, scores=True)  # stopped before its end
    version(tmp_path, 2, stage="test")
    assert next_step(network(tmp_path)) == Step("test", checkpoint)
    done = version(tmp_path, 3, scores=True, stage="test")
    assert scored_version(tmp_path) == done
    assert next_step(network(tmp_path)) is None
    assert next_step(network(tmp_path, measures=("stoi", "pesq_wb"))) == Step("test", checkpoint)


def test_tests_wait_for_the_dense_network_and_trainings_do_not() -> None:
    train, test = Step("fit", None), Step("test", Path("last.ckpt"))
    assert may_start(train, "gated_25", {"dense", "gated_25"})
    assert not may_start(test, "gated_25", {"dense", "gated_25"})
    assert may_start(test, "dense", {"dense", "gated_25"})
    assert may_start(test, "gated_25", {"gated_25"})


def test_overlays_name_the_networks_and_dense_is_first(tmp_path: Path) -> None:
    files = [tmp_path / "b" / "gated.yaml", tmp_path / "b" / "dense.yaml", tmp_path / "c" / "gated.yaml"]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.touch()
    assert name_overlays(files[:2]) == {"dense": files[1], "gated": files[0]}
    assert name_overlays(files[:2], only=["gated"]) == {"gated": files[0]}
    for overlays, only, named in (
        (files, [], "would both be called 'gated'"),
        (files[:1], ["absent"], "--only absent: expected one of gated"),
        ([tmp_path / "none.yaml"], [], "none.yaml"),
    ):
        with pytest.raises(SweepError, match=named):
            name_overlays(overlays, only)


def test_other_settings_than_those_of_the_training_are_refused_by_key(tmp_path: Path) -> None:
    check_settings(network(tmp_path / "absent"))
    write_yaml(training_settings(network(tmp_path).settings), tmp_path / SETTINGS_FILE, "settings")
    version(tmp_path, 0)
    check_settings(network(tmp_path, max_epochs=3))  # stopped before there was anything to go on from
    version(tmp_path, 1, checkpoint=True)
    check_settings(network(tmp_path))
    check_settings(network(tmp_path, logger=None, enable_progress_bar=False))  # neither changes what is learned
    check_settings(network(tmp_path, measures=("pesq_wb",)))  # asks for another test, not for another training
    for changed, named in (
        ({"max_epochs": 3}, r"trainer\.max_epochs was 2 and is 3.*Name another --out"),
        ({"precision": "16"}, r"trainer\.precision was nothing and is 16"),
        ({"callbacks": [{"a": 1}, {"b": 2}]}, r"trainer\.callbacks\.0\.a"),
    ):
        with pytest.raises(SweepError, match=named):
            check_settings(network(tmp_path, **changed))


def test_runs_of_unknown_settings_are_refused(tmp_path: Path) -> None:
    version(tmp_path, 0, checkpoint=True)
    with pytest.raises(SweepError, match=r"no settings\.yaml"):
        check_settings(network(tmp_path))
