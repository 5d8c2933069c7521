"""Enhancing a signal as it arrives, in pieces of any length."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from networks.framing import LAST_FRAME_FLOOR
from streaming.engine import Engine, EngineStream, FrameBuffers
from streaming.kernels import layout as at
from streaming.kernels.stream import LIMIT
from streaming.loading import EngineName, load_engine
from streaming.properties import Properties
from streaming.state_file import read_state, write_state

NO_MASKS = np.zeros((0, 0, 0), dtype=np.uint8)
Samples = NDArray[np.float32]


class UnusableNetworkError(ValueError):
    """A network whose weights are so large that its output is no number; the message names it."""


class Chunk(NamedTuple):
    """What some samples completed.

    Attributes:
        samples: enhanced, shape (sample,); they go on where the last chunk ended.
        first_frame: number of the first of the frames below; frame ``t`` is centred on sample ``t * hop_length``.
        properties: what the network heard in these frames.
        utilization: share of active channels, shape (frame,).
        channel_masks: shape (frame, block, channel), or None unless they are kept.
    """

    samples: Samples
    first_frame: int
    properties: Properties
    utilization: NDArray[np.float32]
    channel_masks: NDArray[np.bool_] | None


def refuse_unusable(samples: Samples) -> None:
    """Check that a network can take samples, shape (sample,).

    Raises:
        ValueError: naming the first that is not finite or beyond a million times full scale.
    """
    usable = np.abs(samples) <= LIMIT
    if not usable.all():
        bad = int(usable.argmin())
        raise ValueError(
            f"samples must be finite and within {LIMIT:.0e} of full scale, got {samples[bad]} at position {bad}"
        )


class StreamingEnhancer:
    """Enhances one signal as it arrives and tells what is in it.

    What comes out does not depend on how the signal is cut into pieces. Enhanced samples follow ``latency_samples``
    behind those that went in; all together, with :meth:`flush` at the end, they are as many and in line with them.

    Args:
        checkpoint: network file (``.safetensors``) or checkpoint of a training (``.ckpt``, with the ``config.yaml`` of
            its run); None takes the one that comes with the package.
        probes: file of probes; None takes ``<name>.probes.safetensors`` beside the checkpoint if there is one, False
            takes none.
        engine: ``numba``, whose time follows the active channels, or ``onnx``.
        smoothing_s: time constant of smoothed properties in seconds; 0 smooths nothing.
        keep_masks: whether chunks hold channel masks.

    Raises:
        ValueError: if a file or an argument cannot be used; the message names it.

    Example:
        >>> enhancer = StreamingEnhancer(probes=False)
        >>> pieces = [enhancer.feed(np.zeros(count, np.float32)).samples for count in (100, 1000)]
        >>> [len(piece) for piece in pieces], len(enhancer.flush().samples)
        ([0, 768], 332)
    """

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        probes: str | Path | Literal[False] | None = None,
        *,
        engine: EngineName = "numba",
        smoothing_s: float = 0.1,
        keep_masks: bool = False,
    ) -> None:
        loaded = load_engine(checkpoint, probes, engine, smoothing_s)
        self._source = "default network" if checkpoint is None else str(checkpoint)
        self.identity = loaded.identity
        self.schema = loaded.schema
        self.grid = loaded.grid
        self.keep_masks = keep_masks
        self._attach(loaded.engine)

    def _attach(self, engine: Engine) -> None:
        plan = engine.packed.plan
        self._engine = engine
        self._stream: EngineStream = engine.new_stream()
        self._window, self._hop = int(plan[at.WINDOW]), int(plan[at.HOP])
        self.blocks, self.channels = int(plan[at.BLOCKS]), int(plan[at.CHANNELS])
        self._outputs = len(engine.packed.heads)

    @property
    def sample_rate(self) -> int:
        """Samples per second of what goes in and comes out."""
        return self.grid.sample_rate

    @property
    def hop_length(self) -> int:
        """Samples between frames."""
        return self._hop

    @property
    def latency_samples(self) -> int:
        """Samples that must have gone in after a sample before it has come out: those of one window."""
        return self.grid.latency

    @property
    def stream_bytes(self) -> int:
        """Memory of this stream beside the weights that all streams share, in bytes."""
        return self._stream.bytes

    def new_stream(self) -> StreamingEnhancer:
        """Return an enhancer for another signal, at its start, which shares the weights."""
        other = object.__new__(StreamingEnhancer)
        other.__dict__.update(self.__dict__)
        other._attach(self._engine)
        return other

    def feed(self, samples: NDArray[np.floating], forced_masks: NDArray[np.bool_] | None = None) -> Chunk:
        """Take the next samples of the signal and return what they complete.

        Args:
            samples: shape (sample,), full scale is 1.0; any number, also none.
            forced_masks: channel masks to compute with instead of those of the gates, shape (frame, block, channel),
                of as many frames as these samples complete (:meth:`frames_after`); for experiments.

        Raises:
            ValueError: if a sample is not finite or beyond a million times full scale, or a shape or type is wrong; the
                stream is as before then.
            UnusableNetworkError: if the network returns no numbers.
        """
        given = np.asarray(samples)
        if given.ndim != 1 or given.dtype.kind != "f":
            raise ValueError(
                f"samples must be floating point with full scale 1.0 and of shape (sample,), "
                f"got {given.dtype} of shape {given.shape}"
            )
        return self._advance(np.ascontiguousarray(given, dtype=np.float32), forced_masks)

    def frames_after(self, count: int) -> int:
        """Return how many frames the next ``count`` samples complete."""
        filled = int(self._stream.clock[at.FILLED]) + count
        return 0 if filled < self._window else 1 + (filled - self._window) // self._hop

    def _advance(self, samples: Samples, forced_masks: NDArray[np.bool_] | None = None) -> Chunk:
        # every line of this counts: at one hop a call it takes a fifth of the time of the network
        clock = self._stream.clock
        frames, first = self.frames_after(samples.size), int(clock[at.FRAME_NUMBER])
        masks = forced = NO_MASKS
        if self.keep_masks:
            masks = np.empty((frames, self.blocks, self.channels), dtype=np.uint8)
        if forced_masks is not None:
            forced = self._checked_masks(forced_masks, frames)
        enhanced = np.empty(frames * self._hop, dtype=np.float32)
        outputs = np.empty((2, frames, self._outputs), dtype=np.float32)
        utilization = np.empty(frames, dtype=np.float32)
        written = self._stream.advance(samples, FrameBuffers(enhanced, outputs, utilization, masks, forced))
        if written < 0:
            refuse_unusable(samples)
        done = enhanced[:written]
        told = outputs.ravel()
        with np.errstate(over="ignore", invalid="ignore"):  # squares of what a usable network returns are small
            power = float(done.dot(done)) + float(told.dot(told))
        if not math.isfinite(power):
            raise UnusableNetworkError(f"{self._source}: network or probes return no numbers: weights are too large")
        kept = masks.view(np.bool_) if self.keep_masks else None
        return Chunk(done, first, Properties(self.schema, outputs), utilization, kept)

    def _checked_masks(self, masks: NDArray[np.bool_], frames: int) -> NDArray[np.uint8]:
        shape = (frames, self.blocks, self.channels)
        if masks.shape != shape:
            raise ValueError(f"forced_masks must have shape {shape}, got {masks.shape}")
        return np.ascontiguousarray(masks, dtype=np.uint8)

    def flush(self) -> Chunk:
        """End the signal and return the rest of it; then the enhancer is at the start of another one.

        The frames are those of the network on the whole signal: one is centred on every hop, silence follows the end.
        """
        received = int(self._stream.clock[at.RECEIVED])
        if received == 0:
            return self._advance(np.zeros(0, dtype=np.float32))
        last_center = received // self._hop * self._hop
        chunk = self._advance(np.zeros(last_center + self._window // 2 - received, dtype=np.float32))
        start = last_center + self._hop - self._window // 2  # of what the last frames have left
        tail = self._tail(start, received, last_center)
        self.reset()
        return chunk._replace(samples=np.concatenate([chunk.samples, tail]))

    def _tail(self, start: int, end: int, last_center: int) -> Samples:
        """Return the samples up to ``end``, under the falling flank of the last frames, faded as in ``Stft``."""
        plan, half = self._engine.packed.plan, self._window // 2
        overlap = self._stream.state[plan[at.OVERLAP] : plan[at.OVERLAP] + self._window]
        taper = self._engine.packed.weights[plan[at.ANALYSIS_WINDOW] :][: self._window]
        samples = np.arange(max(0, start), end)
        # of every frame up to the last one, where in its window these samples lie
        places = samples - np.arange(0, last_center + 1, self._hop)[-self._window // self._hop :, None] + half
        squares = np.where(places < self._window, taper[np.clip(places, 0, self._window - 1)] ** 2, 0)
        fade = np.where(samples < last_center, 1, np.minimum(squares[-1] / LAST_FRAME_FLOOR, 1))
        norm = np.maximum(squares.sum(axis=0), np.finfo(np.float32).tiny)
        return (overlap[samples - start] / norm * fade).astype(np.float32)

    def reset(self) -> None:
        """Forget the signal: the next sample is the first of another one."""
        self._stream.reset()

    def save_state(self) -> bytes:
        """Return all that the stream remembers, to go on later, elsewhere, with the same network and probes."""
        return write_state(self._stream.tensors(), self.identity)

    def restore_state(self, state: bytes) -> None:
        """Go on from where :meth:`save_state` was called.

        Raises:
            ValueError: if it is no such state, or that of another network, probes or engine; the stream is then as
                before.
        """
        self._stream.set_tensors(read_state(state, self.identity))
