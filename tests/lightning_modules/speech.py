"""Short batches of generated speech in noise that PESQ can rate."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from datamodules.synthetic_speech import draw_voice, synthesize_utterance

RATE = 16000


def speech_batch(size: int, seed: int = 0, snr_db: tuple[float, float] = (-5.0, 25.0)) -> dict[str, Tensor]:
    """Utterances of one second in white noise, the SNR rising over the batch."""
    rng = np.random.default_rng(seed)
    voices = [draw_voice("FM"[index % 2], rng) for index in range(size)]
    clean = torch.from_numpy(np.stack([synthesize_utterance(voice, RATE, RATE, rng).waveform for voice in voices]))
    rms = clean.square().mean(dim=1).sqrt()
    noise = torch.from_numpy(rng.standard_normal(clean.shape).astype(np.float32))
    gain = rms * 10 ** (-torch.linspace(*snr_db, size) / 20)
    return {"noisy": clean + gain[:, None] * noise, "clean": clean, "clean_rms": rms}
