"""`dyncp enhance` as users call it: files, folders, tables, figures, pipes, and what is refused."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from commands.main import main
from tests.streaming.transparent_network import speech_like, write_transparent_network

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_transparent_network(tmp_path_factory.mktemp("network"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder, the working directory, with three files in a tree and a text."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    soundfile.write(tmp_path / "in" / "b.wav", speech_like(0.6, 16000), 16000)
    soundfile.write(tmp_path / "in" / "a.flac", speech_like(0.5, 44100, 2), 44100, subtype="PCM_24")
    soundfile.write(tmp_path / "in" / "deep" / "c.wav", speech_like(0.4, 8000), 8000)
    (tmp_path / "in" / "notes.txt").write_text("no audio")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(network: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["enhance", *arguments, "--checkpoint", str(network)])
    return int(ended.value.code or 0)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_file_with_a_table_and_a_figure(folder: Path, network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(network, "in/b.wav", "clean.wav", "--properties", "p.csv", "--plot", "p.png") == 0
    printed = capsys.readouterr().out
    assert "b.wav: speech " in printed and "% of the channels computed" in printed
    assert printed.splitlines()[-1].startswith("1 file, 0.6 s of audio in ")
    assert (folder / "p.png").read_bytes().startswith(b"\x89PNG")
    rows = table(folder / "p.csv")
    assert len(rows) == 1 + 9600 // 256
    assert [float(row["time_s"]) for row in rows] == pytest.approx([0.016 * frame for frame in range(len(rows))])
    assert {row["file"] for row in rows} == {"b.wav"}
    written, rate = soundfile.read(folder / "clean.wav")
    given, _ = soundfile.read(folder / "in" / "b.wav")
    assert rate == 16000
    np.testing.assert_allclose(written[:-500], given[:-500], atol=2**-15)
    assert files(folder) - {"in/b.wav", "in/a.flac", "in/deep/c.wav", "in/notes.txt"} == {"clean.wav", "p.csv", "p.png"}


def test_a_folder_in_every_format_of_the_table(folder: Path, network: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow.parquet")
    for suffix in ("csv", "json", "parquet"):
        out = ["in", f"out_{suffix}", "--properties", f"t.{suffix}", "--posteriors", "--raw", "--jobs", "2"]
        assert run(network, *out) == 0
        assert files(folder / f"out_{suffix}") == {"a.flac", "b.wav", "deep/c.wav"}
    info = soundfile.info(folder / "out_csv" / "a.flac")
    assert (info.samplerate, info.channels, info.subtype, info.frames) == (44100, 2, "PCM_24", 22050)
    rows, stored = table(folder / "t.csv"), json.loads((folder / "t.json").read_text())
    parquet = pyarrow.read_table(folder / "t.parquet")
    assert [row["file"] for row in rows] == sorted(row["file"] for row in rows)  # in the order of the files
    assert list(rows[0]) == stored["columns"] == parquet.column_names
    for name in ("file", "channel", "frame", "noise_class"):
        texts = [row[name] for row in rows]
        assert texts == [str(row[stored["columns"].index(name)]) for row in stored["data"]]
        assert texts == [str(value) for value in parquet[name].to_pylist()]
    for name in ("time_s", "utilization", "snr_db", "vad_probability"):
        values = np.array([float(row[name]) for row in rows])
        np.testing.assert_array_equal(values, [row[stored["columns"].index(name)] for row in stored["data"]])
        np.testing.assert_allclose(values, parquet[name].to_numpy(), rtol=1e-5, atol=1e-12)
    metadata = stored["metadata"]
    assert metadata["smoothing_s"] == 0.0 and len(metadata["network_sha256"]) == len(metadata["probes_sha256"]) == 64
    assert json.loads(parquet.schema.metadata[b"dyncp"]) == metadata


def test_what_exists_is_kept_unless_told_otherwise(
    folder: Path, network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(network, "in", "out") == 0
    before = {path: (folder / "out" / path).stat().st_mtime_ns for path in files(folder / "out")}
    assert run(network, "in", "out") == 1
    assert "out/a.flac and 2 others exist: --overwrite replaces them, --resume" in capsys.readouterr().err
    (folder / "out" / "b.wav").unlink()
    assert run(network, "in", "out", "--resume") == 0
    printed = capsys.readouterr().out
    assert "2 of 3 files there already" in printed and "1 file, 0.6 s" in printed
    after = {path: (folder / "out" / path).stat().st_mtime_ns for path in files(folder / "out")}
    assert {path for path in before if after[path] != before[path]} == {"b.wav"}
    assert run(network, "in", "out", "--resume") == 0
    assert "nothing is left to do" in capsys.readouterr().out
    assert run(network, "in", "out", "--overwrite") == 0
    assert (folder / "out" / "a.flac").stat().st_mtime_ns != before["a.flac"]


def test_a_bad_file_is_told_and_added_later(folder: Path, network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = (folder / "in" / "b.wav").read_bytes()
    (folder / "in" / "b.wav").write_bytes(b"no audio")
    assert run(network, "in", "out", "--properties", "t.csv", "--plot", "plots") == 1
    printed = capsys.readouterr()
    assert "error: in/b.wav: cannot be read as audio" in printed.err
    assert printed.err.strip().endswith("1 of 3 files failed, see above")
    assert "2 files, 0.9 s of audio" in printed.out
    assert files(folder / "out") == {"a.flac", "deep/c.wav"}
    assert {row["file"] for row in table(folder / "t.csv")} == {"a.flac", "deep/c.wav"}
    (folder / "in" / "b.wav").write_bytes(good)
    assert run(network, "in", "out", "--properties", "t.csv", "--plot", "plots", "--resume") == 0
    assert "2 of 3 files there already" in capsys.readouterr().out
    assert [row["file"] for row in table(folder / "t.csv") if row["frame"] == "0"] == ["a.flac"] * 2 + [
        "b.wav",
        "deep/c.wav",
    ]
    assert files(folder / "plots") == {"a.flac.png", "b.wav.png", "deep/c.wav.png"}
    assert not (folder / "t.csv.parts").exists()


def test_a_complete_table_is_not_extended(folder: Path, network: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(network, "in", "out", "--properties", "t.csv") == 0
    (folder / "out" / "b.wav").unlink()
    before = (folder / "t.csv").read_bytes()
    assert run(network, "in", "out", "--properties", "t.csv", "--resume") == 1
    assert "is of an earlier run without some of the files; name another table" in capsys.readouterr().err
    assert (folder / "t.csv").read_bytes() == before


def test_container_and_sample_format_can_be_chosen(folder: Path, network: Path) -> None:
    assert run(network, "in", "out", "--format", "flac", "--subtype", "pcm_24", "--probes", "none") == 0
    assert files(folder / "out") == {"a.flac", "b.flac", "deep/c.flac"}
    assert {soundfile.info(folder / "out" / name).subtype for name in files(folder / "out")} == {"PCM_24"}


def test_without_probes_the_table_has_utilization_only(folder: Path, network: Path) -> None:
    assert run(network, "in/b.wav", "o.wav", "--probes", "none", "--properties", "t.csv", "--plot", "p.pdf") == 0
    assert list(table(folder / "t.csv")[0]) == ["file", "channel", "frame", "time_s", "utilization"]
    assert (folder / "p.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in/b.wav", "in/b.wav", "--overwrite"], "in/b.wav: is an input"),
        (["in", "in", "--overwrite"], "in: is the folder of the inputs"),
        (["absent.wav", "o.wav"], "absent.wav: no such file"),
        (["in/b.wav", "o.wav", "--properties", "p.xls"], "p.xls: expected a name that ends in one of .csv"),
        (["in/b.wav", "o.wav", "--plot", "p.doc"], "--plot p.doc: expected"),
        (["in/b.wav", "o.wav", "--plot", "p.png", "--plot-seconds", "0"], "--plot-seconds must be positive"),
        (["in/b.wav", "o.wav", "--smoothing", "-1"], "--smoothing must be 0 or more"),
        (["in/b.wav", "o.wav", "--jobs", "0"], "--jobs must be positive"),
        (["in/b.wav", "o.wav", "--format", "mp7"], "--format: no container 'mp7'"),
        (["in/b.wav", "o.flac", "--subtype", "float"], "no sample format 'FLOAT'"),
        (["in/b.wav", "o.wav", "--probes", "absent.safetensors"], "absent.safetensors: no such file"),
        (["-", "o.wav"], "must be both"),
        (["-", "-", "--plot", "p.png"], "--plot is for files"),
        (["-", "-", "--properties", "p.csv"], "expected a name that ends in .jsonl"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    folder: Path, network: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    before = files(folder)
    assert run(network, *arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert files(folder) == before


SCRIPT = """
import sys
from commands.main import main
try:
    main(sys.argv[2:])
