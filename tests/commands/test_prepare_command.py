"""The command: what it prints, its exit status, the merge of two corpora, and downloads up to the network."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torchaudio.datasets
from torchaudio.datasets import librispeech as torchaudio_librispeech
from torchaudio.datasets import vctk as torchaudio_vctk

from commands.main import build_parser, main
from corpora.registry import CORPORA
from datamodules.corpus import read_corpus

REPOSITORY = Path(__file__).resolve().parents[2]


def write(path: Path, rate: int = 16000, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (1600, channels))
    soundfile.write(path, samples, rate)
    return path


@pytest.fixture
def librispeech(tmp_path: Path) -> Path:
    readers = {"train-clean-100": (19, 26), "dev-clean": (84, 174), "test-clean": (61, 121)}
    for subset, names in readers.items():
        for reader in names:
            write(tmp_path / "LibriSpeech" / subset / f"{reader}" / "198" / f"{reader}-198-0000.flac")
    (tmp_path / "LibriSpeech" / "SPEAKERS.TXT").write_text("19 | F | x\n26 | M | x\n84|F|\n174|M|\n61|M|\n121|F|\n")
    return tmp_path / "LibriSpeech"


@pytest.fixture
def musan(tmp_path: Path) -> Path:
    for number in range(4):
        write(tmp_path / "musan" / "music" / "fma" / f"music-fma-{number:04d}.wav")
        write(tmp_path / "musan" / "noise" / "free-sound" / f"noise-free-sound-{number:04d}.wav")
    return tmp_path / "musan"


def status(*arguments: object) -> Any:
    with pytest.raises(SystemExit) as exit_info:
        main(["prepare", *map(str, arguments)])
    return exit_info.value.code


def test_without_out_the_folder_lies_beside_the_corpus(musan: Path) -> None:
    before = sorted(musan.rglob("*"))
    assert status("musan", "--root", musan, "--workers", 1) == 0
    assert (musan.with_name("musan-prepared") / "noise.csv").is_file()
    assert sorted(musan.rglob("*")) == before, "the corpus itself is only read"


def test_two_corpora_become_one(librispeech: Path, musan: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "corpus"
    assert status("librispeech", "--root", librispeech, "--out", out, "--workers", 1) == 0
    assert f"{out}: noise.csv is still missing" in capsys.readouterr().out
    assert status("musan", "--root", musan, "--out", out, "--workers", 1) == 0
    printed = capsys.readouterr().out
    assert "noise: 8 recordings, 0.00 h (4 train, 2 valid, 2 test); 4 music, 4 noise" in printed
    assert "0 written, 0 kept from an earlier run, 8 used where they are" in printed
    assert f"{out}: ready, 6 speakers, noise: music, noise" in printed
    corpus = read_corpus(out)
    assert (len(corpus.speech), len(corpus.noise)) == (6, 8)
    before = (out / "speech.csv").read_bytes(), (out / "noise.csv").read_bytes()
    for name, root in (("musan", musan), ("librispeech", librispeech)):
        assert status(name, "--root", root, "--out", out, "--workers", 1) == 0
    assert before == ((out / "speech.csv").read_bytes(), (out / "noise.csv").read_bytes())


def test_as_a_user_calls_it(librispeech: Path, tmp_path: Path) -> None:
    """A process of its own, two workers, relative paths, another sample rate."""
    command = [
        sys.executable,
        "-m",
        "commands.main",
        "prepare",
        "librispeech",
        "--sample-rate",
        "8000",
        "--workers",
        "2",
    ]
    result = subprocess.run(
        [*command, "--root", "LibriSpeech", "--out", "corpus"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    assert "6 recordings, 0.00 h (2 train, 2 valid, 2 test); 6 speakers (3 F, 3 M)" in result.stdout
    assert "6 written" in result.stdout and "librispeech: 100%" in result.stderr
    assert len(list((tmp_path / "corpus" / "speech").rglob("*.flac"))) == 6


def test_a_damaged_file_is_named_and_may_be_left_out(musan: Path, tmp_path: Path, capsys: Any) -> None:
    bad = musan / "noise" / "free-sound" / "noise-free-sound-0009.wav"
    bad.write_bytes(write(bad).read_bytes()[:-10])
    arguments = ("musan", "--root", musan, "--out", tmp_path / "out", "--workers", 1, "--split-shares", 3, 1, 1)
    assert status(*arguments) == 1
    assert f"error: {bad}: truncated" in capsys.readouterr().err
    for seed in range(20):
        code = status(*arguments, "--on-bad-file", "skip", "--split-seed", seed)
        captured = capsys.readouterr()
        if code == 0:
            break
        assert "noise category 'noise' has no recording in split" in captured.err  # where it was the only one
    assert "1 damaged files were left out:\n" in captured.out and f"  {bad}: truncated" in captured.out


def test_stereo_speech_needs_a_decision(tmp_path: Path, capsys: Any) -> None:
    for speaker in "abc":
        write(tmp_path / "s" / speaker / "x.wav", channels=2)
        write(tmp_path / "n" / "rain" / f"{speaker}.wav", channels=2)
    arguments = ("folder", "--out", tmp_path / "out", "--workers", 1)
    assert status(*arguments, "--noise", tmp_path / "n") == 0  # mixed
    assert status(*arguments, "--speech", tmp_path / "s") == 1
    assert "2 channels; pass --channel mix (their mean) or --channel first" in capsys.readouterr().err
    assert status(*arguments, "--speech", tmp_path / "s", "--noise", tmp_path / "n", "--channel", "first") == 0
    assert len(read_corpus(tmp_path / "out").speech) == 3


@pytest.mark.parametrize("name", sorted(set(CORPORA) - {"folder"}))
def test_a_missing_folder_tells_where_the_corpus_is(name: str, tmp_path: Path, capsys: Any) -> None:
    assert status(name, "--root", tmp_path / "gone", "--out", tmp_path / "out") == 2
    printed = capsys.readouterr().err
    assert CORPORA[name].url in printed and str(tmp_path / "gone") in printed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["voicebank-demand", "dns-challenge", "musan", "demand", "esc50"])
def test_what_cannot_be_downloaded_says_so(name: str, tmp_path: Path, capsys: Any) -> None:
    assert status(name, "--root", tmp_path / "new", "--out", tmp_path / "out", "--download") == 2
    assert f"get it from {CORPORA[name].url}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["musan"],
        ["folder", "--noise", "x"],
        ["nonsense", "--root", "x", "--out", "y"],
        ["librispeech", "--root", "x", "--out", "y", "--subsets", "train-dirty"],
        ["esc50", "--root", "x", "--out", "y", "--test-fold", "6"],
        ["musan", "--root", "x", "--out", "y", "--on-bad-file", "ignore"],
        ["musan", "--root", "x", "--out", "y", "--speec"],
    ],
)
def test_a_wrong_command_line_is_refused(arguments: list[str], capsys: Any) -> None:
    assert status(*arguments) == 2
    assert "usage: dyncp " in capsys.readouterr().err


def test_numbers_out_of_range_are_refused(musan: Path, tmp_path: Path, capsys: Any) -> None:
    arguments = ("musan", "--root", musan, "--out", tmp_path / "out")
    assert status(*arguments, "--workers", 0) == 1
    assert "error: --workers must be positive, got 0" in capsys.readouterr().err
    assert status(*arguments, "--split-shares", 1, 0, 1) == 1
    assert "error: --split-shares must be three positive numbers" in capsys.readouterr().err


@pytest.mark.parametrize("name", CORPORA)
def test_help_names_every_option_and_the_url(name: str, capsys: Any) -> None:
    assert status(name, "--help") == 0
    printed = capsys.readouterr().out
    assert CORPORA[name].url in printed and "--split-shares TRAIN VALID TEST" in printed
    options = build_parser().parse_args(["prepare", name, "--out", "x", *(["--root", "y"] * CORPORA[name].has_root)])
    for option in vars(options).keys() - {"subcommand", "corpus"}:
        assert f"--{option.replace('_', '-')}" in printed


def test_the_documentation_lists_every_corpus() -> None:
    text = (REPOSITORY / "docs" / "corpora.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(" `"): line for line in text.splitlines() if line.startswith("| `")}
    assert rows.keys() == CORPORA.keys()
    assert all(CORPORA[name].url in row for name, row in rows.items())


def test_librispeech_is_downloaded_by_torchaudio(
    librispeech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only torchaudio's own transfer is replaced: it gets the official address and checksum, and finds an archive."""
    asked = []

    def transfer(url: str, archive: str, hash_prefix: str) -> None:
        subset = url.rsplit("/", 1)[1].removesuffix(".tar.gz")
        asked.append((url, len(hash_prefix)))
        with tarfile.open(archive, "w:gz") as file:
            for name in (subset, "SPEAKERS.TXT"):
                file.add(librispeech / name, f"LibriSpeech/{name}")

    monkeypatch.setattr(torchaudio_librispeech, "download_url_to_file", transfer)
    new, subsets = tmp_path / "new" / "LibriSpeech", ("train-clean-100", "dev-clean", "test-clean")
    arguments = ("librispeech", "--root", new, "--out", tmp_path / "out", "--workers", 1, "--download")
    assert status(*arguments) == 1 and not asked  # which subsets?
    for _ in range(2):
        assert status(*arguments, "--subsets", *subsets) == 0
    assert asked == [(f"http://www.openslr.org/resources/12/{subset}.tar.gz", 64) for subset in subsets]
    assert len((tmp_path / "out" / "speech.csv").read_text().splitlines()) == 7


