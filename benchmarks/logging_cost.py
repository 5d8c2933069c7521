"""What logging costs beside training: gradient norms in a step, and the media of a validation.

    python -m benchmarks.logging_cost                              # full-size network, batches of 12 x 4 s
    python -m benchmarks.logging_cost --batch 4 --rounds 3         # shorter

Training steps and everything that is logged take turns in every round of one process; times are medians of its time on
one core, so that other work on the machine does not count. A step is taken to be ``--cores`` times as fast on so many,
which logging is not: shares are those of the most favourable training. They are of ``--steps`` steps an epoch, with the
settings of ``configs/corpus.yaml``. Prints Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from lightning.pytorch.trainer.states import TrainerFn

from callbacks.gradient_norms import gradient_norm, network_parts
from callbacks.media_log import MediaLog
from callbacks.mixture_media import MixtureMedia
from callbacks.probe_figures import probe_figures
from callbacks.probe_table import probe_rows
from lightning_modules.enhancement import EnhancementModule
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from probes.features import feature_names
from probes.suite import ProbeSuite
from probes.tasks import ProbeTask
from reports.overview import Overview, draw_overview

TASKS = (ProbeTask("vad", "binary"), ProbeTask("noise_class", "category"), ProbeTask("snr_db", "value", unit="dB"))
NORMS_EVERY, DETAILS_EVERY = 10, 4  # steps and epochs, as in configs/corpus.yaml


def timed(work: Callable[[], object]) -> float:
    """Return the seconds of processor time that something takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


class Silent(EnhancementModule):
    """A module outside of a trainer."""

    def log_dict(self, *_: Any, **__: Any) -> None:
        """Log nothing."""


def training_step(module: EnhancementModule, batch: dict[str, torch.Tensor]) -> Callable[[], None]:
    """Return a step: forward, loss, backward, AdamW."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4)

    def step() -> None:
        module.train()
        optimizer.zero_grad()
        waveform = module(batch["noisy"]).waveform
        parts = module.objective.parts(waveform, batch["clean"], batch["clean"].square().mean(dim=1).sqrt())
        module.objective.weighted_sum(parts).backward()
        optimizer.step()

    return step


def fitted_suite(seed: int = 0) -> ProbeSuite:
    """Return probes of random masks: 40 utterances to fit, 60 to score."""
    generator = np.random.default_rng(seed)
    suite = ProbeSuite(TASKS, logistic_rows=1000, frame_stride=4, ridge_l2=[1.0], logistic_l2=[0.1])
    for add, utterances in ((suite.add_fit, 40), (suite.add_score, 60)):
        count = utterances * 251
        targets = {"vad": generator.integers(0, 2, count), "noise_class": generator.integers(0, 9, count)}
        targets["snr_db"] = generator.normal(size=count)
        plain = {name: values.astype(np.float32) for name, values in targets.items()}
        add(generator.random((count, 2304)) > 0.75, plain, np.repeat(np.arange(utterances), 251))
    suite.run()
    return suite


def overview(module: EnhancementModule, batch: dict[str, torch.Tensor]) -> Overview:
    """Return what the overview of one mixture shows."""
    with torch.no_grad():
        enhancement = module(batch["noisy"][:1])
    noisy, clean = batch["noisy"][0].numpy(), batch["clean"][0].numpy()
    masks = enhancement.channel_masks[0].bool().numpy()
    tracks = {name: np.zeros(masks.shape[-1]) for name in ("vad", "snr_db", "f0_hz")}
    return Overview(noisy, clean, enhancement.waveform[0].numpy(), masks, tracks, tracks)


def show(module: EnhancementModule, batch: dict[str, torch.Tensor], folder: Path) -> None:
    """Log three mixtures."""
    state = SimpleNamespace(fn=TrainerFn.VALIDATING)
    run: Any = SimpleNamespace(log_dir=str(folder), sanity_checking=False, is_global_zero=True, loggers=[], state=state)
    run.global_step = run.current_epoch = 0
    run.max_epochs, run.precision_plugin = 1, SimpleNamespace(forward_context=torch.no_grad)
    callback = MixtureMedia([0, 1, 2])
    callback.start(run, module)
    with torch.no_grad():
        outputs = {"enhancement": module(batch["noisy"][:3])}
    callback.collect(run, module, outputs, {"index": torch.arange(3), **batch}, 0)
    callback.finish(run, module, "val")


def media(module: EnhancementModule, batch: dict[str, torch.Tensor], folder: Path) -> dict[str, Callable[[], object]]:
    """Return what is logged in a validation, by name."""
    suite, log, grid = fitted_suite(), MediaLog(folder, [], 0, 0), FrameGrid()
    results = suite.run()
    names = feature_names(9, 256)

    def details() -> None:
        for name, figure in probe_figures({"masks": results}, suite, {}, names, embedding_frames=400):
            log.figure(f"figures/{name}", figure)

    return {
        "table of scores": lambda: log.table("tables/probes", probe_rows("masks", results, suite, 200, 0)),
        "overview": lambda: log.figure("figures/overview", draw_overview(overview(module, batch), grid)),
        "figures of probes, t-SNE": details,
        "three mixtures": lambda: show(module.eval(), batch, folder),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=12, help="mixtures of 4 s in a step (default: 12)")
    parser.add_argument("--rounds", type=int, default=5, help="turns (default: 5)")
    parser.add_argument("--steps", type=int, default=500, help="steps of an epoch (default: 500)")
    parser.add_argument("--cores", type=int, default=2, help="that train (default: 2)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    module = Silent(ConvFSENet(), FrameGrid())
    clean, noise = 0.1 * torch.randn(2, max(3, options.batch), 64000)
    batch = {"noisy": clean + noise, "clean": clean}
    step = training_step(module, {name: value[: options.batch] for name, value in batch.items()})
    parts = network_parts(module)
    step()
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        work: dict[str, Callable[[], object]] = {
            "training step": step,
            "gradient norms": lambda: [float(gradient_norm(parameters)) for parameters in parts.values()],
            **media(module, batch, Path(folder)),
        }
        for _ in range(options.rounds):
            for name, job in work.items():
                times.setdefault(name, []).append(timed(job))
    medians = {name: statistics.median(values) for name, values in times.items()}
    medians["training step"] /= options.cores
    epoch = options.steps * medians["training step"]
    often = {"gradient norms": options.steps / NORMS_EVERY, "overview": 1.0, "table of scores": 1.0}
    print(f"| | seconds | share of {options.steps} steps an epoch |\n|---|---|---|")
    total = 0.0
    for name, seconds in medians.items():
        share = seconds * often.get(name, 1 / DETAILS_EVERY) / epoch
        total += 0.0 if name == "training step" else share
        print(f"| {name} | {seconds:.4f} | {'' if name == 'training step' else f'{share:.2%}'} |")
    print(f"| all of logging | | {total:.2%} |")


if __name__ == "__main__":
    main()
