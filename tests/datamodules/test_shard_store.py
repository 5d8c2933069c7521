"""Shards behind a URL: fetched when needed, once, whole, and within the bound of the cache."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from datamodules.corpus import CorpusError
from datamodules.sampler import ItemKey
from datamodules.shards import store
from datamodules.shards.archive import CorpusLocation, ShardArchive
from datamodules.shards.layout import ShardFile, Span, read_members, read_shard_list
from datamodules.shards.settings import ShardSettings
from datamodules.shards.store import CachedStore, ShardError
from tests.datamodules.file_server import FileServer, serving
from tests.datamodules.small_corpus import data_of, ready, write_sharded
from tests.datamodules.test_enhancement_data import assert_same_batches


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sharded(tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def server(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setattr(store, "FIRST_PAUSE_S", 0.01)
    with serving(root) as server:
        yield server


def archive_of(url: str, cache: Path, cache_mb: float = 100, attempts: int = 3) -> ShardArchive:
    location = CorpusLocation(url, ShardSettings(str(cache), cache_mb / 1024, attempts=attempts))
    location.fetch_manifests()
    archive = location.archive()
    assert archive is not None
    return archive


def first_of(archive: ShardArchive, shard: str) -> Path:
    return next(path for path in archive._members if archive.shard_of(path) == shard)


def cached(cache: Path) -> set[str]:
    """Names of the shards in a cache, without the digest."""
    return {f"{path.name.split('.')[0]}.tar" for path in cache.glob("*/*.tar")}


@pytest.mark.parametrize("protocol", ["http", "file", "memory"])
def test_batches_are_the_same_from_a_folder_and_from_a_url(
    root: Path, server: FileServer, tmp_path: Path, protocol: str
) -> None:
    url = {"http": server.url, "file": f"file://{root}/", "memory": "memory://corpus"}[protocol]
    if protocol == "memory":
        import fsspec

        fsspec.filesystem("memory").put(f"{root}/*.*", "/corpus/")
    settings = ShardSettings(str(tmp_path / "cache"), block_mixtures=3)
    for workers in (0, 2):
        remote = ready(url, shards=settings, num_workers=workers)
        local = ready(root, shards=ShardSettings(block_mixtures=3))
        assert_same_batches(list(remote.train_dataloader()), list(local.train_dataloader()))
        assert_same_batches(list(remote.val_dataloader()[0]), list(local.val_dataloader()[0]))


def test_nothing_but_lists_is_fetched_before_training_and_then_each_needed_shard_once(
    server: FileServer, tmp_path: Path
) -> None:
    data = data_of(server.url, shards=ShardSettings(str(tmp_path), block_mixtures=8), num_workers=2)
    data.prepare_data()
    data.setup("fit")
    assert set(server.served) == {"shards.csv", "rir.csv", "noise.csv", "speech.csv"}
    loader = data.train_dataloader()
    list(loader)
    schedule = loader.dataset.schedule  # type: ignore[attr-defined]
    assert cached(tmp_path) == set(schedule.shards(0, 0))
    assert [server.served[name] for name in schedule.shards(0, 0)] == [1, 1], "workers share what one of them fetched"
    assert sum(name.endswith(".tar") for name in server.served) == 2


@pytest.mark.parametrize("fault", ["torn", "altered", "broken"])
def test_a_bad_download_is_repeated(root: Path, server: FileServer, tmp_path: Path, fault: str) -> None:
    archive = archive_of(server.url, tmp_path)
    name = sorted(archive.shards)[0]
    getattr(server, fault)[name] = 2
    path = first_of(archive, name)
    local = CorpusLocation(str(root), ShardSettings()).archive()
    assert local is not None
    assert archive.read(path) == local.read(root / path.relative_to(archive.folder))
    assert server.served[name] == 3
    assert not list(tmp_path.glob("*/.*.part"))


@pytest.mark.parametrize("fault", ["torn", "altered", "broken"])
def test_a_shard_that_cannot_be_had_is_named(server: FileServer, tmp_path: Path, fault: str) -> None:
    archive = archive_of(server.url, tmp_path)
    name = sorted(archive.shards)[0]
    getattr(server, fault)[name] = 99
    with pytest.raises(ShardError, match=rf"{server.url}/{name}: cannot be fetched, 3 attempts"):
        archive.read(first_of(archive, name))
    assert server.served[name] == 3
    assert not isinstance(ShardError(""), CorpusError), "the network's fault is not the recording's"
    assert cached(tmp_path) == set()


def test_a_missing_shard_is_not_asked_for_again(root: Path, server: FileServer, tmp_path: Path) -> None:
    archive = archive_of(server.url, tmp_path)
    with pytest.raises(ShardError, match=r"absent\.tar: no such file"):
        archive.store.read(ShardFile("absent.tar", 10, "", 16000, ""), Span(0, 1))


def test_a_cached_shard_of_the_wrong_size_is_fetched_again(server: FileServer, tmp_path: Path) -> None:
    archive = archive_of(server.url, tmp_path)
    name = sorted(archive.shards)[0]
    path = first_of(archive, name)
    good = archive.read(path)
    (copy,) = tmp_path.glob("*/*.tar")
    copy.write_bytes(copy.read_bytes()[:-10])
    assert archive.read(path) == good
    assert server.served[name] == 2


def test_a_corpus_that_was_written_anew_is_fetched_anew(tmp_path: Path) -> None:
    first = write_sharded(tmp_path)
    url, cache = f"file://{first}", tmp_path / "cache"
    archive = archive_of(url, cache)
    name = sorted(archive.shards)[0]
    archive.read(first_of(archive, name))
    content = bytearray((first / name).read_bytes())
    content[600] ^= 1  # the same size, another content
    (first / name).write_bytes(content)
    listed = (first / "shards.csv").read_text()
    digest = hashlib.sha256(content).hexdigest()
    (first / "shards.csv").write_text(listed.replace(archive.shards[name].sha256, digest))
    again = archive_of(url, cache)
    span = Span(0, len(content))
    assert again.store.read(again.shards[name], span) == bytes(content)


def test_the_least_recently_used_shards_are_removed(root: Path, tmp_path: Path) -> None:
    archive = archive_of(f"file://{root}", tmp_path)
    names = sorted(archive.shards)[:5]
    sizes = [archive.shards[name].num_bytes for name in names]
    assert isinstance(archive.store, CachedStore)
    archive.store.bound_bytes = sum(sizes[:4])
    moment = 1_000_000_000
    for name in names[:4]:
        archive.read(first_of(archive, name))
        (copy,) = tmp_path.glob(f"*/{name.removesuffix('.tar')}.*.tar")
        os.utime(copy, (moment, moment))
        moment += 1
    assert cached(tmp_path) == set(names[:4])
    archive.read(first_of(archive, names[0]))  # used: now the second is the oldest
    archive.read(first_of(archive, names[4]))
    held = cached(tmp_path)
    assert names[0] in held and names[4] in held and names[1] not in held
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*.tar")) <= archive.store.bound_bytes


def test_a_bound_that_holds_fewer_than_two_shards_is_refused(root: Path, tmp_path: Path) -> None:
    data = data_of(f"file://{root}", shards=ShardSettings(str(tmp_path), cache_gb=1e-5))
    with pytest.raises(CorpusError, match=r"data\.shards\.cache_gb: the largest shards of .*speech.* take"):
        data.prepare_data()


def read_all(url: str, cache: str, cache_mb: float, results: multiprocessing.Queue[int]) -> None:
    torch.set_num_threads(1)
    archive = archive_of(url, Path(cache), cache_mb)
    total = 0
    for name in sorted(archive.shards):
        for _ in range(3):
            total += sum(archive.read(first_of(archive, name)))
    results.put(total)


@pytest.mark.parametrize("cache_mb", [100.0, 0.4])
def test_processes_share_a_cache_also_one_that_is_too_small_for_all(
    root: Path, server: FileServer, tmp_path: Path, cache_mb: float
) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    processes = [
        context.Process(target=read_all, args=(server.url, str(tmp_path), cache_mb, results)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    sums = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert len(set(sums)) == 1
    fetched = {name: count for name, count in server.served.items() if name.endswith(".tar")}
    assert len(fetched) == len(read_names(root))
    if cache_mb == 100.0:
        assert set(fetched.values()) == {1}, "the three waited for one another"
    assert not list(tmp_path.glob("*/.*.part"))


def read_names(root: Path) -> set[str]:
    return {path.name for path in root.glob("*.tar")}


def test_urls_without_shards_and_unknown_protocols_are_refused(server: FileServer, root: Path, tmp_path: Path) -> None:
    settings = ShardSettings(str(tmp_path), attempts=1)
    with pytest.raises(
        CorpusError, match=r"data\.root: .*/absent/shards\.csv: no such file; expected a corpus in shards"
    ):
        data_of(f"{server.url}/absent", shards=settings).prepare_data()
    with pytest.raises(CorpusError, match=r"data\.root: 'nonsense://x' cannot be opened"):
        data_of("nonsense://x", shards=settings).prepare_data()
    with pytest.raises(ValueError, match=r"data\.root: a synthetic corpus is generated into a folder"):
        data_of(server.url, synthetic=object())
    with pytest.raises(ValueError, match=r"data\.shards\.block_mixtures must be positive, got 0"):
        ShardSettings(block_mixtures=0)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("speech.csv", "speech-valid-000000.tar", "speech-valid-000099.tar", "is not listed in shards.csv"),
        ("speech.csv", ",512,", ",51200000,", "lie outside of speech-"),
        ("speech.csv", "speech-valid-000000.tar", "1" * 9000, "is not listed in shards.csv"),
        ("speech.csv", "speech-valid-000000.tar", "\udcff" * 3000, "not a UTF-8 CSV file"),
        ("speech.csv", ",512,", f",{'1' * 4000},", "lie outside of speech-"),
        ("speech.csv", ",512,", ",x,", "must be whole numbers"),
        ("speech.csv", ",512,", ",-512,", "lie outside of"),
        ("shards.csv", "bytes", "size", "expected a CSV file with the columns shard, bytes"),
        ("shards.csv", ",16000,", ",8000,", "expected 16000 Hz, got 8000 Hz"),
        ("shards.csv", "speech-train", "../speech-train", "shard must be a name like speech-train-000000.tar"),
        ("shards.csv", ",16000,", ",0,", "bytes and sample_rate must be positive"),
        ("shards.csv", ",16000,", f",{'x' * 200_000},", "field larger"),
        ("speech.csv", ",512,", f",{'x' * 200_000},", "field larger"),
    ],
)
def test_lists_that_do_not_fit_are_refused(
    root: Path, tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    shutil.copytree(root, tmp_path / "copy")
    text = (tmp_path / "copy" / name).read_text()
    assert old in text
    (tmp_path / "copy" / name).write_text(text.replace(old, new, 1), errors="surrogateescape")
    with pytest.raises(CorpusError, match=message) as refused:
        data_of(tmp_path / "copy").prepare_data()
    assert len(str(refused.value)) < 1000


def test_a_missing_or_torn_shard_in_a_folder_is_refused(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "copy")
    victim = tmp_path / "copy" / "noise-train-000000.tar"
    victim.write_bytes(victim.read_bytes()[:-1])
    with pytest.raises(CorpusError, match=r"noise-train-000000\.tar: \d+ bytes; expected \d+ bytes"):
        data_of(tmp_path / "copy").prepare_data()
    victim.unlink()
    with pytest.raises(CorpusError, match=r"noise-train-000000\.tar: no such shard"):
        data_of(tmp_path / "copy").prepare_data()


def test_items_are_the_same_whatever_was_removed_meanwhile(root: Path, tmp_path: Path) -> None:
    data = ready(f"file://{root}", shards=ShardSettings(str(tmp_path), block_mixtures=1), cache_mb=1)
    dataset = data.dataset("train", 0, data.schedule("train", "train", 0))
    first = [dataset[ItemKey(index, 0)]["noisy"] for index in range(6)]
    for path in tmp_path.glob("*/*.tar"):
        path.unlink()
    data.reader._held.clear()
    data.reader._held_bytes = 0
    for index in reversed(range(6)):
        assert (dataset[ItemKey(index, 0)]["noisy"] == first[index]).all()


def test_a_manifest_that_is_no_text_is_told_in_few_words(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "copy")
    (tmp_path / "copy" / "noise.csv").write_bytes(b"\xff\xfe" * 5000)
    shards = read_shard_list(tmp_path / "copy")
    with pytest.raises(CorpusError, match=r"noise\.csv: not a manifest of shards in UTF-8") as refused:
        read_members(tmp_path / "copy", shards)
    assert len(str(refused.value)) < 1000
