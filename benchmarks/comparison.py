r"""Our network and its probes beside dedicated programs, on the same test mixtures, with cost per hop beside accuracy.

    python -m benchmarks.comparison                                    # on a generated corpus
    python -m benchmarks.comparison --root /data/corpus --mixtures 120

Prints one page of Markdown: quality, voice activity, F0 and noise class. Brackets are 95 % bootstrap intervals. Cost is
processor time per hop of 16 ms on one thread, medians of rounds in which everything has its turn on the same signal;
ratios are taken within a round. Where an optional package is missing, its row is left out and the page says so.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.comparison_data import listen, read_mixtures, stream
from benchmarks.comparison_scores import Bootstrap, Table
from benchmarks.comparison_tables import (
    OURS,
    OURS_WITH_PROBES,
    Comparison,
    estimator_tables,
    noise_tables,
    quality_table,
)
from benchmarks.comparison_timing import Timed, measure
from estimators.noise_training import TrainingSettings, train_noise_classifier
from streaming.enhancer import StreamingEnhancer

GENERATED, RECORDED = Path("configs/quickstart.yaml"), Path("configs/corpus.yaml")


def compared(given: argparse.Namespace) -> tuple[Comparison, list[Table]]:
    """Hear all mixtures, and make the tables; nothing is timed yet."""
    config = given.config or (GENERATED if given.root is None else RECORDED)
    counts = given.mixtures, given.classifier_mixtures
    mixtures = read_mixtures(config, given.root, given.split, *counts, given.pitch_cache)
    enhancer, alone = StreamingEnhancer(given.checkpoint), StreamingEnhancer(given.checkpoint, probes=False)
    if enhancer.grid != mixtures.grid:
        raise SystemExit(f"the network hears {enhancer.grid}, the mixtures have {mixtures.grid}")
    comparison = Comparison(
        mixtures,
        {part: [listen(enhancer, item.noisy) for item in getattr(mixtures, part)] for part in ("score", "known")},
        enhancer.schema,
        Bootstrap(given.resamples, given.seed),
        [Timed(OURS, partial(stream, alone)), Timed(OURS_WITH_PROBES, partial(stream, enhancer))],
        workers=len(os.sched_getaffinity(0)),
    )
    tables = [quality_table(comparison), *estimator_tables(comparison)]
    settings = TrainingSettings(seed=given.seed)
    classes, start = len(mixtures.categories), time.process_time()
    classifier = train_noise_classifier(mixtures.fit, classes, mixtures.grid, settings=settings)
    trained = (
        f"The CNN was trained on {given.classifier_mixtures} mixtures, {time.process_time() - start:.0f} s on a core."
    )
    return comparison, [*tables, *noise_tables(comparison, classifier, trained)]


def print_page(comparison: Comparison, tables: Sequence[Table], given: argparse.Namespace) -> None:
    """Print everything as Markdown."""
    timed = {program.name: program for program in comparison.programs}
    medians = {name: program.median_us for name, program in timed.items()}
    told = comparison.told["score"]
    utilization = sum(one.utilization for one in told) / len(told)
    print(
        f"{len(told)} mixtures of the split {given.split}, {platform.processor() or platform.machine()}, one thread, "
        f"{given.rounds} rounds. {OURS}: {utilization:.1%} of the channels active, fed hop by hop, "
        f"{medians[OURS]:.0f} us per hop, {medians[OURS_WITH_PROBES]:.0f} us with all probes."
    )
    for table in tables:
        reference = timed[table.reference]
        ratios = {name: program.ratio_to(reference) for name, program in timed.items()}
        print(f"\n{table.markdown(medians, ratios)}")


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="corpus (default: generated into .cache/generated/quickstart)"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=f"configuration that mixtures are drawn by (default: {RECORDED}, without --root {GENERATED})",
    )
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="network (default: that of the package)")
    parser.add_argument("--split", choices=("valid", "test"), default="test", help="that is heard (default: test)")
    parser.add_argument("--mixtures", type=int, default=60, metavar="N", help="to compare on (default: 60)")
    parser.add_argument(
        "--classifier-mixtures", type=int, default=2000, metavar="N", help="to train the classifier on (default: 2000)"
    )
    parser.add_argument("--pitch-cache", type=Path, metavar="DIR", help="F0 tracks (default: as configured)")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="of the timing (default: 9)")
    parser.add_argument("--resamples", type=int, default=1000, metavar="N", help="of the intervals (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of intervals, classifier and order (default: 0)")
    return parser


def main() -> None:
    """Compare and print."""
    given = arguments().parse_args()
    comparison, tables = compared(given)
    waveforms = [item.noisy for item in comparison.mixtures.score]
    measure(comparison.programs, waveforms, comparison.mixtures.grid.hop_length, given.rounds, given.seed)
    print_page(comparison, tables, given)


if __name__ == "__main__":
    main()
