"""What a training step costs: eager or compiled, in float32 or bfloat16, with each kind of gate, and guarded.

    python benchmarks/training.py                            # full-size network, batches of 12 x 4 s
    python benchmarks/training.py --batch 4 --rounds 5       # shorter
    python benchmarks/training.py --only guard               # one of its tables

All variants take turns in every round of one process; a ratio is the median over the rounds of the time of a step
divided by that of the first variant in the same round. Compilation happens before the first round and is timed apart.
Prints Markdown.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from lightning_modules.enhancement import EnhancementModule
from lightning_modules.nonfinite import NonfiniteGuard
from networks.complexity import mac_budget
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings

PRECISION = {"float32, eager": (False, False), "float32, compiled": (True, False)}
PRECISION |= {"bfloat16 autocast, eager": (False, True), "bfloat16 autocast, compiled": (True, True)}
GATES: dict[str, dict[str, Any]] = {
    "frame, sigmoid": {},
    "dense": {"gated": False},
    "straight_through": {"gate": GateSettings(surrogate="straight_through")},
    "gumbel": {"gate": GateSettings(surrogate="gumbel")},
    "stem_scope stack": {"gate": GateSettings(stem_scope="stack")},
    "stem_scope network, width 8": {"gate": GateSettings(stem_scope="network", width=8)},
    "context depthwise, 4 frames": {"gate": GateSettings(context="depthwise")},
    "context leaky, 4 frames": {"gate": GateSettings(context="leaky")},
    "hysteresis 0.5": {"gate": GateSettings(hysteresis=0.5)},
    "skip magnitude": {"gate": GateSettings(skip="magnitude")},
    "static": {"gate": GateSettings(decision="static")},
    "random": {"gate": GateSettings(decision="random")},
}
TABLES = ("precision", "guard", "gates")
GUARD = {"not guarded": False, "guarded": True}  # against losses and gradients that are not finite


def draw_batch(size: int, seconds: float, device: torch.device) -> dict[str, Tensor]:
    """Return a batch of noise, with what a step needs of it."""
    generator = torch.Generator().manual_seed(0)
    clean, noise = 0.1 * torch.randn(2, size, int(seconds * 16000), generator=generator)
    batch = {"noisy": clean + noise, "clean": clean, "clean_rms": clean.square().mean(dim=1).sqrt()}
    return {name: value.to(device) for name, value in batch.items()}


def make_step(
    batch: dict[str, Tensor], compiled: bool = False, bfloat16: bool = False, guarded: bool = False, **network: Any
) -> Callable[[], float]:
    """Return a training step that tells its loss: forward, losses, backward, clipping, AdamW.

    Args:
        batch: of :func:`draw_batch`.
        compiled: let ``torch.compile`` translate the network.
        bfloat16: compute by autocast.
        guarded: look for what is not finite, as the hooks of the module do in a training.
        **network: arguments of :class:`ConvFSENet`.
    """
    torch.manual_seed(0)
    device = batch["noisy"].device
    module = EnhancementModule(ConvFSENet(**network), FrameGrid(), compile_network=compiled).to(device)
    module.setup("fit")
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
    guard = NonfiniteGuard(module, most=1)

    def step() -> float:
        optimizer.zero_grad()
        if guarded:
            guard.begin()
        half = torch.autocast(device.type, dtype=torch.bfloat16) if bfloat16 else contextlib.nullcontext()
        with half:
            loss = module.training_step(batch, 0)
        loss.backward()  # type: ignore[no-untyped-call]
        if guarded:
            guard.watch(loss)
            guard.skips(module.parameters())
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def measure(steps: dict[str, Callable[[], float]], rounds: int) -> None:
    """Run the variants in turn and print a table."""
    first: dict[str, float] = {}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    losses: dict[str, float] = {}
    for name, step in tqdm(steps.items(), desc="first steps"):
        started = time.perf_counter()
        step()
        first[name] = time.perf_counter() - started
        step()  # the second may compile again or choose an algorithm
    for turn in tqdm(range(rounds), desc="rounds"):
        # forwards and backwards: what comes first in a round finds other caches
        for name, step in list(steps.items())[:: -1 if turn % 2 else 1]:
            started = time.perf_counter()
            losses[name] = step()
            seconds[name].append(time.perf_counter() - started)
    reference = next(iter(steps))
    print(f"| variant | step time relative to {reference} | seconds per step | first step, seconds | loss at the end |")
    print("|---|---|---|---|---|")
    for name in steps:
        ratio = statistics.median(a / b for a, b in zip(seconds[name], seconds[reference], strict=True))
        median = statistics.median(seconds[name])
        print(f"| {name} | {ratio:.2f} | {median:.3f} | {first[name]:.1f} | {losses[name]:.4f} |")
    print()


def show_macs() -> None:
    """Print what the gates cost by count."""
    print("| variant | MACs of the gates per frame | share of the dense blocks |\n|---|---|---|")
    for name, network in GATES.items():
        budget = mac_budget(ConvFSENet(**network))
        print(f"| {name} | {budget.gates} | {budget.gates / (budget.dense - budget.fixed):.1%} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=12, metavar="MIXTURES")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a mixture (default: 4)", metavar="S")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1, help="of torch on a CPU (default: 1)")
    parser.add_argument("--only", choices=TABLES, help="table to measure (default: all)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore", message="You are trying to `self.log")  # there is no trainer
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {arguments.threads} thread(s)"
    print(f"{name}; batches of {arguments.batch} x {arguments.seconds:g} s, {arguments.rounds} rounds\n")
    batch = draw_batch(arguments.batch, arguments.seconds, device)
    tables = TABLES if arguments.only is None else (arguments.only,)
    if "precision" in tables:
        measure({name: make_step(batch, *settings) for name, settings in PRECISION.items()}, arguments.rounds)
    if "guard" in tables:
        measure({name: make_step(batch, guarded=guarded) for name, guarded in GUARD.items()}, arguments.rounds)
    if "gates" in tables:
        measure({name: make_step(batch, **network) for name, network in GATES.items()}, arguments.rounds)
        show_macs()


if __name__ == "__main__":
    main()
