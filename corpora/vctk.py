"""VCTK 0.92: 110 English speakers, 48 kHz, two microphones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from corpora.source import Contents, CorpusSource, Recording, Speech, audio_files, find_folder, name_below, option
from corpora.splits import HashSplit
from corpora.vctk_speakers import vctk_speaker
from datamodules.corpus import CorpusError

AUDIO_FOLDER = "wav48_silence_trimmed"
SPEAKER_LINE = re.compile(r"(?:p?(\d+)|(s5))\s+\d+\s+([FM])\b")  # older versions leave the p out


def read_sexes(speaker_info: Path) -> dict[str, str]:
    """Return the sex of every speaker in ``speaker-info.txt``."""
    matches = map(SPEAKER_LINE.match, speaker_info.read_text(encoding="utf-8", errors="replace").splitlines())
    return {f"p{match[1]}" if match[1] else match[2]: match[3] for match in matches if match}


@dataclass(frozen=True)
class Vctk(CorpusSource):
    """Clean speech; sex from speaker-info.txt; no official splits, so speakers are split by hash, sexes balanced."""

    name = "vctk"
    title = "VCTK 0.92: clean speech of 110 speakers"
    url = "https://datashare.ed.ac.uk/handle/10283/3443"

    microphone: Literal["mic1", "mic2"] = option("mic2", "microphone; speaker p280 has no mic2 and is left out with it")

    def scan(self, root: Path, splits: HashSplit) -> Contents:
        """List the recordings of the chosen microphone."""
        audio = find_folder(root, AUDIO_FOLDER)
        if audio is None:
            raise CorpusError(f"{root}: no folder '{AUDIO_FOLDER}'; expected the extracted VCTK 0.92 ({self.url})")
        speaker_info = audio.parent / "speaker-info.txt"
        notes = [] if speaker_info.is_file() else [f"{speaker_info} is missing: the sex of all speakers stays empty"]
        sexes = {} if notes else read_sexes(speaker_info)
        files = [path for path in audio_files(audio) if path.stem.endswith(f"_{self.microphone}")]
        speakers = sorted({path.parent.name for path in files})
        if not speakers:
            return Contents()
        home = splits.assign_speakers({speaker: sexes.get(speaker, "") for speaker in speakers})
        speech = [
            Speech(
                Recording(path, name_below(path, audio)),
                vctk_speaker(path.parent.name),
                sexes.get(path.parent.name, ""),
                home[path.parent.name],
            )
            for path in files
        ]
        return Contents(speech, notes=notes)

    def download(self, root: Path) -> None:
        """Let torchaudio download and extract the corpus (11 GB)."""
        from torchaudio.datasets import VCTK_092

        folder = root.parent if root.name == "VCTK-Corpus-0.92" else root
        folder.mkdir(parents=True, exist_ok=True)
        VCTK_092(str(folder), mic_id=self.microphone, download=True)
