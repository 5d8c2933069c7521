"""The command that writes shards: what it prints and how it ends."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from commands import shard
from commands.main import main
from datamodules.corpus import read_corpus
from tests.datamodules.small_corpus import write_corpus


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    shard.add_arguments(parser)
    return shard.run(parser.parse_args(arguments))


def test_the_command_writes_goes_on_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = write_corpus(tmp_path / "loose"), tmp_path / "out"
    assert run("--root", str(root), "--out", str(out), "--shard-mb", "1000") == 0
    assert "7 shards written, 0 kept" in capsys.readouterr().out
    assert (out / "speech.csv").is_file()
    assert run("--root", str(root), "--out", str(out), "--shard-mb", "1000") == 0
    assert "0 shards written, 7 kept" in capsys.readouterr().out


def test_bad_input_ends_with_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--root", str(tmp_path / "absent"), "--out", str(tmp_path / "out")) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "absent" in error and error.count("\n") == 1
    assert run("--root", str(tmp_path), "--out", str(tmp_path / "out"), "--shard-mb", "-1") == 1
    assert "shard_mb must be positive" in capsys.readouterr().err


def test_preparing_can_end_in_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, out, shards = write_corpus(tmp_path / "loose"), tmp_path / "out", tmp_path / "shards"
    for kind in ("speech", "noise"):
        for row in (plain / f"{kind}.csv").read_text().splitlines()[1:]:
            name, label, *_ = row.split(",")
            (tmp_path / kind / label).mkdir(parents=True, exist_ok=True)
            (plain / name).rename(tmp_path / kind / label / name)
    arguments = ["prepare", "folder", "--speech", str(tmp_path / "speech"), "--noise", str(tmp_path / "noise")]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--out", str(out), "--shards", str(shards), "--workers", "1"])
    assert ended.value.code == 0, capsys.readouterr().err
    assert "shards written, 0 kept" in capsys.readouterr().out
    assert (out / "speech.csv").is_file() and (shards / "shards.csv").is_file()
    assert len(read_corpus(shards).speech) == len(read_corpus(out).speech)
