"""Settings of a run: merged, stored beside it, compared, and what a sweep sets itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from storage.whole_files import write_text_whole

# These change neither what a network learns nor its scores: where it is logged, how fast it goes, and what ends it.
FREE_KEYS = (
    "torch_threads",
    "trainer.logger",
    "trainer.enable_progress_bar",
    "data.num_workers",
    "data.cache_mb",
    "model.max_nonfinite_steps",
)
TEST_KEYS = ("data.test_mixtures",)
CSV_LOGGER = "lightning.pytorch.loggers.CSVLogger"
ABSENT = "nothing"


def flatten(settings: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and value of every leaf; positions are the keys of lists.

    Example:
        >>> dict(flatten({"trainer": {"max_epochs": 2, "callbacks": [{"a": 1}]}}))
        {'trainer.max_epochs': 2, 'trainer.callbacks.0.a': 1}
    """
    if isinstance(settings, Mapping) and settings:
        for key, value in settings.items():
            yield from flatten(value, f"{prefix}{key}.")
    elif isinstance(settings, list) and settings:
        for position, value in enumerate(settings):
            yield from flatten(value, f"{prefix}{position}.")
    elif prefix:
        yield prefix.removesuffix("."), settings


def training_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a trained network depends on, by dotted key; the corpus by its absolute path.

    Args:
        settings: merged settings of a run.
    """
    scoring = tuple(f"trainer.callbacks.{position}.init_args" for position, _ in _scoring_callbacks(settings))
    leaves = {key: value for key, value in flatten(settings) if not _within(key, FREE_KEYS + TEST_KEYS + scoring)}
    root = leaves.get("data.root")
    if isinstance(root, str) and "://" not in root:
        leaves["data.root"] = os.path.abspath(root)
    return leaves


def scoring_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what only the scores of a test depend on, by dotted key; no training has to be repeated for them."""
    leaves = {key: value for key, value in flatten(settings) if _within(key, TEST_KEYS)}
    for _, callback in _scoring_callbacks(settings):
        arguments = callback.get("init_args", {})
        leaves |= {key: value for key, value in flatten(arguments) if key not in ("dense_scores", "workers")}
    return leaves


def _scoring_callbacks(settings: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the callbacks that score the utterances of a test, with their positions."""
    callbacks = (settings.get("trainer") or {}).get("callbacks") or []
    return [pair for pair in enumerate(callbacks) if pair[1].get("class_path", "").endswith("PerceptualScores")]


def _within(key: str, parents: tuple[str, ...]) -> bool:
    return any(key == parent or key.startswith(f"{parent}.") for parent in parents)


def differences(stored: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """List the settings that differ, readable.

    A setting that is null and one that is not there are the same: new settings are null where they change nothing.

    Args:
        stored: what :func:`training_settings` returned when a run was started.
        settings: merged settings of now.

    Example:
        >>> differences({"trainer.max_epochs": 2}, {"trainer": {"max_epochs": 12}})
        ['trainer.max_epochs was 2 and is 12']
    """
    now = training_settings(settings)
    return [
        f"{key} was {stored.get(key, ABSENT)} and is {now.get(key, ABSENT)}"
        for key in dict.fromkeys([*now, *stored])
        if stored.get(key) != now.get(key)
    ]


def read_settings(path: Path) -> dict[str, Any]:
    """Read a YAML file of settings."""
    return yaml.safe_load(path.read_text())


def write_yaml(content: Mapping[str, Any], path: Path, header: str) -> None:
    """Write a YAML file, whole or not at all.

    Args:
        content: plain values.
        path: of the file; its folder is made.
        header: a comment of one line.
    """
    write_text_whole(path, f"# {header}\n{yaml.safe_dump(dict(content), sort_keys=False, width=120)}")


def fit_config(settings: Mapping[str, Any], out: Path, name: str, threads: int | None) -> dict[str, Any]:
    """Return what a sweep sets for every network: its loggers, and threads where none are set.

    Args:
        settings: merged settings of the network.
        out: folder of the sweep; its name is the W&B group.
        name: of the network.
        threads: of torch, where several networks share the cores.
    """
    loggers = settings["trainer"].get("logger") or []
    loggers = [dict(logger) for logger in (loggers if isinstance(loggers, list) else [loggers])]
    if not any(logger["class_path"].endswith("CSVLogger") for logger in loggers):
        loggers.insert(0, {"class_path": CSV_LOGGER})
    loggers.sort(
        key=lambda logger: not logger["class_path"].endswith("CSVLogger")
    )  # the first one's folder is the run's
    for logger in loggers:
        places: dict[str, Any] = {"save_dir": str(out), "name": name}
        if logger["class_path"].endswith("WandbLogger"):
            places["group"] = out.name
        logger["init_args"] = {**logger.get("init_args", {}), **places}
    config: dict[str, Any] = {"trainer": {"logger": loggers}}
    if threads is not None and settings.get("torch_threads") is None:
        config["torch_threads"] = threads
    return config


def scoring_config(config: Mapping[str, Any], settings: Mapping[str, Any], dense_scores: Path | None) -> dict[str, Any]:
    """Return what a sweep sets for a test: that of training, and the scores of the dense network beside the own ones.

    Args:
        config: of :func:`fit_config`.
        settings: merged settings of the network; its list of callbacks is stated again.
        dense_scores: CSV file of the dense network's test, None where there is none.

    Raises:
        ValueError: if no callback scores utterances.
    """
    callbacks = [dict(callback) for callback in settings["trainer"].get("callbacks") or []]
    scoring = [callbacks[position] for position, _ in _scoring_callbacks(settings)]
    if not scoring:
        raise ValueError("trainer.callbacks has no callbacks.PerceptualScores, which scores the utterances of a test")
    if dense_scores is not None:
        for callback in scoring:
            callback["init_args"] = {**callback.get("init_args", {}), "dense_scores": str(dense_scores)}
    return {**config, "trainer": {**config["trainer"], "callbacks": callbacks}}
