"""Kills training, preparation and caching at random moments and lets them go on: is the result the same?

    python -m benchmarks.stop_and_go --times 50
    python -m benchmarks.stop_and_go --times 10 --only training

SIGKILL, SIGTERM and SIGINT take turns. Every run is killed several times, each time at a random moment after it went
on, and then left to come to its end; what it leaves is compared with an uninterrupted run, bit by bit. Prints Markdown;
exit status 1 if a run did not come to its end, or left something else, or a file was torn.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import shutil
import sys
import tempfile
import warnings
from abc import ABC, abstractmethod
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import torchcrepe
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from benchmarks.killed_work import Tally, Work, file_digest, folder_digest, stop_and_go, visible_files
from commands.status import exit_status
from corpora.conversion import resample
from corpora.folder import PlainFolders
from corpora.prepare import Settings, prepare
from datamodules.audio import AudioReader
from datamodules.corpus import read_corpus
from datamodules.enhancement_data import EnhancementDataModule
from datamodules.mixing_settings import MixingSettings
from datamodules.shards.writer import write_shards
from datamodules.targets import Labels, Levels, Pitch, VoiceActivity
from lightning_modules.checkpoint_io import WholeCheckpointIO
from lightning_modules.checkpoints import CheckpointError
from lightning_modules.enhancement import EnhancementModule
from lightning_modules.enhancement_cli import named_full_disk
from lightning_modules.interruption import stopping_in_order, tell_interruption
from lightning_modules.newest_checkpoint import damage_of, find_newest_checkpoint
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from storage.full_disk import is_full
from storage.whole_files import is_part, write_text_whole

GRID = FrameGrid()
CATEGORIES = ("hum", "rain", "wind")
RATE = 24000  # Hz of the recordings that are prepared, so that every one is converted
RESULT = "result.txt"


def write_recordings(folder: Path, rate: int = GRID.sample_rate, seconds: float = 1.0) -> Path:
    """Write speech-like and noise recordings: two speakers and three categories in every split."""
    rng = np.random.default_rng(0)
    speech, noise = ["path,speaker,sex,seconds,split"], ["path,category,seconds,split"]
    samples = int(rate * seconds)
    for split in ("train", "valid", "test"):
        for number in range(4):
            path = folder / "speech" / f"{split}_{number % 2}" / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            envelope = np.resize(np.repeat(rng.uniform(0.001, 0.2, samples // 800 + 1), 800), samples)
            soundfile.write(path, rng.standard_normal(samples) * envelope, rate)
            speech.append(f"{path.relative_to(folder)},{split}_{number % 2},{'FM'[number % 2]},{seconds},{split}")
        for category in CATEGORIES:
            path = folder / "noise" / category / f"{split}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.1 * rng.standard_normal(samples), rate)
            noise.append(f"{path.relative_to(folder)},{category},{seconds},{split}")
    (folder / "speech.csv").write_text("\n".join(speech) + "\n")
    (folder / "noise.csv").write_text("\n".join(noise) + "\n")
    return folder


class Training:
    """A tiny network, with a checkpoint after every step or, as the shipped configurations have it, every epoch.

    Args:
        corpus: folder of recordings.
        epochs: of four steps and a validation.
        every_step: write a checkpoint after every step too.
    """

    names = ("training", "training, checkpoints of every step")

    def __init__(self, corpus: Path, epochs: int, every_step: bool) -> None:
        self.corpus, self.epochs, self.every_step = corpus, epochs, every_step
        self.name = self.names[every_step]

    def run(self, folder: Path) -> int:
        """Train from the newest checkpoint on, as `lightning fit --ckpt_path last` does."""
        torch.manual_seed(0)
        size = {"residual_channels": 8, "channels": 8, "stacks": 1}
        network = ConvFSENet(GRID.num_frequencies, **size, gated=True, gate=GateSettings(width=4))
        logger = CSVLogger(folder, name="runs")
        kept = [
            ModelCheckpoint(monitor="val/loss", save_top_k=1, filename="best"),
            ModelCheckpoint(
                save_top_k=1,
                filename="last",
                enable_version_counter=False,
                every_n_train_steps=1 if self.every_step else None,
            ),
        ]
        trainer = Trainer(
            accelerator="cpu",
            max_epochs=self.epochs,
            logger=logger,
            callbacks=list(kept),
            plugins=[WholeCheckpointIO()],
            log_every_n_steps=1,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        try:
            newest = str(find_newest_checkpoint(folder / "runs"))
        except CheckpointError:
            newest = None  # killed before the first one
        module = EnhancementModule(network, GRID, warmup_steps=2)
        try:
            with stopping_in_order(trainer, fitting=True), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                trainer.fit(module, datamodule=self._data(), ckpt_path=newest)
        except KeyboardInterrupt as interruption:
            return tell_interruption(interruption)
        except OSError as error:
            if not is_full(error):
                raise
            print(f"error: {named_full_disk(error, trainer)}", file=sys.stderr)
            return 1
        write_text_whole(folder / RESULT, state_digest(trainer))
        return 0

    def _data(self) -> EnhancementDataModule:
        return EnhancementDataModule(
            str(self.corpus),
            grid=GRID,
            targets=[VoiceActivity(), Levels(), Labels()],
            mixing=MixingSettings(segment_s=0.5),
            batch_size=3,
            train_mixtures=12,
            valid_mixtures=3,
            test_mixtures=3,
            probe_mixtures=3,
            num_workers=0,
            cache_mb=8,
        )

    def torn(self, folder: Path) -> list[Path]:
        """Return checkpoints that cannot be loaded."""
        paths = [path for path in folder.rglob("*.ckpt") if not is_part(path)]
        return [path for path in paths if damage_of(path) is not None]

    def result(self, folder: Path) -> str:
        """Return the digest of all weights, statistics and moments at the end."""
        return (folder / RESULT).read_text()


def state_digest(trainer: Trainer) -> str:
    """Return a digest of weights, statistics and moments of the optimiser, and of the number of steps."""
    digest = hashlib.sha256(str(trainer.global_step).encode())
    for name, value in sorted(trainer.lightning_module.state_dict().items()):
        digest.update(name.encode() + value.numpy().tobytes())
    moments: dict[int, dict[str, Any]] = trainer.optimizers[0].state_dict()["state"]
    for number, state in sorted(moments.items()):
        for name, value in sorted(state.items()):
            digest.update(f"{number} {name}".encode() + torch.as_tensor(value).numpy().tobytes())
    return digest.hexdigest()


class FileWork(ABC):
    """Work whose result is its files; each is compared with that of a run that nobody stopped.

    Args:
        source: folder that is worked on.
        whole: folder for what is compared with.
    """

    name = "files"
    out = "out"

    def __init__(self, source: Path, whole: Path) -> None:
        self.source = source
        whole.mkdir(parents=True)
        if self.run(whole):
            raise RuntimeError(f"{self.name}: cannot be done at all")
        self.whole = {path.relative_to(whole): file_digest(path) for path in visible_files(whole / self.out)}

    @abstractmethod
    def work(self, out: Path) -> None:
        """Do what is left."""

    def run(self, folder: Path) -> int:
        """Work as the command does."""
        return exit_status(partial(self.work, folder / self.out))

    def torn(self, folder: Path) -> list[Path]:
        """Return files that are not what they are in the end; all are written once."""
        files = visible_files(folder / self.out)
        return [path for path in files if self.whole.get(path.relative_to(folder)) != file_digest(path)]

    def result(self, folder: Path) -> str:
        """Return a digest of all files."""
        return folder_digest(folder / self.out)


class Preparation(FileWork):
    """`dyncp prepare`: every recording is resampled and written as FLAC."""

    name = "preparation"

    def work(self, out: Path) -> None:
        """Convert what is missing."""
        prepare(PlainFolders(speech=self.source / "speech", noise=self.source / "noise"), Path(), out, Settings())


class Shards(FileWork):
    """`dyncp shard`: tar shards of about two recordings."""

    name = "shards"

    def work(self, out: Path) -> None:
        """Write what is missing."""
        write_shards(self.source, out, shard_mb=0.06, progress=False)


class PitchTracks(FileWork):
    """The cache of pitch tracks that a training fills before it begins."""

    name = "pitch cache"

    def work(self, out: Path) -> None:
        """Track what is missing."""
        torch.set_num_threads(1)
        reader = AudioReader(GRID.sample_rate, cache_mb=1)
        Pitch(cache_dir=str(out)).prepare(read_corpus(self.source), ("train", "valid", "test"), reader, GRID)


def cases(folder: Path, names: list[str], epochs: int) -> list[Work]:
    """Return the kinds of work, with what they work on."""
    loose = write_recordings(folder / "loose")
    foreign = write_recordings(folder / "foreign", RATE, 3.0)
    resample(np.zeros(RATE, dtype=np.float32), RATE, GRID.sample_rate)  # imports what children would
    torchcrepe.load.model("cpu", "tiny")
    made: list[Work] = []
    made += [Training(loose, epochs, bool(number)) for number, name in enumerate(Training.names) if name in names]
    for kind, source in ((Preparation, foreign), (Shards, loose), (PitchTracks, loose)):
        if kind.name in names:
            made.append(kind(source, folder / "whole" / kind.name))
    return made


def row(work: Work, tally: Tally) -> str:
    """Return the line of a kind of work."""
    signals = " | ".join(str(tally.signals[name]) for name in ("SIGKILL", "SIGTERM", "SIGINT"))
    return (
        f"| {work.name} | {tally.seconds:.1f} | {tally.signals.total()} | {signals} | {tally.caught_writing} | "
        f"{tally.torn} | {tally.finished} | {tally.equal} |"
    )


NAMES = [*Training.names, Preparation.name, Shards.name, PitchTracks.name]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50, help="kills of each kind of work (default: 50)")
    parser.add_argument(
        "--kills-per-run", type=int, default=5, help="before it is left to come to its end (default: 5)"
    )
    parser.add_argument("--epochs", type=int, default=6, help="of the training, of four steps each (default: 6)")
    parser.add_argument("--only", action="append", choices=NAMES, help="this kind of work; may be given several times")
    parser.add_argument("--folder", type=Path, help="where to work, and what to keep (default: a temporary folder)")
    parser.add_argument("--seed", type=int, default=0, help="of moments (default: 0)")
    options = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)  # children are forked: no thread of torch may be at work
    folder = options.folder or Path(tempfile.mkdtemp(prefix="stop_and_go-"))
    failed = False
    print(
        "| work | s uninterrupted | kills | SIGKILL | SIGTERM | SIGINT | while a file was written | torn files | "
        "runs that came to their end | equal to the uninterrupted one |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for work in cases(folder, options.only or NAMES, options.epochs):
        tally = stop_and_go(work, folder / work.name, options.times, options.kills_per_run, options.seed)
        print(row(work, tally), flush=True)
        for problem in tally.problems:
            print(problem, file=sys.stderr)
        failed = failed or bool(tally.problems)
    if options.folder is None and not failed:
        shutil.rmtree(folder)
    sys.exit(failed)


if __name__ == "__main__":
    main()