def test_a_failed_download_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def transfer(url: str, archive: str, hash_prefix: str) -> None:
        raise RuntimeError("invalid hash value")

    monkeypatch.setattr(torchaudio_librispeech, "download_url_to_file", transfer)
    arguments = ("librispeech", "--root", tmp_path / "new", "--out", tmp_path / "out", "--download")
    assert status(*arguments, "--subsets", "dev-clean") == 1
    assert "error: download of librispeech: invalid hash value" in capsys.readouterr().err


def test_vctk_is_downloaded_by_torchaudio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def transfer(url: str, archive: str, hash_prefix: str) -> None:
        asked.append(url)
        with zipfile.ZipFile(archive, "w") as file:
            for speaker in ("p225", "p226", "p227"):
                audio = write(tmp_path / "files" / f"{speaker}.flac")
                file.write(audio, f"wav48_silence_trimmed/{speaker}/{speaker}_001_mic2.flac")
                file.writestr(f"txt/{speaker}/{speaker}_001.txt", "Please call Stella.")
            file.writestr("speaker-info.txt", "ID  AGE  GENDER\np225  23  F  English\n")

    monkeypatch.setattr(torchaudio_vctk, "download_url_to_file", transfer)
    root = tmp_path / "VCTK-Corpus-0.92"
    assert status("vctk", "--root", root, "--out", tmp_path / "out", "--workers", 1, "--download") == 0
    assert len(asked) == 1 and asked[0].endswith("/10283/3443/VCTK-Corpus-0.92.zip")
    assert "vctk_p225,F," in (tmp_path / "out" / "speech.csv").read_text()


def test_the_datasets_that_downloads_use_are_there() -> None:
    for name in ("librispeech", "libritts"):
        assert hasattr(torchaudio.datasets, CORPORA[name].downloader)  # type: ignore[attr-defined]
