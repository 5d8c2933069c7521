"""Logs how large the gradients of the parts of the network are, so that one that learns nothing is seen."""

from __future__ import annotations

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer

from callbacks.logging_time import TimedLogging
from lightning_modules.enhancement import EnhancementModule, enhancement_module


class GradientNorms(TimedLogging):
    """Logs the norm of the gradient before it is clipped, of each part and of all.

    Logged every ``every_n_steps`` steps, with the other numbers of that step: ``train/gradient_norm`` and
    ``train/gradient_norm/<part>``, where a part is ``frontend``, ``blocks`` (without their gates), ``gates``,
    ``backend`` and ``joint_probes``, as far as the network has them.

    Args:
        every_n_steps: how often; null takes ``trainer.log_every_n_steps``. Other steps cost nothing.

    Raises:
        ValueError: if ``every_n_steps`` is not positive.
    """

    def __init__(self, every_n_steps: int | None = None) -> None:
        super().__init__()
        if every_n_steps is not None and every_n_steps < 1:
            raise ValueError(f"GradientNorms.every_n_steps must be positive or null, got {every_n_steps}")
        self.every_n_steps = every_n_steps
        self._parts: dict[str, list[nn.Parameter]] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the parts."""
        self._parts = network_parts(enhancement_module(pl_module))

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Log the norms of this step."""
        every = self.every_n_steps or trainer.log_every_n_steps  # type: ignore[attr-defined]
        if (trainer.global_step + 1) % max(1, every):
            return
        with self.timed():
            norms = {name: gradient_norm(parameters) for name, parameters in self._parts.items()}
            values = {f"train/gradient_norm/{name}": norm for name, norm in norms.items()}
            if norms:
                values["train/gradient_norm"] = torch.stack(list(norms.values())).norm()
            pl_module.log_dict(values)


def network_parts(module: EnhancementModule) -> dict[str, list[nn.Parameter]]:
    """Return the parameters that are trained, by part; parts without any are left out."""
    network = module.network
    gates = [parameter for gate in network.gates for parameter in gate.parameters()]
    of_gates = {id(parameter) for parameter in gates}
    parts = {
        "frontend": list(network.frontend.parameters()),
        "blocks": [parameter for parameter in network.blocks.parameters() if id(parameter) not in of_gates],
        "gates": gates,
        "backend": list(network.backend.parameters()),
        "joint_probes": [] if module.joint_probes is None else list(module.joint_probes.parameters()),
    }
    trained = {name: [one for one in several if one.requires_grad] for name, several in parts.items()}
    return {name: several for name, several in trained.items() if several}


def gradient_norm(parameters: list[nn.Parameter]) -> Tensor:
    """Return the L2 norm of the gradients of several parameters as one vector; 0 without gradients.

    Example:
        >>> weight = nn.Parameter(torch.zeros(2))
        >>> weight.grad = torch.tensor([3.0, 4.0])
        >>> float(gradient_norm([weight]))
        5.0
    """
    gradients = [parameter.grad.detach() for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return torch.zeros((), device=parameters[0].device if parameters else None)
    return torch.stack(torch._foreach_norm(gradients)).norm()
