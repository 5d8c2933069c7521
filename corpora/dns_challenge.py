"""Speech and noise of the DNS Challenges (Microsoft): read speech by many readers, AudioSet and Freesound noise."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from corpora.source import (
    Contents,
    CorpusSource,
    Noise,
    Recording,
    Speech,
    audio_files,
    find_folder,
    name_below,
    option,
)
from corpora.splits import HashSplit
from corpora.vctk_speakers import VCTK_SEX, vctk_speaker
from datamodules.corpus import CorpusError

CLEAN_FOLDERS = ("clean_fullband", "clean")
NOISE_FOLDERS = ("noise_fullband", "noise")
READER = re.compile(r"_reader_0*(\d+)_")  # book_00000_chp_0009_reader_06709_0.wav
VCTK_FILE = re.compile(r"(p\d{3})_\d+")


def read_categories(path: Path | None) -> dict[str, str]:
    """Return the category of every file name in a CSV file with the columns ``file`` and ``category``.

    Raises:
        CorpusError: if the file or a column is missing.
    """
    if path is None:
        return {}
    if not path.is_file():
        raise CorpusError(f"--categories: no file '{path}'")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"file", "category"} <= rows[0].keys():
        raise CorpusError(f"{path}: expected a CSV file with the columns file and category")
    return {row["file"]: row["category"] for row in rows}


@dataclass(frozen=True)
class DnsChallenge(CorpusSource):
    """Clean speech without sex (but that of VCTK), noise of one category, split by hash.

    A speaker is a reader of the read speech, a speaker of VCTK, or else the folder of the file: without names, all of a
    folder stays in one split.
    """

    name = "dns-challenge"
    title = "DNS Challenge: clean speech and noise (datasets_fullband or datasets)"
    url = "https://github.com/microsoft/DNS-Challenge"

    categories: Path | None = option(
        None, "CSV file with the columns file (name without folder) and category; other files become 'dns'"
    )

    def scan(self, root: Path, splits: HashSplit) -> Contents:
        """List clean_fullband/**/*.wav and noise_fullband/**/*.wav (older: clean, noise); both are optional."""
        base = find_folder(root, "datasets_fullband", "datasets") or root
        clean, noise = find_folder(base, *CLEAN_FOLDERS), find_folder(base, *NOISE_FOLDERS)
        if clean is None and noise is None:
            names = ", ".join(CLEAN_FOLDERS + NOISE_FOLDERS)
            raise CorpusError(f"{root}: none of the folders {names}; expected the extracted corpus ({self.url})")
        return Contents(
            _speech(clean, splits) if clean else [],
            self._noise(noise, splits) if noise else [],
            notes=[] if clean and noise else [f"{base}: only {'clean speech' if clean else 'noise'} is there"],
        )

    def _noise(self, folder: Path, splits: HashSplit) -> list[Noise]:
        known = read_categories(self.categories)
        files = audio_files(folder)
        if known and not known.keys() & {path.name for path in files}:
            raise CorpusError(f"{self.categories}: names no file of {folder}; expected names like {files[0].name}")
        categories = {name_below(path, folder): known.get(path.name) or "dns" for path in files}
        home = splits.assign(categories, "recordings of noise category")
        recordings = [Recording(path, name_below(path, folder)) for path in files]
        return [Noise(recording, categories[recording.name], home[recording.name]) for recording in recordings]


def _speech(folder: Path, splits: HashSplit) -> list[Speech]:
    files = audio_files(folder)
    speakers = {path: _speaker(path, folder) for path in files}
    sexes = {speaker: VCTK_SEX.get(speaker.removeprefix(vctk_speaker("")), "") for speaker in speakers.values()}
    home = splits.assign_speakers(sexes) if sexes else {}
    return [
        Speech(Recording(path, name_below(path, folder)), speaker, sexes[speaker], home[speaker])
        for path, speaker in speakers.items()
    ]


def _speaker(path: Path, folder: Path) -> str:
    if match := READER.search(path.name):
        return f"dns_reader_{match[1]}"
    if "vctk" in str(path.relative_to(folder)).lower() and (match := VCTK_FILE.match(path.name)):
        return vctk_speaker(match[1])
    return f"dns_{path.parent.relative_to(folder).as_posix().replace('/', '_')}"
