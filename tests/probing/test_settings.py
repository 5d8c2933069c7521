"""Settings of a study: the file lists the defaults, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from probes.tasks import ProbeTask
from probing.settings import StudySettings, read_settings

FILE = Path(__file__).resolve().parents[2] / "configs" / "probing" / "study.yaml"


def plain(value: Any) -> Any:
    """Sequences of any kind as lists, objects as mappings."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return {name: plain(item) for name, item in vars(value).items()} if hasattr(value, "__dict__") else value


def test_the_file_lists_all_defaults() -> None:
    assert plain(read_settings(FILE)) == plain(StudySettings())
    assert set(yaml.safe_load(FILE.read_text())) == set(vars(StudySettings()))


@pytest.mark.parametrize("name", ["amount", "shipped", "trainings", "validation"])
def test_other_files_change_what_they_say_and_nothing_else(name: str) -> None:
    file = FILE.with_name(f"{name}.yaml")
    changed = yaml.safe_load(file.read_text())
    settings, defaults = plain(read_settings(file)), plain(StudySettings())
    for key, value in changed.items():
        if key == "tasks":
            value = [plain(ProbeTask(**task)) for task in value]
        expected = {**defaults[key], **value} if isinstance(value, dict) else value
        assert settings.pop(key) == expected != defaults.pop(key)
    assert settings == defaults


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"frame_strid": 3}, "frame_strid"),
        ({"split": "train"}, "split"),
        ({"fit_noise_share": 1.0}, "fit_noise_share must lie in"),
        ({"frame_stride": 0}, "frame_stride must be at least 1"),
        ({"learning_utterances": [45, 0]}, "learning_utterances must be at least 1, got 0"),
        ({"smoothing_frames": [0.5]}, "smoothing_frames must be at least 1, got 0.5"),
        ({"timed_mixtures": 0}, "timed_mixtures must be at least 1"),
        ({"snr_edges_db": [5.0, 0.0]}, "snr_edges_db must rise"),
        ({"snr_edges_db": []}, "snr_edges_db must rise and hold at least one edge"),
        ({"examples": -1}, "examples must not be negative"),
        ({"intervals": {"resamples": 0}}, "intervals.resamples must be positive"),
        ({"intervals": {"confidence": 95}}, "intervals.confidence must lie in"),
        ({"intervals": {"by_speaker": ["noise_class"]}}, "'noise_class' is in by_noise and in by_speaker"),
        ({"mixtures": {"fit": 0}}, "mixtures.fit must be positive"),
        ({"feature_sets": ["masks", "echoes"]}, "feature_sets: expected masks, and any of gate_logits, .* got"),
        ({"feature_sets": ["log_energy"]}, "feature_sets: expected masks, and any of"),
        ({"feature_sets": ["masks", "masks"]}, "feature_sets: expected masks, .* once, got"),
        ({"block_tasks": ["tilt"]}, "block_tasks: 'tilt' is none of the tasks"),
        ({"tasks": [{"name": "vad", "kind": "binary"}] * 2}, "distinct names"),
        ({"tasks": [{"name": "vad", "kind": "colour"}]}, "kind"),
        ({"intervals": {"resamples": "many"}}, "resamples"),
        ([1, 2], "mapping"),
    ],
)
def test_a_wrong_value_is_named_with_the_file(content: Any, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=expected) as refused:
        read_settings(path)
    assert str(path) in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--study: no file .*none\.yaml"):
        read_settings(tmp_path / "none.yaml")


def test_what_is_not_written_keeps_its_default(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("mixtures: {fit: 24}\n")
    settings = read_settings(path)
    assert (settings.mixtures.fit, settings.mixtures.score) == (24, StudySettings().mixtures.score)
    assert settings.tasks == StudySettings().tasks
