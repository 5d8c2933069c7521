"""Hostile input, a little of everything; `python -m benchmarks.fuzzing` tries more. Whatever is wrong is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from benchmarks.fuzzing import SLOW, TARGETS, UnexpectedOutcome, explore
from benchmarks.hostile.settings import FILE_OR_KEY, configuration_target
from benchmarks.hostile.target import MARK, Target, demand, executes_nothing

EXAMPLES = 60
INPUT = st.just({"hostile.bin": b"abc"})


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in SLOW])
def test_every_input_has_a_correct_result_or_a_clear_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where planted code would leave its mark
    tally = explore(TARGETS[name](), EXAMPLES, tmp_path / "keep", hang_s=300)
    assert tally.accepted and tally.refused


def _none() -> None:
    return None


def _wrong_type() -> None:
    raise KeyError("frames")


def _no_name() -> None:
    raise ValueError("something is wrong")


def _not_finite() -> None:
    demand(np.isfinite(np.nan), "not finite")


def _much_memory() -> None:
    np.zeros(10**12)


def _leaves() -> None:
    raise SystemExit(0)


def _executes() -> None:
    with executes_nothing():
        Path(MARK).touch()


@pytest.mark.parametrize("wrong", [_wrong_type, _no_name, _not_finite, _much_memory, _leaves, _executes])
def test_what_is_wrong_is_found_and_kept(
    wrong: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    target = Target("planted", INPUT, lambda folder: wrong(), (ValueError,))
    with pytest.raises(UnexpectedOutcome, match=r"planted: .*kept in"):
        explore(target, 3, tmp_path)
    assert (tmp_path / "planted" / "hostile.bin").read_bytes() == b"abc"


@pytest.mark.slow
def test_configurations_name_file_or_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all targets the slowest: each input is merged with all defaults."""
    monkeypatch.chdir(tmp_path)
    tally = explore(configuration_target(), 25, tmp_path / "keep", hang_s=300)
    assert tally.accepted and tally.refused


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("here/hostile.yaml: not readable as YAML (...)", True),
        ("Parser key \"data.grid.hop_length\":\n  Expected a <class 'int'>", True),
        ("Option 'a/b' is not accepted", True),
        ("the following arguments are required: model.network", True),
        ('Parser key "config": Unable to read', False),
        ("Problems parsing config: while parsing a flow node", False),
        ("Unexpected config: - 1", False),
        ("", False),
    ],
)
def test_a_refused_configuration_must_name_file_or_key(message: str, named: bool, tmp_path: Path) -> None:
    def refuse(folder: Path) -> None:
        raise ValueError(message)

    target = Target("planted", INPUT, refuse, (ValueError,), named=FILE_OR_KEY)
    if named:
        assert explore(target, 3, tmp_path).refused
    else:
        with pytest.raises(UnexpectedOutcome, match="names nothing to look at"):
            explore(target, 3, tmp_path)


def test_what_is_right_is_counted(tmp_path: Path) -> None:
    def refuse(folder: Path) -> None:
        raise ValueError(f"{folder / 'hostile.bin'}: no")

    assert explore(Target("fine", INPUT, lambda folder: _none(), ()), 3, tmp_path).accepted
    assert explore(Target("refused", INPUT, refuse, (ValueError,)), 3, tmp_path).refused
    assert list(tmp_path.iterdir()) == []
