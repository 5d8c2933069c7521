"""Voice activity detectors on the noisy signal: WebRTC's and Silero's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch

from datamodules.targets.vad import WINDOW_S, run_detector
from estimators.base import Estimates, Estimator, EstimatorTask, Waveform, kept_threads, read_at_frames
from networks.framing import FrameGrid

SILERO_WINDOW = 512  # samples at 16 kHz; the model takes no other
AGGRESSIVENESS = (0, 1, 2, 3)


@dataclass(frozen=True)
class WebRtcDetector(Estimator):
    """WebRTC's detector (Gaussian mixtures on six sub-band energies), on 30 ms centred on each frame.

    The signal is heard at the level it has, as on a device; the target ``vad`` is found by the same detector in the
    clean signal at a fixed level. Its state runs on over the recording, and it keeps speech on for some frames after
    it has ended.

    Args:
        aggressiveness: 0 (most frames are speech) to 3 (fewest).

    Raises:
        ValueError: if ``aggressiveness`` is not 0, 1, 2 or 3.
    """

    aggressiveness: int = 2
    task: ClassVar[EstimatorTask] = "vad"

    def __post_init__(self) -> None:
        if self.aggressiveness not in AGGRESSIVENESS:
            raise ValueError(f"WebRtcDetector.aggressiveness must be 0, 1, 2 or 3, got {self.aggressiveness}")

    @property
    def name(self) -> str:
        """``webrtc_2`` for aggressiveness 2."""
        return f"webrtc_{self.aggressiveness}"

    @property
    def lookahead_ms(self) -> float:
        """Half of the 30 ms window."""
        return 1000 * WINDOW_S / 2

    def _estimate(self, waveform: Waveform, grid: FrameGrid) -> Estimates:
        return {"vad": run_detector(waveform, grid, self.aggressiveness)}


@dataclass(frozen=True)
class SileroDetector(Estimator):
    """Silero VAD (a small recurrent network, ONNX), on 32 ms windows that do not overlap; state carried over.

    Window ``k`` is centred on sample ``512 k + 256``. With a hop of 256 samples every other frame is the centre of a
    window, and the frames between are the mean of their neighbours.
    """

    task: ClassVar[EstimatorTask] = "vad"
    packages: ClassVar[tuple[str, ...]] = ("silero_vad", "onnxruntime")

    @property
    def name(self) -> str:
        """``silero``."""
        return "silero"

    @property
    def lookahead_ms(self) -> float:
        """A whole window, for the frames that lie between two."""
        return 32.0

    def _estimate(self, waveform: Waveform, grid: FrameGrid) -> Estimates:
        model = _silero()
        model.reset_states()
        count = max(1, -(-len(waveform) // SILERO_WINDOW))
        padded = np.zeros(count * SILERO_WINDOW, dtype=np.float32)
        padded[: len(waveform)] = waveform
        with torch.inference_mode():
            windows = torch.from_numpy(padded).reshape(count, SILERO_WINDOW)
            probability = np.array([model(window, grid.sample_rate).item() for window in windows])
        centers = np.arange(count) * SILERO_WINDOW + SILERO_WINDOW // 2
        return {"vad": read_at_frames(probability, centers, grid.num_frames(len(waveform)), grid)}


@lru_cache(maxsize=1)
def _silero() -> Any:
    """Load the model that the package carries, once per process."""
    with kept_threads():
        from silero_vad import load_silero_vad

        return load_silero_vad(onnx=True)
