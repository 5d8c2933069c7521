"""How long channels stay on and off: the fewer switches, the less an engine reloads."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class RunCounts(NamedTuple):
    """Frames in which channels were on or off, and in how many uninterrupted runs."""

    on_frames: int
    on_runs: int
    off_frames: int
    off_runs: int

    def plus(self, other: RunCounts) -> RunCounts:
        """Add the counts of other utterances."""
        return RunCounts(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def dwell_on(self) -> float:
        """Mean frames that a channel stays on; NaN if none ever is."""
        return self.on_frames / self.on_runs if self.on_runs else float("nan")

    @property
    def dwell_off(self) -> float:
        """Mean frames that a channel stays off; NaN if none ever is."""
        return self.off_frames / self.off_runs if self.off_runs else float("nan")


def count_runs(channel_masks: Tensor) -> RunCounts:
    """Count runs of active and of inactive frames, channel by channel; an utterance's end ends a run.

    Args:
        channel_masks: 0 or 1, shape (batch, block, channel, frame), at least one frame.

    Example:
        >>> import torch
        >>> count_runs(torch.tensor([1, 1, 0, 1]).reshape(1, 1, 1, 4))
        RunCounts(on_frames=3, on_runs=2, off_frames=1, off_runs=1)
    """
    on = channel_masks.bool()
    before, after = on[..., :-1], on[..., 1:]
    first_on = int(on[..., 0].sum())
    on_frames = int(on.sum())
    return RunCounts(
        on_frames=on_frames,
        on_runs=first_on + int((after & ~before).sum()),
        off_frames=on.numel() - on_frames,
        off_runs=on[..., 0].numel() - first_on + int((before & ~after).sum()),
    )


def count_switches(channel_masks: Tensor) -> Tensor:
    """Count how often each channel is switched on or off between two frames of an utterance.

    Args:
        channel_masks: 0 or 1, shape (batch, block, channel, frame), at least one frame.

    Returns:
        Shape (block, channel), out of ``batch * (frame - 1)``.

    Example:
        >>> import torch
        >>> count_switches(torch.tensor([1, 1, 0, 1]).reshape(1, 1, 1, 4)).tolist()
        [[2]]
    """
    on = channel_masks.bool()
    return (on[..., 1:] != on[..., :-1]).sum(dim=(0, 3))
