"""Deterministic splits for corpora without official ones: by speaker, or by noise recording within each category."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from datamodules.corpus import SPLITS, CorpusError


@dataclass(frozen=True)
class HashSplit:
    """Splits that depend on names, shares and seed alone, not on the order of a listing.

    Args:
        seed: another one gives another split.
        shares: of train, valid and test; any positive numbers, only their ratios count.

    Raises:
        ValueError: if there are not three positive shares.
    """

    seed: int = 0
    shares: tuple[float, float, float] = (80, 10, 10)

    def __post_init__(self) -> None:
        if len(self.shares) != len(SPLITS) or min(self.shares) <= 0:
            raise ValueError(f"--split-shares must be three positive numbers (train, valid, test), got {self.shares}")

    def order(self, names: Iterable[str]) -> list[str]:
        """Return names in the order of their hashes, which is random but always the same."""
        return sorted(names, key=lambda name: hashlib.sha256(f"{self.seed}:{name}".encode()).digest())

    def assign(self, strata: Mapping[str, str], what: str) -> dict[str, str]:
        """Give every name a split, so that each stratum has all splits in the wanted shares.

        Args:
            strata: name of a speaker or recording -> what must stand in every split (sex, category).
            what: the names, for the message: "recordings of category".

        Returns:
            Name -> split.

        Raises:
            CorpusError: if a stratum has fewer than three names.

        Example:
            >>> split = HashSplit().assign({f"r{n}": "rain" for n in range(10)}, "recordings of category")
            >>> sorted(split.values())[:3], len(split)
            (['test', 'train', 'train'], 10)
        """
        members: dict[str, list[str]] = defaultdict(list)
        for name, stratum in strata.items():
            members[stratum].append(name)
        found: dict[str, str] = {}
        for stratum, names in sorted(members.items()):
            if len(names) < len(SPLITS):
                raise CorpusError(
                    f"{what} '{stratum}': {len(names)} ({', '.join(sorted(names))}); expected at least {len(SPLITS)}, "
                    "one for each split; add some, leave them out, or join categories"
                )
            valid, test = (max(1, round(len(names) * share / sum(self.shares))) for share in self.shares[1:])
            while valid + test >= len(names):  # something must be left to train on
                valid, test = (valid - 1, test) if valid >= test else (valid, test - 1)
            for rank, name in enumerate(self.order(names)):
                found[name] = "valid" if rank < valid else "test" if rank < valid + test else "train"
        return found

    def assign_speakers(self, sexes: Mapping[str, str]) -> dict[str, str]:
        """Give every speaker a split, both sexes in each where there are enough of them.

        Args:
            sexes: speaker -> F, M or empty.

        Raises:
            CorpusError: if there are fewer than three speakers.
        """
        enough = min(Counter(sexes.values()).values(), default=0) >= len(SPLITS)
        return self.assign(sexes if enough else dict.fromkeys(sexes, "all"), "speakers of group")


def check_categories(rows: Iterable[tuple[str, str]], where: str) -> None:
    """Check that every noise category stands in every split, which training and probes need.

    Args:
        rows: category and split of every recording.
        where: what the rows are of, for the message.

    Raises:
        CorpusError: naming category, split and what the category has.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for category, split in rows:
        counts[category][split] += 1
    for category, found in sorted(counts.items()):
        for split in SPLITS:
            if not found[split]:
                has = ", ".join(f"{found[name]} in {name}" for name in SPLITS if found[name])
                raise CorpusError(f"{where}: noise category '{category}' has no recording in split '{split}' ({has})")
