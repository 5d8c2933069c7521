"""MUSAN (Snyder et al., 2015): music, noise and speech, 16 kHz."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from corpora.source import Contents, CorpusSource, Noise, Recording, audio_files, find_folder, name_below, option
from corpora.splits import HashSplit
from datamodules.corpus import CorpusError


def read_vocals(folder: Path) -> set[str]:
    """Return the pieces of music with vocals: lines ``music-fma-0000 rock,pop Y Artist`` of the ANNOTATIONS files."""
    vocals = set()
    for path in folder.rglob("ANNOTATIONS"):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            fields = line.split()
            if len(fields) > 2 and fields[2] == "Y":
                vocals.add(fields[0])
    return vocals


@dataclass(frozen=True)
class Musan(CorpusSource):
    """Noise of the categories music and noise; no official splits, so recordings are split by hash in each category."""

    name = "musan"
    title = "MUSAN: music and noise, on request its speech as interfering voices"
    url = "https://www.openslr.org/17/"

    speech: bool = option(False, "take its speech too, as the noise category 'speech' (never as clean speech)")
    skip_vocals: bool = option(False, "leave out music that is annotated with vocals")

    def scan(self, root: Path, splits: HashSplit) -> Contents:
        """List music/*/*.wav, noise/*/*.wav and on request speech/*/*.wav."""
        noise = find_folder(root, "noise")
        if noise is None or not (noise.parent / "music").is_dir():
            raise CorpusError(f"{root}: no folders 'music' and 'noise'; expected the extracted corpus ({self.url})")
        folder = noise.parent
        vocals = read_vocals(folder / "music") if self.skip_vocals else set()
        if self.skip_vocals and not vocals:
            raise CorpusError(f"{folder / 'music'}: no ANNOTATIONS name music with vocals; --skip-vocals needs them")
        parts = ("music", "noise", "speech") if self.speech else ("music", "noise")
        files = {path: part for part in parts for path in audio_files(folder / part) if path.stem not in vocals}
        home = splits.assign(
            {name_below(path, folder): part for path, part in files.items()}, "recordings of noise category"
        )
        recordings = [(Recording(path, name_below(path, folder)), part) for path, part in files.items()]
        return Contents(noise=[Noise(recording, part, home[recording.name]) for recording, part in recordings])
