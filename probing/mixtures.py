"""The mixtures of a study: those that probes are fitted on, unseen ones, and unseen segments of known noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from torch.utils.data import DataLoader

from datamodules.audio import AudioReader
from datamodules.corpus import Corpus, NoiseRecord
from datamodules.dataset import MixtureDataset
from datamodules.enhancement_data import HELD_OUT_STREAM, PROBE_STREAM, EnhancementDataModule
from datamodules.mixing import power_db
from datamodules.sampler import EpochSampler
from datamodules.targets import Labels

Part = Literal["fit", "score", "known"]
KNOWN_STREAM = 3  # beside those of the data module
AUDIBLE_DBFS = -60.0  # mean level, 10 dB over what mixtures take for silence


@dataclass(frozen=True)
class MixtureCounts:
    """How many mixtures of each kind.

    Attributes:
        fit: training speakers, and the first part of the training noise recordings.
        score: speakers and noise recordings of the held-out split.
        known: speakers of the held-out split, and the rest of the training noise recordings.

    Raises:
        ValueError: if one is not positive.
    """

    fit: int = 360
    score: int = 360
    known: int = 180

    def __post_init__(self) -> None:
        for name, count in vars(self).items():
            if count < 1:
                raise ValueError(f"mixtures.{name} must be positive, got {count}")


def _cut(records: Sequence[NoiseRecord], part: tuple[float, float], split: str) -> tuple[NoiseRecord, ...]:
    return tuple(replace(record, part=part, split=split) for record in records)


def _is_audible(record: NoiseRecord, reader: AudioReader, cut: float) -> bool:
    """Tell whether there is a sound before and after a point in time; a damaged recording is left to the mixtures."""
    samples = reader.read_or_skip(record.path)
    if samples is None:
        return True
    parts = np.split(samples, [round(cut * len(samples))])
    return all(part.size > 0 and power_db(float(np.mean(part**2))) > AUDIBLE_DBFS for part in parts)


def study_corpora(
    corpus: Corpus, reader: AudioReader, held_out_split: str, fit_noise_share: float
) -> dict[Part, tuple[Corpus, str]]:
    """Cut the noise recordings that probes know at one point in time: what is before it is for the fit.

    Training noise recordings that are silent before it or after it (a sneeze) are left out.

    Args:
        corpus: training split and the held-out one.
        reader: of its recordings.
        held_out_split: whose speakers are scored.
        fit_noise_share: of the length of every training noise recording, in (0, 1).

    Returns:
        Corpus and split to draw from, for every part of the study.
    """
    train = [record for record in corpus.noise_of("train") if _is_audible(record, reader, fit_noise_share)]
    fit = replace(corpus, noise=_cut(train, (0.0, fit_noise_share), "train"))
    known = replace(corpus, noise=_cut(train, (fit_noise_share, 1.0), held_out_split))
    return {"fit": (fit, "train"), "score": (corpus, held_out_split), "known": (known, held_out_split)}


def study_loaders(
    data: EnhancementDataModule,
    held_out_split: str,
    counts: MixtureCounts,
    fit_noise_share: float,
    parts: Sequence[Part] = get_args(Part),
) -> dict[Part, DataLoader[dict[str, Any]]]:
    """Return loaders of fixed mixtures, augmented only with ``data.augment_held_out``.

    The scored ones are the first mixtures of a validation or test. Those of known noise carry labels only.

    Args:
        data: tells everything else about the mixtures.
        held_out_split: valid or test.
        counts: of mixtures.
        fit_noise_share: of the length of every training noise recording.
        parts: that are wanted; without ``fit``, no target of the training split is prepared.

    Raises:
        ValueError: if the split is none that is held out.
        CorpusError: if the corpus cannot be used.
    """
    targets_of = None if "fit" in parts else (held_out_split,)
    corpus = data.read_without_trainer(held_out_split, targets_of)
    corpora = study_corpora(corpus, data.reader, held_out_split, fit_noise_share)
    streams: dict[Part, tuple[int, int]] = {
        "fit": (counts.fit, PROBE_STREAM),
        "score": (counts.score, HELD_OUT_STREAM),
        "known": (counts.known, KNOWN_STREAM),
    }
    loaders: dict[Part, DataLoader[dict[str, Any]]] = {}
    for part in parts:
        count, stream = streams[part]
        corpus, split = corpora[part]
        targets = [Labels()] if part == "known" else data.targets
        mixing = data.held_out_mixing
        dataset = MixtureDataset(corpus, split, data.reader, data.grid, mixing, targets, data.seed, stream)
        batch_size = data.counts["batch_size"]
        loaders[part] = DataLoader(
            dataset,
            batch_size=batch_size,
            sampler=EpochSampler(count, True, batch_size, 0, 1, None),
            num_workers=data.num_workers,
        )
    return loaders
