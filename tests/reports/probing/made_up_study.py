"""A study of made-up numbers that look like real ones: python tests/reports/probing/made_up_study.py FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from matplotlib.figure import Figure

from reports.probing.meta import Example, ReportMeta, write_meta
from reports.probing.rows import (
    CalibrationBin,
    Coefficient,
    ConditionEntry,
    ConfusionCount,
    EmbeddingPoint,
    EstimatorEntry,
    FewestFeatures,
    LearningPoint,
    Overlap,
    RefinementEntry,
    ScoreEntry,
    SelectionPoint,
    VerificationEntry,
)
from reports.probing.tables import write_table

NOISES = ["animal", "babble", "domestic", "machinery", "music", "nature", "office", "street", "transport"]
# task: metric, score from the masks, chance
TASKS = {
    "vad": ("balanced_accuracy", 0.86, 0.5),
    "voicing": ("balanced_accuracy", 0.81, 0.5),
    "noise_class": ("balanced_accuracy", 0.31, 1 / 9),
    "speaker_sex": ("balanced_accuracy", 0.68, 0.5),
    "snr_db": ("r2", 0.62, 0.0),
    "mixture_snr_db": ("r2", 0.55, 0.0),
    "f0_hz": ("r2", 0.36, 0.0),
    "speech_level_dbfs": ("r2", 0.5, 0.0),
    "noise_level_dbfs": ("r2", 0.71, 0.0),
    "pesq_wb": ("r2", 0.4, 0.0),
    "stoi": ("r2", 0.33, 0.0),
    "si_sdr_db": ("r2", 0.45, 0.0),
}
UTTERANCE = {
    "noise_class": ("utterance_balanced_accuracy", 0.44, 1 / 9),
    "speaker_sex": ("utterance_accuracy", 0.8, 0.53),
}
SETS = {
    "masks": 1.0,
    "gate_logits": 1.08,
    "masked_activations": 1.12,
    "frontend": 0.9,
    "log_magnitude": 0.7,
    "log_energy": 0.35,
    "untrained_masks": 0.5,
}
SHOWN = ["vad", "noise_class", "snr_db", "f0_hz", "speaker_sex"]
COUNTS = [8, 16, 32, 64, 128, 256, 512, 1024, 2304]


def _between(chance: float, score: float, part: float) -> float:
    return chance + (score - chance) * part


def scores(rng: np.random.Generator) -> list[ScoreEntry]:
    rows = []
    listed = [(task, *numbers) for table in (TASKS, UTTERANCE) for task, numbers in table.items()]
    for features, part in SETS.items():
        for task, metric, best, chance in listed:
            score = min(_between(chance, best, part + rng.normal(0, 0.05)), 0.97)
            if (features, task) == ("untrained_masks", "f0_hz"):
                score = -1.7
            numbers = (score, score - 0.03, score + 0.02, chance, chance + rng.normal(0, 0.01))
            rows.append(ScoreEntry(features, "all", task, metric, *numbers, 22600, 90000, 360, 1000.0, True))
    for features in ("masks", "gate_logits"):
        for task, metric, best, chance in listed:
            for block in range(9):
                score = _between(chance, best, 0.5 + 0.05 * block + rng.normal(0, 0.03) + 0.05 * (features != "masks"))
                numbers = (score, score - 0.03, score + 0.03, chance, chance)
                note = "" if block else "3 channels of 256 vary"
                rows.append(ScoreEntry(features, f"{block:02d}", task, metric, *numbers, 22600, 90000, 360, note=note))
    return rows


def selection(rng: np.random.Generator) -> tuple[list[SelectionPoint], list[FewestFeatures]]:
    points, fewest = [], []
    speeds = {"mutual_information": 60.0, "l1_path": 30.0, "elimination": 20.0, "random": 250.0}
    for task in SHOWN:
        metric, best, chance = TASKS[task]
        for method, speed in speeds.items():
            curve = [_between(chance, best, 1 - np.exp(-((count / speed) ** 0.6))) for count in COUNTS]
            for count, score in zip(COUNTS, curve, strict=True):
                points.append(SelectionPoint(task, method, count, metric, score, score, score - 0.02, score + 0.02))
            first = next(place for place, score in enumerate(curve) if score >= 0.99 * curve[-1])
            fewest.append(FewestFeatures(task, method, COUNTS[first], metric, curve[first], curve[-1]))
    return points, fewest


def overlap(rng: np.random.Generator) -> list[Overlap]:
    rows = []
    for method in ("mutual_information", "l1_path"):
        for place, first in enumerate(TASKS):
            for second in list(TASKS)[place + 1 :]:
                shared = int(rng.integers(5, 150))
                rows.append(Overlap(method, first, second, 202, shared, shared / (404 - shared), 0.046))
    return rows


def coefficients(rng: np.random.Generator) -> list[Coefficient]:
    rows = []
    for task, (metric, _, _) in TASKS.items():
        for output in NOISES if task == "noise_class" else [""]:
            weights = rng.standard_t(3, (9, 40)) * (1.0 if metric == "r2" else 0.1)
            for (block, channel), weight in np.ndenumerate(weights):
                rows.append(Coefficient(task, output, f"block{block:02d}/ch{6 * channel:03d}", weight))
    return rows


def embedding(rng: np.random.Generator, points: int = 800) -> list[EmbeddingPoint]:
    rows = []
    for place in range(points):
        speech = rng.random() < 0.6
        noise, speaker = int(rng.integers(9)), int(rng.integers(20))
        x, y = rng.normal(8 if speech else -8, 4) + 2 * (noise % 3), rng.normal(3 * (noise // 3), 3)
        voiced = speech and rng.random() < 0.6
        targets: dict[str, float | str] = {
            "vad": float(speech),
            "voicing": float(voiced),
            "noise_class": NOISES[noise],
            "speaker_sex": "female" if speaker % 2 else "male",
            "snr_db": float(10 + x + rng.normal(0, 3)) if speech else -20.0,
            "f0_hz": float(rng.uniform(90, 250)) if voiced else float("nan"),
            "speaker": f"spk{speaker:02d}",
        }
        rows.append(EmbeddingPoint(float(x), float(y), place // 10, targets))
    return rows


def confusion(rng: np.random.Generator) -> list[ConfusionCount]:
    rows = []
    for protocol, diagonal in (("unseen_recordings", 4), ("known_recordings", 20)):
        for unit, total in (("frame", 10_000), ("utterance", 40)):
            shares = rng.dirichlet(np.ones(9), 9) + diagonal / 9 * np.eye(9)
            counts = np.rint(total * shares / shares.sum(1, keepdims=True)).astype(int)
            for true, name in enumerate(NOISES):
                for predicted, other in enumerate(NOISES):
                    count = int(counts[true, predicted])
                    rows.append(ConfusionCount("noise_class", protocol, unit, name, other, count))
    for true, predicted, count in (("female", "female", 30_000), ("female", "male", 12_000), ("male", "male", 31_000)):
        rows.append(ConfusionCount("speaker_sex", "unseen_recordings", "frame", true, predicted, count))
    return rows


def conditions(rng: np.random.Generator) -> list[ConditionEntry]:
    values = {"snr": ["below 0 dB", "0 to 5 dB", "5 to 10 dB", "from 10 dB"], "noise": list(NOISES)}
    return [
        ConditionEntry(kind, name, task, TASKS[task][0], score, score - 0.05, score + 0.05, 40)
        for kind, names in values.items()
        for task in SHOWN
        for name in names
        for score in [float(rng.uniform(0.3, 0.9))]
    ]


def costs(rng: np.random.Generator) -> dict[str, list[Any]]:
    learning, estimators, refinements, calibration = [], [], [], []
    own = {"vad": [("webrtc_vad", 0.72, 9.0)], "f0_hz": [("pesto", 0.8, 900.0), ("yin", 0.45, 70.0)]}
    own |= {"snr_db": [("log_magnitude_probe", 0.31, 2.0)], "noise_class": [("mel_cnn", 0.5, 4000.0)]}
    variants = ["frame", "smoothed_4", "smoothed_16", "context_4", "perceptron_64", "int8", "ternary"]
    for task in SHOWN:
        metric, best, chance = TASKS[task]
        for count in (8, 16, 32, 64, 128, 256, 360):
            score, width = _between(chance, best, 1 - 2 / count**0.7), 0.15 / count**0.5
            learning.append(LearningPoint(task, metric, count, score, score - width, score + width))
        estimators.append(EstimatorEntry(task, "mask_probe", metric, best, best - 0.02, best + 0.02, 1.3, True))
        estimators.append(
            EstimatorEntry(task, "mask_probe_C*", metric, best * 0.99, float("nan"), float("nan"), 0.2, True)
        )
        for name, score, time in own.get(task, []):
            estimators.append(EstimatorEntry(task, name, metric, score, score - 0.03, score + 0.03, time, False))
        for place, variant in enumerate(variants):
            score = best * (1 + 0.02 * rng.normal()) * (0.9 if variant == "ternary" else 1.0)
            numbers = (score, score - 0.02, score + 0.02, 16.0 * place, 2305, 9220)
            refinements.append(RefinementEntry(task, variant, metric, *numbers))
    for task in ("vad", "voicing", "speaker_sex"):
        for low in np.arange(10) / 10:
            share = float(np.clip(low + 0.05 + 0.1 * np.sin(low * 6), 0, 1))
            calibration.append(
                CalibrationBin(task, low, low + 0.1, low + 0.05, share, int(2000 * (1 + 20 * (low - 0.5) ** 2)))
            )
    return {
        "learning_curve": learning,
        "estimators": estimators,
        "refinements": refinements,
        "calibration": calibration,
    }


def made_up_tables(seed: int = 0) -> dict[str, list[Any]]:
    rng = np.random.default_rng(seed)
    points, fewest = selection(rng)
    rates = {"masks": 0.31, "gate_logits": 0.28, "log_magnitude": 0.25, "untrained_masks": 0.42}
    return {
        "scores": scores(rng),
        "selection": points,
        "fewest": fewest,
        "overlap": overlap(rng),
        "coefficients": coefficients(rng),
        "embedding": embedding(rng),
        "confusion": confusion(rng),
        "verification": [VerificationEntry(name, eer, eer - 0.02, eer + 0.02, 4000, 40) for name, eer in rates.items()],
        "conditions": conditions(rng),
        **costs(rng),
    }


def write_study(folder: Path, tables: dict[str, list[Any]], utilization: float = 0.25, examples: int = 2) -> None:
    """Write tables, example files and report.json."""
    for name, rows in tables.items():
        write_table(folder / name, rows)
    listed = []
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    time = np.arange(8000) / 16000
    for place in range(examples):
        figure = Figure(figsize=(6, 2))
        figure.subplots().plot(time, np.sin(2 * np.pi * 5 * (place + 1) * time))
        figure.savefig(folder / "audio" / f"{place}.png")
        names = {name: f"audio/{place}_{name}.wav" for name in ("noisy", "enhanced", "clean")}
        for pitch, name in enumerate(names.values()):
            soundfile.write(folder / name, 0.3 * np.sin(2 * np.pi * 220 * (pitch + 1) * time), 16000, subtype="FLOAT")
        truths = "female speaker 4446, street noise, 5 dB"
        listed.append(Example(f"Example {place + 1}", f"audio/{place}.png", truths=truths, **names))
    numbers = {"target utilization": utilization, "PESQ-WB": 1.3 + utilization, "MACs per second": 1e9 * utilization}
    notes = {"know": "Masks of a network that never saw these targets."}
    meta = ReportMeta(
        "What do the masks know?", "runs/corpus/best.ckpt", "configs/corpus.yaml", "2026-02-03 10:11",
        numbers | {"SI-SDR": "3.9 -> 6.2 dB"}, notes, tuple(listed),
    )  # fmt: skip
    write_meta(folder, meta)


if __name__ == "__main__":
    write_study(Path(sys.argv[1]), made_up_tables())
