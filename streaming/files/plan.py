"""Which files are enhanced, and what each output is called."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from streaming.files.formats import container_of

FIGURE_SUFFIXES = (".png", ".pdf", ".svg")


class FilePlanError(ValueError):
    """Inputs and outputs that do not fit together; the message says which."""


@dataclass(frozen=True)
class FileJob:
    """One file to be enhanced.

    Attributes:
        source: file that is read.
        target: file that is written.
        label: what tables and messages call it: the path inside the given folder, or the name of a given file.
        plot: figure that is drawn, or None.
    """

    source: Path
    target: Path
    label: str
    plot: Path | None = None

    @property
    def outputs(self) -> tuple[Path, ...]:
        """All files that are written."""
        return (self.target,) if self.plot is None else (self.target, self.plot)


def plan_files(inputs: Sequence[str], out: str, *, suffix: str | None = None, plot: str | None = None) -> list[FileJob]:
    """Find the files and name their outputs.

    Args:
        inputs: files, and folders that are searched with all that is in them; hidden files are left out.
        out: a file where the input is one file, otherwise a folder, in which the structure of the inputs is kept.
        suffix: of all outputs, with its dot; None keeps those of the inputs. The suffix of a file ``out`` stays.
        plot: a figure where the input is one file, otherwise a folder.

    Returns:
        In the order of the inputs, by name inside a folder.

    Raises:
        FilePlanError: if an input is missing or a folder has no audio, two outputs would get the same name, an output
            would replace an input, or a name cannot be one.
    """
    single = len(inputs) == 1 and not Path(inputs[0]).is_dir()
    into_folder = not single or _is_folder(out)
    if into_folder and Path(out).exists() and not Path(out).is_dir():
        raise FilePlanError(f"{out}: expected a folder for the outputs of several files, it is a file")
    if not into_folder and container_of(Path(out).suffix) is None and suffix is None:
        raise FilePlanError(f"{out}: expected a name that ends like audio, for example .wav or .flac, or a folder/")
    jobs = []
    for source, label in _found(inputs, Path(out)):
        name = Path(label).with_suffix(suffix) if suffix else Path(label)
        target = Path(out) / name if into_folder else Path(out)
        jobs.append(FileJob(source, target, label, _figure(plot, label, single)))
    _check_outputs(jobs)
    return jobs


def _found(inputs: Sequence[str], out: Path) -> Iterator[tuple[Path, str]]:
    """Yield files and their labels."""
    for given in map(Path, inputs):
        if given.is_dir():
            if out.resolve() == given.resolve():
                raise FilePlanError(f"{out}: is the folder of the inputs; expected another one")
            found = list(_audio_inside(given, out))
            if not found:
                raise FilePlanError(f"{given}: no audio files in this folder")
            yield from ((path, path.relative_to(given).as_posix()) for path in found)
        elif given.exists():
            yield given, given.name
        else:
            raise FilePlanError(f"{given}: no such file or folder")


def _audio_inside(folder: Path, out: Path) -> Iterator[Path]:
    """Yield all audio files of a folder by name; outputs of an earlier run inside it are none of them."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (Path(parent) / name).resolve() != out.resolve()
        )
        for name in sorted(names):
            path = Path(parent) / name
            if not name.startswith(".") and container_of(path.suffix or ".") and path.is_file():
                yield path


def _figure(plot: str | None, label: str, single: bool) -> Path | None:
    if plot is None:
        return None
    if not single or _is_folder(plot):
        return Path(plot) / f"{label}.png"
    if Path(plot).suffix.lower() not in FIGURE_SUFFIXES:
        raise FilePlanError(f"--plot {plot}: expected a name that ends in one of {', '.join(FIGURE_SUFFIXES)}")
    return Path(plot)


def _is_folder(name: str) -> bool:
    return Path(name).is_dir() or name.endswith(("/", os.sep))


def _check_outputs(jobs: Sequence[FileJob]) -> None:
    sources = {job.source.resolve() for job in jobs}
    taken: dict[Path, Path] = {}
    for job in jobs:
        for output in job.outputs:
            path = output.resolve()
            if path in sources or (output.exists() and output.samefile(job.source)):
                raise FilePlanError(f"{output}: is an input; enhancing never replaces what it reads")
            if path in taken:
                raise FilePlanError(f"{output}: would be written for both {taken[path]} and {job.source}")
            taken[path] = job.source
