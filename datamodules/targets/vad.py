"""Voice activity of the clean signal, by WebRTC's detector."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import webrtcvad

from datamodules.corpus import Corpus
from datamodules.mixing import Waveform, active_speech_power
from datamodules.scene import Scene
from datamodules.targets.base import Target, TargetArray
from networks.framing import FrameGrid

WINDOW_S = 0.03  # the longest window that the detector takes
REFERENCE_DBFS = -26.0  # active level of ITU-T P.56 practice
SUPPORTED_RATES = (8000, 16000, 32000, 48000)


def detect_voice(clean: Waveform, grid: FrameGrid, aggressiveness: int) -> TargetArray:
    """Run WebRTC's voice-activity detector once per frame, in order, on 30 ms centred on the frame.

    The signal is brought to an active level of -26 dBFS first, so that the label does not depend on the level at which
    the mixture is presented.

    Args:
        clean: speech, shape (sample,).
        grid: sample-to-frame alignment.
        aggressiveness: 0 (most frames are speech) to 3 (fewest).

    Returns:
        Shape (frame,), 0 or 1.
    """
    power = active_speech_power(clean, grid.hop_length)
    gain = float(np.sqrt(10 ** (REFERENCE_DBFS / 10) / power)) if power > 0 else 1.0
    return run_detector(clean, grid, aggressiveness, gain)


def run_detector(waveform: Waveform, grid: FrameGrid, aggressiveness: int, gain: float = 1.0) -> TargetArray:
    """Run WebRTC's detector once per frame, in order, on 30 ms centred on the frame.

    Args:
        waveform: shape (sample,).
        grid: sample-to-frame alignment.
        aggressiveness: 0 (most frames are speech) to 3 (fewest).
        gain: factor on the samples.

    Returns:
        Shape (frame,), 0 or 1.
    """
    length = grid.seconds_to_samples(WINDOW_S)
    pcm = np.clip(np.round(waveform * (gain * 32768.0)), -32768, 32767).astype("<i2")
    raw = np.pad(pcm, (length, length)).tobytes()
    detector = webrtcvad.Vad(aggressiveness)
    active = np.empty(grid.num_frames(len(waveform)), dtype=np.float32)
    for frame in range(len(active)):
        start, stop = grid.span(frame, length)
        active[frame] = detector.is_speech(raw[2 * (start + length) : 2 * (stop + length)], grid.sample_rate)
    return active


class VoiceActivity(Target):
    """Target ``vad``: 1 where WebRTC's detector hears speech in the clean signal.

    Args:
        aggressiveness: 0 (most frames are speech) to 3 (fewest).

    Raises:
        ValueError: if ``aggressiveness`` is not 0, 1, 2 or 3.
    """

    names = ("vad",)

    def __init__(self, aggressiveness: int = 2) -> None:
        if aggressiveness not in (0, 1, 2, 3):
            raise ValueError(f"VoiceActivity.aggressiveness must be 0, 1, 2 or 3, got {aggressiveness}")
        self.aggressiveness = aggressiveness

    def compute(self, scene: Scene, corpus: Corpus, done: Mapping[str, TargetArray]) -> dict[str, TargetArray]:
        """Return ``vad``, shape (frame,)."""
        if scene.grid.sample_rate not in SUPPORTED_RATES:
            raise ValueError(f"VoiceActivity needs a sample rate of {SUPPORTED_RATES} Hz, got {scene.grid.sample_rate}")
        return {"vad": detect_voice(scene.mixture.clean, scene.grid, self.aggressiveness)}
