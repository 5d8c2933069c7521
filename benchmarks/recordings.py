r"""Enhancers on recordings as they come, without a clean reference: what DNSMOS thinks of the result.

    python -m benchmarks.recordings FOLDER

Prints two tables of Markdown: the mean scores of every enhancer over the recordings, and the overall score of every
recording. DNSMOS is a network that guesses what listeners would say (docs/quality.md); it needs the extra `dnsmos` and
its model files. Enhancers whose package is missing are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch
from tqdm import tqdm

from benchmarks.comparison_data import Waveform, listen
from benchmarks.comparison_tables import ENHANCERS, OURS
from datamodules.rating.dnsmos import DNSMOS_MEASURES, missing_model, rate_dnsmos
from enhancers import usable
from enhancers.base import SAMPLE_RATE
from streaming.enhancer import StreamingEnhancer

TITLES = dict(zip(DNSMOS_MEASURES, ("speech", "background", "overall", "P.808"), strict=True))
SHOWN = "dnsmos_ovrl"  # of single recordings

Ratings = Mapping[str, Mapping[str, Mapping[str, float]]]  # enhancer, recording, measure


def read_recordings(folder: Path) -> dict[str, Waveform]:
    """Read all recordings of a folder, by name: the mean of their channels, shape (sample,), at 16 kHz.

    Raises:
        SystemExit: if there are none, or one is at another sample rate.
    """
    formats = {f".{name.lower()}" for name in soundfile.available_formats()}
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in formats)
    if not paths:
        raise SystemExit(f"error: {folder}: expected a folder with recordings, found none")
    recordings = {}
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        if rate != SAMPLE_RATE:
            raise SystemExit(f"error: {path}: expected {SAMPLE_RATE} Hz, got {rate}")
        recordings[str(path.relative_to(folder))] = samples.mean(axis=1)
    return recordings


def rate_all(recordings: Mapping[str, Waveform], checkpoint: Path | None) -> tuple[Ratings, dict[str, str]]:
    """Enhance and rate everything; return the scores, and why enhancers were left out."""
    ours = StreamingEnhancer(checkpoint, probes=False)
    chosen, left_out = usable(ENHANCERS)
    programs = {enhancer.name: partial(enhancer.enhance, sample_rate=SAMPLE_RATE) for enhancer in chosen}
    programs = {"noisy": lambda noisy: noisy, **programs, OURS: lambda noisy: listen(ours, noisy).enhanced}
    ratings: dict[str, dict[str, dict[str, float]]] = {name: {} for name in programs}
    with tqdm(total=len(programs) * len(recordings), desc="Rating", unit="recording") as bar:
        for name, program in programs.items():
            for recording, noisy in recordings.items():
                ratings[name][recording] = rate_dnsmos(torch.from_numpy(program(noisy)), SAMPLE_RATE)
                bar.update()
    return ratings, left_out


def page(ratings: Ratings, left_out: Mapping[str, str]) -> list[str]:
    """Return the lines of both tables, and what was left out."""
    recordings = list(next(iter(ratings.values())))
    means = [
        [name, *(float(np.mean([scores[measure] for scores in own.values()])) for measure in TITLES)]
        for name, own in ratings.items()
    ]
    single = [[recording, *(own[recording][SHOWN] for own in ratings.values())] for recording in recordings]
    lines = [f"Means of {len(recordings)} recording{'s' * (len(recordings) > 1)}.", ""]
    lines += [*_table(["", *TITLES.values()], means), "", "Overall, by recording.", "", *_table(["", *ratings], single)]
    return [*lines, *(line for reason in left_out.values() for line in ("", f"Left out: {reason}."))]


def _table(header: Sequence[str], rows: Sequence[Sequence[str | float]]) -> list[str]:
    cells = [[cell if isinstance(cell, str) else f"{cell:.2f}" for cell in row] for row in rows]
    titles, *lines = (f"| {' | '.join(row)} |" for row in [header, *cells])
    return [titles, f"|---|{'---:|' * (len(header) - 1)}", *lines]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="recordings at 16 kHz")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="network (default: that of the package)")
    given = parser.parse_args()
    reason = missing_model()
    if reason is not None:
        raise SystemExit(f"error: DNSMOS: {reason}")
    torch.set_num_threads(1)
    print(*page(*rate_all(read_recordings(given.folder), given.checkpoint)), sep="\n")


if __name__ == "__main__":
    main()
