"""A part of a corpus: how much do masks know from fewer speakers and noises, or from free recordings alone?

    python -m benchmarks.smaller_corpus /data/corpus runs/half --share 0.5
    python -m benchmarks.smaller_corpus /data/corpus runs/free --licence CC0-1.0 --licence CC-BY-4.0

Keeps the training recordings under the given licences, and of these a share of the speakers of each sex, with all their
recordings, and of the noise recordings of each category, drawn by the seed. Validation and test stay whole. A larger
share with the same seed holds all of a smaller one. Published pairs stay where both recordings do.

Audio is not copied: the folder gets links to what the manifests name. Rows and line ends are those of the corpus, so
that the same part has the same hashes wherever it is made.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from corpora.manifests import Row, read_rows, write_manifest
from datamodules.corpus import CorpusError, read_corpus

# Manifest: what is drawn, and within which groups.
DRAWN = {"speech.csv": ("speaker", "sex"), "noise.csv": ("path", "category")}
# Manifest: of which column licences must leave a training row of every value.
NEEDED = {"speech.csv": "split", "noise.csv": "category"}


def kept_rows(rows: Sequence[Row], item: str, group: str, share: float, seed: int) -> list[Row]:
    """Return the rows of a share of the training items of each group, and those of the other splits.

    Args:
        rows: of a manifest.
        item: column of what is drawn: rows with the same value stay together.
        group: column of the groups; at least one item of each is kept.
        share: in (0, 1].
        seed: of the order in which items are taken.

    Example:
        >>> rows = [{"path": name, "category": "rain", "split": "train"} for name in "abcd"]
        >>> len(kept_rows(rows, "path", "category", 0.5, seed=0))
        2
    """
    groups: dict[str, set[str]] = {}
    for row in rows:
        if row["split"] == "train":
            groups.setdefault(row[group], set()).add(row[item])
    kept = set()
    for items in groups.values():
        order = np.random.default_rng(seed).permutation(sorted(items)).tolist()
        kept |= set(order[: max(1, math.floor(share * len(order) + 0.5))])
    return [row for row in rows if row["split"] != "train" or row[item] in kept]


def licensed_rows(manifest: Path, licences: Collection[str]) -> list[Row]:
    """Return the training rows of a manifest that are under one of these licences, and those of the other splits.

    Args:
        manifest: CSV file of speech or noise.
        licences: as its column ``licence`` calls them; without any, all rows are returned.

    Raises:
        CorpusError: if there is no such column, or no speech or no noise of a category is left to train with.
    """
    rows = read_rows(manifest)
    if not licences:
        return rows
    if rows and "licence" not in rows[0]:
        raise CorpusError(f"{manifest}: column 'licence' is missing, which --licence needs; found {', '.join(rows[0])}")
    needed = NEEDED[manifest.name]
    kept = [row for row in rows if row["split"] != "train" or row["licence"] in licences]
    values = {row[needed] for row in rows if row["split"] == "train"}
    for value in sorted(values - {row[needed] for row in kept if row["split"] == "train"}):
        found = {row["licence"] for row in rows if row["split"] == "train" and row[needed] == value}
        raise CorpusError(
            f"{manifest}: no training row of {needed} '{value}' is left by --licence {', '.join(sorted(licences))}; "
            f"they are under {', '.join(sorted(found))}"
        )
    return kept


def pairs_of(rows: Iterable[Row], recordings: Collection[Path]) -> list[Row]:
    """Return the published pairs of which both recordings are kept."""
    return [row for row in rows if {Path(row["speech"]), Path(row["noise"])} <= set(recordings)]


def link_audio(root: Path, out: Path, paths: Iterable[Path]) -> None:
    """Link the folders of a corpus that hold its recordings into another one.

    Args:
        root: folder of the corpus.
        out: folder for the links; one that is there already is left.
        paths: of recordings, relative to ``root``; absolute ones need no link.

    Raises:
        ValueError: if something else has the name of a link.
    """
    out.mkdir(parents=True, exist_ok=True)
    for name in sorted({path.parts[0] for path in paths if not path.is_absolute()}):
        source, link = root.resolve() / name, out / name
        if not link.exists() and not link.is_symlink():
            link.symlink_to(source)
        elif link.resolve() != source.resolve():
            raise ValueError(f"{link}: is there already, and is not {source}; give another folder")


def line_end(manifest: Path) -> str:
    """Return what the lines of a manifest end with."""
    with manifest.open(encoding="utf-8", newline="") as file:
        return "\r\n" if file.readline().endswith("\r\n") else "\n"


def write_smaller(
    root: Path, out: Path, share: float = 1.0, seed: int = 0, licences: Collection[str] = ()
) -> Mapping[str, int]:
    """Write the manifests of a part of a corpus, beside links to its audio.

    Args:
        root: folder of the corpus.
        out: folder for manifests and links, another one.
        share: of the training speakers and noise recordings that the licences leave, in (0, 1].
        seed: of the draw.
        licences: of training recordings; all, if none are given.

    Returns:
        Number of training rows by manifest.

    Raises:
        CorpusError: if ``root`` holds no corpus, or the licences leave too little of it.
        ValueError: if ``out`` is ``root`` or holds other audio, or the share is out of range.
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"--share must lie in (0, 1], got {share}")
    if out.resolve() == root.resolve():
        raise ValueError(f"{out}: is the corpus itself; give another folder")
    read_corpus(root)  # says what is wrong with it
    kept = {name: kept_rows(licensed_rows(root / name, licences), *DRAWN[name], share, seed) for name in DRAWN}
    recordings = {Path(row["path"]) for rows in kept.values() for row in rows}
    responses = read_rows(root / "rir.csv")
    link_audio(root, out, recordings | {Path(row["path"]) for row in responses})
    pairs = pairs_of(read_rows(root / "pairs.csv"), recordings)
    for name, rows in {**kept, "rir.csv": responses, "pairs.csv": pairs}.items():
        write_manifest(out / name, (), rows, line_end(root / name) if rows else "\n")
    return {name: sum(row["split"] == "train" for row in rows) for name, rows in kept.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the manifests and say how much is left."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.smaller_corpus",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("root", type=Path, help="folder of a corpus")
    parser.add_argument("out", type=Path, help="folder for manifests and links")
    parser.add_argument("--share", type=float, help="of training speakers and noise recordings (default: 1)")
    parser.add_argument("--licence", action="append", help="of training recordings; may be given several times")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of a share (default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.share is None and not options.licence:
        parser.error("give --share, --licence or both")
    share = 1.0 if options.share is None else options.share
    try:
        counts = write_smaller(options.root, options.out, share, options.seed, options.licence or ())
    except (CorpusError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(", ".join(f"{name}: {count} training rows" for name, count in counts.items()))


if __name__ == "__main__":
    main()
