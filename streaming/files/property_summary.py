"""What the network heard in a file, in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.enhancer import Chunk
from streaming.properties import Properties, PropertySpec


@dataclass
class PropertySummary:
    """Means of all properties over the frames of all channels, from estimates of single frames.

    Attributes:
        frames: number of frames so far.
    """

    frames: int = 0
    _active: float = 0.0
    _sums: dict[str, NDArray[Any]] = field(default_factory=dict)
    _schema: dict[str, PropertySpec] = field(default_factory=dict)

    def update(self, chunk: Chunk) -> None:
        """Take the frames of a chunk."""
        self.frames += len(chunk.utilization)
        self._active += float(chunk.utilization.sum())
        for spec in chunk.properties.schema:
            self._schema[spec.name] = spec
            self._sums[spec.name] = self._sums.get(spec.name, 0.0) + _summed(chunk.properties, spec)

    @property
    def utilization(self) -> float:
        """Mean share of active channels."""
        return self._active / max(self.frames, 1)

    def share(self, name: str) -> float | None:
        """Return in which share of the frames a binary property is true; None if there is no such property."""
        return self._mean(name, "binary")

    def value(self, name: str) -> float | None:
        """Return the mean of a value in its unit; None if there is no such property."""
        return self._mean(name, "value")

    def likeliest(self, name: str) -> tuple[str, float] | None:
        """Return the class with the highest mean posterior, and that; None if there is no such property."""
        if not self.frames or self._kinds().get(name) != "category":
            return None
        posteriors = self._sums[name] / self.frames
        best = int(np.argmax(posteriors))
        return self._schema[name].classes[best], float(posteriors[best])

    def _mean(self, name: str, kind: str) -> float | None:
        if not self.frames or self._kinds().get(name) != kind:
            return None
        return float(self._sums[name]) / self.frames

    def _kinds(self) -> Mapping[str, str]:
        return {name: spec.kind for name, spec in self._schema.items()}

    def text(self) -> str:
        """Say it in one line.

        Example:
            >>> PropertySummary().text()
            'no frames'
        """
        if not self.frames:
            return "no frames"
        said: Sequence[str | None] = [
            None if (share := self.share("vad")) is None else f"speech {share:.0%} of the time",
            None if (noise := self.likeliest("noise_class")) is None else f"noise: {noise[0]} ({noise[1]:.0%})",
            None if (snr := self.value("mixture_snr_db")) is None else f"SNR {snr:.0f} dB",
            f"{self.utilization:.0%} of the channels computed",
        ]
        return ", ".join(part for part in said if part)


def _summed(properties: Properties, spec: PropertySpec) -> NDArray[Any]:
    estimate = properties.raw(spec.name)
    if spec.kind == "binary":
        return np.asarray((estimate >= spec.threshold).sum())
    return np.asarray(estimate.sum(axis=0, dtype=np.float64))
