"""What a probe predicts: the tasks, and which frames count for each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

ProbeKind = Literal["binary", "category", "value"]
Targets = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class ProbeTask:
    """One target, and how it is probed.

    Args:
        name: key in the logs, and of the target in the batch unless ``source`` names another.
        kind: ``binary`` (0/1, logistic), ``category`` (integer classes, multinomial logistic) or ``value`` (ridge).
        unit: unit of a value, for reports; values in ``Hz`` are also scored by gross errors.
        where: name of a binary target that must be true for a frame to count; None counts every frame.
        transform: ``log2`` fits the base-2 logarithm of the value; predictions come back in ``unit``.
        per_utterance: also score the mean prediction (or posterior) of every utterance.
        source: key of the target in the batch; None takes ``name``. Two tasks may so read one target.
        fill: value of frames whose target is unknown, so that they count too; None leaves them out.
        pooled: of a value that belongs to an utterance rather than to its frames: the probe is fitted and scored on
            means of an utterance, of features as of the target. It stays linear in the masks, so what it says of an
            utterance is the mean of what it says of the frames; by itself, that means nothing.

    Raises:
        ValueError: if a field has a value that cannot be probed.

    Example:
        >>> ProbeTask("f0_hz", "value", unit="Hz", where="voicing", transform="log2").where
        'voicing'
        >>> every_frame = ProbeTask("f0_or_zero_hz", "value", unit="Hz", source="f0_hz", fill=0.0)
        >>> every_frame.encode(np.array([100.0, np.nan])).tolist()
        [100.0, 0.0]
    """

    name: str
    kind: ProbeKind
    unit: str = ""
    where: str | None = None
    transform: Literal["log2"] | None = None
    per_utterance: bool = False
    source: str | None = None
    fill: float | None = None
    pooled: bool = False

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name:
            raise ValueError(f"tasks.name must be a non-empty string without '/', got {self.name!r}")
        if self.kind not in get_args(ProbeKind):
            raise ValueError(f"tasks[{self.name}].kind must be one of {get_args(ProbeKind)}, got {self.kind!r}")
        if self.transform not in (None, "log2"):
            raise ValueError(f"tasks[{self.name}].transform must be 'log2' or null, got {self.transform!r}")
        if self.transform is not None and self.kind != "value":
            raise ValueError(f"tasks[{self.name}].transform is only for kind 'value', this task is {self.kind!r}")
        if self.source == "":
            raise ValueError(f"tasks[{self.name}].source must be the name of a target or null, got ''")
        if self.where is not None and (not self.where or self.where == self.target):
            raise ValueError(f"tasks[{self.name}].where must name another, binary target, got {self.where!r}")
        if self.fill is not None:
            self._check_fill(self.fill)
        if self.pooled:
            self._check_pooled()

    def _check_fill(self, fill: float) -> None:
        if self.kind != "value":
            raise ValueError(f"tasks[{self.name}].fill is only for kind 'value', this task is {self.kind!r}")
        if not math.isfinite(fill) or (self.transform == "log2" and fill <= 0):
            raise ValueError(f"tasks[{self.name}].fill must be finite, and positive for 'log2', got {fill}")

    def _check_pooled(self) -> None:
        if self.kind != "value":
            raise ValueError(f"tasks[{self.name}].pooled is only for kind 'value', this task is {self.kind!r}")
        for name, usual in (("transform", None), ("fill", None), ("per_utterance", False)):
            if getattr(self, name) != usual:
                raise ValueError(f"tasks[{self.name}].pooled is not for tasks with {name}, got {getattr(self, name)!r}")

    @property
    def target(self) -> str:
        """Key of the target in the batch."""
        return self.name if self.source is None else self.source

    def encode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Turn targets in ``unit`` into what the probe is fitted on.

        Args:
            values: shape (frame,), as given in the batch.

        Returns:
            Shape (frame,): int64 for classes, float64 for values (octaves if the transform is ``log2``); unknown
            values are ``fill`` if there is one.

        Example:
            >>> ProbeTask("f0_hz", "value", transform="log2").encode(np.array([64.0, 128.0])).tolist()
            [6.0, 7.0]
        """
        if self.kind != "value":
            return np.asarray(values).astype(np.int64)
        values = np.asarray(values, dtype=np.float64)
        if self.fill is not None:
            values = np.where(np.isfinite(values), values, self.fill)
        return np.log2(values) if self.transform == "log2" else values

    def decode(self, values: NDArray[Any]) -> NDArray[Any]:
        """Turn fitted values back into ``unit``; the inverse of ``encode`` for values."""
        with np.errstate(over="ignore"):
            return np.exp2(values) if self.transform == "log2" else values


def select(targets: Targets, task: ProbeTask) -> NDArray[np.bool_]:
    """Say which frames count for a task: known target, and ``where`` true.

    An unknown target is NaN (binary, value) or negative (category); it counts if the task fills it. An unknown
    ``where`` counts as false.

    Args:
        targets: name -> shape (frame,).
        task: the task.

    Returns:
        Shape (frame,).

    Raises:
        ValueError: if a target is missing or holds values its kind does not allow.

    Example:
        >>> targets = {"f0_hz": np.array([100.0, np.nan, 200.0]), "voicing": np.array([1, 1, 0])}
        >>> select(targets, ProbeTask("f0_hz", "value", where="voicing")).tolist()
        [True, False, False]
    """
    values = _target(targets, task.target)
    if task.kind == "binary":
        keep = _known_binary(values, task.target)
    elif task.kind == "category":
        keep = _known_category(values, task.target)
    else:
        keep = np.isfinite(values.astype(np.float64)) if task.fill is None else np.ones(values.size, dtype=bool)
    if task.where is not None:
        where = _target(targets, task.where)
        if where.shape != values.shape:
            raise ValueError(
                f"targets {task.target!r} {values.shape} and {task.where!r} {where.shape} differ in length"
            )
        keep &= _known_binary(where, task.where)
        keep &= where == 1
    if task.transform == "log2" and np.any(values[keep] <= 0):
        raise ValueError(
            f"target {task.target!r} must be positive (or NaN) for transform 'log2', got {values[keep].min()}"
        )
    return keep


def _target(targets: Targets, name: str) -> NDArray[Any]:
    if name not in targets:
        raise ValueError(f"target {name!r} is missing, the batch has {sorted(targets)}")
    values = np.asarray(targets[name])
    if values.ndim != 1:
        raise ValueError(f"target {name!r} must have shape (frame,), got {values.shape}")
    return values


def _known_binary(values: NDArray[Any], name: str) -> NDArray[np.bool_]:
    known = ~np.isnan(values.astype(np.float64))
    wrong = values[known & (values != 0) & (values != 1)]
    if wrong.size:
        raise ValueError(f"binary target {name!r} must be 0, 1 or NaN, got {wrong[0]}")
    return known


def _known_category(values: NDArray[Any], name: str) -> NDArray[np.bool_]:
    numbers = values.astype(np.float64)
    known = np.isfinite(numbers)
    for wrong in numbers[known][numbers[known] % 1 != 0][:1]:
        raise ValueError(f"category target {name!r} must hold class indices, got {wrong}")
    known[known] &= numbers[known] >= 0
    return known
