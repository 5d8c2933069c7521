"""Streaming for hours: whether memory stays flat, chunks take no longer, and nothing of the output changes.

    python -m benchmarks.soak --hours 2 --streams 4                 # as fast as it goes
    python -m benchmarks.soak --hours 2 --streams 4 --pace          # in real time
    python -m benchmarks.soak --hours 0.05 --plot soak.png

Every stream of one ``StreamingEnhancer`` gets an endless signal of its own, in chunks of random lengths, with probes
and masks. Stretches of it, from a reset to a flush, are also enhanced in one call; both results must be equal to the
bit. Memory is what the system says of the process. Its slope is fitted to the second half, with a 95 % interval from
means of blocks; it is flat if the interval reaches zero or what it adds per hour is below --flat-mb. Latency is
compared between the first and the last quarter of the time. Prints Markdown; Ctrl-C prints what there is. Exits with 1
if a verdict is bad.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from tqdm import tqdm

from benchmarks.soak_streams import MAX_CHUNK, Readings, SoakSettings, soak
from streaming.enhancer import StreamingEnhancer

Floats = NDArray[np.float64]
BLOCKS = 12  # of the second half, whose means the slope is fitted to
SLOWER = 1.1  # ratio of latencies above which they have grown


@dataclass(frozen=True)
class Slope:
    """MiB per hour, with the ends of a 95 % interval."""

    value: float
    low: float
    high: float


def slope_per_hour(time_s: Sequence[float], value: Sequence[float]) -> Slope:
    """Fit a line through the means of blocks in the second half, in which everything has been allocated once.

    Args:
        time_s: of every value, rising.
        value: as many, at least 24.

    Returns:
        Change per hour, with an interval; readings in a block depend on one another, means of blocks hardly.

    Example:
        >>> hours = np.linspace(0, 7200, 100)
        >>> round(slope_per_hour(hours, 100 + hours / 3600 * 2).value, 6)
        2.0
    """
    half = len(time_s) // 2
    hours: Floats = np.array([part.mean() for part in np.array_split(np.asarray(time_s)[half:] / 3600, BLOCKS)])
    means: Floats = np.array([part.mean() for part in np.array_split(np.asarray(value, float)[half:], BLOCKS)])
    line = stats.linregress(hours, means)
    half_width = stats.t.ppf(0.975, BLOCKS - 2) * line.stderr
    return Slope(float(line.slope), float(line.slope - half_width), float(line.slope + half_width))


def verdicts(readings: Readings, flat_mb: float) -> list[tuple[str, str, bool]]:
    """Judge what was measured.

    Args:
        readings: at least 24 of them.
        flat_mb: MiB per hour that count as none.

    Returns:
        What was judged, the figures, and whether it is good.
    """
    slope = slope_per_hour(readings.time_s, readings.memory_mb)
    quarter = max(1, len(readings.time_s) // 4)
    first, last = (
        float(np.nanmedian(part)) for part in (readings.latency_us[:quarter], readings.latency_us[-quarter:])
    )
    worst = max(readings.worst_us[:quarter]), max(readings.worst_us[-quarter:])
    return [
        (
            "memory is flat",
            f"{readings.memory_mb[0]:.1f} MiB at the start, {readings.memory_mb[-1]:.1f} at the end; "
            f"{slope.value:+.2f} MiB per hour [{slope.low:+.2f}, {slope.high:+.2f}]",
            slope.low <= 0 or slope.value < flat_mb,
        ),
        (
            "latency does not grow",
            f"{first:.1f} µs per hop in the first quarter, {last:.1f} in the last; worst chunk "
            f"{worst[0] / 1000:.1f} and {worst[1] / 1000:.1f} ms",
            last <= SLOWER * first,
        ),
        (
            "equal to one call, to the bit",
            f"{readings.different} of {readings.compared} stretches differ",
            readings.compared > 0 and not readings.different,
        ),
        ("every value is a number", f"{readings.not_finite} chunks with others", not readings.not_finite),
    ]


def draw(readings: Readings, path: Path) -> None:
    """Draw memory and latency over time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    minutes = np.asarray(readings.time_s) / 60
    upper.plot(minutes, readings.memory_mb, linewidth=1)
    upper.set_ylabel("resident memory in MiB")
    lower.semilogy(minutes, readings.latency_us, linewidth=1, label="median of a hop")
    lower.semilogy(minutes, readings.worst_us, linewidth=0.5, alpha=0.6, label="longest chunk")
    lower.set_ylabel("µs")
    lower.set_xlabel("minutes")
    lower.legend(frameon=False)
    figure.savefig(path, dpi=150)


def report(readings: Readings, settings: SoakSettings, flat_mb: float) -> bool:
    """Print the figures as Markdown and return whether all is good."""
    seconds = readings.time_s[-1] if readings.time_s else 0.0
    print(
        f"{settings.streams} streams, {seconds / 60:.1f} minutes, {readings.audio_s / 3600:.2f} hours of audio, "
        f"{readings.chunks} chunks of 1 to {MAX_CHUNK} samples{', in real time' * settings.pace}\n"
    )
    if len(readings.time_s) < 2 * BLOCKS:
        print(f"too short to judge: {len(readings.time_s)} readings, {2 * BLOCKS} are needed")
        return False
    print("| verdict | figures | |\n|---|---|---|")
    judged = verdicts(readings, flat_mb)
    for what, figures, good in judged:
        print(f"| {what} | {figures} | {'yes' if good else '**no**'} |")
    return all(good for _, _, good in judged)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0, help="of the clock (default: %(default)s)")
    parser.add_argument("--streams", type=int, default=4, help="at a time (default: %(default)s)")
    parser.add_argument("--pace", action="store_true", help="in real time, not as fast as it goes")
    parser.add_argument("--network", type=Path, default=None, help="file (default: the one of the package)")
    parser.add_argument("--engine", choices=("numba", "onnx"), default="numba", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of signals and chunks (default: %(default)s)")
    parser.add_argument("--flat-mb", type=float, default=1.0, help="MiB per hour that count as none (default: 1)")
    parser.add_argument("--plot", type=Path, default=None, help="figure (PNG)")
    options = parser.parse_args(arguments)
    if not (options.hours > 0 and options.streams > 0):
        parser.error(f"--hours and --streams must be positive, got {options.hours} and {options.streams}")
    enhancer = StreamingEnhancer(options.network, engine=options.engine, keep_masks=True)
    seconds = options.hours * 3600
    settings = SoakSettings(seconds, options.streams, options.pace, min(10.0, seconds / 100), seed=options.seed)
    gc.collect()
    with tqdm(total=round(seconds), unit="s", disable=None) as bar:

        def told(readings: Readings) -> None:
            bar.set_postfix_str(f"{readings.memory_mb[-1]:.1f} MiB, {readings.latency_us[-1]:.0f} µs per hop")
            bar.update(round(readings.time_s[-1]) - bar.n)

        readings = soak(enhancer, settings, told)
    good = report(readings, settings, options.flat_mb)
    if options.plot is not None and readings.time_s:
        draw(readings, options.plot)
    sys.exit(int(not good))


if __name__ == "__main__":
    main()
