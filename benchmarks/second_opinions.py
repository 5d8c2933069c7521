"""How far other detectors agree with the measured targets, all on the same clean recordings.

    python benchmarks/second_opinions.py /data/corpus

The targets ``vad``, ``voicing`` and ``f0_hz`` are what WebRTC's detector and CREPE tiny find in clean speech. How well
the best of other detectors does there, where no noise is in its way, is about what can be asked of any estimator: the
rest of a target is a habit of its detector. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score
from tqdm import tqdm

from datamodules.audio import AudioReader
from datamodules.corpus import read_corpus
from datamodules.targets.pitch import track_pitch
from datamodules.targets.vad import detect_voice
from estimators.base import Estimator
from estimators.pitch import CrepeEstimator, PyinEstimator, WorldEstimator
from estimators.voice_activity import SileroDetector, WebRtcDetector
from networks.framing import FrameGrid
from reports.probing.markdown import table

GRID = FrameGrid()
AGGRESSIVENESS, CREPE, F0_RANGE_HZ, PERIODICITY = 2, "tiny", (60.0, 500.0), 0.5  # as in the configurations
THRESHOLDS = np.arange(1, 100) / 100
DETECTORS: tuple[Estimator, ...] = (WebRtcDetector(aggressiveness=3), SileroDetector())
TRACKERS: tuple[Estimator, ...] = (
    CrepeEstimator(F0_RANGE_HZ, model="full"),
    WorldEstimator(F0_RANGE_HZ, method="harvest"),
    PyinEstimator(F0_RANGE_HZ),
)
Frames = NDArray[Any]


class Opinion(NamedTuple):
    """What is said of every frame, each shape (frame,).

    Attributes:
        certainty: of voice activity or voicing, in [0, 1].
        f0_hz: NaN where none is given.
        candidate: frames that can be active; the voice activity that a voiced frame of the target must have.
    """

    certainty: Frames
    f0_hz: Frames
    candidate: Frames


def listen(waveforms: list[NDArray[np.float32]], estimators: list[Estimator]) -> dict[str, Opinion]:
    """Ask the targets' own detectors, as ``vad`` and ``voicing``, and others by their names, on all recordings."""
    said: dict[str, list[Opinion]] = {}
    for waveform in tqdm(waveforms, desc="Listening", unit="recording"):
        vad = detect_voice(waveform, GRID, AGGRESSIVENESS) > 0
        nowhere, everywhere = np.full(vad.shape, np.nan), np.ones_like(vad)
        track = track_pitch(waveform, GRID.hop_length, CREPE, F0_RANGE_HZ, 64, "cpu")
        said.setdefault("vad", []).append(Opinion(vad, nowhere, everywhere))
        said.setdefault("voicing", []).append(Opinion(track.periodicity > PERIODICITY, track.f0_hz, vad))
        for estimator in estimators:
            found = estimator.estimate(waveform, GRID)
            if estimator.task == "vad":
                opinion = Opinion(found["vad"], nowhere, everywhere)
            else:  # pYIN has a probability too, but decides by its path
                certainty = found["periodicity" if isinstance(estimator, CrepeEstimator) else "voicing"]
                opinion = Opinion(certainty, found["candidate_hz"], vad)
            said.setdefault(estimator.name, []).append(opinion)
    return {name: Opinion(*map(np.concatenate, zip(*parts, strict=True))) for name, parts in said.items()}


def agreement(name: str, truth: Opinion, other: Opinion) -> list[str]:
    """Compare another opinion with the target, at the threshold that suits it best.

    Returns:
        The cells of a row: threshold, accuracy, balanced accuracy; of pitch also R² of F0 where both are voiced, and
        over all frames with 0 Hz where a detector hears no voice.
    """
    active = (truth.certainty > 0) & truth.candidate
    calls = {threshold: (other.certainty > threshold) & other.candidate for threshold in THRESHOLDS}
    best = max(THRESHOLDS, key=lambda threshold: accuracy_score(active, calls[threshold]))
    called = calls[best] & ~np.isnan(other.f0_hz) if np.isfinite(other.f0_hz).any() else calls[best]
    threshold = "-" if np.isin(other.certainty, (0, 1)).all() else f"{best:.2f}"
    scores = [accuracy_score(active, called), balanced_accuracy_score(active, called)]
    if np.isfinite(truth.f0_hz).any():
        both = active & called
        scores.append(r2_score(truth.f0_hz[both], other.f0_hz[both]))
        scores.append(r2_score(np.where(active, truth.f0_hz, 0.0), np.where(called, other.f0_hz, 0.0)))
    return [name, threshold, *(f"{score:.3f}" for score in scores)]


def main() -> None:
    """Listen and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder with speech.csv")
    parser.add_argument("--split", default="valid", choices=["train", "valid", "test"])
    parser.add_argument("--most", type=int, default=12, help="most recordings, evenly spaced in the manifest")
    options = parser.parse_args()
    if options.most < 1:
        parser.error(f"--most must be at least 1, got {options.most}")
    reasons = {estimator.name: estimator.available() for estimator in (*DETECTORS, *TRACKERS)}
    for reason in filter(None, reasons.values()):
        print(f"left out: {reason}", file=sys.stderr)
    detectors, trackers = ([e for e in kind if reasons[e.name] is None] for kind in (DETECTORS, TRACKERS))
    records = read_corpus(options.corpus).speech_of(options.split)
    chosen = np.unique(np.linspace(0, len(records) - 1, options.most).round().astype(int))
    reader = AudioReader(GRID.sample_rate, cache_mb=256)
    waveforms = [reader.read(records[index].path) for index in chosen]
    seconds = sum(map(len, waveforms)) / GRID.sample_rate
    said = listen(waveforms, [*detectors, *trackers])
    print(f"{len(chosen)} clean recordings of the split {options.split}, {seconds:.0f} s\n")
    scores = ["threshold", "accuracy", "balanced accuracy"]
    activity = (agreement(e.name, said["vad"], said[e.name]) for e in detectors)
    print("\n".join(table(["against `vad`", *scores], activity)))
    pitch = (agreement(e.name, said["voicing"], said[e.name]) for e in trackers)
    scores += ["F0 where both are voiced, R²", "F0 over all frames, R²"]
    print("\n".join(table(["against `voicing` and `f0_hz`", *scores], pitch)))


if __name__ == "__main__":
    main()
