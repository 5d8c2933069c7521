"""From gate logits to binary channel masks: the step, its surrogate gradients, noise in training, and hysteresis."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from networks.gate_settings import Surrogate


class _Step(torch.autograd.Function):
    """Heaviside step forward, derivative of a sigmoid backward (surrogate gradient)."""

    @staticmethod
    def forward(ctx: Any, logit: Tensor, threshold: Tensor, temperature: Tensor) -> Tensor:
        ctx.save_for_backward(logit, threshold, temperature)
        return (logit > threshold).to(logit.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        logit, threshold, temperature = ctx.saved_tensors
        probability = torch.sigmoid((logit - threshold) / temperature)
        return (grad_outputs[0] * probability * (1 - probability) / temperature).to(logit.dtype), None, None


class _StraightThroughStep(torch.autograd.Function):
    """Heaviside step forward, identity backward."""

    @staticmethod
    def forward(ctx: Any, logit: Tensor, threshold: Tensor) -> Tensor:
        return (logit > threshold).to(logit.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        return grad_outputs[0], None


def binarize(gate_logit: Tensor, threshold: Tensor, temperature: Tensor, surrogate: Surrogate = "sigmoid") -> Tensor:
    """Return 1 where ``gate_logit > threshold`` and 0 elsewhere, with a surrogate gradient.

    Args:
        gate_logit: any shape.
        threshold: logit above which a channel is computed; broadcasts to ``gate_logit``, gets no gradient.
        temperature: scalar; the smaller, the steeper the sigmoid whose derivative replaces that of the step.
        surrogate: ``sigmoid`` and ``gumbel`` take that derivative, ``straight_through`` takes 1 everywhere (Bengio et
            al., 2013, arXiv 1308.3432). The noise of ``gumbel`` is added before, see :func:`add_logistic_noise`.

    Returns:
        Same shape and type as ``gate_logit``, values 0 and 1.

    Example:
        >>> binarize(torch.tensor([-1.0, 0.0, 2.0]), threshold=torch.tensor(0.0), temperature=torch.tensor(0.5))
        tensor([0., 0., 1.])
    """
    binary: Tensor
    if surrogate == "straight_through":
        binary = _StraightThroughStep.apply(gate_logit, threshold)  # type: ignore[no-untyped-call]
    else:
        binary = _Step.apply(gate_logit, threshold, temperature)  # type: ignore[no-untyped-call]
    return binary


def add_logistic_noise(gate_logit: Tensor, temperature: Tensor, keep_variance: bool) -> Tensor:
    """Add the noise of the binary Gumbel-softmax relaxation, scaled by the temperature.

    The difference of two Gumbel variables is logistic, so a channel is on with probability
    ``sigmoid((gate_logit - threshold) / temperature)`` (Maddison et al., 2017, arXiv 1611.00712, appendix B).

    Args:
        gate_logit: any shape.
        temperature: scalar; the noise vanishes with it.
        keep_variance: divide by the standard deviation that logits of unit variance have with the noise, so that a
            threshold at a normal quantile lets the same share through with noise, in training, as without it later.
    """
    uniform = torch.rand(gate_logit.shape, device=gate_logit.device).clamp(1e-6, 1 - 1e-6)
    noisy = gate_logit + temperature * torch.logit(uniform)
    if keep_variance:
        noisy = noisy / torch.sqrt(1.0 + temperature**2 * (math.pi**2 / 3))
    return noisy.to(gate_logit.dtype)


def hold_threshold(gate_logit: Tensor, threshold: Tensor, hysteresis: float) -> Tensor:
    """Return the threshold in force in every frame if switching needs a margin.

    A channel that is off switches on above ``threshold + hysteresis / 2``, one that is on switches off at
    ``threshold - hysteresis / 2`` or below; before the first frame all are off. Causal; the state when streaming is
    the mask of the last frame.

    Args:
        gate_logit: shape (..., frame).
        threshold: scalar.
        hysteresis: distance of the two thresholds.

    Returns:
        Same shape as ``gate_logit``, without gradient: ``gate_logit > result`` is the mask with hysteresis.

    Example:
        >>> logit = torch.tensor([0.0, 0.6, 0.2, -0.6, 0.2])
        >>> (logit > hold_threshold(logit, torch.tensor(0.0), hysteresis=1.0)).int()
        tensor([0, 1, 1, 0, 0], dtype=torch.int32)
    """
    with torch.no_grad():
        upper, lower = threshold + hysteresis / 2, threshold - hysteresis / 2
        switched_on, switched_off = gate_logit > upper, gate_logit <= lower
        frame = torch.arange(gate_logit.shape[-1], device=gate_logit.device)
        # the last frame up to now in which the logit left the margin decides; -1: it never has
        decided = torch.where(switched_on | switched_off, frame, -1).cummax(dim=-1).values
        on = switched_on.gather(-1, decided.clamp_min(0)) & (decided >= 0)
        was_on = torch.nn.functional.pad(on[..., :-1], (1, 0), value=False)
        return torch.where(was_on, lower, upper).to(gate_logit.dtype)
