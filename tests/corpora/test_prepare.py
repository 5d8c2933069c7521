"""Preparation into one folder: merging, going on after a kill or a full disk, damaged files, refusals."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from corpora.conversion import BadFile, Job, Outcome
from corpora.folder import PlainFolders
from corpora.journal import Journal, locked
from corpora.prepare import Report, Settings, prepare
from corpora.source import Recording
from corpora.splits import HashSplit
from datamodules.corpus import CorpusError, read_corpus
from datamodules.recording_checks import check_audio

REPOSITORY = Path(__file__).resolve().parents[2]


def run(plain: Path, out: Path, name: str = "folder", **settings: Any) -> Report:
    source = PlainFolders(name, speech=plain / "speech", noise=plain / "noise", sexes=plain / "sexes.csv")
    return prepare(source, Path(), out, Settings(**settings))


def rows(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    """Return every visible file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith(".prepare")}


def test_recordings_of_the_wanted_form_are_referenced(plain: Path, tmp_path: Path) -> None:
    report = run(plain, tmp_path / "out")
    corpus = read_corpus(tmp_path / "out")
    assert {record.path for record in corpus.speech} == set((plain / "speech").rglob("*.wav"))
    assert {record.path for record in corpus.noise} == set((plain / "noise").rglob("*.wav"))
    assert (report.referenced, report.converted, report.kept) == (20, 0, 0)
    assert set(contents(tmp_path / "out")) == {"speech.csv", "noise.csv"}
    assert {record.speaker: record.sex for record in corpus.speech} == {
        **dict.fromkeys(("ann", "bea", "cora"), "F"),
        **dict.fromkeys(("dan", "eli", "finn"), "M"),
    }
    row = rows(tmp_path / "out" / "speech.csv")[0]
    assert (row["source"], row["seconds"], row["origin"][-16:]) == ("folder", "0.100", "speech/ann/ann0.wav"[-16:])


def test_a_copy_is_complete_and_movable(plain: Path, tmp_path: Path) -> None:
    report = run(plain, tmp_path / "out", copy=True)
    assert (report.converted, report.referenced) == (20, 0)
    shutil.move(tmp_path / "out", tmp_path / "elsewhere")
    shutil.rmtree(plain)
    corpus = read_corpus(tmp_path / "elsewhere")
    for record in (*corpus.speech, *corpus.noise):
        assert record.path.is_relative_to(tmp_path / "elsewhere")
        check_audio(record.path, 16000, resample=False)


def test_another_rate_is_converted_once(plain: Path, tmp_path: Path) -> None:
    first = run(plain, tmp_path / "out", sample_rate=8000)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.flac")}
    second = run(plain, tmp_path / "out", sample_rate=8000)
    assert (first.converted, first.kept, second.converted, second.kept) == (20, 0, 0, 20)
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.flac")}
    for record in read_corpus(tmp_path / "out").speech:
        check_audio(record.path, 8000, resample=False)
    assert first.speech == second.speech


@pytest.mark.parametrize("change", ["source file", "output removed", "output truncated", "settings", "record lost"])
def test_what_no_longer_fits_is_converted_again(plain: Path, tmp_path: Path, change: str) -> None:
    out = tmp_path / "out"
    run(plain, out, sample_rate=8000)
    file, target = plain / "speech" / "ann" / "ann0.wav", out / "speech" / "folder" / "ann" / "ann0.flac"
    again = 1
    if change == "source file":
        soundfile.write(file, np.zeros(3200, dtype=np.int16), 16000)
    elif change == "output removed":
        target.unlink()
    elif change == "output truncated":
        target.write_bytes(target.read_bytes()[:-1])
    elif change == "settings":
        again = 20
    else:
        journal = out / ".prepare" / "folder.jsonl"
        lines = journal.read_text().splitlines()
        journal.write_text("\n".join([*lines[1:-1], lines[-1][:40]]))  # one lost, one cut off
        again = 2
    report = run(plain, out, sample_rate=4000 if change == "settings" else 8000)
    assert (report.converted, report.kept) == (again, 20 - again)
    frames = {"source file": 1600, "settings": 400}.get(change, 800)
    assert soundfile.info(target).frames == frames
    assert next(row for row in report.speech if row["origin"].endswith("ann0.wav"))["seconds"] == (
        "0.200" if change == "source file" else "0.100"
    )


