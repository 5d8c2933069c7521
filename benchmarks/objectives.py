"""What the parts of the enhancement loss cost per training step.

    python benchmarks/objectives.py                                     # 12 x 4 s, as configs/corpus.yaml
    python benchmarks/objectives.py --batch-size 4 --rounds 10

Steps of the full-size network on generated speech in white noise, on the CPU, every variant in turn in each round of
one process. Ratios are taken within a round, so that a busy machine slows both sides; those of processor time (of the
training process, without PESQ) depend on its load least. Prints Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from datamodules.synthetic_speech import draw_voice, synthesize_utterance
from lightning_modules.enhancement import EnhancementModule
from lightning_modules.objective import MetricDiscriminatorSettings, ObjectiveSettings
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid

GRID = FrameGrid()
SNR_DB = 5.0
BASELINE = "spectral loss alone (default)"


def variants(processes: int) -> dict[str, ObjectiveSettings]:
    """Return what is timed."""
    plain = ObjectiveSettings()
    metric = MetricDiscriminatorSettings(processes=processes)
    return {
        BASELINE: plain,
        "+ si_sdr": replace(plain, si_sdr_weight=0.01),
        "+ multi_resolution": replace(plain, multi_resolution_weight=0.1),
        "+ metric_discriminator, 1 utterance rated": replace(
            plain, metric_discriminator=replace(metric, rated_per_batch=1)
        ),
        "+ metric_discriminator, 4 rated": replace(plain, metric_discriminator=metric),
        "+ metric_discriminator, all rated": replace(plain, metric_discriminator=replace(metric, rated_per_batch=None)),
    }


def draw_batch(size: int, seconds: float) -> dict[str, Tensor]:
    """Return a batch as the data module gives it."""
    rng = np.random.default_rng(0)
    samples = GRID.seconds_to_samples(seconds)
    speech = [
        synthesize_utterance(draw_voice("FM"[index % 2], rng), samples, GRID.sample_rate, rng).waveform
        for index in range(size)
    ]
    clean = torch.from_numpy(np.stack(speech))
    rms = clean.square().mean(dim=1).sqrt()
    noise = torch.from_numpy(rng.standard_normal(clean.shape).astype(np.float32))
    return {"noisy": clean + 10 ** (-SNR_DB / 20) * rms[:, None] * noise, "clean": clean, "clean_rms": rms}


class Training:
    """A network that is trained step by step."""

    def __init__(self, settings: ObjectiveSettings) -> None:
        torch.manual_seed(0)
        self.module = EnhancementModule(ConvFSENet(), GRID, objective=settings)
        self.optimizer = torch.optim.AdamW(self.module.network.parameters(), lr=1e-3)

    def step(self, batch: dict[str, Tensor]) -> tuple[float, float]:
        """Do a step and return its seconds, and those of processor time."""
        start, start_cpu = time.perf_counter(), time.process_time()
        self.optimizer.zero_grad()
        self.module.training_step(batch, 0).backward()
        self.optimizer.step()
        return time.perf_counter() - start, time.process_time() - start_cpu


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=12)
    parser.add_argument("--segment-s", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--processes", type=int, default=2, help="that compute PESQ")
    parser.add_argument("--threads", type=int, default=None, help="of torch (default: torch's choice)")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*self.log.*trainer.*")  # steps are taken without one
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    batch = draw_batch(options.batch_size, options.segment_s)
    trainings = {name: Training(settings) for name, settings in variants(options.processes).items()}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in trainings}
    for turn in tqdm(range(options.rounds + 1), desc="rounds", leave=False):
        for name, training in trainings.items():
            # Two steps, of which the second counts: it waits for the PESQ of the first, whose processes are running.
            training.step(batch)
            elapsed = training.step(batch)
            training.module.on_save_checkpoint({})  # waits for the last PESQ: it must not slow the next variant
            if turn > 0:
                seconds[name].append(elapsed)
    for training in trainings.values():
        training.module.teardown("fit")
    print(f"{options.batch_size} x {options.segment_s:g} s, {torch.get_num_threads()} threads of torch, ", end="")
    print(f"{options.processes} processes for PESQ, medians of {options.rounds} rounds\n")
    print("| objective | seconds per step | ratio | ratio of processor time |\n|---|---|---|---|")
    for name, values in seconds.items():
        pairs = list(zip(values, seconds[BASELINE], strict=True))
        wall, cpu = (statistics.median(one[i] / base[i] for one, base in pairs) for i in (0, 1))
        print(f"| {name} | {statistics.median(value[0] for value in values):.2f} | {wall:.2f} | {cpu:.2f} |")


if __name__ == "__main__":
    main()
