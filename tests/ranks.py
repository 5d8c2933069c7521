"""Runs a function on several ranks that talk by gloo: forked, so that nothing is imported again."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist
from torch import multiprocessing

PATIENCE = timedelta(seconds=120)  # a rank that waits longer for another fails instead of hanging


def run_on_ranks(function: Callable[..., Any], folder: Path, *arguments: Any, world_size: int = 2) -> list[Any]:
    """Call ``function(rank, *arguments)`` in one process per rank and return the results, rank 0 first."""
    folder.mkdir(parents=True, exist_ok=True)
    start = multiprocessing.start_processes  # type: ignore[attr-defined]
    start(_rank, args=(function, folder, world_size, arguments), nprocs=world_size, start_method="fork")
    return [torch.load(folder / f"rank{rank}.pt", weights_only=False) for rank in range(world_size)]


def _rank(rank: int, function: Callable[..., Any], folder: Path, world_size: int, arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)  # the threads of the process that was forked are not here
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    try:
        dist.init_process_group(
            "gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=world_size, timeout=PATIENCE
        )
        torch.save(function(rank, *arguments), folder / f"rank{rank}.pt")
        dist.barrier()
        dist.destroy_process_group()
    except BaseException:
        traceback.print_exc()
        raise
