"""Throughput against processes, what it costs to bring probe rows together, and an estimate for much data.

    python -m benchmarks.scaling --root /data/corpus      # full-size network, one and two processes on this machine
    python -m benchmarks.scaling --rounds 3 --batch 4     # shorter

One process and two take turns in every round, idle ones sleep; a ratio is the median over the rounds of throughputs in
the same round. Processes talk by gloo. Prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, distributed, multiprocessing, nn
from tqdm import tqdm

from benchmarks.scaling_estimate import Plan, Speeds, estimate_table, gpu_speed
from benchmarks.training import draw_batch
from callbacks.rank_rows import gather_on_first
from corpora.manifests import read_rows
from datamodules.corpus import CorpusError
from lightning_modules.enhancement import EnhancementModule
from networks.complexity import mac_budget
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.ranks import num_ranks
from probes.suite import ProbeSuite
from probes.tasks import ProbeTask

Jobs = dict[str, Callable[[], float]]
ALONE, SYNCED, OWN = "one process", "two processes", "two processes, sync_norms false"
GATHER, FIT_FIRST, FIT_ALL = "bringing the rows together", "fit on the first process", "fit on both, alike"
TASKS = (ProbeTask("vad", "binary"), ProbeTask("snr_db", "value"))


class Stepping(nn.Module):
    """A training step as a forward pass, which is what DistributedDataParallel wraps."""

    def __init__(self, sync_norms: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.module = EnhancementModule(ConvFSENet(), FrameGrid(), sync_norms=sync_norms)
        self.module.setup("fit")

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of a batch."""
        return self.module.training_step(batch, 0)


def training_job(options: argparse.Namespace, sync_norms: bool) -> Callable[[], float]:
    """Return what trains for some steps and tells the seconds of one."""
    batch = draw_batch(options.batch, options.seconds, torch.device("cpu"))
    stepping: nn.Module = Stepping(sync_norms)
    if num_ranks() > 1:
        stepping = nn.parallel.DistributedDataParallel(stepping)
    optimizer = torch.optim.AdamW(stepping.parameters(), lr=1e-3)

    def job() -> float:
        started = time.perf_counter()
        for _ in range(options.steps):
            optimizer.zero_grad()
            stepping(batch).backward()
            torch.nn.utils.clip_grad_norm_(stepping.parameters(), 1.0)
            optimizer.step()
        return (time.perf_counter() - started) / options.steps

    return job


def probe_suite(rank: int, ranks: int, utterances: int, features: int = 2304, frames: int = 250) -> ProbeSuite:
    """Return the rows that a rank has collected of a validation: every so many utterances."""
    suite = ProbeSuite(TASKS, frame_stride=4, logistic_rows=6000)
    for utterance in range(rank, utterances, ranks):
        rng = np.random.default_rng(utterance)
        vad = rng.random(frames) < 0.5
        masks = rng.random((frames, features)) < 0.2 + 0.1 * vad[:, None]
        targets = {"vad": vad.astype(float), "snr_db": rng.normal(size=frames) + 5 * vad}
        positions = utterance * frames + np.arange(frames)
        ids = np.full(frames, utterance)
        suite.add_fit(masks, targets, ids, positions)
        suite.add_score(masks, targets, ids, positions)
    return suite


def probe_jobs(rank: int, options: argparse.Namespace) -> Jobs:
    """Return what gathers and what fits, each telling its seconds."""
    whole = probe_suite(0, 1, options.utterances)

    def gather() -> float:
        own = probe_suite(rank, num_ranks(), options.utterances)
        distributed.barrier()
        started = time.perf_counter()
        gathered = gather_on_first(own)
        for other in (gathered or [])[1:]:
            own.merge(other)
        return time.perf_counter() - started

    def fit() -> float:
        started = time.perf_counter()
        whole.run()
        return time.perf_counter() - started

    return {GATHER: gather, FIT_FIRST: lambda: fit() if rank == 0 else 0.0, FIT_ALL: fit}


