"""LibriTTS and LibriTTS-R: LibriSpeech's readers at 24 kHz, cut into sentences."""

from __future__ import annotations

from dataclasses import dataclass

from corpora.librispeech import LibriSpeech


@dataclass(frozen=True)
class LibriTts(LibriSpeech):
    """Clean speech, laid out as LibriSpeech is; sex from speakers.tsv or SPEAKERS.txt; official splits."""

    name = "libritts"
    title = "LibriTTS: clean speech of up to 2,456 speakers, 24 kHz"
    url = "https://www.openslr.org/60/"
    folder_name = "LibriTTS"
    downloader = "LIBRITTS"
