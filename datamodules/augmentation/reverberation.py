"""Rooms: speech convolved with a room response, early reflections wanted and late ones not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.signal import oaconvolve

from datamodules.augmentation.base import AugmentationSettings
from datamodules.mixing import Waveform


@dataclass(frozen=True)
class Reverberation(AugmentationSettings):
    """Speech in a room, its response drawn from ``rir.csv`` in the corpus folder.

    The target is the direct path with the early reflections, which help a listener and are hard to tell from speech;
    late reverberation is part of the noise.

    Args:
        probability: share of the mixtures that get it; 0 switches it off, and then no ``rir.csv`` is needed.
        early_ms: what arrives this long after the direct path, in milliseconds, still belongs to the target.
        noise_probability: share of these mixtures whose noise is in the room too, at another place: it gets another
            response, with all of its reverberation.

    Raises:
        ValueError: if a value is out of range.
    """

    key: ClassVar[str] = "reverberation"
    stream: ClassVar[int] = 2

    early_ms: float = 50.0
    noise_probability: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_share("noise_probability")
        if not 0 <= self.early_ms <= 1000:
            raise ValueError(f"data.mixing.reverberation.early_ms must lie in [0, 1000] ms, got {self.early_ms}")


class SplitResponse(NamedTuple):
    """A room response in two parts, scaled so that the direct path has a gain of 1.

    Attributes:
        early: up to and including the early reflections, shape (sample,).
        direct: sample of ``early`` that is the direct path.
        late: the rest, starting right after ``early``; may be empty.
    """

    early: Waveform
    direct: int
    late: Waveform


def split_response(response: Waveform, early_samples: int) -> SplitResponse:
    """Split a room response behind its early reflections.

    The direct path is taken to be the strongest sample; what comes before it (recorded responses start some
    milliseconds early) counts as early.

    Args:
        response: shape (sample,), not silent.
        early_samples: samples after the direct path that count as early.

    Raises:
        ValueError: if the response is silent.
    """
    direct = int(np.abs(response).argmax()) if response.size else 0
    if not response.size or response[direct] == 0:
        raise ValueError("the room response is silent")
    scaled = response / response[direct]  # also turns a response upright that was recorded upside down
    stop = direct + 1 + early_samples
    return SplitResponse(scaled[:stop], direct, scaled[stop:])


def reverberate(dry: Waveform, response: SplitResponse) -> tuple[Waveform, Waveform]:
    """Put speech into a room, the direct path in time with the dry speech.

    Args:
        dry: shape (sample,).
        response: of the room.

    Returns:
        Early part and late part, each (sample,); their sum is the speech as heard in the room.
    """
    num_samples = len(dry)
    early = oaconvolve(dry, response.early)[response.direct : response.direct + num_samples]
    late = np.zeros(num_samples, dtype=np.float32)
    delay = len(response.early) - response.direct
    tail = response.late[: max(num_samples - delay, 0)]
    if tail.size:
        late[delay:] = oaconvolve(dry[: num_samples - delay], tail)[: num_samples - delay]
    return early, late


def reverberate_noise(noise: Waveform, response: SplitResponse) -> Waveform:
    """Put noise into a room, without a fade-in: what rings after the end is heard at the beginning.

    Args:
        noise: shape (sample,).
        response: of the room, at another place than that of the speech.

    Returns:
        Shape (sample,).
    """
    whole = np.concatenate([response.early, response.late])[: len(noise)]
    heard = oaconvolve(noise, whole)
    heard[: len(heard) - len(noise)] += heard[len(noise) :]
    return np.roll(heard[: len(noise)], -response.direct)
