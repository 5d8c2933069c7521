"""Manifests of a part of a corpus, for learning curves: how much do masks know from fewer speakers and noises?

    python -m benchmarks.smaller_corpus /data/corpus runs/half --share 0.5

Keeps a share of the training speakers of each sex, with all their recordings, and of the training noise recordings of
each category, drawn by the seed; validation and test stay whole. A larger share with the same seed holds all of a
smaller one. Audio is not copied: the manifests name it by absolute paths.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from corpora.manifests import Row, read_rows, write_manifest
from datamodules.corpus import CorpusError, read_corpus

# Manifest: what is drawn, and within which groups.
DRAWN = {"speech.csv": ("speaker", "sex"), "noise.csv": ("path", "category")}
WHOLE = ("rir.csv",)


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


def write_smaller(root: Path, out: Path, share: float, seed: int) -> Mapping[str, int]:
    """Write the manifests of a part of a corpus.

    Args:
        root: folder of the corpus.
        out: folder for the manifests, another one.
        share: in (0, 1].
        seed: of the draw.

    Returns:
        Number of training rows by manifest.

    Raises:
        CorpusError: if ``root`` holds no corpus.
        ValueError: if ``out`` is ``root``, or the share is out of range.
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"--share must lie in (0, 1], got {share}")
    if out.resolve() == root.resolve():
        raise ValueError(f"{out}: is the corpus itself; give another folder")
    read_corpus(root)  # says what is wrong with it
    counts = {}
    for name in (*DRAWN, *WHOLE):
        rows = read_rows(root / name)
        columns = list(rows[0]) if rows else []
        if name in DRAWN:
            rows = kept_rows(rows, *DRAWN[name], share, seed)
            counts[name] = sum(row["split"] == "train" for row in rows)
        write_manifest(out / name, columns, [row | {"path": str(root.absolute() / row["path"])} for row in rows])
    return counts


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the manifests and say how much is left."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.smaller_corpus", description=__doc__)
    parser.add_argument("root", type=Path, help="folder of a corpus")
    parser.add_argument("out", type=Path, help="folder for the manifests")
    parser.add_argument("--share", type=float, default=0.5, help="of training speakers and noise recordings")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        counts = write_smaller(options.root, options.out, options.share, options.seed)
    except (CorpusError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(", ".join(f"{name}: {count} training rows" for name, count in counts.items()))


if __name__ == "__main__":
    main()