def test_sources_are_merged_and_replaced(plain: Path, tmp_path: Path, write: Any) -> None:
    out = tmp_path / "out"
    mine = "path,speaker,sex,seconds,split,licence\nmy.wav,me,F,1.0,train,mine\n"
    out.mkdir()
    (out / "speech.csv").write_text(mine)
    run(plain, out, name="first", only="speech")
    run(plain, out, name="second", only="noise")
    assert [row["source"] for row in rows(out / "speech.csv")] == ["", *["first"] * 12]
    assert rows(out / "speech.csv")[0]["licence"] == "mine"
    assert [row["source"] for row in rows(out / "noise.csv")] == ["second"] * 8
    noise = (out / "noise.csv").read_bytes()
    for take in range(2):
        (plain / "speech" / "finn" / f"finn{take}.wav").unlink()
    run(plain, out, name="first", only="speech")
    assert [row["source"] for row in rows(out / "speech.csv")] == ["", *["first"] * 10]
    assert (out / "noise.csv").read_bytes() == noise
    assert "finn" not in read_corpus(out).speakers and "me" in read_corpus(out).speakers


def test_a_path_of_another_source_is_refused(plain: Path, tmp_path: Path) -> None:
    run(plain, tmp_path / "out", name="first")
    before = contents(tmp_path / "out")
    with pytest.raises(CorpusError, match=r"ann0\.wav' of second is already listed by first"):
        run(plain, tmp_path / "out", name="second")
    assert contents(tmp_path / "out") == before


def test_a_speaker_of_another_source_in_another_split_is_refused(plain: Path, tmp_path: Path) -> None:
    run(plain, tmp_path / "out", name="first", copy=True)
    before = {name: content for name, content in contents(tmp_path / "out").items() if name.endswith(".csv")}
    with pytest.raises(CorpusError, match=r"speaker '\w+' would have the split .* these corpora share speakers"):
        run(plain, tmp_path / "out", name="second", copy=True, splits=HashSplit(seed=3))
    after = {name: content for name, content in contents(tmp_path / "out").items() if name.endswith(".csv")}
    assert after == before


