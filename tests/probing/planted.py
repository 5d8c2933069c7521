"""A study of masks into which signals are planted, without a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from networks.framing import FrameGrid
from probes.fitting import FitSettings
from probes.reservoir import FrameReservoir, FrameRows
from probes.tasks import ProbeTask
from probing.collection import Collected, MixtureInfo
from probing.data import StudyData
from probing.features import MASKS
from probing.mixtures import MixtureCounts
from probing.settings import IntervalSettings, StudySettings

BLOCKS, CHANNELS, FRAMES = 2, 16, 40
VAD_CHANNEL, F0_CHANNELS, NOISE_CHANNELS = 3, (5, 18, 21), (8, 25)
CATEGORIES = ("babble", "music", "rain")
TASKS = [
    ProbeTask("vad", "binary"),
    ProbeTask("noise_class", "category", per_utterance=True),
    ProbeTask("f0_hz", "value", unit="Hz", where="voicing", transform="log2"),
    ProbeTask("snr_db", "value", unit="dB"),
]


def settings(**changes: Any) -> StudySettings:
    names = ("vad", "noise_class", "f0_hz")
    defaults: dict[str, Any] = {
        "mixtures": MixtureCounts(fit=60, score=60, known=30),
        "frame_stride": 2,
        "tasks": TASKS,
        "feature_sets": (MASKS,),
        "fits": FitSettings(logistic_rows=1000),
        "intervals": IntervalSettings(resamples=100, by_speaker=()),
        "block_tasks": ("vad",),
        "selection_tasks": names,
        "selection_counts": (1, 2, 4, 8, 16),
        "overlap_count": 3,
        "learning_utterances": (12,),
        "refined_tasks": names,
        "smoothing_frames": (2.0,),
        "context_frames": (2,),
        "context_features": 8,
        "late_frames": (1,),
        "perceptron_hidden": 8,
        "embedding_frames": 60,
    }
    return StudySettings(**(defaults | changes))


def rows(utterances: int, seed: int) -> tuple[FrameRows, list[MixtureInfo]]:
    """Draw masks whose channels tell activity, F0 and noise; nothing tells the SNR."""
    rng = np.random.default_rng(seed)
    count = utterances * FRAMES
    utterance = np.repeat(np.arange(utterances), FRAMES)
    masks = rng.random((count, BLOCKS * CHANNELS)) < 0.4
    noise = rng.integers(len(CATEGORIES), size=utterances)
    for column, label in zip(NOISE_CHANNELS, (1, 2), strict=True):
        masks[:, column] = (noise[utterance] == label) ^ (rng.random(count) < 0.1)
    vad = masks[:, VAD_CHANNEL] ^ (rng.random(count) < 0.05)
    octaves = masks[:, F0_CHANNELS] @ np.array([0.5, -0.4, 0.3]) + 0.05 * rng.standard_normal(count)
    targets = {
        "vad": vad.astype(np.float32),
        "voicing": vad.astype(np.float32),
        "noise_class": noise[utterance].astype(np.float32),
        "f0_hz": np.where(vad, 150 * 2**octaves, np.nan).astype(np.float32),
        "snr_db": rng.normal(5, 5, size=utterances)[utterance].astype(np.float32),
        "speaker": (utterance % 6).astype(np.float32),
    }
    reservoir = FrameReservoir(None)
    reservoir.add(masks, targets, utterance)
    infos = [
        MixtureInfo(f"s{i % 6}", CATEGORIES[noise[i]], f"{CATEGORIES[noise[i]]}{i % 4}", 0.0) for i in range(utterances)
    ]
    return reservoir.rows(), infos


def study(**changes: Any) -> StudyData:
    chosen = settings(**changes)
    collected = {}
    for seed, (part, count) in enumerate({"fit": 60, "score": 60, "known": 30}.items()):
        masks, infos = rows(count, seed)
        collected[part] = Collected({MASKS: masks}, infos)
    return StudyData(chosen, collected, FrameGrid(16000, 512, 256), CATEGORIES, BLOCKS, CHANNELS)
