"""Every command of README.md, CONTRIBUTING.md and docs/*.md is run, or parsed by what it starts.

A command whose option does not exist, whose file is missing, or that nobody here knows fails. What stands for a file of
the reader is replaced by one of ours, by the tables below only.
"""

from __future__ import annotations

import argparse
import os
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from jsonargparse import ArgumentError

from checkpoints import default_network
from commands.main import PASSING_ON, build_parser
from commands.main import main as dyncp
from datamodules.enhancement_data import EnhancementDataModule
from lightning_modules.enhancement import EnhancementModule
from lightning_modules.enhancement_cli import EnhancementCLI, EnhancementParser
from tests.docs.documents import DOCUMENTS, REPOSITORY, Command, blocks, commands, is_shell, pipeline

# Blocks that hold no commands, by the beginning of their first line.
OTHER_BLOCKS = {
    "README.md": ["networks/ "],
    "dashboards.md": ["log = media_log(trainer)"],
    "enhance.md": ["import pandas"],
    "extending.md": ["- {name: crest_db"],
    "gates.md": ["residual (128) ->"],
    "joint.md": ["--model.initial_weights"],
    "live.md": ["input         "],
    "probing.md": ["noisy frame (log_magnitude", "from pathlib import Path"],
    "shards.md": ["SHARDS/"],
    "sweep.md": ["runs/sweep/<network>/version_N"],
}
# Configurations that a reader has written, and one of ours in their place.
READERS_FILES = {
    "dense.yaml": "configs/corpus.yaml",
    "gated.yaml": "configs/corpus.yaml",
    "crest.yaml": "configs/objectives/multi_resolution.yaml",
}
FOREIGN = {"source", "ffmpeg", "aplay", "arecord"}  # not ours to check
# Run as they stand, in a folder with recordings and the network of the package; what must be there afterwards.
RUN_HERE = {
    "dyncp enhance noisy.wav clean.wav --properties properties.csv --plot overview.png": [
        "clean.wav", "properties.csv", "overview.png"
    ],
    "dyncp enhance a.wav b.wav enhanced/ --plot figures/": ["enhanced/a.wav", "enhanced/b.wav", "figures"],
    "dyncp live --input file:noisy.wav --output file:clean.wav --fast": ["clean.wav"],
    "dyncp export network.safetensors network.onnx": ["network.onnx"],
    "dyncp prepare folder --speech /data/voices --sexes /data/sexes.csv --noise /data/noises --out corpus": [
        "corpus/speech.csv", "corpus/noise.csv"
    ],
    "python -m reports.summary runs/quickstart/version_0": [],
    "python -m reports.curves runs/quickstart/version_0 curves.png": ["curves.png"],
    "dyncp report runs/quickstart/version_0": ["runs/quickstart/version_0/report.html"],
}  # fmt: skip
FOUND = commands(DOCUMENTS)


class Parsed(Exception):
    """The arguments of a program were understood."""


class ParsingCLI(EnhancementCLI):
    """Has the parser of the command, and goes no further."""

    def parse_arguments(self, parser: Any, args: Any) -> None:
        self.config = {"subcommand": "fit"}

    def _set_seed(self) -> None: ...

    def before_instantiate_classes(self) -> None: ...

    def instantiate_classes(self) -> None: ...

    def _run_subcommand(self, subcommand: str) -> None: ...


@cache
def lightning_parser() -> Any:
    """Build the parser of the command, once: that takes as long as to parse."""
    return ParsingCLI(
        EnhancementModule,
        EnhancementDataModule,
        parser_class=EnhancementParser,
        parser_kwargs={"exit_on_error": False},
        auto_configure_optimizers=False,
    ).parser


@cache
def check_lightning(words: tuple[str, ...]) -> None:
    """Parse a command of lightning by its own parser, with the configuration files that it names."""
    given = [READERS_FILES.get(word, word) for word in words[1:]]
    if "--print_config" in given:
        given.remove("--print_config")  # prints what is parsed, and leaves the process
    lightning_parser().parse_args(given)


def check_dyncp(words: tuple[str, ...]) -> None:
    """Parse a command of dyncp, and what it hands on to lightning."""
    given = list(words[1:])
    end = given.index("--") if "--" in given else len(given)
    parsed = build_parser(given[0]).parse_args(given[:end])
    passed_on = given[end + 1 :]
    if passed_on:
        assert given[0] in PASSING_ON, words
        files = [getattr(parsed, "config", None) or "configs/corpus.yaml", *getattr(parsed, "overlays", [])]
        stacked = [f"--config={file}" for file in files[:2]]  # tests/test_configs.py parses every overlay
        check_lightning(("lightning", "fit", *stacked, *passed_on))


