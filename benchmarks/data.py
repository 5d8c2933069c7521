"""How fast mixtures are made, with and without each target and augmentation, and how long training waits for them.

    python benchmarks/data.py                                                   # generated corpus
    python benchmarks/data.py --root /data/corpus --config configs/corpus.yaml  # recordings
    python benchmarks/data.py --waiting-steps 100                               # and the share of a training step

Seconds of mixture per second of one core, in alternating rounds in one process; the column beside it is the cost
relative to the bare mixture. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.profilers import SimpleProfiler
from tqdm import tqdm

from datamodules.augmentation import (
    AdditionalNoise,
    BandLimit,
    Clipping,
    Equalization,
    NoiseSpeed,
    Reverberation,
    SpeedPerturbation,
)
from datamodules.dataset import MixtureDataset
from datamodules.enhancement_data import TRAIN_STREAM, EnhancementDataModule
from datamodules.mixing_settings import MixingSettings
from datamodules.sampler import ItemKey
from datamodules.targets import Quality
from datamodules.targets.base import Target
from lightning_modules import enhancement_cli

AUGMENTATIONS: dict[str, Any] = {
    "speed": SpeedPerturbation(probability=1.0),
    "noise_speed": NoiseSpeed(probability=1.0),
    "additional_noise": AdditionalNoise(probability=1.0),
    "equalization": Equalization(probability=1.0),
    "band_limit": BandLimit(probability=1.0),
    "clipping": Clipping(probability=1.0),
    "reverberation": Reverberation(probability=1.0),
}


def variants(data: EnhancementDataModule, responses: bool) -> dict[str, tuple[Sequence[Target], MixingSettings]]:
    """Return what is timed: name to targets and mixing."""
    cheap = [target for target in data.targets if not isinstance(target, Quality)]
    bare = data.mixing.plain()
    kept = {name: value for name, value in AUGMENTATIONS.items() if responses or name != "reverberation"}
    found: dict[str, tuple[Sequence[Target], MixingSettings]] = {"mixture alone": ((), bare)}
    for target in cheap:
        needed = [other for other in cheap if set(other.names) & set(target.requires)]
        found["+ " + ", ".join(target.names)] = ([*needed, target], bare)
    found["+ all targets"] = (cheap, bare)
    for name, value in kept.items():
        found[f"all targets, {name}"] = (cheap, replace(bare, **{name: value}))
    dry = {name: value for name, value in kept.items() if name != "reverberation"}
    found["all targets, all augmentations but reverberation"] = (cheap, replace(bare, **dry))
    if responses:
        found["all targets, all augmentations"] = (cheap, replace(bare, **kept))
    quality = Quality(("stoi", "si_sdr_db"), in_training=True)
    found["all targets, stoi and si_sdr_db (validation only)"] = ([*cheap, quality], bare)
    return found


def time_variants(data: EnhancementDataModule, rounds: int, mixtures: int, responses: bool) -> None:
    """Time every variant in alternating rounds and print the table."""
    datasets: dict[str, MixtureDataset] = {}
    for name, (targets, mixing) in variants(data, responses).items():
        data.targets, data.mixing = list(targets), mixing
        datasets[name] = data.dataset("train", TRAIN_STREAM)
    seconds: dict[str, list[float]] = {name: [] for name in datasets}
    for round_index in tqdm(range(rounds), desc="rounds", leave=False):
        keys = [ItemKey(index, round_index) for index in range(mixtures)]
        for dataset in datasets.values():  # decodes what this round hears, which training does once
            for key in keys:
                dataset[key]
        order = np.random.default_rng(round_index).permutation(list(datasets))  # none is always the first
        for name, dataset in ((str(name), datasets[str(name)]) for name in order):
            started = time.process_time()
            for key in keys:
                dataset[key]
            seconds[name].append((time.process_time() - started) / mixtures)
    segment_s = data.mixing.segment_s
    bare = np.array(seconds["mixture alone"])
    print("| one core | seconds of mixture per second | cost relative to the mixture |\n|---|---|---|")
    for name, values in seconds.items():
        print(f"| {name} | {segment_s / np.median(values):.0f} | {np.median(np.array(values) / bare):.2f} |")


class Durations(SimpleProfiler):
    """Records how long every action takes, and prints no table of its own."""

    def describe(self) -> None:
        """Print nothing."""


def time_waiting(arguments: list[str], steps: int) -> None:
    """Train for some steps and print the share of the time that the training loop waits for a batch."""
    profiler = Durations()
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"--trainer.default_root_dir={folder}", f"--trainer.limit_train_batches={steps}"]
        built = enhancement_cli.run([*arguments, *settings, "--trainer.max_epochs=1"], execute=False)
        trainer = built.trainer
        trainer.profiler = profiler
        trainer.limit_val_batches = 0
        trainer.fit(built.model, datamodule=built.datamodule)
    durations = profiler.recorded_durations
    waits = np.array(next(values for name, values in durations.items() if name.endswith("train_dataloader_next")))
    total = np.array(durations["run_training_epoch"]).sum()
    first = waits[0]  # workers start and read their first recordings
    print("\n| training on the CPU | |\n|---|---|")
    print(f"| steps, seconds | {len(waits)}, {total:.0f} |")
    print(f"| waiting for data, share of the time after the first batch | {waits[1:].sum() / (total - first):.2%} |")
    print(f"| first batch, seconds | {first:.1f} |")


def main() -> None:
    """Parse, prepare, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/quickstart.yaml", help="its data section is measured")
    parser.add_argument("--root", help="folder of the corpus, in place of the configured one")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--mixtures", type=int, default=24, help="of each variant in a round")
    parser.add_argument("--waiting-steps", type=int, default=0, help="train so many steps; 0 leaves it out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    arguments = ["--config", options.config, "--trainer.logger=false", "--trainer.callbacks=[]"]
    arguments += ["--trainer.enable_checkpointing=false", "--trainer.enable_model_summary=false"]
    if options.root is not None:
        arguments += ["--data.root", options.root]
    sys.argv = sys.argv[:1]  # the command line below is given in full
    data = enhancement_cli.run(arguments, execute=False).datamodule
    responses = (Path(data.root) / "rir.csv").is_file()
    if responses:
        data.mixing = replace(data.mixing, reverberation=AUGMENTATIONS["reverberation"])  # so that they are read
    data.prepare_data()
    data.setup("fit")
    time_variants(data, options.rounds, options.mixtures, responses)
    if options.waiting_steps:
        time_waiting(arguments, options.waiting_steps)


if __name__ == "__main__":
    main()
