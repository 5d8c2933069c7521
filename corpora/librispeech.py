"""LibriSpeech: read English of LibriVox, 16 kHz FLAC, official splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from corpora.source import Contents, CorpusSource, Recording, Speech, audio_files, name_below, option
from corpora.splits import HashSplit
from datamodules.corpus import SPLITS, CorpusError

SUBSETS = (
    "train-clean-100",
    "train-clean-360",
    "train-other-500",
    "dev-clean",
    "dev-other",
    "test-clean",
    "test-other",
)
OFFICIAL = {"train": "train", "dev": "valid", "test": "test"}


def read_sexes(folder: Path) -> dict[str, str]:
    """Return the sex of every reader from SPEAKERS.TXT (columns by ``|``) or speakers.tsv (columns by tabs or blanks).

    Args:
        folder: with one of these files; without, nothing is known.
    """
    sexes = {}
    for name in ("SPEAKERS.TXT", "SPEAKERS.txt", "speakers.tsv"):
        if (folder / name).is_file():
            for line in (folder / name).read_text(encoding="utf-8", errors="replace").splitlines():
                fields = line.split("|") if "|" in line else line.split()
                if len(fields) > 1 and fields[0].strip().isdigit() and fields[1].strip() in ("F", "M"):
                    sexes[fields[0].strip()] = fields[1].strip()
            break
    return sexes


@dataclass(frozen=True)
class LibriSpeech(CorpusSource):
    """Clean speech; sex from SPEAKERS.TXT; dev and test subsets are the validation and test splits."""

    name = "librispeech"
    title = "LibriSpeech: clean speech of up to 2,484 speakers"
    url = "https://www.openslr.org/12/"
    folder_name: ClassVar[str] = "LibriSpeech"
    downloader: ClassVar[str] = "LIBRISPEECH"  # of torchaudio.datasets

    subsets: Sequence[str] = option([], "subsets to take (default: all that are there)", choices=SUBSETS)
    split: Literal["official", "hash"] = option(
        "official", "official: dev-* and test-* are valid and test; hash: split the speakers of all subsets"
    )

    def scan(self, root: Path, splits: HashSplit) -> Contents:
        """List subset/reader/chapter/*.flac."""
        folder = root / self.folder_name if (root / self.folder_name).is_dir() else root
        if not any((folder / name).is_dir() for name in SUBSETS):
            raise CorpusError(f"{root}: no subset (train-clean-100, ...); expected an extracted corpus ({self.url})")
        missing = [name for name in self.subsets if not (folder / name).is_dir()]
        if missing:
            raise CorpusError(f"{folder}: no subset '{missing[0]}'; download it ({self.url}) or name others")
        subsets = self.subsets or [name for name in SUBSETS if (folder / name).is_dir()]
        sexes = read_sexes(folder)
        files = [(subset, path) for subset in subsets for path in audio_files(folder / subset)]
        home = self._home({path.relative_to(folder).parts[1]: subset for subset, path in files}, sexes, splits)
        speech = []
        for _, path in files:
            reader = path.relative_to(folder).parts[1]
            # LibriTTS has the same readers in the same subsets, so the names may be the same.
            recording = Recording(path, name_below(path, folder))
            speech.append(Speech(recording, f"librivox_{reader}", sexes.get(reader, ""), home[reader]))
        notes = [] if sexes else [f"{folder}: no SPEAKERS.TXT: the sex of all speakers stays empty"]
        return Contents(speech, notes=notes)

    def _home(self, subsets: dict[str, str], sexes: dict[str, str], splits: HashSplit) -> dict[str, str]:
        """Return the split of every reader."""
        if self.split == "hash":
            return splits.assign_speakers({reader: sexes.get(reader, "") for reader in subsets})
        home = {reader: OFFICIAL[subset.split("-")[0]] for reader, subset in subsets.items()}
        missing = [split for split in SPLITS if split not in home.values()]
        if home and missing:
            raise CorpusError(
                f"{self.name}: no subset for the split '{missing[0]}', only {', '.join(sorted({*subsets.values()}))}; "
                "download one, or pass --split hash to split the speakers of those that are there"
            )
        return home

    def download(self, root: Path) -> None:
        """Let torchaudio download and extract the chosen subsets; those that are there are left alone.

        Raises:
            CorpusError: if no subsets are chosen.
        """
        from torchaudio import datasets

        if not self.subsets:
            raise CorpusError("--download needs --subsets, for example train-clean-100 dev-clean test-clean")
        folder = root.parent if root.name == self.folder_name else root
        folder.mkdir(parents=True, exist_ok=True)
        for subset in self.subsets:
            getattr(datasets, self.downloader)(str(folder), url=subset, download=True)
