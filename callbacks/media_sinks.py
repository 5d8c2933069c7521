"""What loggers do with media: one class for each logger that can show more than scalars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import matplotlib.image
import numpy as np
import soundfile
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger

Row = Mapping[str, str | float | int | bool | None]


class MediaSink(Protocol):
    """A logger that takes media; files are those of the run's folder, by caption."""

    def images(self, key: str, paths: Mapping[str, Path], step: int) -> None:
        """Log PNG files."""

    def sounds(self, key: str, paths: Mapping[str, Path], step: int) -> None:
        """Log WAV files."""

    def table(self, key: str, rows: Sequence[Row], step: int) -> None:
        """Log rows that have the same columns."""

    def facts(self, name: str, facts: Mapping[str, Any]) -> None:
        """Record what does not change in a run."""

    def artifact(self, kind: str, files: Sequence[Path], about: Mapping[str, Any]) -> None:
        """Keep files, if the logger can."""


class WandbSink:
    """Weights & Biases, online or offline."""

    def __init__(self, logger: WandbLogger) -> None:
        self._logger = logger

    def images(self, key: str, paths: Mapping[str, Path], step: int) -> None:
        """Log PNG files as one list of images."""
        self._logger.log_image(key, [str(path) for path in paths.values()], step=step, **_captions(paths))

    def sounds(self, key: str, paths: Mapping[str, Path], step: int) -> None:
        """Log WAV files as one list of clips."""
        self._logger.log_audio(key, [str(path) for path in paths.values()], step=step, **_captions(paths))

    def table(self, key: str, rows: Sequence[Row], step: int) -> None:
        """Log a W&B table."""
        columns = list(rows[0])
        self._logger.log_table(key, columns, [[_cell(row[name]) for name in columns] for row in rows], step=step)

    def facts(self, name: str, facts: Mapping[str, Any]) -> None:
        """Add them to the run's configuration."""
        self._logger.experiment.config.update({name: dict(facts)}, allow_val_change=True)

    def artifact(self, kind: str, files: Sequence[Path], about: Mapping[str, Any]) -> None:
        """Log an artifact named after the run; ``wandb sync`` reads the files where they are."""
        import wandb

        artifact = wandb.Artifact(f"{kind}-{self._logger.experiment.id}", kind, metadata=dict(about))
        for file in files:
            artifact.add_file(str(file), policy="immutable")  # not copied: a run's checkpoints do not change any more
        self._logger.experiment.log_artifact(artifact)


class TensorBoardSink:
    """TensorBoard; a picture or clip with a caption is shown under ``<key>/<caption>``."""

    def __init__(self, logger: TensorBoardLogger) -> None:
        self._logger = logger

    def images(self, key: str, paths: Mapping[str, Path], step: int) -> None:
        """Log PNG files."""
        for caption, path in paths.items():
            pixels = (matplotlib.image.imread(path)[..., :3] * 255).astype(np.uint8)
            self._logger.experiment.add_image(_tag(key, caption), pixels, step, dataformats="HWC")

    def sounds(self, key: str, paths: Mapping[str, Path], step: int) -> None:
        """Log WAV files."""
        for caption, path in paths.items():
            samples, rate = soundfile.read(path, dtype="float32")
            self._logger.experiment.add_audio(_tag(key, caption), samples[None], step, sample_rate=rate)

    def table(self, key: str, rows: Sequence[Row], step: int) -> None:
        """Log a table as Markdown."""
        self._logger.experiment.add_text(key, _markdown(rows), step)

    def facts(self, name: str, facts: Mapping[str, Any]) -> None:
        """Log them as a table of two columns."""
        flat = [{"fact": fact, "value": value} for fact, value in _flat(facts)]
        self._logger.experiment.add_text(name, _markdown(flat), 0)

    def artifact(self, kind: str, files: Sequence[Path], about: Mapping[str, Any]) -> None:
        """Do nothing: TensorBoard keeps no files; those of the run's folder are all there is."""


def media_sinks(loggers: Iterable[Logger]) -> list[MediaSink]:
    """Return what takes media among the loggers of a run."""
    sinks: list[MediaSink] = []
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            sinks.append(WandbSink(logger))
        elif isinstance(logger, TensorBoardLogger):
            sinks.append(TensorBoardSink(logger))
    return sinks


def _captions(paths: Mapping[str, Path]) -> dict[str, list[str]]:
    return {"caption": list(paths)} if any(paths) else {}


def _tag(key: str, caption: str) -> str:
    return f"{key}/{caption}" if caption else key


def _cell(value: Any) -> Any:
    """Return a cell that JSON can hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lay out rows as a Markdown table.

    Example:
        >>> print(_markdown([{"task": "vad", "score": 0.5}]))
        | task | score |
        |---|---|
        | vad | 0.5 |
    """
    if not rows:
        return ""
    columns = list(rows[0])
    lines = [columns, *([_text(row[name]) for name in columns] for row in rows)]
    head, *body = ["| " + " | ".join(cells) + " |" for cells in lines]
    return "\n".join([head, "|" + "---|" * len(columns), *body])


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else ""
    return str(value).replace("|", "\\|").replace("\n", " ")


def _flat(facts: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """List nested facts under joined names.

    Example:
        >>> _flat({"git": {"commit": "abc"}, "python": "3.12"})
        [('git.commit', 'abc'), ('python', '3.12')]
    """
    found: list[tuple[str, Any]] = []
    for name, value in facts.items():
        found += _flat(value, f"{before}{name}.") if isinstance(value, Mapping) else [(before + name, value)]
    return found
