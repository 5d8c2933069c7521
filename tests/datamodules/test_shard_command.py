"""The command that writes shards: what it prints and how it ends."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from datamodules.shards import command
from tests.datamodules.small_corpus import write_corpus


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments))


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
