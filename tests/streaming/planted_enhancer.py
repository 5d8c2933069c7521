"""An enhancer without a network, for tests of what surrounds it: it halves the signal and delays as the real one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

GAIN = np.float32(0.5)
HOP, WINDOW = 256, 512


@dataclass(frozen=True)
class Spec:
    name: str
    kind: str = "value"
    unit: str = ""
    classes: tuple[str, ...] = ()
    threshold: float = 0.5
    transform: str | None = None


SCHEMA = (
    Spec("vad", "binary"),
    Spec("voicing", "binary"),
    Spec("speaker_sex", "binary"),
    Spec("noise_class", "category", classes=("street", "office", "kitchen", "park")),
    Spec("snr_db", unit="dB"),
    Spec("f0_hz", unit="Hz", transform="log2"),
    Spec("pesq_wb"),
)


@dataclass(frozen=True)
class PlantedProperties:
    schema: tuple[Spec, ...]
    frames: int

    def __len__(self) -> int:
        return self.frames

    def smoothed(self, name: str) -> NDArray[np.float32]:
        if name == "noise_class":
            return np.tile(np.float32([0.1, 0.6, 0.25, 0.05]), (self.frames, 1))
        values = {"vad": 0.9, "voicing": 0.8, "speaker_sex": 0.7, "snr_db": 7.5, "f0_hz": 220.0, "pesq_wb": 2.25}
        return np.full(self.frames, values[name], np.float32)

    raw = smoothed


@dataclass(frozen=True)
class PlantedChunk:
    samples: NDArray[np.float32]
    first_frame: int
    properties: PlantedProperties
    utilization: NDArray[np.float32]
    channel_masks: NDArray[np.bool_] | None


@dataclass
class PlantedEnhancer:
    """Frames are complete when a hop beyond their centre has arrived; half of the channels of even blocks are on."""

    sample_rate: int = 16000
    hop_length: int = HOP
    latency_samples: int = WINDOW
    schema: tuple[Any, ...] = SCHEMA
    slow_s: float = 0.0
    _held: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    _fed: int = 0
    _frames: int = 0

    def feed(self, samples: NDArray[np.float32]) -> PlantedChunk:
        if not np.isfinite(samples).all():
            raise ValueError("samples must be finite")
        time.sleep(self.slow_s)
        self._fed += samples.size
        self._held = np.concatenate([self._held, samples])
        frames = self._fed // HOP - self._frames
        returned = self._fed - self._held.size
        return self._chunk(frames, max(0, self._frames + frames - 1) * HOP - returned)

    def flush(self) -> PlantedChunk:
        return self._chunk(1, self._held.size)

    def new_stream(self) -> PlantedEnhancer:
        return PlantedEnhancer(self.sample_rate, slow_s=0.0, schema=self.schema)

    def _chunk(self, frames: int, ready: int) -> PlantedChunk:
        out, self._held = GAIN * self._held[:ready], self._held[ready:]
        first, self._frames = self._frames, self._frames + frames
        masks = np.zeros((frames, 9, 256), bool)
        masks[:, ::2, :128] = True
        used = masks.mean(axis=(1, 2), dtype=np.float32)
        return PlantedChunk(out, first, PlantedProperties(self.schema, frames), used, masks)
