"""Runs a network over the mixtures of a study and keeps what probes are fitted and scored on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from networks.framing import FrameGrid
from probes.features import frame_targets
from probes.reservoir import FrameReservoir, FrameRows
from probing.features import MASKS, FeatureExtractor
from probing.mixtures import Part

KNOWN_FEATURES = (MASKS, "log_magnitude")  # enough to compare with the scores of unseen noise


@dataclass(frozen=True)
class MixtureInfo:
    """What a mixture is made of, as the manifests name it."""

    speaker: str
    noise_class: str
    noise: str
    snr_db: float


@dataclass(frozen=True)
class Signals:
    """The waveforms of a mixture, each (sample,), and its targets, each (frame,)."""

    noisy: NDArray[np.float32]
    clean: NDArray[np.float32]
    targets: Mapping[str, NDArray[np.float32]]


@dataclass
class Collected:
    """Everything that one part of a study is computed from.

    Attributes:
        rows: set of features to the frames of all mixtures; in the fit, sets but the masks have every n-th frame only.
        mixtures: one per utterance; the utterance of a row is its position here.
        signals: waveforms of the first mixtures.
    """

    rows: dict[str, FrameRows] = field(default_factory=dict)
    mixtures: list[MixtureInfo] = field(default_factory=list)
    signals: list[Signals] = field(default_factory=list)


def collect(
    part: Part,
    batches: Iterable[dict[str, Any]],
    extract: FeatureExtractor,
    wanted: tuple[str, ...],
    frame_stride: int,
    keep_signals: int,
    advance: Callable[[int], object],
) -> Collected:
    """Compute the features of all mixtures of a part.

    Args:
        part: of the study.
        batches: of its mixtures.
        extract: computes features.
        wanted: names of sets of features.
        frame_stride: every how many frames one is kept in the fit, where rows are large.
        keep_signals: how many mixtures' waveforms are kept.
        advance: told the number of mixtures after every batch.

    Returns:
        What was collected.
    """
    reservoirs: dict[str, FrameReservoir] = {}
    collected = Collected()
    grid: FrameGrid = extract.stft.grid
    offered = 0
    for batch in batches:
        noisy = batch["noisy"]
        frames = grid.num_frames(noisy.shape[1])
        targets = frame_targets(batch["targets"], frames)
        first = len(collected.mixtures)
        utterances = np.repeat(np.arange(first, first + len(noisy)), frames)
        strided = (offered + np.arange(len(utterances))) % frame_stride == 0
        for name, rows in extract(noisy, wanted).items():
            keep = strided if part == "fit" and name != MASKS else np.ones_like(strided)
            reservoir = reservoirs.setdefault(name, FrameReservoir(None))
            reservoir.add(rows[keep], {key: values[keep] for key, values in targets.items()}, utterances[keep])
        offered += len(utterances)
        collected.mixtures += mixture_infos(batch["mixture"])
        collected.signals += _signals(batch, targets, frames, keep_signals - len(collected.signals))
        advance(len(noisy))
    collected.rows = {name: reservoir.rows() for name, reservoir in reservoirs.items()}
    return collected


def strided_rows(rows: FrameRows, frame_stride: int) -> FrameRows:
    """Keep every n-th frame of rows that were kept whole: those that other sets of features have."""
    return rows.take(np.flatnonzero(rows.order[:, 1] % frame_stride == 0))


def mixture_infos(mixture: Mapping[str, Any]) -> list[MixtureInfo]:
    """Read what the mixtures of a batch are made of."""
    columns = (mixture[name] for name in ("speaker", "noise_class", "noise", "snr_db"))
    return [
        MixtureInfo(speaker, noise_class, noise, float(snr_db))
        for speaker, noise_class, noise, snr_db in zip(*columns, strict=True)
    ]


def _signals(
    batch: Mapping[str, Any], targets: Mapping[str, NDArray[np.float32]], frames: int, count: int
) -> list[Signals]:
    found = []
    for index in range(min(max(count, 0), len(batch["noisy"]))):
        own = {name: values[index * frames : (index + 1) * frames] for name, values in targets.items()}
        found.append(Signals(batch["noisy"][index].numpy(), batch["clean"][index].numpy(), own))
    return found
