"""Any folders of recordings: speech by speaker, noise by category."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from corpora.source import Contents, CorpusSource, Noise, Recording, Speech, audio_files, name_below, option
from corpora.splits import HashSplit
from datamodules.corpus import SEXES, CorpusError


@dataclass(frozen=True)
class PlainFolders(CorpusSource):
    """Speech with the first subfolder as speaker, noise with the first subfolder as category; split by hash."""

    title = "Any folders: speech/SPEAKER/*.wav, noise/CATEGORY/*.wav"
    url = "docs/corpora.md"
    has_root = False

    name: str = option("folder", "name of these recordings, to prepare several folders into one corpus")
    speech: Path | None = option(None, "folder of clean speech")
    noise: Path | None = option(None, "folder of noise")
    speaker_regex: str | None = option(
        None, "finds the speaker in the path below the folder (its first group) instead of the first subfolder"
    )
    recording_regex: str | None = option(
        None, "finds the original recording of a noise file in its path; files of one recording stay in one split"
    )
    sexes: Path | None = option(None, "CSV file with the columns speaker and sex (F or M)")

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w-]+", self.name):
            raise CorpusError(f"--name: expected letters, digits, - and _, got '{self.name}'")

    def scan(self, root: Path, splits: HashSplit) -> Contents:
        """List the files below both folders."""
        if self.speech is None and self.noise is None:
            raise CorpusError("folder: pass --speech DIR, --noise DIR or both")
        for name, folder in (("speech", self.speech), ("noise", self.noise)):
            if folder is not None and not folder.is_dir():
                raise CorpusError(f"--{name}: no folder '{folder}'")
            if folder is not None and not audio_files(folder):
                raise CorpusError(f"--{name}: no audio files in '{folder}'")
        return Contents(
            self._speech(self.speech.absolute(), splits) if self.speech else [],
            self._noise(self.noise.absolute(), splits) if self.noise else [],
        )

    def _speech(self, folder: Path, splits: HashSplit) -> list[Speech]:
        speakers = {path: _label(path, folder, self.speaker_regex, "--speaker-regex") for path in audio_files(folder)}
        known = read_sexes(self.sexes)
        home = splits.assign_speakers({speaker: known.get(speaker, "") for speaker in speakers.values()})
        return [
            Speech(Recording(path, name_below(path, folder)), speaker, known.get(speaker, ""), home[speaker])
            for path, speaker in speakers.items()
        ]

    def _noise(self, folder: Path, splits: HashSplit) -> list[Noise]:
        categories = {path: _label(path, folder, None, "") for path in audio_files(folder)}
        originals = {
            path: _label(path, folder, self.recording_regex, "--recording-regex")
            if self.recording_regex
            else name_below(path, folder)
            for path in categories
        }
        # Names of recordings need only be unique within their category.
        strata = {f"{category}/{originals[path]}": category for path, category in categories.items()}
        home = splits.assign(strata, "recordings of noise category")
        return [
            Noise(Recording(path, name_below(path, folder)), category, home[f"{category}/{originals[path]}"])
            for path, category in categories.items()
        ]


def _label(path: Path, folder: Path, pattern: str | None, name: str) -> str:
    """Return what the pattern finds in a path, or its first folder.

    Raises:
        CorpusError: naming the file for which there is neither.
    """
    below = path.relative_to(folder)
    if pattern is None:
        if len(below.parts) == 1:
            raise CorpusError(f"{path}: lies in no subfolder of {folder}; expected one for each speaker or category")
        return below.parts[0]
    try:
        match = re.search(pattern, below.as_posix())
        if match is None or not match[1]:
            raise CorpusError(f"{name}: '{pattern}' finds nothing in '{below.as_posix()}'")
    except (re.error, IndexError) as error:
        raise CorpusError(f"{name}: expected a regular expression with one group, got '{pattern}' ({error})") from error
    return match[1]


def read_sexes(path: Path | None) -> dict[str, str]:
    """Return the sex of every speaker in a CSV file with the columns ``speaker`` and ``sex``.

    Raises:
        CorpusError: if the file or a column is missing, or a sex is not F or M.
    """
    if path is None:
        return {}
    if not path.is_file():
        raise CorpusError(f"--sexes: no file '{path}'")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"speaker", "sex"} <= rows[0].keys():
        raise CorpusError(f"{path}: expected a CSV file with the columns speaker and sex")
    for row in rows:
        if row["sex"] and row["sex"].upper() not in SEXES:
            raise CorpusError(f"{path}: speaker '{row['speaker']}': sex must be F, M or empty, got '{row['sex']}'")
    return {row["speaker"]: row["sex"].upper() for row in rows}
