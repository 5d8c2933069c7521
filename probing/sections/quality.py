"""How well the network enhances the same mixtures: what the masks know must be read beside it."""

from __future__ import annotations

import os
from concurrent.futures import Future
from typing import Any

import numpy as np
import torch

from datamodules.process_pool import ProcessPool
from datamodules.rating.measures import unavailable
from datamodules.rating.utterance import Rated, RatingJob, rate_job
from lightning_modules.enhancement import EnhancementModule
from probes.intervals import percentile_interval, resample_counts
from probing.data import StudyData
from reports.probing.rows import QualityEntry

MEASURES = ("pesq_wb", "stoi", "estoi", "si_sdr_db")
SYSTEMS = ("noisy", "enhanced")
BATCH = 12


def quality(data: StudyData, module: EnhancementModule) -> dict[str, list[Any]]:
    """Rate noisy and enhanced speech of the first scored mixtures, in processes."""
    count = min(data.settings.quality_mixtures, len(data.collected["score"].signals))
    signals = data.collected["score"].signals[:count]
    measures = tuple(name for name in MEASURES if unavailable(name) is None)
    per_system = dict.fromkeys(SYSTEMS, measures)
    pool: ProcessPool[RatingJob, Rated] = ProcessPool(rate_job, len(os.sched_getaffinity(0)))
    futures: list[Future[Rated]] = []
    try:
        for start in range(0, len(signals), BATCH):
            batch = signals[start : start + BATCH]
            with torch.inference_mode():
                waveforms = module(torch.from_numpy(np.stack([item.noisy for item in batch]))).waveform.numpy()
            for item, enhanced in zip(batch, waveforms, strict=True):
                both = dict(zip(SYSTEMS, (item.noisy, enhanced), strict=True))
                name = f"mixture {len(futures)}"
                futures.append(pool.submit(RatingJob(name, item.clean, both, per_system, data.grid.sample_rate)))
        scores = [future.result().scores for future in futures]
    finally:
        pool.close()
    return {"quality": [_entry(data, name, scores) for name in measures]}


def _entry(data: StudyData, measure: str, scores: list[Any]) -> QualityEntry:
    values = np.array([[row[measure + system] for system in SYSTEMS] for row in scores])
    values = values[np.isfinite(values).all(axis=1)]
    settings = data.settings.intervals
    if not len(values):
        return QualityEntry(measure, utterances=0)
    counts = resample_counts(len(values), settings.resamples, settings.seed)
    gains = counts @ (values[:, 1] - values[:, 0]) / len(values)
    low, high = percentile_interval(gains, settings.confidence)
    noisy, enhanced = values.mean(axis=0)
    return QualityEntry(measure, float(noisy), float(enhanced), float(enhanced - noisy), low, high, len(values))
