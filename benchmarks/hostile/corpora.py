"""Corpora from elsewhere: manifests of recordings, and shards with the tables that say what lies where."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from benchmarks.hostile.damage import CELLS, damaged, damaged_csv
from benchmarks.hostile.target import Files, Target, demand

SPLITS = ("train", "valid", "test")
SPEECH = "path,speaker,sex,seconds,split\n" + "".join(
    f"speech/s{number}.wav,p{number},{sex},0.1,{split}\n"
    for number, (split, sex) in enumerate(zip(SPLITS, "FM ", strict=True))
).replace(", ,", ",,")
NOISE = "path,category,seconds,split\n" + "".join(
    f"noise/n{number}.wav,rain,0.1,{split}\n" for number, split in enumerate(SPLITS)
)
PAIRS = "speech,noise,snr_db,split\nspeech/s2.wav,noise/n2.wav,5.0,test\n"
RESPONSES = "path,seconds,split\nrir/r0.wav,0.1,train\nrir/r1.wav,0.1,\n".replace("0.1,\n", "0.1,valid\n")


@st.composite
def manifests(draw: DrawFn) -> Files:
    """Return the manifests of a corpus of which one is damaged."""
    files = {"speech.csv": SPEECH, "noise.csv": NOISE, "pairs.csv": PAIRS, "rir.csv": RESPONSES}
    chosen = draw(st.sampled_from(sorted(files)))
    encoded = {name: text.encode() for name, text in files.items()}
    return encoded | {chosen: draw(damaged_csv(files[chosen]))}


def manifest_target() -> Target:
    """Return what reads manifests."""
    from datamodules.corpus import CorpusError, read_corpus

    def read(folder: Path) -> None:
        corpus = read_corpus(folder, splits=("train",), responses=True)
        for record in (*corpus.speech, *corpus.noise, *corpus.responses):
            demand(".." not in record.path.parts, f"{record.path} leaves its folder")
            corpus.name_of(record.path)
        paths = [os.path.abspath(record.path) for record in corpus.speech]
        demand(len(set(paths)) == len(paths), "a recording is there twice")
        for pair in corpus.pairs:
            demand(not np.isinf(pair.snr_db), "an SNR is infinite")

    return Target("manifests", manifests(), read, (CorpusError,))


@cache
def sharded() -> dict[str, bytes]:
    """Return the files of a small corpus in shards."""
    from datamodules.shards.writer import write_shards

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, text in (("speech", SPEECH), ("noise", NOISE)):
            (folder / f"{kind}.csv").write_text(text)
            (folder / kind).mkdir()
            for number in range(len(SPLITS)):
                samples = np.random.default_rng(number).normal(0, 0.1, 400)
                soundfile.write(folder / kind / f"{kind[0]}{number}.wav", samples, 16000)
        write_shards(folder, folder / "out", shard_mb=0.01, progress=False)
        return {path.name: path.read_bytes() for path in (folder / "out").iterdir() if path.suffix in (".csv", ".tar")}


@st.composite
def shards(draw: DrawFn) -> Files:
    """Return a corpus in shards with one damaged table or shard."""
    files = sharded()
    chosen = draw(st.sampled_from(sorted(files)))
    if chosen.endswith(".csv"):
        content = draw(damaged_csv(files[chosen].decode()) | _other_cells(files[chosen].decode()))
    else:
        content = draw(damaged([files[chosen]]))
    return files | {chosen: content}


@st.composite
def _other_cells(draw: DrawFn, text: str) -> bytes:
    """Return a table with one cell exchanged for what a place in a shard may be."""
    rows = [line.split(",") for line in text.splitlines()]
    row = rows[draw(st.integers(1, len(rows) - 1))]
    cells = (*CELLS[:12], "../x-train-000000.tar", "/tmp/x.tar", "../../" * 2, "-5", "512", str(2**62), "9" * 30)
    row[draw(st.integers(0, len(row) - 1))] = draw(st.sampled_from(cells)).replace("\n", "")
    return "\n".join(map(",".join, rows)).encode()


def shard_target() -> Target:
    """Return what reads recordings from shards."""
    from datamodules.audio import AudioReader
    from datamodules.corpus import CorpusError, read_corpus
    from datamodules.shards.archive import CorpusLocation
    from datamodules.shards.settings import ShardSettings
    from datamodules.shards.store import ShardError

    def read(folder: Path) -> None:
        location = CorpusLocation(str(folder), ShardSettings(cache_dir=str(folder / "cache")))
        location.fetch_manifests()
        archive = location.archive()
        corpus = read_corpus(folder, splits=())
        if archive is None:
            return
        archive.check(16000, resample=False)
        reader = AudioReader(16000, cache_mb=1)
        reader.archive = archive
        for shard in archive.shards.values():
            for name in (shard.name, shard.cached_name):
                demand(os.path.dirname(name) == "" and name not in ("..", "."), f"{name!r} is no name in a folder")
        for record in (*corpus.speech, *corpus.noise):
            samples = reader.read(record.path)
            demand(samples.ndim == 1 and len(samples) and np.isfinite(samples).all(), "samples of another kind")

    return Target("shards", shards(), read, (CorpusError, ShardError))
