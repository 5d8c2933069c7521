"""Two processes that train together: every mixture once, and only the shards that a process needs."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from datamodules.shards.layout import read_shard_list
from datamodules.shards.schedule import ShardSchedule
from datamodules.shards.settings import ShardSettings
from tests.datamodules import rank_process
from tests.datamodules.file_server import serving
from tests.datamodules.small_corpus import ready, write_corpus, write_sharded

COUNTS = {"batch_size": 3, "train_mixtures": 17, "valid_mixtures": 5, "probe_mixtures": 6, "test_mixtures": 6}
Seen = dict[str, list[list[tuple[int, str]]]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def train(arguments: list[str], environment: dict[str, str]) -> None:
    """Be one of two processes, in a fork, which need not import everything again."""
    torch.set_num_threads(1)
    os.environ.update(environment)
    rank_process.main(arguments)


def train_on_two(root: str, out: Path, shards: list[dict[str, Any]], nodes: int = 1, **settings: Any) -> list[Seen]:
    """Train in two processes and return what each was shown."""
    out.mkdir()
    settings = COUNTS | settings
    port, processes = str(free_port()), []
    for rank in range(2):
        arguments = ["--root", root, "--out", str(out), "--nodes", str(nodes), "--shards", json.dumps(shards[rank])]
        arguments += ["--settings", json.dumps(settings)]
        node, local = (rank, 0) if nodes == 2 else (0, rank)
        environment = {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "WORLD_SIZE": "2",
            "RANK": str(rank),
            "LOCAL_RANK": str(local),
            "GROUP_RANK": str(node),
            "LOCAL_WORLD_SIZE": str(2 // nodes),
            "TORCHELASTIC_RUN_ID": "test",
        }
        processes.append(multiprocessing.get_context("fork").Process(target=train, args=(arguments, environment)))
        processes[-1].start()
    for process in processes:
        process.join(timeout=240)
        process.kill()
    assert [process.exitcode for process in processes] == [0, 0]
    return [json.loads((out / f"rank{rank}.json").read_text()) for rank in range(2)]


def assert_every_mixture_once(seen: list[Seen], alone: dict[str, dict[int, str]]) -> None:
    """Every index once on one of the ranks, with the content that one process makes; equally many batches on both."""
    assert set(seen[0]) == set(seen[1]) == set(alone)
    for name, expected in alone.items():
        marks = [(index, mark) for rank in seen for batch in rank[name] for index, mark in batch]
        assert len(marks) == len(expected), f"{name}: some twice or not at all"
        assert dict(marks) == expected
        assert len(seen[0][name]) == len(seen[1][name])


def made_alone(root: Path | str, **arguments: Any) -> dict[str, dict[int, str]]:
    """What one process makes in two epochs, by index."""
    data = ready(root, **{**COUNTS, "num_workers": 0, **arguments})
    found: dict[str, dict[int, str]] = {}
    for epoch in range(2):
        train = data.train_dataloader()
        train.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        for name, loader in zip(("train", "valid", "probe"), (train, *data.val_dataloader()), strict=True):
            found[f"{name}{epoch}"] = {index: mark for batch in loader for index, mark in marked(batch)}
    return found


@pytest.mark.slow
def test_loose_recordings_are_dealt_out_without_repeats(tmp_path: Path) -> None:
    root = write_corpus(tmp_path / "corpus")
    seen = train_on_two(str(root), tmp_path / "out", [{}, {}], num_workers=2)
    assert_every_mixture_once(seen, made_alone(root))
    steps = zip(seen[0]["train0"], seen[1]["train0"], strict=True)
    order = [index for one, other in steps for index, _ in (*one, *other)]
    assert order[:12] == list(range(12)), "both batches of a step follow each other"


@pytest.mark.slow
def test_each_node_fetches_the_shards_of_its_own_blocks(tmp_path: Path) -> None:
    root = write_sharded(tmp_path)
    counts = {"train_mixtures": 16, "valid_mixtures": 6, "probe_mixtures": 6}
    settings = [
        {"cache_dir": str(tmp_path / f"cache{rank}"), "block_mixtures": 4, "fixed_shards": 1} for rank in range(2)
    ]
    with serving(root) as server:
        seen = train_on_two(server.url, tmp_path / "out", settings, nodes=2, num_workers=0, **counts)
        served = dict(server.served)
    alone = made_alone(root, shards=ShardSettings(block_mixtures=4, fixed_shards=1), **counts)
    assert_every_mixture_once(seen, alone)

    data = ready(root, **{**COUNTS, **counts})
    train = ShardSchedule(data.corpus, "train", 16, 4, 0, 0)
    needed: list[set[str]] = []
    for rank in range(2):
        blocks = [{index // 4 for batch in seen[rank][f"train{epoch}"] for index, _ in batch} for epoch in range(2)]
        assert all(len(taken) == 2 for taken in blocks), "whole blocks"
        needed.append(
            {name for epoch in range(2) for block in blocks[epoch] for name in train.shards(4 * block, epoch)}
        )
    held_out = ShardSchedule(data.corpus, "valid", 6, 6, 0, 2).shards(0, 0)
    probe = ShardSchedule(data.corpus, "train", 6, 6, 0, 1).shards(0, 0)
    caches = [
        {f"{path.name.split('.')[0]}.tar" for path in (tmp_path / f"cache{rank}").glob("*/*.tar")} for rank in (0, 1)
    ]
    assert caches == [shards | {*held_out, *probe} for shards in needed]
    everything = set(read_shard_list(root))
    assert all(cache < everything for cache in caches)
    assert caches[0] != caches[1]
    fetched = {name: count for name, count in served.items() if name.endswith(".tar")}
    assert fetched == {name: sum(name in cache for cache in caches) for name in caches[0] | caches[1]}


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_make_every_mixture_of_shards_once(
    world_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_sharded(tmp_path)
    arguments: dict[str, Any] = {"shards": ShardSettings(block_mixtures=2, fixed_shards=1), "num_workers": 0}
    arguments |= {"train_mixtures": 17, "valid_mixtures": 12, "probe_mixtures": 6, "batch_size": 3}
    data = ready(root, **arguments)
    seen: list[Seen] = []
    for rank in range(world_size):
        monkeypatch.setattr(data, "_ranks", lambda rank=rank: (rank, world_size))
        loaders = (data.train_dataloader(), *data.val_dataloader())
        for loader in loaders:
            loader.sampler.set_epoch(1)  # type: ignore[attr-defined]
        batches = zip(("train1", "valid1", "probe1"), map(list, loaders), strict=True)
        seen.append({name: [marked(batch) for batch in several] for name, several in batches})
    alone = {name: marks for name, marks in made_alone(root, **arguments).items() if name.endswith("1")}
    assert_every_mixture_once(seen, alone)


def marked(batch: dict[str, Any]) -> list[tuple[int, str]]:
    """Name the mixtures of a batch by their index and content."""
    marks = (f"{float(mixture.double().square().sum()):.9e}" for mixture in batch["noisy"])
    return list(zip(batch["index"].tolist(), marks, strict=True))


def test_counts_that_would_hang_are_refused(tmp_path: Path) -> None:
    data = ready(write_corpus(tmp_path / "corpus"), train_mixtures=13)
    data.trainer = SimpleNamespace(global_rank=1, world_size=2)  # type: ignore[assignment]
    with pytest.raises(
        ValueError, match=r"data\.train_mixtures: 13 mixtures cannot be dealt out .* set it to 12 or 14"
    ):
        data.train_dataloader()