def serve(rank: int | None, store: str, options: argparse.Namespace, calls: Connection) -> None:
    """Do jobs by name until there are no more; ``rank`` None is the process that trains alone."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="You are trying to `self.log")  # there is no trainer
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    if rank is None:
        jobs = {ALONE: training_job(options, sync_norms=True)}
    else:
        distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
        jobs = {SYNCED: training_job(options, True), OWN: training_job(options, False), **probe_jobs(rank, options)}
    while (name := calls.recv()) is not None:
        calls.send(jobs[name]())


def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    """Return the seconds of every job in every round, that of the slower process."""
    context = multiprocessing.get_context("fork")
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        ends: dict[int | None, Connection] = {}
        for rank in (None, 0, 1):
            ends[rank], theirs = context.Pipe()
            context.Process(target=serve, args=(rank, f"{folder}/store", options, theirs), daemon=True).start()
        names = [ALONE, SYNCED, OWN, GATHER, FIT_FIRST, FIT_ALL]
        for turn in tqdm(range(options.rounds + 1), desc="rounds, the first one does not count"):
            for name in names:
                busy = [ends[None]] if name == ALONE else [ends[0], ends[1]]
                for end in busy:
                    end.send(name)
                took = max(end.recv() for end in busy)
                if turn > 0:
                    seconds.setdefault(name, []).append(took)
        for end in ends.values():
            end.send(None)
    return seconds


def training_table(seconds: dict[str, list[float]], options: argparse.Namespace) -> tuple[str, float, float]:
    """Lay out the throughputs; return also the speed of one process and the efficiency of two."""
    lines = ["| | mixture seconds per second | relative to one process | per process |", "|---|---|---|---|"]
    ratios: dict[str, float] = {}
    for name, processes in ((ALONE, 1), (SYNCED, 2), (OWN, 2)):
        of_rounds = zip(seconds[name], seconds[ALONE], strict=True)
        ratios[name] = statistics.median(processes * alone / own for own, alone in of_rounds)
        speed = processes * options.batch * options.seconds / statistics.median(seconds[name])
        lines.append(f"| {name} | {speed:.1f} | {ratios[name]:.2f} | {ratios[name] / processes:.2f} |")
    alone = options.batch * options.seconds / statistics.median(seconds[ALONE])
    return "\n".join(lines), alone, ratios[SYNCED] / 2


def probe_table(seconds: dict[str, list[float]], options: argparse.Namespace) -> str:
    """Lay out the cost of the rows of all ranks beside that of the fit."""
    lines = [
        f"| probes on {options.utterances} utterances, two tasks | seconds | relative to the fit |",
        "|---|---|---|",
    ]
    for name in (FIT_FIRST, FIT_ALL, GATHER):
        of_rounds = zip(seconds[name], seconds[FIT_FIRST], strict=True)
        ratio = statistics.median(own / fit for own, fit in of_rounds)
        lines.append(f"| {name} | {statistics.median(seconds[name]):.2f} | {ratio:.2f} |")
    return "\n".join(lines)


def stored_mib_per_hour(root: Path) -> float:
    """Return the size of the speech recordings of a corpus, those of lossless FLAC alone.

    Raises:
        CorpusError: if it lists none.
    """
    rows = [row for row in read_rows(root / "speech.csv") if row["path"].endswith(".flac")]
    if not rows:
        raise CorpusError(f"{root / 'speech.csv'}: lists no FLAC files, whose size an estimate needs")
    size = sum((root / row["path"]).stat().st_size for row in rows)
    return size / 2**20 / (sum(float(row["seconds"]) for row in rows) / 3600)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=2, help="of training in a round (default: 2)")
    parser.add_argument("--batch", type=int, default=12, metavar="MIXTURES", help="of each process (default: 12)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a mixture (default: 4)", metavar="S")
    parser.add_argument("--utterances", type=int, default=200, help="that probes are fitted on (default: 200)")
    parser.add_argument("--hours", type=float, nargs="+", default=[1000.0, 100_000.0], help="of speech to estimate for")
    parser.add_argument("--devices", type=int, default=8, help="GPUs of the estimate (default: 8)")
    parser.add_argument("--gpu-tflops", type=float, default=2.0, help="a GPU sustains; assumed (default: 2)")
    parser.add_argument("--gpu-efficiency", type=float, default=0.9, help="of all together; assumed (default: 0.9)")
    parser.add_argument("--data-speed", type=float, default=1041.0, help="docs/throughput.md (default: 1041)")
    parser.add_argument("--pitch-speed", type=float, default=5.0, help="CREPE tiny on a core (default: 5)")
    parser.add_argument("--root", type=Path, help="corpus whose FLAC files tell the size of an hour")
    parser.add_argument("--mib-per-hour", type=float, default=64.0, help="without --root (default: 64)")
    options = parser.parse_args()
    size = options.mib_per_hour if options.root is None else stored_mib_per_hour(options.root)
    print(f"CPU, one thread per process; batches of {options.batch} x {options.seconds:g} s on each process\n")
    seconds: dict[str, list[float]] = measure(options)
    table, speed, efficiency = training_table(seconds, options)
    print(f"{table}\n\n{probe_table(seconds, options)}\n")
    grid = FrameGrid()
    macs = mac_budget(ConvFSENet()).dense * grid.sample_rate / grid.hop_length
    device = gpu_speed(options.gpu_tflops, macs)
    speeds = Speeds(speed, efficiency, device, options.gpu_efficiency, options.data_speed, options.pitch_speed, size)
    plans = [Plan(hours, options.seconds, options.batch, options.devices) for hours in options.hours]
    print(estimate_table(plans, speeds))
    print(
        f"\nA GPU is assumed to sustain {options.gpu_tflops:g} TFLOP/s, {device:,.0f} mixture seconds per second, and "
        f"{options.devices} of them {options.gpu_efficiency:.0%} of their sum; an hour of speech is {size:.0f} MiB."
    )


if __name__ == "__main__":
    main()
