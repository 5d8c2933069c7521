"""What the network hears: probabilities, classes and values of every frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from probes.deployment import ProbeBank
from probes.tasks import ProbeKind

Values = NDArray[np.float32]


@dataclass(frozen=True)
class PropertySpec:
    """One property.

    Attributes:
        name: of the probe's target.
        kind: binary, category or value.
        unit: of a value.
        classes: names of a category's classes.
        threshold: probability from which on a binary property is true.
        transform: ``log2`` if smoothing averages octaves.
        first: its first column among all outputs.
        averaged_s: 0 for a property of single frames; otherwise seconds that its averages are over.
    """

    name: str
    kind: ProbeKind
    unit: str
    classes: tuple[str, ...]
    threshold: float
    transform: Literal["log2"] | None
    first: int
    averaged_s: float = 0.0

    @property
    def columns(self) -> slice:
        """Its columns among all outputs."""
        return slice(self.first, self.first + (len(self.classes) or 1))


def schema_of(bank: ProbeBank | None) -> tuple[PropertySpec, ...]:
    """Describe the properties that the probes of a file tell, in their order."""
    specs: list[PropertySpec] = []
    first = 0
    for name, probe in (bank.probes if bank else {}).items():
        threshold, transform = probe.threshold, probe.transform
        specs.append(
            PropertySpec(name, probe.kind, probe.unit, probe.classes, threshold, transform, first, probe.averaged_s)
        )
        first += len(probe.bias)
    return tuple(specs)


class Properties:
    """Properties of some frames.

    Args:
        schema: what there is.
        outputs: of every frame by itself, and averaged with those of earlier frames, shape (2, frame, output).
    """

    __slots__ = ("outputs", "schema")

    def __init__(self, schema: tuple[PropertySpec, ...], outputs: Values) -> None:
        self.schema = schema
        self.outputs = outputs

    def __len__(self) -> int:
        """Number of frames."""
        return self.outputs.shape[1]

    def raw(self, name: str) -> Values:
        """Return a property of every frame by itself; of an averaged one (``averaged_s``), what is averaged.

        Returns:
            Probability of a binary property or value in its unit, shape (frame,); posteriors, shape (frame, class).

        Raises:
            KeyError: if there is no such property.
        """
        return self._select(name, self.outputs[0])

    def smoothed(self, name: str) -> Values:
        """Return a property averaged over the frame and those before, in the shape of :meth:`raw`.

        Averages are leaky, with the time constant of the stream; those of a property with ``averaged_s`` are means of
        all frames until then, and leaky with that time constant afterwards.

        Raises:
            KeyError: if there is no such property.
        """
        return self._select(name, self.outputs[1])

    def _select(self, name: str, outputs: Values) -> Values:
        for spec in self.schema:
            if spec.name == name:
                return outputs[:, spec.columns] if spec.kind == "category" else outputs[:, spec.first]
        raise KeyError(f"no property '{name}', only {', '.join(spec.name for spec in self.schema) or 'none'}")
