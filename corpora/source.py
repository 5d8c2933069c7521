"""What a corpus must tell to be prepared: its recordings, whose voice or which noise they are, and their splits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from corpora.splits import HashSplit
from datamodules.corpus import CorpusError

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
Channel = Literal["mix", "first"]


class NotDownloadable(CorpusError):
    """A corpus that this program does not download; the message says where it is."""


@dataclass(frozen=True)
class Recording:
    """Audio of a corpus, and what must be done to it before it is a recording of ours.

    Attributes:
        file: of the corpus.
        name: path of the prepared recording below the folder of its source, without suffix.
        minus: another file of equal length to subtract, so that noise = noisy - clean.
        span: begin and end as shares of the length; None takes all of it.
    """

    file: Path
    name: str
    minus: Path | None = None
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class Speech:
    """A clean recording of one speaker; ``sex`` is F, M or empty if unknown."""

    recording: Recording
    speaker: str
    sex: str
    split: str


@dataclass(frozen=True)
class Noise:
    """A noise recording of one category."""

    recording: Recording
    category: str
    split: str


@dataclass(frozen=True)
class Pair:
    """A mixture as published: speech + noise, sample by sample; ``snr_db`` is the published one, empty if unknown."""

    speech: Recording
    noise: Recording
    snr_db: str
    split: str


@dataclass(frozen=True)
class Contents:
    """All that is taken from a corpus; ``notes`` are told to the user."""

    speech: list[Speech] = field(default_factory=list)
    noise: list[Noise] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class CorpusSource(ABC):
    """One public corpus. Subclasses are dataclasses; their fields are the options of the command line.

    Attributes:
        name: on the command line, and the value of the column ``source``.
        title: one line for ``--help``.
        url: where the corpus is published.
        has_root: False for a source that names its own folders.
    """

    name: str
    title: ClassVar[str]
    url: ClassVar[str]
    has_root: ClassVar[bool] = True

    @abstractmethod
    def scan(self, root: Path, splits: HashSplit) -> Contents:
        """List the recordings of an extracted corpus, without decoding them.

        Args:
            root: folder of the corpus.
            splits: decides where the corpus has no official splits.

        Raises:
            CorpusError: if the folder is not that of the corpus; the message says what was expected.
        """

    def download(self, root: Path) -> None:
        """Bring the corpus into ``root``.

        Raises:
            NotDownloadable: if it must be fetched by hand.
        """
        raise NotDownloadable(f"{self.name} is not downloaded by this command; get it from {self.url} and extract it")


def option(default: Any, text: str, **more: Any) -> Any:
    """Declare a field of a source that is an option of the command line, with its help."""
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata={"help": text, **more})
    return field(default=default, metadata={"help": text, **more})


def find_folder(root: Path, *names: str) -> Path | None:
    """Return the first of the named folders that lies in ``root`` or in a folder of it; ``root`` itself may be it."""
    for name in names:
        if root.name == name and root.is_dir():
            return root
        for folder in (root / name, *sorted(root.glob(f"*/{name}"))):
            if folder.is_dir():
                return folder
    return None


def audio_files(folder: Path) -> list[Path]:
    """Return every audio file below a folder, sorted; hidden ones (``._a.wav`` of macOS archives) are none."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    return sorted(path for path in found if not path.name.startswith("."))


def name_below(path: Path, folder: Path) -> str:
    """Return the path below a folder without suffix.

    Example:
        >>> name_below(Path("/musan/noise/a.b.wav"), Path("/musan"))
        'noise/a.b'
    """
    return path.relative_to(folder).with_suffix("").as_posix()
