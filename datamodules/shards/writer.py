"""Writing a corpus folder into tar shards: every recording is decoded to verify it, and a restart goes on."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import soundfile
from tqdm import tqdm

from datamodules.audio import AudioReader
from datamodules.corpus import SPLITS, CorpusError, read_corpus
from datamodules.recording_checks import check_audio
from datamodules.shards.layout import (
    KINDS,
    MANIFESTS,
    PITCH_COLUMNS,
    POSITION_COLUMNS,
    SHARD_COLUMNS,
    SHARD_LIST,
    Span,
    csv_text,
    is_sharded,
)
from datamodules.shards.locks import locked
from datamodules.shards.plan import PlannedShard, Source, member_name, plan_noise, plan_responses, plan_speech
from datamodules.shards.tar import AUDIO_SUFFIX, Sample, WrittenShard, load_tar_writer, write_tar
from datamodules.targets.pitch import CREPE_RATE, describe_settings, encode_track, track_pitch
from networks.framing import FrameGrid
from storage.whole_files import remove_left_overs, write_text_whole

LAYOUT_VERSION = 1  # part of every fingerprint: raise it when shards of older versions must be written anew
JOURNAL = ".journal"  # folder beside the shards: what is known of every finished one
PITCH_BATCH = 64
EVERY_SPLIT = "all"  # names the shards of room responses without a split
PLANS = {"speech": plan_speech, "noise": plan_noise, "rir": plan_responses}


class ShardReport(NamedTuple):
    """What :func:`write_shards` did: shards written, shards kept from an earlier run, and bytes of all."""

    written: int
    kept: int
    num_bytes: int


@dataclass(frozen=True)
class _Format:
    """How recordings are stored."""

    sample_rate: int
    pitch: Literal["tiny", "full"] | None
    f0_range_hz: tuple[float, float]

    @property
    def grid(self) -> FrameGrid:
        return FrameGrid(sample_rate=self.sample_rate)

    def pitch_settings(self, kind: str) -> str:
        """Return what ``shards.csv`` says of the tracks in shards of a kind."""
        return describe_settings(self.pitch, self.f0_range_hz, self.grid) if self.pitch and kind == "speech" else ""


def write_shards(
    root: Path,
    out: Path,
    shard_mb: float = 256.0,
    sample_rate: int = 16000,
    pitch: Literal["tiny", "full"] | None = None,
    f0_range_hz: tuple[float, float] = (60.0, 500.0),
    progress: bool = True,
) -> ShardReport:
    """Write a corpus folder into tar shards.

    FLAC files are stored as they are, others as FLAC; all are decoded to the end first. Shards of an earlier run are
    kept if they were made from the same files (by name, size and time of change) with the same settings. The manifests
    come last: a folder that has them is complete.

    Args:
        root: folder with ``speech.csv`` and ``noise.csv``.
        out: folder for shards and manifests; made if needed.
        shard_mb: wanted size of a shard in MiB.
        sample_rate: Hz that all recordings must have.
        pitch: CREPE model whose tracks are stored beside the speech; None stores none.
        f0_range_hz: lowest and highest F0 of these tracks.
        progress: show a bar.

    Raises:
        CorpusError: if the corpus or a recording cannot be used, or ``out`` is being written by another process.
        ValueError: if a setting is out of range.
    """
    if shard_mb <= 0:
        raise ValueError(f"shard_mb must be positive, got {shard_mb}")
    if pitch is not None and sample_rate != CREPE_RATE:
        raise ValueError(f"pitch tracks need a sample rate of {CREPE_RATE} Hz, got {sample_rate}")
    if is_sharded(root):
        raise CorpusError(f"{root}: holds shards already; expected a folder of loose recordings")
    load_tar_writer()  # says what is missing before hours of work
    has_responses = (root / "rir.csv").is_file()
    read_corpus(root, splits=(), responses=has_responses)
    if (root / "pairs.csv").is_file():
        warnings.warn(f"{root / 'pairs.csv'} is not carried over: published mixtures need loose files", stacklevel=2)
    stored = _Format(sample_rate, pitch, f0_range_hz)
    kinds = [kind for kind in KINDS if kind != "rir" or has_responses]
    planned = {kind: _plan(root, kind, int(shard_mb * 2**20)) for kind in kinds}
    out.mkdir(parents=True, exist_ok=True)
    try:
        with locked(out / ".lock", wait=False):
            return _write_all(out, planned, stored, progress)
    except BlockingIOError as error:
        raise CorpusError(f"{out}: another process is writing shards into this folder") from error


def _plan(root: Path, kind: str, limit: int) -> list[PlannedShard]:
    """Read a manifest and decide what goes into which shard."""
    with (root / f"{kind}.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    shards = []
    for split in (*SPLITS, EVERY_SPLIT):
        sources = []
        for number, row in enumerate(rows):
            if row.get("split", EVERY_SPLIT) == split:
                path = root / row["path"]
                try:
                    status = path.stat()
                except OSError as error:
                    raise CorpusError(f"{path}: no such audio file") from error
                sources.append(Source(path, row, member_name(number, path), status.st_size, status.st_mtime_ns))
        if sources:
            shards += PLANS[kind](sources, split, limit)
    return shards


def _write_all(out: Path, planned: dict[str, list[PlannedShard]], stored: _Format, progress: bool) -> ShardReport:
    """Write what is missing, then the lists."""
    journal = out / JOURNAL
    journal.mkdir(exist_ok=True)
    for folder in (out, journal):  # nobody else writes here: the lock is held
        remove_left_overs(folder, older_than_s=0.0)
    finished = {
        shard.name: _finished(out, shard, _fingerprint(shard, stored.pitch_settings(kind), stored))
        for kind in planned
        for shard in planned[kind]
    }
    kept = sum(record is not None for record in finished.values())
    if kept < len(finished):  # the lists of an earlier run would describe shards that are about to change
        for name in (*reversed(MANIFESTS), SHARD_LIST):
            (out / name).unlink(missing_ok=True)
    total = sum(shard.num_bytes for kind in planned for shard in planned[kind] if finished[shard.name] is None)
    bar: tqdm[Any]
    with tqdm(total=total, desc="Writing shards", unit="B", unit_scale=True, disable=not progress) as bar:
        for kind in planned:
            for shard in planned[kind]:
                if finished[shard.name] is None:
                    finished[shard.name] = _write_one(out, kind, shard, stored, bar)
    done = {name: record for name, record in finished.items() if record is not None}
    _write_lists(out, planned, stored, done)
    for stale in set(out.glob("*-*-??????.tar")) - {out / name for name in done}:
        stale.unlink()
        (journal / f"{stale.name}.json").unlink(missing_ok=True)
    return ShardReport(len(done) - kept, kept, sum(record.num_bytes for record in done.values()))


def _fingerprint(shard: PlannedShard, pitch: str, stored: _Format) -> str:
    """Return a digest of everything that a shard is made from."""
    made_from = [(source.member, source.row["path"], source.num_bytes, source.modified_ns) for source in shard.sources]
    return hashlib.sha256(repr((LAYOUT_VERSION, stored.sample_rate, pitch, made_from)).encode()).hexdigest()


def _finished(out: Path, shard: PlannedShard, fingerprint: str) -> WrittenShard | None:
    """Return the record of a shard that an earlier run finished from the same files, or None."""
    try:
        entry = json.loads((out / JOURNAL / f"{shard.name}.json").read_text(encoding="utf-8"))
        if entry["fingerprint"] != fingerprint or (out / shard.name).stat().st_size != entry["bytes"]:
            return None
        spans = [(Span(*audio), Span(*track) if track else None) for audio, track in entry["spans"]]
    except (OSError, ValueError, KeyError, TypeError):  # missing or damaged: the shard is written again
        return None
    return WrittenShard(entry["bytes"], entry["sha256"], spans)


def _write_one(out: Path, kind: str, shard: PlannedShard, stored: _Format, bar: tqdm[Any]) -> WrittenShard:
    """Write a shard and note it in the journal."""
    entry = out / JOURNAL / f"{shard.name}.json"
    entry.unlink(missing_ok=True)
    written = write_tar(out / shard.name, _samples(kind, shard, stored, bar))
    record = {
        "fingerprint": _fingerprint(shard, stored.pitch_settings(kind), stored),
        "bytes": written.num_bytes,
        "sha256": written.sha256,
        "spans": written.spans,
    }
    write_text_whole(entry, json.dumps(record))
    return written


def _samples(kind: str, shard: PlannedShard, stored: _Format, bar: tqdm[Any]) -> Iterator[Sample]:
    """Read, verify and encode the recordings of a shard."""
    reader = AudioReader(stored.sample_rate, cache_mb=1)
    for source in shard.sources:
        check_audio(source.path, stored.sample_rate, resample=False)
        clean = reader.read(source.path)
        track = None
        if stored.pitch is not None and kind == "speech":
            hop = stored.grid.hop_length
            track = encode_track(track_pitch(clean, hop, stored.pitch, stored.f0_range_hz, PITCH_BATCH))
        yield Sample(source.member, _flac_bytes(source.path), track)
        bar.update(source.num_bytes)


def _flac_bytes(path: Path) -> bytes:
    """Return a recording as FLAC: the file itself if it is one, else encoded without loss or in 24 bits."""
    info = soundfile.info(str(path))
    if info.format == "FLAC":
        return path.read_bytes()
    is_float = info.subtype in ("FLOAT", "DOUBLE")
    subtype = "PCM_16" if info.subtype == "PCM_16" else "PCM_24"
    # integers to integers: by way of floats, libsndfile would scale by 1/32768 and back by 32767
    dtype = "float64" if is_float else "int16" if subtype == "PCM_16" else "int32"
    samples, rate = soundfile.read(str(path), dtype=dtype)
    if is_float and abs(samples).max() > 1.0:
        raise CorpusError(f"{path}: samples exceed full scale, which FLAC cannot store; scale the recording first")
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format="FLAC", subtype=subtype)
    return content.getvalue()


def _write_lists(
    out: Path, planned: dict[str, list[PlannedShard]], stored: _Format, done: dict[str, WrittenShard]
) -> None:
    """Write the list of shards and the manifests, ``speech.csv`` last."""
    rows = [
        dict(zip(SHARD_COLUMNS, (shard.name, str(done[shard.name].num_bytes), done[shard.name].sha256), strict=False))
        | {"sample_rate": str(stored.sample_rate), "pitch": stored.pitch_settings(kind)}
        for kind in planned
        for shard in planned[kind]
    ]
    write_text_whole(out / SHARD_LIST, csv_text(SHARD_COLUMNS, rows))
    for name in MANIFESTS:
        kind = name.removesuffix(".csv")
        if kind in planned:
            write_text_whole(out / name, _manifest(planned[kind], done))
        else:  # of an earlier run, when there were room responses
            (out / name).unlink(missing_ok=True)


def _manifest(shards: list[PlannedShard], done: dict[str, WrittenShard]) -> str:
    """Return a manifest: the columns of the source, the path in the shard, the bytes there, and the path before."""
    own = ("path", "origin", *POSITION_COLUMNS, *PITCH_COLUMNS)
    kept = [column for column in shards[0].sources[0].row if column and column not in own]
    rows = []
    for shard in shards:
        for source, (audio, track) in zip(shard.sources, done[shard.name].spans, strict=True):
            row = {column: source.row[column] or "" for column in kept}
            row |= {"path": f"{shard.name}/{source.member}.{AUDIO_SUFFIX}", "origin": source.row["path"]}
            row |= dict(zip(POSITION_COLUMNS, map(str, audio), strict=True))
            row |= dict(zip(PITCH_COLUMNS, map(str, track or ("", "")), strict=True))
            rows.append(row)
    pitched = any(track for shard in shards for _, track in done[shard.name].spans)
    columns = ["path", *kept, "origin", *POSITION_COLUMNS, *(PITCH_COLUMNS if pitched else ())]
    return csv_text(columns, [{column: row[column] for column in columns} for row in rows])
