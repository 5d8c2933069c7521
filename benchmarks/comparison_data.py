"""What is compared is heard on: the mixtures of a test, and what our network makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from datamodules.targets import Labels, Pitch, VoiceActivity
from networks.framing import FrameGrid
from probes.features import frame_targets
from probing.mixtures import MixtureCounts, Part, study_loaders
from probing.network import build, merged
from streaming.enhancer import StreamingEnhancer

Waveform = NDArray[np.float32]
FIT_NOISE_SHARE = 0.7  # of every training noise recording, as in configs/probing/study.yaml


class Heard(NamedTuple):
    """A mixture: waveforms, (sample,); targets, (frame,); the class of its noise, and the recording."""

    noisy: Waveform
    clean: Waveform
    targets: Mapping[str, NDArray[np.float32]]
    noise_class: int
    noise: str


class Mixtures(NamedTuple):
    """All mixtures: of unseen recordings, of unseen segments of known noise recordings, and how to train.

    Attributes:
        score: test speakers and test noise recordings.
        known: test speakers and the last part of the training noise recordings.
        fit: batches of training speakers and the first part of the training noise recordings, to go through once.
        fit_count: their number.
        categories: names of the noise classes.
        grid: sample-to-frame alignment.
    """

    score: list[Heard]
    known: list[Heard]
    fit: Iterator[tuple[Tensor, Tensor]]
    fit_count: int
    categories: tuple[str, ...]
    grid: FrameGrid


def read_mixtures(
    config: Path, root: Path | None, split: str, count: int, fit_count: int, pitch_cache: Path | None
) -> Mixtures:
    """Draw the mixtures: the scored ones are the first of a test with the same configuration.

    Args:
        config: configuration whose section ``data`` counts.
        root: folder of the corpus; None takes that of the configuration.
        split: valid or test.
        count: of scored mixtures, and of those of known noise.
        fit_count: of mixtures to train on.
        pitch_cache: folder of F0 tracks; None takes that of the configuration.

    Raises:
        ValueError: if a value cannot be used, or the corpus cannot.
    """
    module, data = build(merged(config, [] if root is None else ["--data.root", str(root)]))
    del module  # its weights are random
    data.targets = [target for target in data.targets if isinstance(target, (VoiceActivity, Pitch, Labels))]
    for target in data.targets:
        if pitch_cache is not None and isinstance(target, Pitch):
            target.cache.folder = pitch_cache
    loaders = study_loaders(data, split, MixtureCounts(fit_count, count, count), FIT_NOISE_SHARE)
    loaders["fit"].dataset.targets = [Labels()]  # type: ignore[attr-defined]
    parts: dict[Part, list[Heard]] = {
        part: list(tqdm(heard(loaders[part], data.grid), desc=f"Mixing ({part})", total=count, unit="mixture"))
        for part in ("score", "known")
    }
    batches = tqdm(loaders["fit"], desc="Mixing (fit)", unit="batch")
    fit = ((batch["noisy"], batch["targets"]["noise_class"]) for batch in batches)
    return Mixtures(parts["score"], parts["known"], fit, fit_count, data.corpus.categories, data.grid)


def heard(batches: Any, grid: FrameGrid) -> Iterator[Heard]:
    """Yield the mixtures of a loader one by one."""
    for batch in batches:
        frames = grid.num_frames(batch["noisy"].shape[1])
        targets = frame_targets(batch["targets"], frames)
        for index in range(len(batch["noisy"])):
            span = slice(index * frames, (index + 1) * frames)
            yield Heard(
                batch["noisy"][index].numpy(),
                batch["clean"][index].numpy(),
                {name: values[span] for name, values in targets.items()},
                int(batch["targets"]["noise_class"][index]),
                batch["mixture"]["noise"][index],
            )


class Told(NamedTuple):
    """What our network makes of a signal: enhanced, (sample,); properties, raw and smoothed; active channels.

    Attributes:
        enhanced: shape (sample,).
        raw: name to what frames say by themselves, shape (frame,) or (frame, class).
        smoothed: the same, averaged with earlier frames.
        utilization: mean share of active channels.
    """

    enhanced: Waveform
    raw: dict[str, NDArray[np.float64]]
    smoothed: dict[str, NDArray[np.float64]]
    utilization: float


def listen(enhancer: StreamingEnhancer, waveform: Waveform) -> Told:
    """Have our network hear a whole signal; it is at the start of another one then."""
    chunks = [enhancer.feed(waveform), enhancer.flush()]
    names = [spec.name for spec in enhancer.schema]

    def joined(kind: str) -> dict[str, NDArray[np.float64]]:
        return {
            name: np.concatenate([getattr(chunk.properties, kind)(name) for chunk in chunks]).astype(np.float64)
            for name in names
        }

    utilization = float(np.concatenate([chunk.utilization for chunk in chunks]).mean())
    enhanced = np.concatenate([chunk.samples for chunk in chunks])
    return Told(enhanced, joined("raw"), joined("smoothed"), utilization)


def stream(enhancer: StreamingEnhancer, waveform: Waveform) -> None:
    """Feed a signal hop by hop, as a live signal arrives."""
    hop = enhancer.hop_length
    for start in range(0, len(waveform), hop):
        enhancer.feed(waveform[start : start + hop])
    enhancer.flush()


def in_corpus_order(
    posterior: NDArray[np.float64], classes: Sequence[str], categories: Sequence[str]
) -> NDArray[np.float64] | None:
    """Bring the columns of a posterior into the order of the corpus's categories; None if one of them is unknown.

    Args:
        posterior: shape (..., class).
        classes: names of its columns.
        categories: wanted columns.

    Example:
        >>> in_corpus_order(np.array([[0.1, 0.2, 0.7]]), ["rain", "wind", "car"], ["car", "rain"]).tolist()
        [[0.7, 0.1]]
    """
    if not set(categories) <= set(classes):
        return None
    return posterior[..., [list(classes).index(category) for category in categories]]
