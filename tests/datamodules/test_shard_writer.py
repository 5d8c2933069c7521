"""Writing shards: nothing lost, WebDataset reads them, and a kill at any moment costs one shard at most."""

from __future__ import annotations

import csv
import hashlib
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from datamodules.audio import AudioReader
from datamodules.corpus import CorpusError, read_corpus
from datamodules.shards import writer
from datamodules.shards.archive import CorpusLocation
from datamodules.shards.layout import read_shard_list
from datamodules.shards.plan import PlannedShard, Source, member_name, plan_noise, plan_speech
from datamodules.shards.settings import ShardSettings
from datamodules.shards.writer import write_shards
from storage.whole_files import is_part
from tests.datamodules.small_corpus import CATEGORIES, SHARD_MB, write_corpus

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus") / "loose")


@pytest.fixture(scope="module")
def sharded(loose: Path) -> Path:
    out = loose.parent / "shards"
    report = write_shards(loose, out, SHARD_MB, progress=False)
    assert report.written == len(list(out.glob("*.tar"))) > 10
    assert report.num_bytes == sum(path.stat().st_size for path in out.glob("*.tar"))
    return out


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


# ---- The plan -----------------------------------------------------------------------------------


def made_up(column: str, groups: list[list[int]]) -> list[Source]:
    numbered = [(group, size) for group, sizes in enumerate(groups) for size in sizes]
    return [
        Source(Path(f"{number}.flac"), {column: f"g{group}"}, f"{number:08d}", size, 0)
        for number, (group, size) in enumerate(numbered)
    ]


GROUPS = st.lists(st.lists(st.integers(1, 1000), min_size=1, max_size=12), min_size=1, max_size=10)


