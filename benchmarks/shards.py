"""What tar shards cost: writing them, and reading recordings and mixtures from them beside loose files.

    python benchmarks/shards.py                          # generated corpus
    python benchmarks/shards.py --root /data/corpus      # recordings

Loose files and shards take turns in every round of one process, with a warm page cache. The last lines read the same
shards over HTTP from this machine, through a cache. Prints Markdown.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from tqdm import tqdm

from datamodules.audio import AudioReader
from datamodules.corpus import read_corpus
from datamodules.enhancement_data import TRAIN_STREAM, EnhancementDataModule
from datamodules.mixing_settings import MixingSettings
from datamodules.sampler import ItemKey
from datamodules.shards.archive import CorpusLocation
from datamodules.shards.settings import ShardSettings
from datamodules.shards.writer import write_shards
from datamodules.synthetic import SyntheticCorpus, generate
from datamodules.targets import Labels, Levels, VoiceActivity
from networks.framing import FrameGrid

GRID = FrameGrid()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without a line for every request."""

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def seconds_of(work: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def row(label: str, value: str) -> None:
    """Print one line of the table."""
    print(f"| {label} | {value} |")


def data_of(root: str, cache: Path, block: int, cache_mb: int) -> EnhancementDataModule:
    """Return a datamodule that is ready to draw training mixtures."""
    data = EnhancementDataModule(
        root,
        grid=GRID,
        targets=[VoiceActivity(), Levels(), Labels()],
        mixing=MixingSettings(),
        shards=ShardSettings(cache_dir=str(cache), block_mixtures=block),
        train_mixtures=100_000,
        num_workers=0,
        cache_mb=cache_mb,
    )
    data.prepare_data()
    data.setup("fit")
    return data


def draw(data: EnhancementDataModule, first: int, count: int) -> None:
    """Make training mixtures one after the other."""
    schedule = data.schedule("train", "train", TRAIN_STREAM)
    dataset = data.dataset("train", TRAIN_STREAM, schedule)
    for index in range(first, first + count):
        dataset[ItemKey(index, 0)]


def decode_all(root: Path) -> None:
    """Decode every recording once, without keeping any."""
    reader, corpus = AudioReader(GRID.sample_rate, cache_mb=1), read_corpus(root)
    reader.archive = CorpusLocation(str(root), ShardSettings()).archive()
    for record in (*corpus.speech, *corpus.noise):
        reader.read(record.path)


def compare(root: Path, shards: Path, folder: Path, options: argparse.Namespace) -> None:
    """Time loose files and shards in turn and print the ratios of their speeds."""
    decoding: list[float] = []
    drawing: list[float] = []
    loose, sharded = (data_of(str(place), folder, options.block, options.cache_mb) for place in (root, shards))
    for turn in tqdm(range(options.rounds), desc="rounds", leave=False):
        decoding.append(seconds_of(lambda: decode_all(root)) / seconds_of(lambda: decode_all(shards)))
        first = turn * options.mixtures
        times = [seconds_of(functools.partial(draw, data, first, options.mixtures)) for data in (loose, sharded)]
        drawing.append(times[0] / times[1])
    row("decoding every recording, speed relative to loose files", f"{np.median(decoding):.2f}")
    row(f"mixtures, blocks of {options.block}, relative to loose files", f"{np.median(drawing):.2f}")


def over_http(shards: Path, folder: Path, options: argparse.Namespace) -> None:
    """Draw from the same shards behind a URL, with an empty cache and with a full one."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(shards)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url, cache = f"http://127.0.0.1:{server.server_port}", folder / "cache"
    count = options.rounds * options.mixtures
    for state in ("empty", "full"):
        data = data_of(url, cache, options.block, options.cache_mb)
        rate = count / seconds_of(functools.partial(draw, data, 0, count))
        held = len(list(cache.rglob("*.tar")))
        row(f"mixtures per second over HTTP, cache {state} ({held} shards afterwards)", f"{rate:.0f}")
    server.shutdown()


def main() -> None:
    """Write, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="folder of the corpus; default: a generated one")
    parser.add_argument("--shard-mb", type=float, default=16.0)
    parser.add_argument("--block", type=int, default=100, help="mixtures from one pair of shards")
    parser.add_argument("--cache-mb", type=int, default=64, help="decoded audio kept in memory")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mixtures", type=int, default=100, help="in a round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = options.root or generate(SyntheticCorpus(), folder / "corpus", GRID, progress=False)
        corpus = read_corpus(root)
        files = [record.path for record in (*corpus.speech, *corpus.noise)]
        mebibytes = sum(path.stat().st_size for path in files) / 2**20
        write = functools.partial(write_shards, root, folder / "shards", options.shard_mb)
        first, second = seconds_of(write), seconds_of(write)
        written = sum(path.stat().st_size for path in (folder / "shards").glob("*.tar")) / 2**20
        print(f"{len(files)} recordings, {mebibytes:.1f} MiB, shards of {options.shard_mb:g} MiB\n\n| | |\n|---|---|")
        row("writing, every recording decoded", f"{first:.1f} s, {mebibytes / first:.0f} MiB/s")
        row("second run, nothing to do", f"{second:.2f} s")
        row("size of the shards relative to the files", f"{written / mebibytes:.3f}")
        compare(root, folder / "shards", folder, options)
        over_http(folder / "shards", folder, options)


if __name__ == "__main__":
    main()
