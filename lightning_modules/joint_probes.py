"""Joint training: linear heads on the channel masks whose losses reach the gates through the surrogate gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from networks.conv_fsenet import ConvFSENet
from networks.ranks import rank_sum

KEY = "model.joint_probes"
JointKind = Literal["binary", "category", "value"]


class JointTargetError(ValueError):
    """Targets of a batch that joint training cannot use; the message names the task."""


@dataclass(frozen=True)
class JointTask:
    """One target that the masks are trained to tell.

    Args:
        name: key in the logs, and of the target in ``batch["targets"]`` unless ``source`` names another; its shape is
            (batch, frame), or (batch,) for whole utterances.
        kind: ``binary`` (0/1, binary cross-entropy), ``category`` (class indices, cross-entropy) or ``value`` (squared
            error of the scaled value).
        where: name of a binary target that must be true for a frame to count; None counts every frame.
        log2: the squared error is that of the base-2 logarithm.
        center: subtracted from a value, in its unit; with ``log2`` it must be positive.
        scale: a value's error that makes a loss of 1: in its unit, or in octaves with ``log2``.
        weight: of this loss in the sum of the joint losses.
        classes: how many there are; only for categories.
        source: key of the target in the batch; None takes ``name``. Two tasks may so read one target.
        fill: value of frames whose target is unknown, so that they count too; None leaves them out.
        pooled: the loss is that of the mean over the frames that count, of what the head says and of the target: what
            an utterance is about need not be told by every frame.

    Raises:
        ValueError: if a field does not fit the others or is out of range.

    Example:
        >>> f0 = JointTask("f0_hz", "value", where="voicing", log2=True, center=160.0, scale=0.5)
        >>> f0.encode(torch.tensor([80.0, 160.0, 320.0])).tolist()
        [-2.0, 0.0, 2.0]
    """

    name: str
    kind: JointKind
    where: str | None = None
    log2: bool = False
    center: float = 0.0
    scale: float = 1.0
    weight: float = 1.0
    classes: int | None = None
    source: str | None = None
    fill: float | None = None
    pooled: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.name or "/" in self.name or "." in self.name:
            raise ValueError(f"{KEY}.tasks.name must be a non-empty string without '/' and '.', got {self.name!r}")
        key = f"{KEY}.tasks[{self.name}]"
        if self.kind not in get_args(JointKind):
            raise ValueError(f"{key}.kind must be one of {get_args(JointKind)}, got {self.kind!r}")
        if self.source == "":
            raise ValueError(f"{key}.source must be the name of a target or null, got ''")
        if self.where is not None and self.where in ("", self.target):
            raise ValueError(f"{key}.where must name another, binary target, got {self.where!r}")
        if self.kind != "value" and (self.log2 or self.center != 0 or self.scale != 1):
            raise ValueError(f"{key}: log2, center and scale are only for kind 'value', this task is {self.kind!r}")
        if self.log2 and self.center <= 0:
            raise ValueError(f"{key}.center must be positive with log2, got {self.center}")
        allowed = self.kind == "value" and (not self.log2 or (self.fill or 0.0) > 0)
        if self.fill is not None and not (allowed and math.isfinite(self.fill)):
            raise ValueError(f"{key}.fill is only for kind 'value', finite, and positive with log2, got {self.fill}")
        if self.scale <= 0:
            raise ValueError(f"{key}.scale must be positive, got {self.scale}")
        if self.weight < 0:
            raise ValueError(f"{key}.weight must not be negative, got {self.weight}")
        if self.kind == "category" and (self.classes is None or self.classes < 2):
            raise ValueError(f"{key}.classes must be the number of classes, at least 2, got {self.classes}")
        if self.kind != "category" and self.classes is not None:
            raise ValueError(f"{key}.classes is only for kind 'category', this task is {self.kind!r}")

    @property
    def target(self) -> str:
        """Key of the target in the batch."""
        return self.name if self.source is None else self.source

    @property
    def outputs(self) -> int:
        """How many numbers the head gives per frame."""
        return self.classes or 1

    def encode(self, values: Tensor) -> Tensor:
        """Turn a value into what the head predicts; classes stay as they are."""
        if self.kind != "value":
            return values
        shifted = torch.log2(values / self.center) if self.log2 else values - self.center
        return shifted / self.scale


@dataclass(frozen=True)
class JointProbeSettings:
    """Losses of linear heads on the channel masks, and what they are trained to tell; ``docs/joint.md``.

    Args:
        tasks: the targets.
        weight: of the weighted sum of their losses in the loss of the network; 0 trains as without, and no head learns.
        learning_rate_factor: learning rate of the heads over that of the network.

    Raises:
        ValueError: if there is no task, two are of the same name, or a number is out of range.
    """

    tasks: tuple[JointTask, ...]
    weight: float = 0.02
    learning_rate_factor: float = 1.0

    def __post_init__(self) -> None:
        """Check the values."""
        names = [task.name for task in self.tasks]
        if not names:
            raise ValueError(f"{KEY}.tasks must list at least one task; null at {KEY} leaves joint training out")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"{KEY}.tasks: '{twice[0]}' is listed twice")
        if self.weight < 0:
            raise ValueError(f"{KEY}.weight must not be negative, got {self.weight}")
        if self.learning_rate_factor <= 0:
            raise ValueError(f"{KEY}.learning_rate_factor must be positive, got {self.learning_rate_factor}")


class JointProbes(nn.Module):
    """Linear heads on the channel masks of all blocks in a frame, one per task; only training has a use for them.

    The heads read the masks as they are, 0 or 1, and start at zero: building them draws no random number, so that the
    rest of a run draws what it draws without them. Frame by frame, without memory.

    Args:
        settings: tasks and weights.
        features: blocks times channels.
    """

    def __init__(self, settings: JointProbeSettings, features: int) -> None:
        super().__init__()
        self.settings = settings
        # by name: a head is never loaded for another task
        self.weight = nn.ParameterDict({task.name: torch.zeros(task.outputs, features) for task in settings.tasks})
        self.bias = nn.ParameterDict({task.name: torch.zeros(task.outputs) for task in settings.tasks})

    def forward(self, channel_masks: Tensor) -> dict[str, Tensor]:
        """Predict every target, in float32 whatever the precision of the training.

        Args:
            channel_masks: shape (batch, block, channel, frame).

        Returns:
            Task name to logits or scaled values, shape (batch, output, frame).
        """
        tasks = self.settings.tasks
        with torch.autocast(channel_masks.device.type, enabled=False):
            weight = torch.cat([self.weight[task.name] for task in tasks])  # all heads in one product
            bias = torch.cat([self.bias[task.name] for task in tasks])
            outputs = functional.conv1d(channel_masks.flatten(1, 2).float(), weight[:, :, None], bias)
        split = torch.split(outputs, [task.outputs for task in tasks], dim=1)
        return {task.name: part for task, part in zip(tasks, split, strict=True)}

    def losses(self, channel_masks: Tensor, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Compute the loss of every task over the frames of all ranks that count, 0 where none does.

        Args:
            channel_masks: shape (batch, block, channel, frame).
            targets: name to shape (batch, frame) or (batch,).

        Returns:
            Logged name (``joint_<task>_loss``) to a scalar, unweighted.

        Raises:
            JointTargetError: if a target is missing or holds values that its kind does not allow.
        """
        predictions = self(channel_masks)
        shape = channel_masks.shape[0], channel_masks.shape[-1]
        sums, numbers = [], []
        for task in self.settings.tasks:
            values, counts = select_frames(task, targets, shape)
            predicted = predictions[task.name]
            if task.pooled:
                predicted, values, counts = _pooled(predicted, values, counts)
            sums.append(torch.where(counts, _errors(task, predicted, values), 0.0).sum())
            numbers.append(counts.sum())
        error, number = rank_sum(torch.stack([torch.stack(sums), torch.stack(numbers).to(sums[0].dtype)]))
        means = error / number.clamp(min=1)
        return {f"joint_{task.name}_loss": mean for task, mean in zip(self.settings.tasks, means, strict=True)}

    def weighted_sum(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return what the losses add to the loss of the network."""
        parts = [task.weight * losses[f"joint_{task.name}_loss"] for task in self.settings.tasks]
        return self.settings.weight * torch.stack(parts).sum()


def check_gates(network: ConvFSENet) -> None:
    """Check that the masks of a network can be trained to tell something.

    Raises:
        ValueError: if they do not depend on the signal.
    """
    if not network.gated:
        raise ValueError("model.joint_probes needs channel masks, and model.network.init_args.gated is false")
    if network.gate_settings.decision != "frame":
        raise ValueError(
            "model.joint_probes needs masks that depend on the signal (model.network.init_args.gate.decision: frame), "
            f"got decision '{network.gate_settings.decision}'"
        )


def select_frames(task: JointTask, targets: Mapping[str, Tensor], shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Lay out a task's target on the frames, and say which of them count.

    A frame counts if its target is known (neither NaN nor, for categories, negative) and ``where`` is 1.

    Args:
        task: the task.
        targets: name to shape (batch, frame) or (batch,).
        shape: batch and frames.

    Returns:
        Encoded target, finite everywhere, and whether a frame counts; both of shape (batch, frame).

    Raises:
        JointTargetError: if a target is missing, of another shape, or holds values that its kind does not allow.

    Example:
        >>> targets = {"f0_hz": torch.tensor([[160.0, torch.nan, 80.0]]), "voicing": torch.tensor([[1.0, 1.0, 0.0]])}
        >>> task = JointTask("f0_hz", "value", where="voicing", log2=True, center=160.0)
        >>> select_frames(task, targets, (1, 3))
        (tensor([[0., 0., 0.]]), tensor([[ True, False, False]]))
    """
    values = _on_frames(task.target, task, targets, shape)
    if task.fill is not None:
        values = torch.where(values.isfinite(), values, task.fill)
    if task.pooled and task.kind == "category" and targets[task.target].ndim != 1:
        raise JointTargetError(f"{KEY}.tasks[{task.name}]: pooled needs one category per utterance, shape (batch,)")
    counts = values.isfinite()
    if task.kind == "category":
        counts = counts & (values >= 0)
    if task.where is not None:
        counts = counts & (_on_frames(task.where, task, targets, shape) == 1)
    _check_values(task, values, counts)
    neutral = task.center if task.kind == "value" else 0.0  # where the loss and its gradient are finite
    return task.encode(torch.where(counts, values, neutral)), counts


def _on_frames(name: str, task: JointTask, targets: Mapping[str, Tensor], shape: tuple[int, int]) -> Tensor:
    if name not in targets:
        raise JointTargetError(
            f"{KEY}.tasks[{task.name}]: the batch has no target '{name}', only {', '.join(sorted(targets)) or 'none'}; "
            "data.targets must compute it, in training mixtures too"
        )
    values = targets[name].float()
    if values.ndim == 1:
        values = values[:, None].expand(shape)
    if values.shape != shape:
        raise JointTargetError(
            f"{KEY}.tasks[{task.name}]: target '{name}' must have shape (batch, frame) = {shape} or (batch,), "
            f"got {tuple(values.shape)}"
        )
    return values


def _check_values(task: JointTask, values: Tensor, counts: Tensor) -> None:
    """Refuse what a loss would take for something else, or the device abort on."""
    if task.kind == "binary":
        wrong, expected = (values != 0) & (values != 1), "0, 1 or NaN"
    elif task.kind == "category":
        assert task.classes is not None
        wrong = (values >= task.classes) | (values % 1 != 0)
        expected = f"class indices below classes = {task.classes}, or negative or NaN where unknown"
    elif task.log2:
        wrong, expected = values <= 0, "positive with log2, or NaN"
    else:
        return
    wrong &= counts
    if wrong.any():
        raise JointTargetError(f"{KEY}.tasks[{task.name}]: values must be {expected}, got {values[wrong][0].item():g}")


def _pooled(predicted: Tensor, values: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Average over the frames that count: shapes (batch, output, 1), (batch, 1) and (batch, 1)."""
    share = counts.float() / counts.sum(dim=1, keepdim=True).clamp(min=1)
    pooled = (predicted * share[:, None]).sum(dim=2, keepdim=True)
    return pooled, (values * share).sum(dim=1, keepdim=True), counts.any(dim=1, keepdim=True)


def _errors(task: JointTask, predicted: Tensor, values: Tensor) -> Tensor:
    """Return the loss of every frame, shape (batch, frame)."""
    if task.kind == "category":
        return functional.cross_entropy(predicted, values.round().long(), reduction="none")
    if task.kind == "binary":
        return functional.binary_cross_entropy_with_logits(predicted[:, 0], values, reduction="none")
    return (predicted[:, 0] - values).square()
