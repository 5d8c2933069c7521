"""What a user may choose about the gates."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, get_args

# torch is not imported here: what runs a trained network reads these settings too and starts without it.
Surrogate = Literal["sigmoid", "straight_through", "gumbel"]
Decision = Literal["frame", "static", "random"]
StemScope = Literal["block", "stack", "network"]
Context = Literal["none", "depthwise", "leaky"]
Idle = Literal["zero", "hold"]
Skip = Literal["none", "magnitude"]


@dataclass(frozen=True)
class GateSettings:
    """Settings of all gates of a network.

    Attributes:
        target_utilization: share of active channels aimed at, in (0, 1).
        decision: ``frame`` decides in every frame from the signal (dynamic channel pruning); the others are baselines
            that cost nothing per frame: ``static`` learns one mask for all signals, ``random`` draws one per frame.
        width: hidden units of a gate.
        normalize: normalise the gates' input and logits; raw gates compare the logit with 0.
        surrogate: ``sigmoid``, ``straight_through`` or ``gumbel``: what replaces the gradient of the step.
        temperature: of the surrogate at the start of training; the sigmoid's slope is its inverse.
        stem_scope: which blocks share the first layer of their gates, computed once from the input of the first of
            them: ``block`` none, ``stack`` those of a stack, ``network`` all.
        context: memory behind that layer: ``none``, a causal ``depthwise`` filter, or a ``leaky`` average.
        context_frames: taps of the filter, or time constant of the average, in frames.
        hysteresis: distance between the logits at which a channel switches on and off; 0 has one threshold.
        idle: what the depthwise filter of a block reads of frames in which a channel is off: ``zero``, or ``hold``,
            what the channel was when it was last on.
        skip: what the first layer of every gate reads beside the input of its block: ``none``, or ``magnitude``, the
            compressed magnitudes that the network reads.

    Raises:
        ValueError: if a value is out of range.
    """

    target_utilization: float = 0.25
    decision: Decision = "frame"
    width: int = 16
    normalize: bool = True
    surrogate: Surrogate = "sigmoid"
    temperature: float = 0.5
    stem_scope: StemScope = "block"
    context: Context = "none"
    context_frames: int = 4
    hysteresis: float = 0.0
    idle: Idle = "zero"
    skip: Skip = "none"

    def __post_init__(self) -> None:
        """Check the values."""
        choices = {
            "decision": Decision,
            "surrogate": Surrogate,
            "stem_scope": StemScope,
            "context": Context,
            "idle": Idle,
            "skip": Skip,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in get_args(allowed):
                raise ValueError(f"network.gate.{name} must be one of {get_args(allowed)}, got {getattr(self, name)!r}")
        if not 0.0 < self.target_utilization < 1.0:
            raise ValueError(f"network.gate.target_utilization must lie in (0, 1), got {self.target_utilization}")
        for name in ("width", "context_frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"network.gate.{name} must be positive, got {getattr(self, name)}")
        if self.temperature <= 0:
            raise ValueError(f"network.gate.temperature must be positive, got {self.temperature}")
        if self.hysteresis < 0:
            raise ValueError(f"network.gate.hysteresis must not be negative, got {self.hysteresis}")

    @property
    def reads_magnitude(self) -> bool:
        """Whether gates read magnitudes: those that decide from the signal, if asked to."""
        return self.decision == "frame" and self.skip == "magnitude"

    def frame_threshold(self, target_utilization: float) -> float:
        """Return the logit above which a channel is on, if gates decide from the signal.

        Args:
            target_utilization: share of active channels, in (0, 1).

        Returns:
            The normal quantile for standardised logits; raw ones are compared with 0.

        Example:
            >>> round(GateSettings().frame_threshold(0.25), 3), GateSettings(normalize=False).frame_threshold(0.25)
            (0.674, 0.0)
        """
        return NormalDist().inv_cdf(1.0 - target_utilization) if self.normalize else 0.0
