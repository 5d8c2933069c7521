"""Training steps whose loss or gradients are not finite: skipped as if they had not been, counted, and an end to them.

One number is read from the device in a step, the norm of all gradients; everything else stays there. That is the only
point at which the processor waits, and progress bar and logger wait there too (docs/reliability.md has what it costs).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from networks.ranks import all_ranks
from storage.whole_files import write_whole


class NonfiniteError(RuntimeError):
    """Too many steps in a row were not finite; the message names the file that the last batch is in."""


class NonfiniteGuard:
    """Decides about every step, and takes back what a skipped one did.

    A skipped step changes no weight and no state of the optimiser, since it has no gradients, and no running statistics
    of norms: they are changed while the network computes, before anybody knows, and are put back. It counts as a step
    everywhere else: position in the data, learning rate, target and temperature of the gates go on, since they follow
    the number of batches. With several processes all skip together.

    Args:
        module: whose norms are put back.
        most: steps in a row after which training ends.

    Attributes:
        count: skipped steps since the beginning of the training.
        in_a_row: skipped steps since the last one that was not.

    Raises:
        ValueError: if ``most`` is not positive.
    """

    def __init__(self, module: nn.Module, most: int) -> None:
        if most < 1:
            raise ValueError(f"model.max_nonfinite_steps must be positive, got {most}")
        self.most = most
        self.count = 0
        self.in_a_row = 0
        norms = [norm for norm in module.modules() if isinstance(norm, _NormBase) and norm.track_running_stats]
        self._norms = norms
        self._kept: list[Tensor] = []
        self._finite: Tensor | None = None

    def begin(self) -> None:
        """Remember the statistics before the first batch of a step."""
        statistics = self._statistics()
        if [(kept.shape, kept.device) for kept in self._kept] != [(one.shape, one.device) for one in statistics]:
            self._kept = [one.clone() for one in statistics]
        else:  # one operation for all norms
            torch._foreach_copy_(self._kept, statistics)
        self._finite = None

    def watch(self, loss: Tensor) -> None:
        """Take the loss of a batch, of which a step may have several; nothing is read from the device."""
        finite = loss.detach().isfinite().all()
        self._finite = finite if self._finite is None else self._finite & finite

    def skips(self, parameters: Iterable[nn.Parameter]) -> bool:
        """Decide about the step, before the optimiser takes it; one that is skipped loses its gradients.

        Args:
            parameters: of the optimiser, with their gradients.
        """
        parameters = [parameter for parameter in parameters if parameter.grad is not None]
        if not self._all_finite([parameter.grad for parameter in parameters if parameter.grad is not None]):
            for parameter in parameters:
                parameter.grad = None  # optimisers pass over a parameter without one, weight decay included
            if self._kept:
                torch._foreach_copy_(self._statistics(), self._kept)
            self.count += 1
            self.in_a_row += 1
            return True
        self.in_a_row = 0
        return False

    def _all_finite(self, gradients: list[Tensor]) -> bool:
        """Tell whether loss and gradients are finite, in all processes."""
        finite = torch.tensor(True) if self._finite is None else self._finite
        if gradients:
            norm = torch.stack(torch._foreach_norm(gradients)).norm()  # also infinite where its square is
            finite = finite.to(norm.device) & norm.isfinite()
        return all_ranks(finite)

    def _statistics(self) -> list[Tensor]:
        """Return the running statistics, also after the module has moved to another device."""
        return [buffer for norm in self._norms for buffer in norm.buffers(recurse=False)]

    def state_dict(self) -> dict[str, int]:
        """Return the counts for a checkpoint."""
        return {"count": self.count, "in_a_row": self.in_a_row}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Take over what :meth:`state_dict` returned."""
        self.count, self.in_a_row = int(state["count"]), int(state["in_a_row"])

    def stop(self, batch: Mapping[str, Any], step: int, folder: Path, rank: int | None = None) -> None:
        """End the training if too many steps in a row were skipped, with the last batch in a file.

        Args:
            batch: of the step.
            step: its number.
            folder: for the file.
            rank: of this process, if there are several.

        Raises:
            NonfiniteError: names the file and what in the batch is not finite.
        """
        if self.in_a_row < self.most:
            return
        name = f"nonfinite_step_{step}" + ("" if rank is None else f"_rank_{rank}")
        path = folder / f"{name}.safetensors"
        save_batch(batch, path)
        found = nonfinite_parts(batch)
        what = (
            f"the batch itself holds values that are not finite ({', '.join(found)})"
            if found
            else "the batch is finite: a lower model.learning_rate or --trainer.gradient_clip_val may help"
        )
        raise NonfiniteError(
            f"loss or gradients were not finite in {self.in_a_row} steps in a row (model.max_nonfinite_steps), the "
            f"last was step {step}; {what}. The batch is in {path}; weights are those before these steps"
        )


def tensors_of(batch: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a batch by dotted name.

    Example:
        >>> dict(tensors_of({"targets": {"vad": torch.ones(1)}, "kind": "speech"}))
        {'targets.vad': tensor([1.])}
    """
    for name, value in batch.items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif isinstance(value, Mapping):
            yield from tensors_of(value, f"{prefix}{name}.")


def save_batch(batch: Mapping[str, Any], path: Path) -> None:
    """Write the tensors of a batch as a safetensors file, which ``safetensors.torch.load_file`` reads."""
    tensors = {name: value.detach().cpu().clone().contiguous() for name, value in tensors_of(batch)}
    write_whole(path, safetensors.torch.save(tensors))


def nonfinite_parts(batch: Mapping[str, Any]) -> list[str]:
    """Name the tensors of a batch that hold infinite values, or NaN where it does not stand for "not known".

    Args:
        batch: its targets are left out: NaN is an ordinary value of some.

    Example:
        >>> nonfinite_parts({"noisy": torch.tensor([0.0, torch.nan]), "targets": {"f0_hz": torch.tensor([torch.nan])}})
        ['noisy: 1 of 2']
    """
    counts = {name: (int((~value.isfinite()).sum()), value.numel()) for name, value in tensors_of(batch)}
    return [
        f"{name}: {wrong} of {size}"
        for name, (wrong, size) in counts.items()
        if wrong and not name.startswith("targets.")
    ]
