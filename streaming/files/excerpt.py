"""The beginning of a file, kept for a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streaming.files.property_columns import Rows, Selection, joined, posterior_name, rows_of
from streaming.properties import PropertySpec
from streaming.resampling import StreamPiece


@dataclass(frozen=True)
class Excerpt:
    """One channel at the network's rate.

    Attributes:
        noisy, enhanced: shape (sample,).
        channel_masks: shape (frame, block, channel).
        rows: estimates of all properties with the posteriors of all classes, (frame,) by column.
        seconds: duration of the whole file.
    """

    noisy: NDArray[np.float32]
    enhanced: NDArray[np.float32]
    channel_masks: NDArray[np.bool_]
    rows: Mapping[str, NDArray[Any]]
    seconds: float

    def posteriors(self, spec: PropertySpec) -> NDArray[Any]:
        """Return the probabilities of all classes of a category, shape (frame, class)."""
        return np.stack([self.rows[posterior_name(spec, name)] for name in spec.classes], axis=1)


class ExcerptCollector:
    """Keeps pieces of a stream until there are enough.

    Args:
        limit_s: how much to keep at most, in s.
        sample_rate: of the network, Hz.
        hop_length: samples between frames.
        smoothed: whether estimates are averaged over the past.
    """

    def __init__(self, limit_s: float, sample_rate: int, hop_length: int, smoothed: bool) -> None:
        self._samples = round(limit_s * sample_rate)
        self._frames = 1 + self._samples // hop_length
        self._frame_s = hop_length / sample_rate
        self._selection = Selection(smoothed, posteriors=True)
        self._noisy: list[NDArray[np.float32]] = []
        self._enhanced: list[NDArray[np.float32]] = []
        self._masks: list[NDArray[np.bool_]] = []
        self._rows: list[Rows] = []

    def take(self, piece: StreamPiece) -> None:
        """Keep a piece unless there is enough already.

        Raises:
            ValueError: if the enhancer does not keep channel masks.
        """
        if sum(map(len, self._enhanced)) >= self._samples and sum(map(len, self._masks)) >= self._frames:
            return
        self._noisy.append(piece.noisy)
        for chunk in piece.chunks:
            if chunk.channel_masks is None:
                raise ValueError("an excerpt needs an enhancer with keep_masks=True")
            self._enhanced.append(chunk.samples)
            self._masks.append(chunk.channel_masks)
            self._rows.append(rows_of(chunk, self._frame_s, 0, self._selection))

    def excerpt(self, seconds: float) -> Excerpt:
        """Return what was kept of a file of that duration in s."""
        rows = {name: values[: self._frames] for name, values in joined(self._rows).items()}
        return Excerpt(
            np.concatenate(self._noisy)[: self._samples],
            np.concatenate(self._enhanced)[: self._samples],
            np.concatenate(self._masks)[: self._frames],
            rows,
            seconds,
        )
