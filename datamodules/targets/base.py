"""The interface of a target: arrays computed from a scene, on the frame grid or one value per utterance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from datamodules.audio import AudioReader
from datamodules.corpus import Corpus
from datamodules.scene import Scene
from networks.framing import FrameGrid

TargetArray = NDArray[np.float32]


class Target(ABC):
    """Computes one or more named targets of a scene.

    Every array is float32, of shape (frame,) or () for the whole utterance; NaN marks what is not defined (F0 of an
    unvoiced frame, sex of a speaker that the corpus does not know).

    Attributes:
        names: keys that :meth:`compute` returns.
        requires: keys of targets that must be computed before, so listed earlier.
        in_training: False leaves the target out of training mixtures, where it would cost more than it gives.
    """

    names: tuple[str, ...]
    requires: tuple[str, ...] = ()
    in_training: bool = True

    def prepare(self, corpus: Corpus, splits: Sequence[str], reader: AudioReader, grid: FrameGrid) -> None:  # noqa: B027
        """Do slow work once, before training, and keep its result on disk. Most targets have none."""

    def attach(self, reader: AudioReader) -> None:  # noqa: B027
        """Take the reader of the corpus, in every process that computes targets. Most need none."""

    @abstractmethod
    def compute(self, scene: Scene, corpus: Corpus, done: Mapping[str, TargetArray]) -> dict[str, TargetArray]:
        """Compute the targets of a scene.

        Args:
            scene: the mixture and where it comes from.
            corpus: gives class labels their numbers.
            done: targets computed before.
        """


def check_order(targets: Sequence[Target]) -> None:
    """Check that names are unique and every requirement is listed earlier, and in training where it is needed there.

    Raises:
        ValueError: naming the target and the key.
    """
    known: set[str] = set()
    left_out: set[str] = set()
    for target in targets:
        if not target.in_training:
            left_out.update(target.names)
        elif not left_out.isdisjoint(target.requires):
            needed = next(name for name in target.requires if name in left_out)
            raise ValueError(
                f"data.targets: {type(target).__name__} needs '{needed}', which training mixtures do not carry"
            )
        missing = [name for name in target.requires if name not in known]
        if missing:
            raise ValueError(
                f"data.targets: {type(target).__name__} needs '{missing[0]}', which must be listed before it"
            )
        twice = [name for name in target.names if name in known]
        if twice:
            raise ValueError(
                f"data.targets: '{twice[0]}' is computed twice, the second time by {type(target).__name__}"
            )
        known.update(target.names)