def test_a_damaged_file_stops_or_is_left_out(plain: Path, tmp_path: Path) -> None:
    bad = plain / "noise" / "rain" / "rain1.wav"
    bad.write_bytes(bad.read_bytes()[:1000])
    with pytest.raises(BadFile, match=r"rain1\.wav: truncated.*--on-bad-file skip"):
        run(plain, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.csv"))
    shares = HashSplit(shares=(1, 1, 1))  # so that two of the four stand in one split
    for seed in range(20):
        splits = HashSplit(seed, shares.shares)
        try:
            report = run(plain, tmp_path / "out", skip_bad_files=True, splits=splits)
            break
        except CorpusError as error:
            assert "noise category 'rain' has no recording in split" in str(error)
    assert len(report.bad) == 1 and str(bad) in report.bad[0]
    assert len(report.noise) == 7 and bad not in {record.path for record in read_corpus(tmp_path / "out").noise}


def test_a_category_that_lost_all_is_named(plain: Path, tmp_path: Path) -> None:
    for path in (plain / "noise" / "rain").iterdir():
        path.write_bytes(b"")
    with pytest.raises(CorpusError, match="every recording of the noise category 'rain' is damaged"):
        run(plain, tmp_path / "out", skip_bad_files=True)


def test_files_that_differ_in_suffix_only_are_refused(plain: Path, tmp_path: Path) -> None:
    shutil.copy(plain / "noise" / "rain" / "rain1.wav", plain / "noise" / "rain" / "rain1.ogg")
    with pytest.raises(CorpusError, match=r"rain1.* differ only in their suffix"):
        run(plain, tmp_path / "out")


def test_two_at_once_are_refused(plain: Path, tmp_path: Path) -> None:
    with (
        locked(tmp_path / "out" / ".prepare" / "folder.lock", "busy"),
        pytest.raises(CorpusError, match="another process is preparing folder there"),
    ):
        run(plain, tmp_path / "out")
    run(plain, tmp_path / "out")


def test_the_number_of_workers_changes_nothing(plain: Path, tmp_path: Path) -> None:
    run(plain, tmp_path / "one", sample_rate=8000)
    run(plain, tmp_path / "two", sample_rate=8000, workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    shutil.move(tmp_path / "two", tmp_path / "moved")
    assert run(plain, tmp_path / "moved", sample_rate=8000, workers=2).kept == 20


def command(plain: Path, out: Path, *more: str) -> list[str]:
    folders = [f"--speech={plain / 'speech'}", f"--noise={plain / 'noise'}"]
    return [sys.executable, "-m", "commands.main", "prepare", "folder", *folders, f"--out={out}", *more]


def waits_for(condition: Any, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def alive(pid: int) -> bool:
    """Tell whether a process runs; a dead one whose parent has not looked is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="lists processes by /proc")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_preparation_goes_on(plain: Path, tmp_path: Path, write: Any, workers: int) -> None:
    for number in range(40):
        write(plain / "noise" / "rain" / f"more{number}.wav", seconds=3.0, rate=44100)
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(plain, out, f"--workers={workers}", "--copy"), cwd=REPOSITORY, stderr=subprocess.DEVNULL
    )
    assert waits_for(lambda: len(list(out.rglob("*.flac"))) > 12)
    started = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert waits_for(lambda: not any(map(alive, started)), 20), "workers outlived the killed process"
    assert (workers == 1) == (not started)
    finished = list(out.rglob("*.flac"))
    assert 12 < len(finished) < 60, "the process was killed too late to test anything"
    assert not list(out.glob("*.csv"))
    for path in finished:
        samples, rate = soundfile.read(path)
        assert len(samples) == soundfile.info(path).frames and rate == 16000
    (out / "noise" / "folder" / "rain" / ".more7.flac.123.part").write_bytes(b"left by a kill while writing")
    source = PlainFolders(speech=plain / "speech", noise=plain / "noise")
    report = prepare(source, Path(), out, Settings(copy=True))
    assert report.kept >= len(finished) - 4 * (workers + 1) and report.converted + report.kept == 60
    prepare(source, Path(), tmp_path / "undisturbed", Settings(copy=True))
    assert contents(out) == contents(tmp_path / "undisturbed")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_leaves_nothing_half_written(plain: Path, tmp_path: Path, write: Any, workers: int) -> None:
    """The system refuses to make a file larger than 20 kB, as a full disk does in the middle of a write."""
    out = tmp_path / "out"
    run(plain, out, name="before")
    before = contents(out)
    write(plain / "noise" / "wind" / "wind2.wav", seconds=4.0)
    limited = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); "
    limited += "sys.argv = sys.argv[1:]; runpy.run_module('commands.main', run_name='__main__')"
    arguments = command(plain, out, "--copy", f"--workers={workers}")
    full = subprocess.run(
        [sys.executable, "-c", limited, *arguments[2:]], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert full.returncode == 1 and "error: [Errno 27] File too large: '" in full.stderr, full.stderr
    assert "run the same command again" in full.stderr and "Traceback" not in full.stderr
    after = contents(out)
    assert {name: after[name] for name in before} == before
    assert not [name for name in after if ".part" in name or "wind2" in name]
    finished = list(out.rglob("*.flac"))
    assert finished and all(len(soundfile.read(path)[0]) == 1600 for path in finished)
    report = run(plain, out, copy=True)
    assert report.kept + report.converted == 20 and report.kept > 0


def test_a_manifest_that_cannot_be_written_stays(plain: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(plain, out, name="before", only="noise")
    before = contents(out)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1400, 1400)); "
    code = limit + (
        "from pathlib import Path; from corpora.folder import PlainFolders; from corpora.manifests import *;"
        f"rows = [{{'path': f'p{{n}}', 'source': 'new'}} for n in range(1000)];"
        f"write_manifest(Path({str(out / 'noise.csv')!r}), ('path',), rows)"
    )
    failed = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert "OSError: [Errno 27] File too large" in failed.stderr
    assert contents(out) == before


def test_the_journal_survives_garbage(plain: Path, tmp_path: Path) -> None:
    run(plain, tmp_path / "out", copy=True)
    journal = tmp_path / "out" / ".prepare" / "folder.jsonl"
    lines = journal.read_text().splitlines()
    broken = [json.dumps({"key": json.loads(lines[0])["key"], "written": 3}), "[1]", "", "\ufffd", '{"key": 1']
    journal.write_text("\n".join([*lines[1:], *broken]), encoding="utf-8")
    report = run(plain, tmp_path / "out", copy=True)
    assert (report.converted, report.kept) == (1, 19)


def test_settings_out_of_range_are_refused() -> None:
    for name in ("sample_rate", "workers"):
        with pytest.raises(ValueError, match=f"--{name.replace('_', '-')} must be positive, got 0"):
            Settings(**{name: 0})


def test_a_record_after_a_cut_off_line_counts(plain: Path, tmp_path: Path) -> None:
    """Killed while writing a line, and killed again before the file is tidied up at the end."""
    file = plain / "noise" / "rain" / "rain0.wav"
    job = Job(Recording(file, "x"), tmp_path / "x.flac", 16000, None, copy=False)
    path = tmp_path / "folder.jsonl"
    path.write_text('{"key": "half a li')
    journal = Journal(path)
    with journal.appending() as lines:
        journal.add(lines, job.key(), job, Outcome(file, 1600))
        assert Journal(path).find(job.key(), job) == Outcome(file, 1600)
