"""The newest checkpoint that can be used, among those that runs left behind."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch
from lightning.pytorch.utilities import rank_zero_warn

from lightning_modules.checkpoints import CheckpointError
from storage.whole_files import is_part, remove_left_overs

WEIGHTS = ("state_dict",)
TRAINING = ("state_dict", "optimizer_states", "lr_schedulers", "loops", "global_step")  # to go on with a training
FOLDER, LAST = "checkpoints", "last.ckpt"


def damage_of(path: Path, resuming: bool = True) -> str | None:
    """Say why a file cannot be used as a checkpoint; None if it can.

    Everything is read: torch does not compare the checksums of the archive, and a file that a machine lost while it was
    writing may have its full length and hold zeros.

    Args:
        path: of a file.
        resuming: whether a training is to go on from it; otherwise weights are enough.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            return f"'{damaged}' in it is damaged"
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zipfile and torch have a dozen for damaged files, and all mean the same here
        return f"it cannot be read ({str(error).splitlines()[0] if str(error) else type(error).__name__:.120})"
    needed = TRAINING if resuming else WEIGHTS
    missing = [key for key in needed if not isinstance(stored, dict) or key not in stored]
    return f"it has no {missing[0]}: not a checkpoint of `lightning fit`" if missing else None


def find_newest_checkpoint(runs: Path, resuming: bool = True) -> Path:
    """Return the newest checkpoint of the runs in a folder that can be used.

    Of the run with the newest ``last.ckpt`` that file, or its newest other checkpoint where it cannot be used; then the
    run before. Files that cannot be used are named in a warning; what killed processes were writing is removed.

    Args:
        runs: folder whose subfolders are runs with a ``checkpoints`` folder.
        resuming: whether a training is to go on from it; otherwise weights are enough.

    Raises:
        CheckpointError: if there is none; names what was found.
    """
    refused: list[str] = []
    found = None
    for path in _candidates(runs):
        damage = damage_of(path, resuming)
        if damage is None:
            found = path
            break
        refused.append(f"'{path}': {damage}")
    if found is None and not refused:
        raise CheckpointError(f"--ckpt_path last: no {runs}/*/{FOLDER}/{LAST}; has a run been started?")
    if found is None:
        raise CheckpointError("--ckpt_path last: no checkpoint can be used: " + "; ".join(refused))
    if refused:
        rank_zero_warn(f"checkpoints that cannot be used: {'; '.join(refused)}; taking '{found}'")
    return found


def _candidates(runs: Path) -> Iterator[Path]:
    """Yield checkpoints in the order in which they are tried."""
    folders: dict[Path, list[Path]] = {}
    for folder in runs.glob(f"*/{FOLDER}"):
        remove_left_overs(folder)
        paths = [path for path in folder.glob("*.ckpt") if path.is_file() and not is_part(path)]
        folders[folder] = sorted(paths, key=lambda path: (path.name == LAST, _changed(path)), reverse=True)
    written = {folder: _changed(paths[0]) for folder, paths in folders.items() if paths}
    for folder in sorted(written, key=lambda folder: written[folder], reverse=True):
        yield from folders[folder]


def _changed(path: Path) -> int:
    """Return when a file was last written, in nanoseconds."""
    return path.stat().st_mtime_ns
