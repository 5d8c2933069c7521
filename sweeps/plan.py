"""What is left to do for a network, from its folder and the settings that it was trained with; starts nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reports.tested_runs import DENSE, is_trained, last_checkpoint, scored_version
from sweeps.settings import differences, read_settings, scoring_settings

SETTINGS_FILE = "settings.yaml"
NAME = "{network}"  # in an argument: the name of the network that it is given to


class SweepError(ValueError):
    """A sweep that cannot be started or did not end well; the message says what to do."""


@dataclass(frozen=True)
class SweptNetwork:
    """One network of a sweep.

    Attributes:
        name: of its folder, and of its overlay without ``.yaml``.
        overlay: configuration file with what distinguishes it from the base configuration.
        folder: where its runs are.
        settings: everything that is set for it, merged.
        arguments: of the ``lightning`` command, for training and test.
    """

    name: str
    overlay: Path
    folder: Path
    settings: Mapping[str, Any]
    arguments: Sequence[str] = ()


@dataclass(frozen=True)
class Step:
    """What a network needs next.

    Attributes:
        action: train or test.
        checkpoint: where training goes on, None for its beginning; or what is tested.
    """

    action: Literal["fit", "test"]
    checkpoint: Path | None


def name_overlays(overlays: Sequence[Path], only: Sequence[str] = ()) -> dict[str, Path]:
    """Name networks after their overlays, the dense one first.

    Args:
        overlays: configuration files.
        only: names to keep; all if empty.

    Raises:
        SweepError: if a file is missing, two have one name, or a wanted name is none of them.

    Example:
        >>> list(name_overlays([Path("configs/sweep/gated_25.yaml"), Path("configs/sweep/dense.yaml")]))
        ['dense', 'gated_25']
    """
    named: dict[str, Path] = {}
    for overlay in sorted(overlays, key=lambda path: path.stem != DENSE):
        if not overlay.is_file():
            raise SweepError(f"OVERLAY: no file '{overlay}'; expected configuration files such as configs/sweep/*.yaml")
        if overlay.stem in named:
            raise SweepError(f"OVERLAY: '{named[overlay.stem]}' and '{overlay}' would both be called '{overlay.stem}'")
        named[overlay.stem] = overlay
    unknown = [name for name in only if name not in named]
    if unknown:
        raise SweepError(f"--only {unknown[0]}: expected one of {', '.join(named)}")
    return {name: overlay for name, overlay in named.items() if not only or name in only}


def named_arguments(arguments: Sequence[str], name: str) -> list[str]:
    """Put the name of a network where arguments that are common to all ask for it.

    Args:
        arguments: of the ``lightning`` command.
        name: of the network that they are for.

    Example:
        >>> named_arguments(["--model.initial_weights", "runs/{network}.ckpt"], "dense")
        ['--model.initial_weights', 'runs/dense.ckpt']
    """
    return [argument.replace(NAME, name) for argument in arguments]


def next_step(network: SweptNetwork) -> Step | None:
    """Return what is left to do for a network, or None if it is trained and was tested with its present settings."""
    checkpoint = last_checkpoint(network.folder)
    if checkpoint is None or not is_trained(network.folder):
        return Step("fit", checkpoint)
    version = scored_version(network.folder)
    if version is None or scoring_settings(read_settings(version / "config.yaml")) != scoring_settings(
        network.settings
    ):
        return Step("test", checkpoint)
    return None


def check_settings(network: SweptNetwork) -> None:
    """Check that what is in a network's folder was made with its present settings.

    Raises:
        SweepError: naming the keys that differ, and what to do.
    """
    if last_checkpoint(network.folder) is None:
        return  # nothing was trained
    stored = network.folder / SETTINGS_FILE
    if not stored.is_file():
        raise SweepError(
            f"{network.folder} holds runs, but no {SETTINGS_FILE} that tells what they were trained with; "
            "name another --out, or move the folder away"
        )
    found = differences(read_settings(stored), network.settings)
    if found:
        more = f" (and {len(found) - 3} more keys)" if len(found) > 3 else ""
        raise SweepError(
            f"{network.folder} was trained with other settings: {'; '.join(found[:3])}{more}. "
            "Name another --out for a new sweep, move the folder away to train this network anew, "
            "or go back to the old settings to use what is there"
        )


def may_start(step: Step, name: str, unfinished: set[str]) -> bool:
    """Tell whether a step can be taken now: tests wait for the scores of the dense network.

    Args:
        step: of the network ``name``.
        name: of the network.
        unfinished: names of the networks that have neither been tested nor failed.
    """
    return step.action == "fit" or name == DENSE or DENSE not in unfinished