finally:
    print("heavy", *sorted(set(sys.argv[1].split()) & set(sys.modules)), file=sys.stderr)
"""


def test_raw_pcm_goes_through_a_process_without_torch(folder: Path, network: Path) -> None:
    signal = (speech_like(0.5, 16000) * 32768).astype("<i2")
    arguments = ["enhance", "-", "-", "--checkpoint", str(network), "--properties", str(folder / "p.jsonl")]
    heavy = "torch lightning sklearn matplotlib scipy.signal"
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, heavy, *arguments],
        cwd=REPOSITORY,
        input=signal.tobytes(),
        capture_output=True,
        check=False,
        timeout=120,
    )
    said = result.stderr.decode().splitlines()
    assert result.returncode == 0, said
    assert said[-1] == "heavy", "modules that take long to import"
    assert said[-2].startswith("0.5 s of audio in ")
    received = np.frombuffer(result.stdout, "<i2")
    assert len(received) == len(signal)
    np.testing.assert_allclose(received[:-500], signal[:-500, 0], atol=1)
    rows = [json.loads(line) for line in (folder / "p.jsonl").read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(1 + 8000 // 256))


def test_a_reader_that_leaves_is_no_error(network: Path) -> None:
    enhance = f"{sys.executable} -m commands.main enhance - - --checkpoint {network}"
    command = f"head -c 3200000 /dev/zero | {enhance} | head -c 100; echo ${{PIPESTATUS[1]}}"
    result = subprocess.run(["bash", "-c", command], cwd=REPOSITORY, capture_output=True, check=False, timeout=120)
    assert result.stdout[100:].strip() == b"0"
    assert b"Error" not in result.stderr and b"error" not in result.stderr