def check_python(words: tuple[str, ...]) -> None:
    """Let a module or file of ours parse its arguments, and stop it there."""
    original = argparse.ArgumentParser.parse_args

    def parse_and_stop(self: argparse.ArgumentParser, *arguments: Any, **named: Any) -> None:
        original(self, *arguments, **named)
        raise Parsed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Parsed):
        patch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
        if words[1] == "-m":
            patch.setattr(sys, "argv", [words[2], *words[3:]])
            runpy.run_module(words[2], run_name="__main__")
        else:
            patch.setattr(sys, "argv", list(words[1:]))
            runpy.run_path(words[1], run_name="__main__")


def check_make(words: tuple[str, ...]) -> None:
    """Let make say what it would run, and check that in turn."""
    documented = set(re.findall(r"^#: ([A-Z]+) ", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    handed_on = {"MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", *documented}  # by a make that runs these tests
    clean = {name: value for name, value in os.environ.items() if name not in handed_on}
    result = subprocess.run(
        ["make", "-n", *words[1:], "VENV=ENV"], capture_output=True, text=True, cwd=REPOSITORY, env=clean
    )
    assert result.returncode == 0, result.stderr
    recipe = result.stdout.replace("\\\n", " ")
    for program, line in re.findall(r"^(?:NO_\w+=1 )?ENV/bin/(lightning|dyncp|python) (.*)$", recipe, re.MULTILINE):
        if not line.startswith(("-m pip", "-m pytest", "-m mkdocs", "-c ")):
            check(Command("Makefile", line, pipeline(f"{program} {line}")[0]))
    named = {word.partition("=")[0] for word in words[1:] if "=" in word}
    assert named <= documented, words


def check_pip(words: tuple[str, ...]) -> None:
    """Look up the extras of a pip command."""
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    ours = [re.fullmatch(r"(?:dyncp|\.)\[(.*)\]", word) for word in words]
    named = {extra for match in ours if match for extra in match[1].split(",")}
    assert named
    assert named <= set(extras)


def check_wandb(words: tuple[str, ...]) -> None:
    """Parse a command of wandb by its own parser."""
    click = pytest.importorskip("wandb.cli.cli")
    command = click.cli.commands[words[1]]
    command.make_context(words[1], list(words[2:]))


def check_torchrun(words: tuple[str, ...]) -> None:
    """Parse a command of torchrun by its own parser, and the module of ours that it starts."""
    from torch.distributed.run import get_args_parser

    parsed = get_args_parser().parse_args(list(words[1:]))
    assert parsed.module and parsed.training_script == "lightning_modules.cli", words
    check_lightning(("lightning", *parsed.training_script_args))


def check_srun(words: tuple[str, ...]) -> None:
    """Check what SLURM starts; its own options stand in the script."""
    CHECKS[words[1]](words[1:])


CHECKS: dict[str, Callable[[tuple[str, ...]], None]] = {
    "lightning": check_lightning,
    "dyncp": check_dyncp,
    "python": check_python,
    "make": check_make,
    "pip": check_pip,
    "wandb": check_wandb,
    "torchrun": check_torchrun,
    "srun": check_srun,
}


def expanded(words: tuple[str, ...]) -> Iterator[str]:
    """Yield words as a shell gives them on: braces and patterns expanded; brackets of a synopsis left out."""
    for word in words:
        if word == "[options]":
            continue
        if words[0] != "pip" and (word.startswith("[-") or re.fullmatch(r"[\w.]+\]", word)):
            word = word.strip("[]")
        brace = re.fullmatch(r"(.*)\{(.*)\}(.*)", word)
        choices = [brace[1] + part + brace[3] for part in brace[2].split(",")] if brace else [word]
        for choice in choices:
            yield from sorted(glob(choice)) or [choice]


def check(command: Command) -> None:
    """Check one command."""
    words = tuple(expanded(command.words))
    if words[0] not in FOREIGN:
        assert words[0] in CHECKS, f"{command.document}: nobody here knows how to check '{command.line}'"
        CHECKS[words[0]](words)


def label(command: Command) -> str:
    return f"{command.document}: {' '.join(command.words)}"[:100]


TO_CHECK = list({c.words: c for c in FOUND if " ".join(c.words) not in RUN_HERE}.values())


@pytest.mark.parametrize("command", TO_CHECK, ids=label)
def test_command_is_understood(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    check(command)


@pytest.mark.parametrize(
    "line",
    [
        "lightning fit --config configs/corpus.yaml --data.no_such_key 1",
        "lightning fit --config configs/no_such_file.yaml",
        "lightning train --config configs/corpus.yaml",
        "dyncp enhance a.wav b.wav --no-such-option",
        "dyncp sweep --config configs/corpus.yaml --out x configs/sweep/dense.yaml -- --data.no_such_key 1",
        "python -m reports.quality runs/x --no-such-option",
        "python benchmarks/training.py --no-such-option",
        "python benchmarks/no_such_file.py",
        "make no-such-target",
        "make train NOSUCHVARIABLE=1",
        'make train ARGS="--no_such_key 1"',
        "pip install dyncp[nosuchextra]",
        "wandb sweep --no-such-option configs/wandb/networks.yaml",
        "unknown-program --help",
        "torchrun --no-such-option -m lightning_modules.cli fit --config configs/corpus.yaml",
        "torchrun -m lightning_modules.cli fit --config configs/corpus.yaml --data.no_such_key 1",
        "srun lightning fit --config configs/corpus.yaml --data.no_such_key 1",
    ],
)
def test_a_planted_mistake_is_found(line: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(REPOSITORY)
    mistakes = (AssertionError, ArgumentError, SystemExit, FileNotFoundError, ValueError)
    with pytest.raises((*mistakes, *click_errors())):
        check(Command("planted", line, pipeline(line)[0]))


def click_errors() -> tuple[type[Exception], ...]:
    import click  # comes with wandb

    return (click.ClickException,)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory of a reader who has recordings, a network, a corpus to be and a run."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    recordings = ["noisy.wav", "a.wav", "b.wav"]
    recordings += [f"data/voices/{voice}/{take}.wav" for voice in "abcdef" for take in "12"]
    recordings += [f"data/noises/{kind}/{take}.wav" for kind in ("rain", "wind") for take in "1234"]
    for name in recordings:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(name, rng.uniform(-0.1, 0.1, 8000), 16000)
    Path("data/sexes.csv").write_text("speaker,sex\n" + "".join(f"{v},{'FM'[v > 'c']}\n" for v in "abcdef"))
    Path("network.safetensors").write_bytes(default_network().read_bytes())
    run = Path("runs/quickstart/version_0")
    run.mkdir(parents=True)
    (run / "metrics.csv").write_text("epoch,step,train/loss,val/loss\n0,1,1.0,\n0,2,0.9,0.8\n1,3,0.7,0.6\n")
    (run / "summary.json").write_text('{"stage": "val", "metrics": {"probes/vad/balanced_accuracy": 0.9}}')
    return tmp_path


@pytest.mark.parametrize("line", RUN_HERE)
def test_command_runs_as_it_stands(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    (words,) = {command.words for command in FOUND if " ".join(command.words) == line}
    given = [word.replace("/data/", "data/") for word in words]
    if given[0] == "dyncp":
        with pytest.raises(SystemExit) as stopped:
            dyncp(given[1:])
        assert stopped.value.code == 0, capsys.readouterr().err
    else:
        monkeypatch.setattr(sys, "argv", given[2:])
        runpy.run_module(given[2], run_name="__main__")
        assert RUN_HERE[line] or "0.9" in capsys.readouterr().out
    assert [name for name in RUN_HERE[line] if not Path(name).exists()] == []


def test_every_other_block_is_known() -> None:
    unknown = [
        f"{block.document}: {block.first_line}"
        for block in blocks(DOCUMENTS)
        if not is_shell(block)
        and block.language in ("", "text")
        and not any(block.first_line.startswith(known) for known in OTHER_BLOCKS.get(block.document, []))
    ]
    assert unknown == []


def test_overlays_that_readers_write_are_yaml_of_known_keys() -> None:
    written = [block for block in blocks(DOCUMENTS) if block.language == "yaml"]
    assert {block.document for block in written} == {"extending.md", "sweep.md"}
    for block in written:
        content = yaml.safe_load(block.text)
        assert set(content) <= {"model", "data", "trainer"}


def test_there_are_commands() -> None:
    assert {command.words[0] for command in FOUND} >= set(CHECKS)
    assert os.environ.get("WANDB_MODE") in ("offline", "dryrun")  # as Lightning's logger calls it
