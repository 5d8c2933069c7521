"""What all augmentations share: a probability, random numbers of their own, and errors that name their key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from datamodules.mixing import Waveform


class Layers(NamedTuple):
    """The parts of a mixture before they are summed, each of shape (sample,).

    Attributes:
        target: speech that the network is to return.
        late: speech that it is to remove (late reverberation), or None.
        noise: everything else.
    """

    target: Waveform
    late: Waveform | None
    noise: Waveform


def child_generator(rng: np.random.Generator, stream: int) -> np.random.Generator:
    """Return an independent generator that depends on the seed of ``rng``, and not on what it has drawn so far.

    An augmentation that draws from its own child leaves the draws of all others alone, whether it is on or off.

    Args:
        rng: made by ``np.random.default_rng``.
        stream: names the child.

    Raises:
        TypeError: if ``rng`` was not made from a seed.

    Example:
        >>> rng = np.random.default_rng((3, 1))
        >>> first = child_generator(rng, 1).integers(1 << 40)
        >>> _ = rng.random(10)
        >>> bool(child_generator(rng, 1).integers(1 << 40) == first)
        True
    """
    seeds = rng.bit_generator.seed_seq
    if not isinstance(seeds, np.random.SeedSequence):
        raise TypeError(f"expected a generator made by np.random.default_rng, got seeds of type {type(seeds).__name__}")
    return np.random.default_rng(np.random.SeedSequence(seeds.entropy, spawn_key=(*seeds.spawn_key, stream)))


@dataclass(frozen=True)
class AugmentationSettings:
    """Settings of one augmentation.

    Attributes:
        key: its name under ``data.mixing``.
        stream: names its random numbers; never given to another augmentation, or mixtures would change.

    Args:
        probability: share of the mixtures that get it; 0 switches it off.

    Raises:
        ValueError: if the probability does not lie in [0, 1].
    """

    key: ClassVar[str]
    stream: ClassVar[int]

    probability: float = 0.0

    def __post_init__(self) -> None:
        self.check_share("probability")

    def decide(self, rng: np.random.Generator) -> np.random.Generator | None:
        """Decide whether a mixture gets the augmentation.

        Args:
            rng: generator of the mixture; nothing is drawn from it.

        Returns:
            The generator of the augmentation's further draws, or None if the mixture does not get it.
        """
        if self.probability == 0:
            return None
        child = child_generator(rng, self.stream)
        return child if child.random() < self.probability else None

    def check_share(self, name: str) -> None:
        """Raise a ValueError that names the key unless the field lies in [0, 1]."""
        value = getattr(self, name)
        if not 0 <= value <= 1:
            raise ValueError(f"data.mixing.{self.key}.{name} must lie in [0, 1], got {value}")

    def check_range(self, name: str, least: float, most: float) -> None:
        """Raise a ValueError that names the key unless the field is a rising pair between two bounds."""
        low, high = getattr(self, name)
        if not least <= low <= high <= most:
            raise ValueError(
                f"data.mixing.{self.key}.{name} must be a range within [{least}, {most}], its first value not above "
                f"its second, got [{low}, {high}]"
            )