def homes(shards: list[PlannedShard], column: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for shard in shards:
        for source in shard.sources:
            found[source.row[column]].add(shard.name)
    return found


@given(GROUPS, st.integers(100, 4000))
def test_speakers_stay_together_and_shards_keep_their_size(groups: list[list[int]], limit: int) -> None:
    sources = made_up("speaker", groups)
    shards = plan_speech(sources, "train", limit)
    assert sorted(source.member for shard in shards for source in shard.sources) == [s.member for s in sources]
    sizes = {f"g{group}": sum(members) for group, members in enumerate(groups)}
    for speaker, where in homes(shards, "speaker").items():
        if sizes[speaker] <= limit:
            assert len(where) == 1, "cut though it fits"
        assert len(where) <= -(-sizes[speaker] // limit)
    assert len(shards) <= -(-sum(sizes.values()) // limit)
    assert all(shard.sources for shard in shards)
    largest = max(max(members) for members in groups)
    assert max(shard.num_bytes for shard in shards) <= 2 * limit + 2 * largest


@given(GROUPS, st.integers(100, 4000))
def test_noise_shards_hold_all_categories_and_copy_only_rare_ones(groups: list[list[int]], limit: int) -> None:
    sources = made_up("category", groups)
    shards = plan_noise(sources, "train", limit)
    for shard in shards:
        counts = {f"g{group}": 0 for group in range(len(groups))}
        for source in shard.sources:
            counts[source.row["category"]] += 1
        for group, members in enumerate(groups):
            share = len(members) / len(shards)
            assert max(1, int(share)) <= counts[f"g{group}"] <= max(1, int(np.ceil(share)))
        assert len({source.member for source in shard.sources}) == len(shard.sources)
    placed = [source.member for shard in shards for source in shard.sources]
    assert set(placed) == {source.member for source in sources}
    for group, members in enumerate(groups):
        if len(members) >= len(shards):
            names = [s.member for s in sources if s.row["category"] == f"g{group}"]
            assert all(placed.count(name) == 1 for name in names)


@given(st.integers(0, 10**7), st.text(min_size=1, max_size=200).filter(lambda text: not set(text) & set("/\0")))
def test_member_names_are_ascii_without_dots(number: int, stem: str) -> None:
    name = member_name(number, Path(f"{stem}x.flac"))
    assert name.isascii() and "." not in name and "/" not in name and len(name) < 80
    assert int(name.split("-")[0]) == number


# ---- What is written ----------------------------------------------------------------------------


def test_everything_is_read_back_as_it_was(loose: Path, sharded: Path) -> None:
    location = CorpusLocation(str(sharded), ShardSettings())
    reader, files = AudioReader(16000, 8), AudioReader(16000, 8)
    reader.archive = location.archive()
    corpus, before = read_corpus(sharded, responses=True), read_corpus(loose, responses=True)
    assert corpus.categories == before.categories and corpus.speakers == before.speakers
    origins = {
        row["path"]: row["origin"] for name in ("speech", "noise", "rir") for row in rows(sharded / f"{name}.csv")
    }
    assert {record.split for record in corpus.responses} == {None}
    assert len(corpus.responses) == len(before.responses) == 10
    for record in (*corpus.speech, *corpus.noise, *corpus.responses):
        path = record.path.relative_to(sharded).as_posix()
        np.testing.assert_array_equal(reader.read(record.path), files.read(loose / origins[path]))
        assert path.split("-")[1] == (record.split or "all")
    assert sorted(o for p, o in origins.items() if p.startswith("speech")) == sorted(
        record.path.name for record in before.speech
    )
    assert {row["licence"] for row in rows(sharded / "speech.csv")} == {"CC0"}, "further columns are kept"


def test_tars_are_what_manifests_and_list_say(sharded: Path) -> None:
    listed = read_shard_list(sharded)
    assert sorted(listed) == sorted(path.name for path in sharded.glob("*.tar"))
    manifest = [row for kind in ("speech", "noise", "rir") for row in rows(sharded / f"{kind}.csv")]
    for name, shard in listed.items():
        content = (sharded / name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (shard.num_bytes, shard.sha256)
        with tarfile.open(sharded / name) as tar:
            found = {(member.name, member.offset_data, member.size) for member in tar.getmembers()}
        assert found == {
            (row["path"].split("/")[1], int(row["offset"]), int(row["bytes"]))
            for row in manifest
            if row["path"].startswith(f"{name}/")
        }
    for row in rows(sharded / "noise.csv"):
        assert row["path"].startswith(f"noise-{row['split']}-")


def test_noise_shards_hold_every_category_and_speakers_one_shard(sharded: Path) -> None:
    categories: dict[str, set[str]] = defaultdict(set)
    for row in rows(sharded / "noise.csv"):
        categories[row["path"].split("/")[0]].add(row["category"])
    assert len(categories) > 3
    assert all(found == set(CATEGORIES) for found in categories.values())
    speakers: dict[str, set[str]] = defaultdict(set)
    for row in rows(sharded / "speech.csv"):
        speakers[row["speaker"]].add(row["path"].split("/")[0])
    assert all(len(found) == 1 for found in speakers.values())


def test_webdataset_reads_the_shards(sharded: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    shards = sorted(str(path) for path in sharded.glob("speech-train-*.tar"))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False, empty_check=False))
    names = {f"{sample['__key__']}.flac" for sample in samples}
    assert names == {row["path"].split("/")[1] for row in rows(sharded / "speech.csv") if row["split"] == "train"}
    assert all(sample["flac"][:4] == b"fLaC" for sample in samples)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_every_16_and_24_bit_value_survives(tmp_path: Path, subtype: str) -> None:
    samples = np.concatenate([np.arange(-32768, 32768) / 32768, [-1.0, 1.0 - 2**-15]])
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype=subtype)
    (tmp_path / "a.flac").write_bytes(writer._flac_bytes(tmp_path / "a.wav"))
    np.testing.assert_array_equal(
        soundfile.read(tmp_path / "a.flac")[0],
        soundfile.read(tmp_path / "a.wav")[0],
    )


# ---- Restarts -----------------------------------------------------------------------------------


def test_a_second_run_keeps_everything_and_a_changed_recording_costs_one_shard(tmp_path: Path) -> None:
    loose, out = write_corpus(tmp_path / "loose"), tmp_path / "out"
    first = write_shards(loose, out, SHARD_MB, progress=False)
    before = digests(out)
    assert write_shards(loose, out, SHARD_MB, progress=False) == first._replace(written=0, kept=first.written)
    assert digests(out) == before
    victim = loose / "valid_s0.take.0.wav"
    content = bytearray(victim.read_bytes())
    content[-2:] = b"\x01\x00"
    victim.write_bytes(content)
    again = write_shards(loose, out, SHARD_MB, progress=False)
    assert (again.written, again.kept) == (1, first.written - 1)
    changed = {name for name, digest in digests(out).items() if before.get(name) != digest}
    assert {name for name in changed if name.endswith(".tar")} and changed >= {"shards.csv"}
    assert len([name for name in changed if name.endswith(".tar")]) == 1
    write_shards(loose, tmp_path / "fresh", SHARD_MB, progress=False)
    assert digests(tmp_path / "fresh") == digests(out), "a restart ends where a first run ends"


def test_shards_of_an_older_plan_are_removed(tmp_path: Path) -> None:
    loose, out = write_corpus(tmp_path / "loose"), tmp_path / "out"
    write_shards(loose, out, SHARD_MB, progress=False)
    report = write_shards(loose, out, 100.0, progress=False)
    assert len(list(out.glob("*.tar"))) == report.written == 7
    assert len(list((out / writer.JOURNAL).iterdir())) == 7


SLOW_WRITER = """
import sys, time
from pathlib import Path
from datamodules.shards import writer
flac_bytes = writer._flac_bytes
def slow(path):
    time.sleep(0.02)
    return flac_bytes(path)
writer._flac_bytes = slow
writer.write_shards(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), progress=False)
"""


def test_a_kill_leaves_no_half_written_shard_and_the_next_run_goes_on(tmp_path: Path) -> None:
    loose, out = write_corpus(tmp_path / "loose"), tmp_path / "out"
    arguments = [sys.executable, "-c", SLOW_WRITER, str(loose), str(out), str(SHARD_MB)]
    kept = 0
    for wanted in (1, 4):  # killed twice, each time somewhere inside a shard
        process = subprocess.Popen(arguments, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
        deadline = time.monotonic() + 60
        while len(list(out.glob("[!.]*.tar"))) < kept + wanted and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was too fast to be killed"
        for path in out.glob("[!.]*.tar"):
            with tarfile.open(path) as tar:
                assert all(tar.extractfile(member).read(4) == b"fLaC" for member in tar)  # type: ignore[union-attr]
        kept = len(list((out / writer.JOURNAL).glob("*.json")))
        assert kept >= wanted - 1
        assert not (out / "speech.csv").exists()
        with pytest.raises(CorpusError, match=r"speech\.csv: no such manifest"):
            read_corpus(out)
    report = write_shards(loose, out, SHARD_MB, progress=False)
    assert report.kept == kept > 3
    assert report.written > 0
    write_shards(loose, tmp_path / "fresh", SHARD_MB, progress=False)
    assert digests(tmp_path / "fresh") == digests(out)
    assert not [path for path in out.iterdir() if is_part(path)]


def test_room_responses_come_and_go_with_the_corpus(tmp_path: Path) -> None:
    loose, out = write_corpus(tmp_path / "loose"), tmp_path / "out"
    first = write_shards(loose, out, SHARD_MB, progress=False)
    (loose / "rir.csv").rename(loose / "kept")
    without = write_shards(loose, out, SHARD_MB, progress=False)
    assert without.written == 0 and without.kept < first.written
    assert not (out / "rir.csv").exists() and not list(out.glob("rir-*"))
    (loose / "rir.csv").write_text(
        "path,seconds,split\nroom_0.wav,0.05,train\nroom_1.wav,0.05,train\nroom_2.wav,0.05,valid\n"
    )
    write_shards(loose, out, SHARD_MB, progress=False)
    assert [path.name for path in sorted(out.glob("rir-*.tar"))] == ["rir-train-000000.tar", "rir-valid-000000.tar"]
    corpus = read_corpus(out, ("train", "valid"), responses=True)
    assert [record.split for record in corpus.responses] == ["train", "train", "valid"]


def test_published_mixtures_are_not_lost_in_silence(tmp_path: Path) -> None:
    loose = write_corpus(tmp_path / "loose")
    (loose / "pairs.csv").write_text("speech,noise,snr_db,split\ntrain_s0.take.0.wav,train_rain_0.flac,,train\n")
    with pytest.warns(UserWarning, match=r"pairs\.csv is not carried over"):
        write_shards(loose, tmp_path / "out", 100.0, progress=False)


def test_a_damaged_journal_or_shard_is_written_again(tmp_path: Path) -> None:
    loose, out = write_corpus(tmp_path / "loose"), tmp_path / "out"
    total = write_shards(loose, out, SHARD_MB, progress=False).written
    before = digests(out)
    entries = sorted((out / writer.JOURNAL).iterdir())
    entries[0].write_text("{")
    entries[1].unlink()
    torn = out / entries[2].name.removesuffix(".json")
    torn.write_bytes(torn.read_bytes()[:-512])
    assert write_shards(loose, out, SHARD_MB, progress=False)[:2] == (3, total - 3)
    assert digests(out) == before


# ---- Refusals -----------------------------------------------------------------------------------


def test_bad_recordings_stop_the_writing_by_name(tmp_path: Path) -> None:
    loose = write_corpus(tmp_path / "loose")
    whole = (loose / "train_s0.take.1.flac").read_bytes()
    (loose / "train_s0.take.1.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorpusError, match=r"train_s0\.take\.1\.flac"):
        write_shards(loose, tmp_path / "out", SHARD_MB, progress=False)
    assert not (tmp_path / "out" / "speech.csv").exists()
    soundfile.write(loose / "train_s0.take.1.flac", np.full(100, 0.1), 8000)
    with pytest.raises(CorpusError, match="expected 16000 Hz, got 8000 Hz"):
        write_shards(loose, tmp_path / "out", SHARD_MB, progress=False)
    (loose / "train_s0.take.1.flac").unlink()
    with pytest.raises(CorpusError, match=r"train_s0\.take\.1\.flac: no such audio file"):
        write_shards(loose, tmp_path / "out", SHARD_MB, progress=False)


def test_samples_beyond_full_scale_are_refused_not_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "loud.wav", np.full(100, 1.5), 16000, subtype="FLOAT")
    with pytest.raises(CorpusError, match=r"loud\.wav: samples exceed full scale"):
        writer._flac_bytes(tmp_path / "loud.wav")


def test_bad_settings_are_refused(loose: Path, sharded: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shard_mb must be positive, got 0"):
        write_shards(loose, tmp_path, 0)
    with pytest.raises(ValueError, match="pitch tracks need a sample rate of 16000 Hz"):
        write_shards(loose, tmp_path, sample_rate=8000, pitch="tiny")
    with pytest.raises(CorpusError, match="holds shards already"):
        write_shards(sharded, tmp_path)


def test_two_writers_do_not_share_a_folder(loose: Path, tmp_path: Path) -> None:
    tmp_path.joinpath("out").mkdir()
    with writer.locked(tmp_path / "out" / ".lock"), pytest.raises(CorpusError, match="another process is writing"):
        write_shards(loose, tmp_path / "out", progress=False)
