"""DEMAND (Thiemann et al., 2013): 18 environments, each one recording of five minutes by 16 microphones."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from corpora.source import Contents, CorpusSource, Noise, Recording, option
from corpora.splits import HashSplit
from datamodules.corpus import SPLITS, CorpusError

# The first letter of an environment's folder: DKITCHEN, NPARK, ...
GROUPS = {"D": "domestic", "N": "nature", "O": "office", "P": "public", "S": "street", "T": "transport"}
# Between excerpts of one recording, as a share of its length (1.5 s of five minutes): they share no sound.
GUARD = 0.005


def excerpts(shares: tuple[float, float, float]) -> dict[str, tuple[float, float]]:
    """Return which part of every recording belongs to which split.

    Args:
        shares: of train, valid and test.

    Returns:
        Split -> begin and end as shares of the length.

    Example:
        >>> excerpts((80, 10, 10))["valid"]
        (0.805, 0.9)
    """
    found, begin = {}, 0.0
    for split, share in zip(SPLITS, shares, strict=True):
        end = begin + share / sum(shares)
        found[split] = (round(begin + GUARD if begin else 0.0, 6), round(end, 6))
        begin = end
    return found


@dataclass(frozen=True)
class Demand(CorpusSource):
    """Noise by environment or by group of environments.

    Every environment has only one recording. With ``--split-by time`` each split has an excerpt of it, so that noise
    classes are scored on unseen segments of known recordings; with ``--split-by environment`` each split has other
    environments of every group.
    """

    name = "demand"
    title = "DEMAND: noise of 18 environments, five minutes each"
    url = "https://zenodo.org/records/1227121"

    grouping: Literal["environment", "six"] = option(
        "environment", "categories: every environment, or six (domestic, nature, office, public, street, transport)"
    )
    microphone: int = option(1, "of the 16 microphones, which record the same sound")
    split_by: Literal["time", "environment"] = option(
        "time", "time: excerpts of every recording; environment: whole recordings (with --grouping six)"
    )

    def scan(self, root: Path, splits: HashSplit) -> Contents:
        """List ENVIRONMENT/ch01.wav, at any depth."""
        if self.split_by == "environment" and self.grouping != "six":
            raise CorpusError("--split-by environment needs --grouping six: an environment has only one recording")
        files = self._files(root)
        categories = {name: GROUPS[name[0]] if self.grouping == "six" else name[1:].lower() for name in sorted(files)}
        if self.split_by == "environment":
            home = splits.assign(categories, "environments of group")
            noise = [Noise(Recording(files[name], name), category, home[name]) for name, category in categories.items()]
        else:
            noise = [
                Noise(Recording(files[name], f"{name}-{split}", span=span), category, split)
                for name, category in categories.items()
                for split, span in excerpts(splits.shares).items()
            ]
        return Contents(noise=noise)

    def _files(self, root: Path) -> dict[str, Path]:
        """Return the file of the chosen microphone of every environment.

        Raises:
            CorpusError: if an environment is there twice (48 and 16 kHz), lacks the microphone or has another name.
        """
        found: dict[str, list[Path]] = defaultdict(list)
        for first in sorted(root.rglob("ch01.wav")):
            found[first.parent.name].append(first.with_name(f"ch{self.microphone:02d}.wav"))
        if not found:
            raise CorpusError(f"{root}: no */ch01.wav; expected extracted archives ({self.url})")
        for name, paths in found.items():
            if name[:1] not in GROUPS or not name.isupper():
                raise CorpusError(f"{paths[0].parent}: expected the name of an environment (DKITCHEN, NPARK, ...)")
            if len(paths) > 1:
                raise CorpusError(
                    f"{name} is there {len(paths)} times ({', '.join(str(path.parent) for path in paths)}); expected "
                    "one sample rate: name its folder as --root"
                )
            if not paths[0].is_file():
                raise CorpusError(f"{paths[0]}: no such file; --microphone must be 1 to 16")
        return {name: paths[0] for name, paths in found.items()}
