"""Score network and probes of the package on the test split of a corpus, and compare with what was published."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from commands.extras import told_extras
from commands.status import exit_status

if TYPE_CHECKING:
    from reproduction.published import Published
    from reproduction.run import Reproduction
    from reproduction.settings import ReproductionSettings

EPILOG = """\
Exit status 0: every published score came out within its tolerance, or corpus or settings are others and nothing was
compared. 1: a score differs, or network or probes are not the published ones. docs/reproduction.md tells more.

    dyncp reproduce --root /data/corpus"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the subcommand."""
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="corpus folder with speech.csv")
    parser.add_argument("--network", type=Path, metavar="FILE", help="network file (default: that of the package)")
    parser.add_argument("--probes", type=Path, metavar="FILE", help="its probes (default: those beside the network)")
    parser.add_argument("--engine", choices=("numba", "onnx"), default="numba", help="what computes (default: numba)")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings (default: those of configs/probing/reproduction.yaml)"
    )
    parser.add_argument(
        "--mixtures", type=int, metavar="N", help="of unseen noise, and half as many of known noise (default: 360)"
    )
    parser.add_argument("--pitch-cache", metavar="DIR", help="folder of the pitch tracks (default: .cache/pitch)")
    out = Path("runs/reproduction")
    parser.add_argument("--out", type=Path, default=out, metavar="DIR", help=f"of the table (default: {out})")
    parser.add_argument(
        "--published", type=Path, metavar="FILE", help="scores to compare with (default: those of the package)"
    )
    parser.add_argument(
        "--publish",
        action="store_true",
        help="make the scores of this run the published ones, and renew the tables of the documents",
    )


def run(options: argparse.Namespace) -> int:
    """Score, compare or publish, and return the exit status."""
    return exit_status(lambda: _run(options))


def _run(options: argparse.Namespace) -> None:
    with told_extras():
        from reproduction.published import Published  # torch and the compiler take seconds to import
        from reproduction.publishing import FILE
        from reproduction.run import Listened, reproduce, write_scores

        if options.publish and options.mixtures is not None:
            raise ValueError("--publish: scores of all mixtures are published; leave out --mixtures")
        settings = _settings(options)
        path = FILE if options.published is None else options.published
        published = None if options.publish else Published.load(path)  # a broken file is told before the work
        made = reproduce(Listened(options.root, options.network, options.probes, options.engine), settings)
        write_scores(made, options.out)
        if published is None:
            _publish(made, settings, path)
        else:
            _compare(published, made)


def _settings(options: argparse.Namespace) -> ReproductionSettings:
    from reproduction.settings import ReproductionSettings, read_settings

    settings = ReproductionSettings() if options.config is None else read_settings(options.config)
    if options.mixtures is not None:
        settings = settings.with_mixtures(options.mixtures)
    return settings if options.pitch_cache is None else replace(settings, pitch_cache=options.pitch_cache)


def _compare(published: Published, made: Reproduction) -> None:
    from reproduction.comparison import compare
    from reproduction.report import comparison_lines, score_lines

    comparison = compare(published, made)
    print(*(score_lines(made) if comparison.unlike else comparison_lines(published, made)), sep="\n")
    if comparison.unlike:
        print("nothing is compared with what was published:", *comparison.unlike, sep="\n  ")
        return
    if comparison.unchecked:
        print(f"{len(comparison.unchecked)} scores are not checked:", *comparison.unchecked, sep="\n  ")
    if comparison.failed:
        wrong = [*comparison.other_files, *map(str, comparison.differences)]
        raise ValueError("\n  ".join(["not as published:", *wrong]))
    print(f"confirmed: {comparison.confirmed} published scores")


def _publish(made: Reproduction, settings: ReproductionSettings, path: Path) -> None:
    from reproduction.publishing import DOCUMENTS, FILE, publish, to_publish
    from reproduction.report import score_lines

    published = to_publish(made, settings.tolerances)
    # Documents are of the package's own scores only.
    changed = publish(published, path, DOCUMENTS if path == FILE else ())
    print(*score_lines(made), sep="\n")
    print(f"published: {path}", *changed, sep="\n  ")
