"""How many channels are on, and how long they stay on and off: the fewer switches, the less an engine reloads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
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


@dataclass(frozen=True)
class MaskCounts:
    """What is counted of the masks of many utterances; counts of several sets of utterances add up.

    Attributes:
        packed: all counts in one vector, int64, so that ranks exchange them at once: active frames of every channel;
            switches of every channel; frames with 0, 1, ... active channels; pairs of neighbouring frames; the four
            of :class:`RunCounts`.
        blocks: of the network.
        channels: of a block.
    """

    packed: Tensor
    blocks: int
    channels: int

    def plus(self, other: MaskCounts) -> MaskCounts:
        """Add the counts of other utterances."""
        return MaskCounts(self.packed + other.packed, self.blocks, self.channels)

    @property
    def frames_by_active(self) -> Tensor:
        """Number of frames with 0, 1, ... active channels in all blocks together."""
        return self.packed[2 * self._gates : -5]

    @property
    def active_share(self) -> Tensor:
        """Share of the frames in which each channel is on, shape (block, channel), float64."""
        return self.packed[: self._gates].reshape(self.blocks, -1).double() / self.frames_by_active.sum()

    @property
    def switch_rate(self) -> Tensor:
        """Share of the frames in which each channel is not what it was before, shape (block, channel), float64."""
        switches = self.packed[self._gates : 2 * self._gates].reshape(self.blocks, -1)
        return switches.double() / self.packed[-5].clamp_min(1)

    @property
    def active_per_frame(self) -> float:
        """Mean number of active channels, of all blocks together."""
        return float(self.packed[: self._gates].sum().double() / self.frames_by_active.sum())

    @property
    def runs(self) -> RunCounts:
        """Frames and runs of all channels."""
        return RunCounts(*self.packed[-4:].tolist())

    @property
    def _gates(self) -> int:
        return self.blocks * self.channels


def count_masks(channel_masks: Tensor) -> MaskCounts:
    """Count everything of a batch.

    Args:
        channel_masks: 0 or 1, shape (batch, block, channel, frame), at least one frame.

    Returns:
        Counts, on the CPU.

    Example:
        >>> counts = count_masks(torch.tensor([1, 1, 0, 1]).reshape(1, 1, 1, 4))
        >>> counts.active_share.tolist(), counts.frames_by_active.tolist(), counts.runs.on_runs
        ([[0.75]], [1, 3], 2)
    """
    batch, blocks, channels, frames = channel_masks.shape
    on = channel_masks.bool()
    active = on.sum(dim=(1, 2)).flatten()
    parts = [
        on.sum(dim=(0, 3)).flatten(),
        count_switches(on).flatten(),
        torch.bincount(active, minlength=blocks * channels + 1),
        active.new_tensor([batch * (frames - 1), *count_runs(on)]),
    ]
    return MaskCounts(torch.cat(parts).cpu(), blocks, channels)


def count_quantile(counts: Tensor, share: float) -> float:
    """Return a quantile of whole numbers that are given by how often each occurs, as ``torch.quantile`` does of them.

    Args:
        counts: how often 0, 1, ... occur, at least one of them once, shape (number,).
        share: in [0, 1]; between two numbers, the quantile is interpolated.

    Example:
        >>> count_quantile(torch.tensor([1, 0, 0, 2]), 0.25)  # of 0, 3, 3
        1.5
    """
    reached = counts.cumsum(0)
    place = share * (int(reached[-1]) - 1)
    below = int(place)
    low, high = (int((reached <= at).sum()) for at in (below, min(below + 1, int(reached[-1]) - 1)))
    return low + (place - below) * (high - low)
