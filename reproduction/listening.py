"""Runs the engine that is shipped over mixtures, and keeps what it says of every frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probes.features import frame_targets
from probing.collection import MixtureInfo, mixture_infos
from streaming.enhancer import StreamingEnhancer

Keep = Callable[[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]], None]


@dataclass
class Heard:
    """What was heard in the mixtures of a part.

    Attributes:
        outputs: property to probability or value, shape (frame,), or posteriors, shape (frame, class).
        targets: what is true, by name, shape (frame,).
        utterances: mixture of every frame, shape (frame,).
        mixtures: what each is made of.
        active: frames in which every channel was active, shape (block * channel,).
    """

    outputs: dict[str, NDArray[np.float64]]
    targets: dict[str, NDArray[np.float32]]
    utterances: NDArray[np.int64]
    mixtures: list[MixtureInfo]
    active: NDArray[np.int64]


@dataclass
class _Gathered:
    outputs: list[NDArray[np.float32]] = field(default_factory=list)
    targets: dict[str, list[NDArray[np.float32]]] = field(default_factory=dict)
    frames: list[int] = field(default_factory=list)
    mixtures: list[MixtureInfo] = field(default_factory=list)


def listen(
    enhancer: StreamingEnhancer, batches: Iterable[dict[str, Any]], keep: Keep | None, advance: Callable[[int], object]
) -> Heard:
    """Enhance mixtures, each as a stream of its own, and keep what the probes say.

    Frame ``t`` of a stream is centred on sample ``t * hop_length``, as that of the targets is: no latency is left.

    Args:
        enhancer: keeps its masks, and does not smooth.
        batches: of mixtures.
        keep: told noisy, enhanced and clean waveforms of every mixture.
        advance: told the number of mixtures after every batch.

    Returns:
        What was heard.
    """
    gathered = _Gathered()
    active = np.zeros(enhancer.blocks * enhancer.channels, dtype=np.int64)
    for batch in batches:
        frames = enhancer.grid.num_frames(batch["noisy"].shape[1])
        for name, values in frame_targets(batch["targets"], frames).items():
            gathered.targets.setdefault(name, []).append(values)
        for noisy, clean in zip(batch["noisy"].numpy(), batch["clean"].numpy(), strict=True):
            enhanced, outputs, masks = _stream(enhancer, noisy)
            assert len(outputs) == frames, "the stream has the frames of the targets"
            gathered.outputs.append(outputs)
            gathered.frames.append(frames)
            active += masks.reshape(frames, -1).sum(axis=0)
            if keep is not None:
                keep(noisy, enhanced, clean)
        gathered.mixtures += mixture_infos(batch["mixture"])
        advance(len(batch["noisy"]))
    return _joined(enhancer, gathered, active)


def _stream(
    enhancer: StreamingEnhancer, noisy: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return enhanced samples, outputs of single frames, shape (frame, output), and channel masks."""
    stream = enhancer.new_stream()
    chunks = [stream.feed(noisy), stream.flush()]
    masks = [chunk.channel_masks for chunk in chunks if chunk.channel_masks is not None]
    enhanced = np.concatenate([chunk.samples for chunk in chunks])
    return enhanced, np.concatenate([chunk.properties.outputs[0] for chunk in chunks]), np.concatenate(masks)


def _joined(enhancer: StreamingEnhancer, gathered: _Gathered, active: NDArray[np.int64]) -> Heard:
    columns = np.concatenate(gathered.outputs).astype(np.float64)
    outputs = {
        spec.name: columns[:, spec.columns] if spec.kind == "category" else columns[:, spec.first]
        for spec in enhancer.schema
    }
    return Heard(
        outputs,
        {name: np.concatenate(values) for name, values in gathered.targets.items()},
        np.repeat(np.arange(len(gathered.frames)), gathered.frames),
        gathered.mixtures,
        active,
    )
