"""Settings of a reproduction: the file lists the defaults, its mixtures are those of a training, mistakes are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from reproduction.mixtures import corpus_data
from reproduction.settings import ReproducedMixtures, ReproductionSettings, read_settings

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
FILE = CONFIGS / "probing" / "reproduction.yaml"


def plain(value: Any) -> Any:
    """Sequences of any kind as lists, objects as mappings."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return {name: plain(item) for name, item in vars(value).items()} if hasattr(value, "__dict__") else value


def test_the_file_lists_all_defaults() -> None:
    assert plain(read_settings(FILE)) == plain(ReproductionSettings())
    assert set(yaml.safe_load(FILE.read_text())) == set(vars(ReproductionSettings()))


def test_mixtures_and_targets_are_those_of_the_training() -> None:
    ours, data = yaml.safe_load(FILE.read_text()), yaml.safe_load((CONFIGS / "corpus.yaml").read_text())["data"]
    ranges = ("segment_s", "snr_db", "level_dbfs", "excerpt_s", "pause_s")
    assert [ours["mixing"][name] for name in ranges] == [data["mixing"][name] for name in ranges]
    assert ours["seed"] == data["seed"]
    given = {name: value for target in data["targets"] for name, value in target.get("init_args", {}).items()}
    assert ours["targets"] == {
        "vad_aggressiveness": given["aggressiveness"],
        "pitch_model": given["model"],
        **{name: given[name] for name in ("f0_range_hz", "periodicity_threshold", "snr_range_db", "floor_dbfs")},
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"sed": 3}, "sed"),
        ({"split": "train"}, "split"),
        ({"fit_noise_share": 0.0}, "fit_noise_share must lie in"),
        ({"mixtures": {"score": 0}}, "mixtures.score must be positive, got 0"),
        ({"seed": -1}, "seed must not be negative"),
        ({"rating_workers": -1}, "rating_workers must not be negative"),
        ({"tolerances": {"r2": -0.1}}, "tolerances.r2 must be 0 or more"),
        ({"tasks": []}, "tasks must have distinct names"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, content: dict[str, Any], expected: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ValueError, match=expected) as raised:
        read_settings(path)
    assert str(path) in str(raised.value)


def test_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--config: no file"):
        read_settings(tmp_path / "missing.yaml")


def test_what_a_machine_sets_does_not_make_another_reproduction() -> None:
    settings = ReproductionSettings()
    elsewhere = replace(settings, pitch_cache="/elsewhere", num_workers=0, rating_workers=1, tolerances={})
    assert elsewhere.identity() == settings.identity()
    for other in (replace(settings, seed=1), replace(settings, mixtures=ReproducedMixtures(360, 90))):
        assert other.identity() != settings.identity()


def test_the_number_of_mixtures() -> None:
    assert ReproductionSettings().with_mixtures(120).mixtures == ReproducedMixtures(120, 60)
    assert ReproductionSettings().with_mixtures(1).mixtures == ReproducedMixtures(1, 1)


def test_augmentations_are_left_out(tmp_path: Path) -> None:
    from datamodules.augmentation import Clipping
    from networks.framing import FrameGrid

    mixing = replace(ReproductionSettings().mixing, clipping=Clipping(probability=1.0))
    settings = replace(ReproductionSettings(), mixing=mixing)
    assert corpus_data(tmp_path, settings, FrameGrid()).mixing.clipping is None
    assert settings.identity() == ReproductionSettings().identity()
