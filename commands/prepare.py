"""Prepare a public corpus or plain folders into one folder with speech.csv and noise.csv."""

from __future__ import annotations

import argparse
import inspect
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from commands.options import add_options, values_of
from commands.status import exit_status
from corpora.manifests import Row
from corpora.prepare import Report, Settings, prepare
from corpora.registry import CORPORA
from corpora.source import CorpusSource, NotDownloadable
from corpora.splits import HashSplit
from datamodules.corpus import SPLITS, CorpusError, read_corpus
from datamodules.shards.writer import write_shards

EPILOG = """\
Several corpora may go into one folder: their rows are merged, and preparing one again replaces its own rows only.
Recordings that are mono and of the wanted rate are used where they are; others are written to the folder, once. An
interrupted preparation goes on where it stopped. docs/corpora.md tells what each corpus fills in."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one subcommand for every corpus, with its own options and the common ones."""
    parser.epilog, parser.formatter_class = EPILOG, argparse.RawDescriptionHelpFormatter
    subparsers = parser.add_subparsers(dest="corpus", required=True, metavar="CORPUS", title="corpora")
    for name, corpus in CORPORA.items():
        text = f"{corpus.title}\n\n{inspect.getdoc(corpus)}\n\nPublished at {corpus.url}"
        subparser = subparsers.add_parser(
            name,
            help=corpus.title,
            description=text,
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        add_options(subparser.add_argument_group(f"options of {name}"), corpus)
        _add_common(subparser.add_argument_group("options of all corpora"), corpus)


def _add_common(group: argparse._ArgumentGroup, corpus: type[CorpusSource]) -> None:
    if corpus.has_root:
        group.add_argument("--root", type=Path, required=True, metavar="DIR", help="folder of the extracted corpus")
        group.add_argument("--download", action="store_true", help="bring the corpus into --root first")
    text = "folder that is given to --data.root"
    if corpus.has_root:
        text += " (default: that of the corpus with -prepared behind its name)"
    group.add_argument("--out", type=Path, required=not corpus.has_root, metavar="DIR", help=text)
    group.add_argument(
        "--sample-rate", type=int, default=16000, metavar="HZ", help="of all recordings (default: 16000)"
    )
    group.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (default: cores)"
    )
    group.add_argument(
        "--channel", choices=("mix", "first"), help="of several channels (default: mix for noise, an error for speech)"
    )
    group.add_argument("--copy", action="store_true", help="write every recording, also those usable where they are")
    group.add_argument(
        "--on-bad-file",
        choices=("error", "skip"),
        default="error",
        help="a damaged file stops, or is left out and listed",
    )
    group.add_argument("--only", choices=("speech", "noise"), help="take only this part of the corpus")
    group.add_argument(
        "--shards", type=Path, metavar="DIR", help="then write all of --out into tar shards there (docs/shards.md)"
    )
    group.add_argument("--shard-mb", type=float, default=256.0, metavar="MB", help="size of a shard (default: 256)")
    group.add_argument("--split-seed", type=int, default=0, metavar="N", help="of splits that are not official ones")
    group.add_argument(
        "--split-shares",
        type=float,
        nargs=3,
        default=(80, 10, 10),
        metavar=("TRAIN", "VALID", "TEST"),
        help="of splits that are not official ones (default: 80 10 10)",
    )


def run(parsed: argparse.Namespace) -> int:
    """Prepare and tell what was done; return the exit status."""
    return exit_status(lambda: _run(parsed))


def _run(parsed: argparse.Namespace) -> None:
    corpus = CORPORA[parsed.corpus]
    source = corpus(**values_of(parsed, corpus))
    root = parsed.root if corpus.has_root else Path()
    if corpus.has_root and parsed.download:
        _download(source, Path(os.path.abspath(root)))
    if not root.is_dir():
        raise NotDownloadable(f"--root: no folder '{root}'; {source.name} is published at {source.url}")
    absolute = Path(os.path.abspath(root))
    out = parsed.out or absolute.with_name(f"{absolute.name}-prepared")
    report = prepare(source, root, out, _settings(parsed), progress=True)
    _print_report(source, report, out)
    if parsed.shards is not None:
        shards = write_shards(out, parsed.shards, parsed.shard_mb, parsed.sample_rate)
        print(f"{parsed.shards}: {shards.written} shards written, {shards.kept} kept")


def _download(source: CorpusSource, root: Path) -> None:
    """Bring a corpus into its folder.

    Raises:
        CorpusError: if what arrived is damaged; torchaudio has no exception of its own for that.
    """
    try:
        source.download(root)
    except RuntimeError as error:
        raise CorpusError(f"download of {source.name}: {error}") from error


def _settings(parsed: argparse.Namespace) -> Settings:
    return Settings(
        sample_rate=parsed.sample_rate,
        workers=parsed.workers,
        channel=parsed.channel,
        copy=parsed.copy,
        skip_bad_files=parsed.on_bad_file == "skip",
        only=parsed.only,
        splits=HashSplit(parsed.split_seed, tuple(parsed.split_shares)),
    )


def _print_report(source: CorpusSource, report: Report, out: Path) -> None:
    """Print counts, what was left out, and whether the folder is complete."""
    for note in report.notes:
        print(f"note: {note}")
    if report.speech:
        sexes = Counter({row["speaker"]: row["sex"] or "unknown" for row in report.speech}.values())
        speakers = ", ".join(f"{count} {sex}" for sex, count in sorted(sexes.items()))
        print(f"speech: {_counts(report.speech)}; {sexes.total()} speakers ({speakers})")
    if report.noise:
        categories = Counter(row["category"] for row in report.noise)
        print(f"noise: {_counts(report.noise)}; {', '.join(f'{count} {name}' for name, count in categories.items())}")
    if report.pairs:
        print(f"pairs: {len(report.pairs)}")
    print(
        f"{report.converted} written, {report.kept} kept from an earlier run, {report.referenced} used where they are"
    )
    if report.clipped:
        print(f"{report.clipped} recordings exceeded full scale and were limited")
    if report.bad:
        print(f"{len(report.bad)} damaged files were left out:", *report.bad, sep="\n  ")
    missing = [name for name in ("speech.csv", "noise.csv") if not (out / name).is_file()]
    if missing:
        print(f"{out}: {missing[0]} is still missing; prepare a corpus that has it into the same folder")
        return
    corpus = read_corpus(out)
    print(f"{out}: ready, {len(corpus.speakers)} speakers, noise: {', '.join(corpus.categories)}")


def _counts(rows: Sequence[Row]) -> str:
    hours = sum(float(row["seconds"]) for row in rows) / 3600
    found = Counter(row["split"] for row in rows)
    return f"{len(rows)} recordings, {hours:.2f} h ({', '.join(f'{found[split]} {split}' for split in SPLITS)})"
