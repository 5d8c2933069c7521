"""How right the measured targets are: WebRTC's detector and CREPE against the truth of the generated corpus.

    python benchmarks/targets.py --figures docs/images                          # generated corpus
    python benchmarks/targets.py --figures docs/images --recordings /data/corpus  # and agreement on recordings

Prints Markdown tables and draws two figures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm import tqdm

from datamodules.audio import AudioReader
from datamodules.corpus import SpeechRecord, read_corpus
from datamodules.synthetic import SyntheticCorpus, generate, truth_path
from datamodules.targets.pitch import PitchTrack, track_pitch
from datamodules.targets.vad import detect_voice
from networks.framing import FrameGrid

GRID = FrameGrid()
F0_RANGE_HZ = (60.0, 500.0)
THRESHOLD = 0.5  # of CREPE's periodicity, as in the configurations
AGGRESSIVENESS = 2
SHIFTS = range(-3, 4)  # frames
GROSS_SHARE = 0.2  # an F0 further off than this share is a gross error (Rabiner et al., 1976)
Frames = NDArray[Any]


class Heard(NamedTuple):
    """What is measured on one clean recording, each of shape (frame,) but the waveform."""

    waveform: NDArray[np.float32]
    vad: dict[int, Frames]
    tracks: dict[str, PitchTrack]

    def voiced(self, model: str) -> Frames:
        """Frames that the ``voicing`` target calls voiced."""
        return (self.tracks[model].periodicity > THRESHOLD) & (self.vad[AGGRESSIVENESS] > 0)


class Truth(NamedTuple):
    """What is known of one generated recording, each of shape (frame,)."""

    f0_hz: Frames
    voicing: Frames
    activity: Frames


def timed(seconds: dict[str, float], name: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """Do something and add its processor time to the account of ``name``."""
    started = time.process_time()
    result = work(*arguments)
    seconds[name] = seconds.get(name, 0.0) + time.process_time() - started
    return result


def listen(
    records: list[SpeechRecord], reader: AudioReader, models: list[str], seconds: dict[str, float]
) -> Iterator[Heard]:
    """Measure recordings one by one; processor seconds are added to ``seconds``."""
    for record in tqdm(records, desc=f"WebRTC, CREPE {' and '.join(models)}", unit="file"):
        waveform = reader.read(record.path)
        seconds["audio"] = seconds.get("audio", 0.0) + len(waveform) / GRID.sample_rate
        vad = {level: timed(seconds, "WebRTC", detect_voice, waveform, GRID, level) for level in range(4)}
        tracks = {
            model: timed(seconds, model, track_pitch, waveform, GRID.hop_length, model, F0_RANGE_HZ, 64)
            for model in models
        }
        yield Heard(waveform, vad, tracks)


def truth_of(record: SpeechRecord) -> Truth:
    """Read the truth of a generated recording, which stands on the same frames."""
    with np.load(truth_path(record.path)) as stored:
        return Truth(*(stored[name] for name in Truth._fields))


def moved(values: Frames, frames: int) -> Frames:
    """Return what the labels would be if they came so many frames later."""
    result = np.zeros_like(values)
    start, stop = max(frames, 0), len(values) + min(frames, 0)
    result[start:stop] = values[start - frames : stop - frames]
    return result


def print_header(*columns: str) -> None:
    """Print the head of a table."""
    print(f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")


def rates(called: list[Frames], true: list[Frames]) -> str:
    """Format agreement, miss and false-alarm rate over all frames as table cells."""
    calls, truths = np.concatenate(called) > 0, np.concatenate(true) > 0
    miss, alarm = (~calls[truths]).mean(), calls[~truths].mean()
    return f"{(calls == truths).mean():.1%} | {miss:.1%} | {alarm:.1%}"


def cents_off(f0_hz: Frames, reference_hz: Frames, counted: Frames) -> NDArray[np.float64]:
    """Return the absolute distance in cents where it counts."""
    cents: NDArray[np.float64] = 1200 * np.abs(np.log2(f0_hz[counted] / reference_hz[counted]))
    return cents


def error_cells(cents: NDArray[np.float64]) -> str:
    """Format median, 95th percentile and share of gross errors as table cells."""
    gross = cents > 1200 * np.log2(1 + GROSS_SHARE)
    return f"{np.median(cents):.1f} | {np.percentile(cents, 95):.0f} | {gross.mean():.2%}"


def print_generated(heard: list[Heard], truths: list[Truth], models: list[str]) -> None:
    """Print the tables of the generated corpus."""
    activity, voicing = [truth.activity for truth in truths], [truth.voicing for truth in truths]
    print_header("`vad`", "frames right", "missed", "false alarm")
    for level in range(4):
        print(f"| WebRTC, aggressiveness {level} | {rates([h.vad[level] for h in heard], activity)} |")
    print_header("`voicing`", "frames right", "missed", "false alarm")
    for model in models:
        print(f"| CREPE {model} and `vad` | {rates([h.voiced(model) for h in heard], voicing)} |")
    for level in (2, 3):
        print(f"| WebRTC alone, aggressiveness {level} | {rates([h.vad[level] for h in heard], voicing)} |")
    print_header("`f0_hz`, voiced and called so", "median, cents", "95th percentile, cents", "over 20 % off")
    for model in models:
        errors = [
            cents_off(h.tracks[model].f0_hz, truth.f0_hz, h.voiced(model) & truth.voicing)
            for h, truth in zip(heard, truths, strict=True)
        ]
        print(f"| CREPE {model} | {error_cells(np.concatenate(errors))} |")


def print_recorded(heard: list[Heard], models: list[str]) -> None:
    """Print how far detectors agree on recordings, where nobody knows the truth."""
    print_header("recordings", "share of frames")
    for level in range(4):
        print(f"| `vad`, aggressiveness {level} | {np.concatenate([h.vad[level] for h in heard]).mean():.1%} |")
    vad = np.concatenate([h.vad[AGGRESSIVENESS] for h in heard]) > 0
    for model in models:
        periodic = np.concatenate([h.tracks[model].periodicity for h in heard]) > THRESHOLD
        print(f"| periodic for CREPE {model} | {periodic.mean():.1%} |")
        print(f"| of these not `vad`, so unvoiced | {(periodic & ~vad).sum() / periodic.sum():.1%} |")
    if len(models) < 2:
        return
    one, other = models
    same = np.concatenate([h.voiced(one) == h.voiced(other) for h in heard]).mean()
    print(f"| `voicing` the same with CREPE {one} and {other} | {same:.1%} |")
    errors = [cents_off(h.tracks[one].f0_hz, h.tracks[other].f0_hz, h.voiced(one) & h.voiced(other)) for h in heard]
    print_header("recordings", "median, cents", "95th percentile, cents", "over 20 % apart")
    print(f"| CREPE {one} against {other} | {error_cells(np.concatenate(errors))} |")


def draw_alignment(heard: list[Heard], truths: list[Truth], models: list[str]) -> Figure:
    """Draw agreement and error against a shift of the labels by whole frames: right labels are best at 0."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    axes = figure.subplots(1, 3)
    called = {f"WebRTC {level}": ([h.vad[level] for h in heard], 0) for level in (1, 2, 3)}
    called |= {f"CREPE {model}": ([h.voiced(model) for h in heard], 1) for model in models}
    for name, (labels, panel) in called.items():
        true = [t.voicing if panel else t.activity for t in truths]
        agreement = [
            np.concatenate([moved(label, shift) > 0 for label in labels]) == np.concatenate(true) for shift in SHIFTS
        ]
        axes[panel].plot(list(SHIFTS), [100 * values.mean() for values in agreement], marker="o", ms=3, label=name)
    for model in models:
        medians = []
        for shift in SHIFTS:
            errors = [
                cents_off(moved(h.tracks[model].f0_hz, shift), t.f0_hz, (moved(h.voiced(model), shift) > 0) & t.voicing)
                for h, t in zip(heard, truths, strict=True)
            ]
            medians.append(np.median(np.concatenate(errors)))
        axes[2].plot(list(SHIFTS), medians, marker="o", ms=3, label=f"CREPE {model}")
    titles = ("vad: frames right, %", "voicing: frames right, %", "F0: median error, cents")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, loc="left", fontsize=9)
        axis.set_xlabel("labels moved later by frames")
        axis.axvline(0, color="0.6", linewidth=0.8, zorder=0)
        axis.grid(alpha=0.25)
        axis.legend(fontsize=7)
    return figure


