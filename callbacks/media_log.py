"""One way for figures, tables, sound, facts and files of a run: into its folder, and every logger that takes them.

Scalars need none of this: ``pl_module.log`` brings them to all loggers. What a logger cannot show (pictures in the CSV
logger) is in the run's folder under the same key.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import soundfile
from lightning.pytorch import Trainer
from lightning.pytorch.trainer.states import TrainerFn
from matplotlib.figure import Figure
from numpy.typing import NDArray

from callbacks.media_sinks import MediaSink, Row, media_sinks
from storage.whole_files import replacing

FIGURE_DPI = 110
PNG_EFFORT = 2  # of 9: a third of the time of drawing went into the last percents of size
STEP_COLUMNS = ("step", "epoch")


class MediaLog:
    """Takes what is to be seen and heard of a run.

    A key such as ``figures/overview`` names a panel in the loggers and a file in the folder of the run. Everything is
    logged with ``trainer/global_step``, never with a counter of the logger: what comes with an earlier step than
    before (a resumed run, a validation by itself) is kept.

    Args:
        folder: of the run.
        sinks: loggers that take media.
        step: optimiser step, counted as that of scalars.
        epoch: finished or running.
    """

    def __init__(self, folder: Path, sinks: Sequence[MediaSink], step: int, epoch: int) -> None:
        self.folder = folder
        self.step = step
        self.epoch = epoch
        self.sinks = sinks

    def figures(self, key: str, figures: Mapping[str, Figure]) -> list[Path]:
        """Save figures as PNG, log them under one key, then close them.

        Args:
            key: ``<folder>/<key>_<caption>.png``; the newest replaces it.
            figures: by caption; one without (an empty one) is ``<key>.png``.

        Returns:
            The files.
        """
        paths = {caption: self._path(key, caption, ".png") for caption in figures}
        for caption, figure in figures.items():
            with replacing(paths[caption]) as part:
                figure.savefig(part, dpi=FIGURE_DPI, pil_kwargs={"compress_level": PNG_EFFORT})
            plt.close(figure)
        for sink in self.sinks:
            sink.images(key, paths, self.step)
        return list(paths.values())

    def figure(self, key: str, figure: Figure) -> Path:
        """Save one figure, log and close it; ``<key>.png``."""
        return self.figures(key, {"": figure})[0]

    def table(self, key: str, rows: Sequence[Row]) -> Path | None:
        """Log a table; ``<key>.csv`` keeps the rows of all steps, with step and epoch before them.

        Args:
            key: of the table.
            rows: with the same columns each; nothing is logged without any.
        """
        if not rows:
            return None
        path = self._path(key, "", ".csv")
        place = dict(zip(STEP_COLUMNS, (self.step, self.epoch), strict=True))
        columns = [*STEP_COLUMNS, *rows[0]]
        with replacing(path) as part:
            before = path.read_text(encoding="utf-8") if path.is_file() else ""
            if not before.startswith(",".join(columns)):  # of another release: its rows would stand in wrong columns
                before = ""
            with part.open("w", newline="", encoding="utf-8") as file:
                file.write(before)
                writer = csv.DictWriter(file, columns, lineterminator="\n")
                if not before:
                    writer.writeheader()
                writer.writerows({**place, **row} for row in rows)
        for sink in self.sinks:
            sink.table(key, rows, self.step)
        return path

    def audio(self, key: str, clips: Mapping[str, NDArray[np.float32]], sample_rate: int) -> list[Path]:
        """Log sound.

        Args:
            key: ``<folder>/<key>_<caption>.wav``; the newest replaces it.
            clips: waveforms by caption, each of shape (sample,), full scale is 1.0; what is beyond is clipped.
            sample_rate: in Hz.
        """
        paths = {caption: self._path(key, caption, ".wav") for caption in clips}
        for caption, clip in clips.items():
            with replacing(paths[caption]) as part:
                soundfile.write(part, np.clip(clip, -1.0, 1.0), sample_rate, subtype="PCM_16", format="WAV")
        for sink in self.sinks:
            sink.sounds(key, paths, self.step)
        return list(paths.values())

    def facts(self, name: str, facts: Mapping[str, Any]) -> Path:
        """Record what does not change in a run; ``<name>.json``."""
        path = self._path(name, "", ".json")
        with replacing(path) as part:
            part.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        for sink in self.sinks:
            sink.facts(name, facts)
        return path

    def artifact(self, kind: str, files: Sequence[Path], about: Mapping[str, Any]) -> None:
        """Hand files of the run to loggers that keep files; they stay where they are.

        Args:
            kind: ``model`` or ``probes``.
            files: that exist.
            about: plain values that describe them.
        """
        for sink in self.sinks:
            sink.artifact(kind, files, about)

    def _path(self, key: str, caption: str, suffix: str) -> Path:
        return self.folder / f"{key}{f'_{caption}' if caption else ''}{suffix}"


def media_log(trainer: Trainer) -> MediaLog | None:
    """Return where the media of a run go; call it on every rank.

    Returns:
        None where nothing is to be written: on other ranks than the first, and while validation is only tried out.
    """
    folder = trainer.log_dir  # asks all ranks
    if trainer.sanity_checking or not trainer.is_global_zero or folder is None:
        return None
    # Lightning counts the scalars of a validation to the last step before it; media stand beside them.
    step = trainer.global_step - 1 if trainer.state.fn == TrainerFn.FITTING else trainer.global_step
    return MediaLog(Path(folder), media_sinks(trainer.loggers), max(0, step), trainer.current_epoch)
