"""ESC-50 (Piczak, 2015): 2,000 environmental sounds of 5 s in 50 classes, five official folds."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from corpora.source import Contents, CorpusSource, Noise, Recording, find_folder, name_below, option
from corpora.splits import HashSplit
from datamodules.corpus import CorpusError

GROUPS = ("animals", "nature", "human", "interior", "exterior")  # of ten classes each, in the order of their numbers
CLASSES_PER_GROUP = 10
COLUMNS = ("filename", "fold", "target", "category", "src_file")
FOLDS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Esc50(CorpusSource):
    """Noise by class or group; official folds, which keep the clips of one original recording together."""

    name = "esc50"
    title = "ESC-50: environmental sounds in 50 classes or five groups"
    url = "https://github.com/karolpiczak/ESC-50"

    category: Literal["group", "class"] = option(
        "group", "group: animals, nature, human, interior, exterior; class: all 50"
    )
    valid_fold: int = option(4, "fold for validation", choices=FOLDS)
    test_fold: int = option(5, "fold for testing; the other three are for training", choices=FOLDS)

    def scan(self, root: Path, splits: HashSplit) -> Contents:
        """List the clips of meta/esc50.csv.

        Raises:
            CorpusError: if a clip is missing, a column is, or clips of one recording stand in two splits.
        """
        meta = find_folder(root, "meta")
        if meta is None or not (meta / "esc50.csv").is_file():
            raise CorpusError(f"{root}: no meta/esc50.csv; expected the extracted corpus ({self.url})")
        if self.valid_fold == self.test_fold:
            raise CorpusError(f"--valid-fold and --test-fold must differ, got {self.test_fold} for both")
        with (meta / "esc50.csv").open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        audio = meta.parent / "audio"
        noise, home = [], dict[str, str]()
        for number, row in enumerate(rows, start=2):
            where = f"{meta / 'esc50.csv'}, line {number}"
            if missing := [column for column in COLUMNS if not row.get(column)]:
                raise CorpusError(f"{where}: column '{missing[0]}' is missing or empty")
            path = audio / row["filename"]
            if not path.is_file():
                raise CorpusError(f"{where}: {path} is missing")
            split = self._split(row["fold"], where)
            if home.setdefault(row["src_file"], split) != split:
                raise CorpusError(f"{where}: recording {row['src_file']} stands in '{split}' and in another split")
            noise.append(Noise(Recording(path, name_below(path, audio)), self._category(row, where), split))
        return Contents(noise=noise)

    def _split(self, fold: str, where: str) -> str:
        if fold not in map(str, FOLDS):
            raise CorpusError(f"{where}: fold must be 1 to 5, got '{fold}'")
        return {str(self.valid_fold): "valid", str(self.test_fold): "test"}.get(fold, "train")

    def _category(self, row: dict[str, str], where: str) -> str:
        if self.category == "class":
            return row["category"]
        if not row["target"].isdigit() or int(row["target"]) >= CLASSES_PER_GROUP * len(GROUPS):
            raise CorpusError(f"{where}: target must be 0 to 49, got '{row['target']}'")
        return GROUPS[int(row["target"]) // CLASSES_PER_GROUP]
