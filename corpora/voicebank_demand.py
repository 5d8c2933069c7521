"""VoiceBank-DEMAND (Valentini-Botinhao, 2017): pairs of clean and noisy speech, 48 kHz, official test set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from corpora.source import Contents, CorpusSource, Noise, Pair, Recording, Speech, audio_files, find_folder, option
from corpora.splits import HashSplit
from corpora.vctk_speakers import VCTK_SEX, vctk_speaker
from datamodules.corpus import CorpusError

TRAINSETS = {"28spk": ("28spk",), "56spk": ("56spk",), "both": ("28spk", "56spk")}
CUSTOMARY_VALID = ("p226", "p287")  # held out of the 28 training speakers by most publications
SPEAKER = re.compile(r"(p\d+)_")
# The published training and test sets share no noise, so as they are no noise can be learnt and tested. In these groups
# of ours each has noises in both (training | test).
GROUPS = {
    "domestic": "kitchen living",  # kitchen | living
    "office": "meeting office",  # meeting | office
    "voices": "babble cafeteria restaurant ssn cafe",  # babble, cafeteria, restaurant, speech-shaped noise | cafe
    "street": "station traffic psquare",  # station, traffic | psquare
    "transport": "car metro bus",  # car, metro | bus
}
GROUP_OF = {environment: group for group, names in GROUPS.items() for environment in names.split()}


def read_log(root: Path, subset: str) -> dict[str, tuple[str, str]]:
    """Return environment and published SNR in dB of every utterance of a subset, as its log has them.

    Args:
        root: folder of the corpus; the log lies in it or in a folder of it.
        subset: ``trainset_28spk``, ``trainset_56spk`` or ``testset``.

    Raises:
        CorpusError: naming the line that is not ``p232_001 bus 17.5``.
    """
    name = f"log_{subset}.txt"
    path = next((path for path in (root / name, *sorted(root.glob(f"*/{name}"))) if path.is_file()), None)
    entries = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path else [], start=1):
        fields = re.split(r"[\s,]+", line.strip())
        if fields == [""]:
            continue
        try:
            utterance, environment, snr_db = fields
            entries[utterance] = (environment, f"{float(snr_db):g}")
        except ValueError as error:
            raise CorpusError(f"{path}, line {number}: expected 'utterance noise snr', got '{line}'") from error
    return entries


@dataclass(frozen=True)
class VoiceBankDemand(CorpusSource):
    """Clean speech, noise = noisy - clean as recordings of their own, and the original pairs.

    Noise of the training set is cut from other recordings than that of the test set; training and validation share
    noise recordings, as published.
    """

    name = "voicebank-demand"
    title = "VoiceBank-DEMAND: clean and noisy pairs of 28 or 56 and 2 speakers"
    url = "https://datashare.ed.ac.uk/handle/10283/2791"

    trainset: Literal["28spk", "56spk", "both"] = option("28spk", "training speakers")
    valid_speakers: Sequence[str] = option(
        [], "training speakers for validation (default: p226 p287; of 56spk one of each sex)"
    )
    category: Literal["group", "one"] = option(
        "group", "group: domestic, office, voices, street, transport; one: a single category for all noise"
    )

    def scan(self, root: Path, splits: HashSplit) -> Contents:
        """Match noisy and clean files by name in every subset."""
        contents = Contents()
        train = [f"trainset_{trainset}" for trainset in TRAINSETS[self.trainset]]
        found = {subset: self._pairs(root, subset) for subset in (*train, "testset")}
        valid = self._valid({name for subset in train for name in found[subset]}, splits)
        logs = self._logs(root, list(found), contents.notes)
        for subset, pairs in found.items():
            for name, (clean, noisy) in pairs.items():
                speaker = _speaker(clean)
                split = "test" if subset == "testset" else "valid" if speaker in valid else "train"
                environment, snr_db = logs[subset].get(name, ("unknown", ""))
                speech = Recording(clean, f"{subset}/{name}")
                noise = Recording(noisy, f"{subset}/{name}", minus=clean)
                contents.speech.append(Speech(speech, vctk_speaker(speaker), VCTK_SEX.get(speaker, ""), split))
                contents.noise.append(Noise(noise, self._category(environment, name), split))
                contents.pairs.append(Pair(speech, noise, snr_db, split))
        return contents

    def _pairs(self, root: Path, subset: str) -> dict[str, tuple[Path, Path]]:
        """Return the clean and the noisy file of every utterance of a subset.

        Raises:
            CorpusError: naming the folder that is missing, or the file without its pair.
        """
        files: dict[str, dict[str, Path]] = {}
        for kind in ("clean", "noisy"):
            folder = find_folder(root, f"{kind}_{subset}_wav")
            if folder is None:
                raise CorpusError(
                    f"{root}: no folder '{kind}_{subset}_wav'; expected the extracted corpus ({self.url})"
                )
            files[kind] = {path.stem: path for path in audio_files(folder)}
        for kind, other in (("clean", "noisy"), ("noisy", "clean")):
            left = sorted(files[kind].keys() - files[other].keys())
            if left:
                raise CorpusError(f"{files[kind][left[0]]}: no {other} file of this name ({len(left)} such files)")
        return {name: (path, files["noisy"][name]) for name, path in sorted(files["clean"].items())}

    def _logs(self, root: Path, subsets: Sequence[str], notes: list[str]) -> dict[str, dict[str, tuple[str, str]]]:
        """Return the log of every subset; without any of them, all noise is of one unknown category."""
        logs = {subset: read_log(root, subset) for subset in subsets}
        missing = [f"log_{subset}.txt" for subset, log in logs.items() if not log]
        if missing and any(logs.values()) and self.category == "group":
            raise CorpusError(f"{root}: no {missing[0]}; add it, or pass --category one (then no noise class is known)")
        if missing:
            notes.append(f"{root}: no {', '.join(missing)}: noise category and SNR are unknown")
        return logs

    def _valid(self, names: set[str], splits: HashSplit) -> set[str]:
        """Return the training speakers that are kept for validation."""
        speakers = {name.split("_")[0] for name in names}
        if missing := sorted(set(self.valid_speakers) - speakers):
            raise CorpusError(f"--valid-speakers: '{missing[0]}' is no speaker of the training set {self.trainset}")
        wanted = set(self.valid_speakers) or set(CUSTOMARY_VALID) & speakers
        if not wanted:
            for sex in ("F", "M"):
                wanted.update(splits.order(name for name in speakers if VCTK_SEX.get(name) == sex)[:1])
        return wanted

    def _category(self, environment: str, name: str) -> str:
        if self.category == "one":
            return "demand"
        if environment != "unknown" and environment not in GROUP_OF:
            raise CorpusError(
                f"{name}: unknown noise '{environment}' in the log; expected one of {', '.join(GROUP_OF)}"
            )
        return GROUP_OF.get(environment, "unknown")


def _speaker(path: Path) -> str:
    match = SPEAKER.match(path.stem)
    if match is None:
        raise CorpusError(f"{path}: expected a name like p232_001.wav")
    return match[1]
