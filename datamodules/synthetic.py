"""The generated corpus: the product runs without any download, and tests know the truth.

It writes a folder like that of a real corpus: ``speech.csv``, ``noise.csv`` and 16-bit FLAC files. Beside every
utterance lies ``<name>.truth.npz`` with ``f0_hz`` (NaN where unvoiced), ``voicing`` and ``activity`` per frame, the
values at the frame's centre, known exactly. Voices and noises are drawn for one split only.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from datamodules.corpus import NOISE_COLUMNS, SEXES, SPEECH_COLUMNS, SPLITS
from datamodules.mixing import Waveform
from datamodules.synthetic_noise import NOISE_CATEGORIES, make_noise
from datamodules.synthetic_speech import Utterance, draw_voice, synthesize_utterance
from networks.framing import FrameGrid

GENERATOR_VERSION = 1  # raise it when the same settings give other audio: old folders are then made anew
SPEECH_STREAM, NOISE_STREAM = 0, 1
SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class SyntheticCorpus:
    """Settings of a generated corpus; it is a function of them alone.

    Args:
        seed: of everything that is drawn.
        speakers_train: speakers of the training split, the sexes taking turns.
        speakers_valid: of the validation split.
        speakers_test: of the test split.
        utterances_per_speaker: recordings of each speaker.
        utterance_s: length of a recording in seconds.
        noise_train: recordings of each of the nine noise categories in the training split.
        noise_valid: in the validation split.
        noise_test: in the test split.
        noise_s: length of a noise recording in seconds.

    Raises:
        ValueError: if a split lacks a sex or a length is under one second.
    """

    seed: int = 0
    speakers_train: int = 12
    speakers_valid: int = 4
    speakers_test: int = 4
    utterances_per_speaker: int = 3
    utterance_s: float = 4.0
    noise_train: int = 4
    noise_valid: int = 2
    noise_test: int = 2
    noise_s: float = 6.0

    def __post_init__(self) -> None:
        least = {f"speakers_{split}": 2 for split in SPLITS} | {f"noise_{split}": 1 for split in SPLITS}
        least |= {"utterances_per_speaker": 1, "utterance_s": 1, "noise_s": 1, "seed": 0}
        for name, minimum in least.items():
            if getattr(self, name) < minimum:
                raise ValueError(f"data.synthetic.{name} must be at least {minimum}, got {getattr(self, name)}")

    def speakers(self, split: str) -> int:
        """Return the number of speakers of a split."""
        return int(getattr(self, f"speakers_{split}"))

    def noises(self, split: str) -> int:
        """Return the number of recordings of each noise category in a split."""
        return int(getattr(self, f"noise_{split}"))


def generate(settings: SyntheticCorpus, root: Path, grid: FrameGrid, progress: bool) -> Path:
    """Write the corpus into ``root``, unless it is there already.

    It is written beside ``root`` and renamed at the end, so a stopped or killed call leaves nothing half-written, and
    of two calls at once both succeed. A folder that another corpus, other settings or an older version left is only
    replaced if it was generated.

    Args:
        settings: what is generated.
        root: folder of the corpus.
        grid: sample rate, and the frames of the truth.
        progress: show a progress bar.

    Returns:
        ``root``.

    Raises:
        ValueError: if ``root`` holds something that was not generated.
    """
    wanted = _description(settings, grid)
    if _is_complete(root, wanted):
        return root
    if root.exists() and any(root.iterdir()) and not (root / SETTINGS_FILE).is_file():
        raise ValueError(f"data.root: '{root}' is not empty and was not generated; name another folder for it")
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}-", dir=root.parent) as temporary:
        folder = Path(temporary) / "corpus"
        _write(settings, folder, grid, progress)
        (folder / SETTINGS_FILE).write_text(json.dumps(wanted, indent=1) + "\n")
        if root.exists() and not _is_complete(root, wanted):
            shutil.move(root, Path(temporary) / "replaced")
        try:
            folder.rename(root)
        except OSError:  # another process was faster
            if not _is_complete(root, wanted):
                raise
    return root


def _description(settings: SyntheticCorpus, grid: FrameGrid) -> dict[str, object]:
    """Return all that the corpus is a function of."""
    framing = {"sample_rate": grid.sample_rate, "hop_length": grid.hop_length}
    return {"version": GENERATOR_VERSION, **framing, **asdict(settings)}


def _is_complete(root: Path, wanted: dict[str, object]) -> bool:
    """Say whether a folder holds the wanted corpus, with every file that its manifests list."""
    try:
        if json.loads((root / SETTINGS_FILE).read_text()) != wanted:
            return False
        for manifest in ("speech.csv", "noise.csv"):
            with (root / manifest).open(newline="") as file:
                if not all((root / row["path"]).is_file() for row in csv.DictReader(file)):
                    return False
    except (OSError, ValueError, KeyError):
        return False
    return True


def _write(settings: SyntheticCorpus, folder: Path, grid: FrameGrid, progress: bool) -> None:
    """Write all recordings and the manifests."""
    recordings = sum(settings.speakers(split) * settings.utterances_per_speaker for split in SPLITS)
    recordings += sum(settings.noises(split) * len(NOISE_CATEGORIES) for split in SPLITS)
    with tqdm(total=recordings, desc="Generating corpus", unit="file", disable=not progress) as bar:
        for manifest, columns, rows in (
            ("speech.csv", SPEECH_COLUMNS, _write_speech(settings, folder, grid)),
            ("noise.csv", NOISE_COLUMNS, _write_noise(settings, folder, grid)),
        ):
            lines = []
            for row in rows:
                lines.append(row)
                bar.update()
            with (folder / manifest).open("w", newline="") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(lines)


def _rng(settings: SyntheticCorpus, *names: int | str) -> np.random.Generator:
    """Return a generator that is a function of the seed and of what it is for."""
    digest = hashlib.sha256(repr((settings.seed, *names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def _write_speech(settings: SyntheticCorpus, folder: Path, grid: FrameGrid) -> Iterator[dict[str, str]]:
    """Write every utterance with its truth, and yield its row of the manifest."""
    for split in SPLITS:
        for number in range(settings.speakers(split)):
            sex = SEXES[number % 2]
            speaker = f"{split}_{sex.lower()}{number:02d}"
            voice = draw_voice(sex, _rng(settings, SPEECH_STREAM, split, number))
            for take in range(settings.utterances_per_speaker):
                rng = _rng(settings, SPEECH_STREAM, split, number, take)
                num_samples = grid.seconds_to_samples(settings.utterance_s)
                utterance = synthesize_utterance(voice, num_samples, grid.sample_rate, rng)
                path = Path("speech") / speaker / f"{take:02d}.flac"
                _write_audio(folder / path, utterance.waveform, grid)
                _write_truth(folder / path, utterance, grid)
                seconds = f"{settings.utterance_s:.2f}"
                yield {"path": path.as_posix(), "speaker": speaker, "sex": sex, "seconds": seconds, "split": split}


def _write_noise(settings: SyntheticCorpus, folder: Path, grid: FrameGrid) -> Iterator[dict[str, str]]:
    """Write every noise recording, and yield its row of the manifest."""
    for split in SPLITS:
        for category in NOISE_CATEGORIES:
            for number in range(settings.noises(split)):
                rng = _rng(settings, NOISE_STREAM, split, category, number)
                noise = make_noise(category, grid.seconds_to_samples(settings.noise_s), grid.sample_rate, rng)
                path = Path("noise") / category / f"{split}_{number:02d}.flac"
                _write_audio(folder / path, noise, grid)
                seconds = f"{settings.noise_s:.2f}"
                yield {"path": path.as_posix(), "category": category, "seconds": seconds, "split": split}


def _write_audio(path: Path, waveform: Waveform, grid: FrameGrid) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, waveform, grid.sample_rate, subtype="PCM_16")


def _write_truth(path: Path, utterance: Utterance, grid: FrameGrid) -> None:
    """Write the truth at the centre of every frame of an utterance."""
    num_samples = len(utterance.waveform)
    centers = np.array([grid.center(frame) for frame in range(grid.num_frames(num_samples))])
    inside = np.minimum(centers, num_samples - 1)  # the last frame may be centred just behind the end
    np.savez(
        truth_path(path),
        f0_hz=utterance.f0_hz[inside].astype(np.float32),
        voicing=utterance.voicing[inside],
        activity=utterance.activity[inside],
    )


def truth_path(recording: Path) -> Path:
    """Return where the truth of a generated utterance is kept.

    Example:
        >>> truth_path(Path("speech/train_f00/00.flac")).name
        '00.truth.npz'
    """
    return recording.with_suffix(".truth.npz")