def draw_example(heard: Heard, truth: Truth, models: list[str]) -> Figure:
    """Draw one generated utterance with its truth and what is measured."""
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True, height_ratios=[2, 2, 1.2])
    time_s = np.arange(len(truth.voicing)) / GRID.frame_rate_hz
    axes[0].specgram(heard.waveform + 1e-9, NFFT=512, noverlap=384, Fs=GRID.sample_rate, cmap="magma", vmin=-140)
    axes[0].set_ylabel("Hz")
    axes[1].plot(time_s, truth.f0_hz, color="0.6", linewidth=4, label="truth")
    for color, model in zip(("#D55E00", "#0072B2"), models, strict=False):
        voiced = np.where(heard.voiced(model), heard.tracks[model].f0_hz, np.nan)
        axes[1].plot(time_s, voiced, color=color, linewidth=1.2, label=f"CREPE {model}")
    axes[1].set_ylabel("F0 in Hz")
    axes[1].legend(fontsize=7, ncols=3)
    rows = {
        "active": truth.activity,
        "vad": heard.vad[AGGRESSIVENESS],
        "voiced": truth.voicing,
        "voicing": heard.voiced(models[0]),
    }
    axes[2].imshow(
        np.stack([values > 0 for values in rows.values()]), aspect="auto", cmap="Greys", interpolation="nearest",
        extent=(-0.5 / GRID.frame_rate_hz, time_s[-1] + 0.5 / GRID.frame_rate_hz, len(rows), 0),
    )  # fmt: skip
    axes[2].set_yticks(np.arange(len(rows)) + 0.5, [*rows], fontsize=8)
    axes[2].set_xlabel("time in s")
    return figure


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=Path, help="folder of a corpus with speech.csv; its valid split is used")
    parser.add_argument("--most", type=int, default=16, help="most recordings of the generated corpus")
    parser.add_argument("--most-recorded", type=int, default=6, help="most recordings of the other one")
    parser.add_argument("--models", nargs="+", default=["tiny", "full"], choices=["tiny", "full"])
    parser.add_argument("--figures", type=Path, required=True, help="folder of the two figures")
    options = parser.parse_args()
    reader = AudioReader(GRID.sample_rate, cache_mb=256)
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        generate(SyntheticCorpus(), Path(folder), GRID, progress=False)
        records = read_corpus(Path(folder)).speech_of("train")[: options.most]
        heard = list(listen(records, reader, options.models, seconds))
        truths = [truth_of(record) for record in records]
    print(f"generated corpus, {len(heard)} recordings, {seconds['audio']:.0f} s")
    print_generated(heard, truths, options.models)
    print_header("detector", "processor seconds per second of audio")
    for name in ("WebRTC", *options.models):
        runs = 4 if name == "WebRTC" else 1
        print(f"| {name if runs > 1 else 'CREPE ' + name} | {seconds[name] / runs / seconds['audio']:.4f} |")
    options.figures.mkdir(parents=True, exist_ok=True)
    draw_alignment(heard, truths, options.models).savefig(options.figures / "target_alignment.png", dpi=110)
    draw_example(heard[0], truths[0], options.models).savefig(options.figures / "target_example.png", dpi=110)
    if options.recordings is not None:
        recorded = read_corpus(options.recordings).speech_of("valid")
        recorded = recorded[:: max(1, len(recorded) // options.most_recorded)][: options.most_recorded]
        seconds = {}
        heard = list(listen(recorded, reader, options.models, seconds))
        print(f"\n{len(heard)} recordings of the split valid, {seconds['audio']:.0f} s")
        print_recorded(heard, options.models)


if __name__ == "__main__":
    main()
