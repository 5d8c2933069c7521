"""Keeps the probes of a training as files beside the checkpoints whose masks they read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from checkpoints import PROBES_SUFFIX
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from probes.deployable import deployable
from probes.deployment import DeployedProbe, ProbeBank
from probes.evaluation import posterior_of
from probes.fitting import counting
from probes.suite import ProbeSuite
from storage.whole_files import write_whole

LAST, BEST = f"last{PROBES_SUFFIX}", f"best{PROBES_SUFFIX}"


def probe_bank(
    suite: ProbeSuite,
    network: ConvFSENet,
    grid: FrameGrid,
    class_names: Mapping[str, Mapping[int, str]],
    provenance: Mapping[str, str],
    utterance_s: float,
) -> ProbeBank:
    """Make a file's content of the probes that a suite has fitted on all channels; thresholds are chosen on their rows.

    Args:
        suite: of the masks, run.
        network: whose masks they read.
        grid: sample-to-frame alignment.
        class_names: task to label to name; labels without a name become numbers.
        provenance: written into the file.
        utterance_s: length of the mixtures that they were fitted on, in s.
    """
    rows, columns = suite.fit_rows, np.arange(len(network.blocks) * network.channels)
    probes: dict[str, DeployedProbe] = {}
    for task in suite.tasks:
        fitted = suite.fitted(task.name)
        if fitted.probe is None:
            continue
        known = class_names.get(task.name, {})
        classes = [known.get(int(label), str(int(label))) for label in getattr(fitted.probe, "classes_", ())]
        scored = None
        if task.kind == "binary":
            own = counting(rows, task)
            labels = task.encode(own.targets[task.target])
            if np.unique(labels).size == 2:
                scored = labels, posterior_of(fitted.probe, own, np.array([0, 1]))[:, 1]
        probe = deployable(fitted, columns, classes, scored, utterance_s)
        if probe is not None:
            probes[task.name] = probe
    hop_s = grid.hop_length / grid.sample_rate
    return ProbeBank(probes, len(network.blocks), network.channels, hop_s, dict(provenance))


class ProbeFiles:
    """Writes ``checkpoints/last.probes.safetensors`` and keeps that of the best checkpoint as ``best...`` beside it.

    Probes fit one state of the network only: a file that does not belong to its checkpoint (validations that are not
    probed) is removed. A checkpoint is saved after the validation that it is judged by, so that what is the best one is
    known from the next epoch on.
    """

    def __init__(self) -> None:
        self._best_score: float | None = None
        self._validated = False
        self._fresh = False

    def begin(self, trainer: Trainer) -> None:
        """Take note of the best score so far: that of a resumed training belongs to a file elsewhere."""
        self._best_score, self._validated, self._fresh = _best_score(trainer), False, False

    def write(self, bank: ProbeBank | None, folder: Path) -> None:
        """Take the probes of a validation; None if it had none."""
        self._validated, self._fresh = True, bank is not None
        last = folder / LAST
        if bank is None:
            last.unlink(missing_ok=True)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            bank.save(last)

    def settle(self, trainer: Trainer, folder: Path) -> None:
        """Keep the probes of the last validation as those of the best checkpoint if it was saved then."""
        score = _best_score(trainer)
        if not self._validated or score == self._best_score:
            return
        self._best_score, self._validated = score, False
        if self._fresh:
            write_whole(folder / BEST, (folder / LAST).read_bytes())
        else:
            (folder / BEST).unlink(missing_ok=True)


def checkpoint_folder(trainer: Trainer, run: Path) -> Path:
    """Return where the checkpoint that is judged by a score is saved."""
    judged = judged_checkpoint(trainer)
    return run / "checkpoints" if judged is None or judged.dirpath is None else Path(judged.dirpath)


def judged_checkpoint(trainer: Trainer) -> ModelCheckpoint | None:
    """Return the first checkpoint callback that has a monitor."""
    judged = [one for one in trainer.checkpoint_callbacks if isinstance(one, ModelCheckpoint) and one.monitor]
    return judged[0] if judged else None


def _best_score(trainer: Trainer) -> float | None:
    judged = judged_checkpoint(trainer)
    score = None if judged is None else judged.best_model_score
    return float(score) if isinstance(score, Tensor | float) else None
