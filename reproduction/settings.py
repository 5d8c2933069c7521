"""Settings of a reproduction, with the defaults that ``configs/probing/reproduction.yaml`` lists and explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from jsonargparse import ArgumentError, ArgumentParser

from checkpoints.yaml_file import read_yaml
from datamodules.mixing_settings import MixingSettings
from probes.tasks import ProbeTask
from probing.settings import IntervalSettings, StudySettings

# What may differ between two machines whose scores are compared: where files are, how much is done at a time, what is
# still taken for the same, and the intervals' drawing, which changes no score.
OF_THE_MACHINE = ("pitch_cache", "num_workers", "rating_workers", "tolerances", "intervals")


@dataclass(frozen=True)
class ReproducedMixtures:
    """How many mixtures.

    Attributes:
        score: speakers and noise recordings of the split.
        known: speakers of the split, and the last part of the training noise recordings.

    Raises:
        ValueError: if one is not positive.
    """

    score: int = 360
    known: int = 180

    def __post_init__(self) -> None:
        for name, count in vars(self).items():
            if count < 1:
                raise ValueError(f"mixtures.{name} must be positive, got {count}")


@dataclass(frozen=True)
class TargetSettings:
    """How the truth is computed; the classes of ``datamodules.targets`` explain every value."""

    vad_aggressiveness: int = 2
    pitch_model: Literal["tiny", "full"] = "tiny"
    f0_range_hz: tuple[float, float] = (60.0, 500.0)
    periodicity_threshold: float = 0.5
    snr_range_db: tuple[float, float] = (-20.0, 30.0)
    floor_dbfs: float = -80.0


def _default_tasks() -> list[ProbeTask]:
    """Return the tasks of a study; the frame SNR averaged over an utterance is scored too."""
    return [replace(task, per_utterance=True) if task.name == "snr_db" else task for task in StudySettings().tasks]


def _default_tolerances() -> dict[str, float]:
    return {
        "accuracy": 0.005,
        "balanced_accuracy": 0.005,
        "auroc": 0.005,
        "utterance_accuracy": 0.012,
        "utterance_balanced_accuracy": 0.012,
        "r2": 0.005,
        "utterance_r2": 0.005,
        "gross_error_rate": 0.005,
        "median_abs_cents": 1.0,
        "pesq_wb": 0.01,
        "stoi": 0.003,
        "estoi": 0.003,
        "si_sdr_db": 0.05,
        "utilization": 0.002,
        "macs_saved": 0.002,
        "constant_channels": 0.002,
        "macs_per_second": 1e5,
        "parameters": 0.0,
    }


@dataclass(frozen=True)
class ReproductionSettings:
    """What is scored, and what counts as the same score.

    Attributes:
        split: whose speakers and noise recordings are heard.
        mixtures: numbers of mixtures.
        fit_noise_share: of every training noise recording, from its beginning, that the probes were fitted on.
        seed: of the mixtures.
        mixing: how they are drawn; augmentations are left out.
        targets: how the truth is computed.
        pitch_cache: folder of the pitch tracks.
        tasks: how every probe is scored, by its name.
        intervals: of scores.
        tolerances: metric to the largest difference from a published score; other metrics are not published.
        num_workers: processes that make mixtures; 0 makes them in this one.
        rating_workers: processes that rate quality; None takes the cores there are.

    Raises:
        ValueError: if a value is out of range.
    """

    split: Literal["valid", "test"] = "test"
    mixtures: ReproducedMixtures = field(default_factory=ReproducedMixtures)
    fit_noise_share: float = 0.7
    seed: int = 0
    mixing: MixingSettings = field(default_factory=lambda: MixingSettings(pause_s=(0.15, 0.9)))
    targets: TargetSettings = field(default_factory=TargetSettings)
    pitch_cache: str = ".cache/pitch"
    tasks: list[ProbeTask] = field(default_factory=_default_tasks)
    intervals: IntervalSettings = field(default_factory=IntervalSettings)
    tolerances: dict[str, float] = field(default_factory=_default_tolerances)
    num_workers: int = 1
    rating_workers: int | None = None

    def __post_init__(self) -> None:
        if self.split not in ("valid", "test"):
            raise ValueError(f"split must be valid or test, got {self.split!r}")
        if not 0 < self.fit_noise_share < 1:
            raise ValueError(f"fit_noise_share must lie in (0, 1), got {self.fit_noise_share}")
        names = [task.name for task in self.tasks]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"tasks must have distinct names, at least one, got {names}")
        for metric, tolerance in self.tolerances.items():
            if not 0 <= tolerance < float("inf"):
                raise ValueError(f"tolerances.{metric} must be 0 or more, got {tolerance}")
        for name in ("seed", "num_workers"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.rating_workers is not None and self.rating_workers < 0:
            raise ValueError(f"rating_workers must not be negative, got {self.rating_workers}")

    def with_mixtures(self, count: int) -> ReproductionSettings:
        """Return the same settings with another number of mixtures, of known noise half as many."""
        return replace(self, mixtures=ReproducedMixtures(count, max(1, count // 2)))

    def identity(self) -> dict[str, Any]:
        """Return what the scores of the same files depend on, as plain values of JSON."""
        values = asdict(self) | {"mixing": asdict(self.mixing.plain())}
        return {name: _plain(value) for name, value in values.items() if name not in OF_THE_MACHINE}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def read_settings(path: Path) -> ReproductionSettings:
    """Read settings.

    Raises:
        ValueError: naming the file and the key that is wrong.
    """
    if not path.is_file():
        raise ValueError(f"--config: no file '{path}'; expected one such as configs/probing/reproduction.yaml")
    content = read_yaml(path) or {}
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a mapping of settings, got {type(content).__name__}")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(ReproductionSettings, "reproduction")
    try:
        parsed = parser.parse_object({"reproduction": content})
        settings: ReproductionSettings = parser.instantiate_classes(parsed).reproduction
    except (ArgumentError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path}: {error}") from error
    return settings
