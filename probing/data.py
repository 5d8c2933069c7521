"""What the sections of a study share: the collected frames and the linear probes of the masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from networks.framing import FrameGrid
from probes.features import feature_names
from probes.fitting import FittedTask, fit_tasks
from probes.intervals import Interval, score_intervals
from probes.reservoir import FrameRows
from probes.tasks import ProbeTask
from probing.collection import Collected, strided_rows
from probing.features import MASKS
from probing.mixtures import Part
from probing.settings import StudySettings


@dataclass
class StudyData:
    """Inputs of all sections.

    Attributes:
        settings: of the study.
        collected: by part.
        grid: sample-to-frame alignment.
        categories: names of the noise classes, in the order of their labels.
        blocks, channels: of the network's masks.
    """

    settings: StudySettings
    collected: Mapping[Part, Collected]
    grid: FrameGrid
    categories: tuple[str, ...]
    blocks: int
    channels: int

    @property
    def feature_names(self) -> list[str]:
        """Names of the features of the masks."""
        return feature_names(self.blocks, self.channels)

    @cached_property
    def fit_masks(self) -> FrameRows:
        """Masks that probes are fitted on: every n-th frame."""
        return strided_rows(self.collected["fit"].rows[MASKS], self.settings.frame_stride)

    @property
    def score_masks(self) -> FrameRows:
        """Masks that probes are scored on: every frame of unseen mixtures."""
        return self.collected["score"].rows[MASKS]

    def fit_rows(self, features: str) -> FrameRows:
        """Rows of a set of features that probes are fitted on."""
        return self.fit_masks if features == MASKS else self.collected["fit"].rows[features]

    @cached_property
    def mask_fits(self) -> dict[str, FittedTask]:
        """The linear probes of all blocks, by task."""
        return fit_tasks(self.settings.tasks, self.fit_masks, self.settings.fits)

    def clusters(self, task_name: str, part: Part, utterances: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Number what utterances of a part share and what is resampled for a task; None resamples utterances.

        Args:
            task_name: name of the task.
            part: of the study.
            utterances: shape (row,).

        Returns:
            Shape (row,), or None.
        """
        shared = {"noise": self.settings.intervals.by_noise, "speaker": self.settings.intervals.by_speaker}
        for attribute, tasks in shared.items():
            if task_name in tasks:
                names = [getattr(mixture, attribute) for mixture in self.collected[part].mixtures]
                return np.unique(names, return_inverse=True)[1][utterances]
        return None

    def intervals(
        self,
        task: ProbeTask,
        target: NDArray[Any],
        prediction: NDArray[Any],
        utterances: NDArray[np.int64],
        part: Part = "score",
    ) -> dict[str, Interval]:
        """Compute the interval of every score of a task, by what its settings resample.

        Args:
            task: the task.
            target: class indices or values in the unit of the task, shape (row,).
            prediction: posterior, shape (row, class), or values in the unit of the task, shape (row,).
            utterances: of the part, shape (row,).
            part: of the study.

        Returns:
            Name of the score to low and high end.
        """
        settings = self.settings.intervals
        return score_intervals(
            task,
            target,
            prediction,
            utterances,
            clusters=self.clusters(task.name, part, utterances),
            resamples=settings.resamples,
            confidence=settings.confidence,
            seed=settings.seed,
        )
