"""No file from elsewhere can execute code: nothing unpickles one, and what torch reads is tensors and plain values."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.cloud_io import _load

from lightning_modules.checkpoints import CheckpointError
from lightning_modules.initial_weights import read_initial_weights
from tests.test_import_direction import PACKAGES, REPOSITORY, modules

# Speaks with child processes of its own, which it starts.
OWN_PIPES = {"datamodules.process_pool": {"pickle.load", "pickle.dump"}}
FORBIDDEN = {
    "pickle.load", "pickle.loads", "pickle.Unpickler", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "eval",
    "exec", "joblib.load", "marshal.loads", "shelve.open",
}  # fmt: skip


def calls(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the dotted name and the named arguments of every call."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg or "**": ast.unparse(word.value) for word in node.keywords}


def unsafe(text: str) -> list[str]:
    """Return the calls that could execute what a file holds."""
    found = []
    for name, words in calls(text):
        if name == "torch.load" and words.get("weights_only") != "True":
            found.append(name)
        if name == "np.load" and words.get("allow_pickle", "False") != "False":
            found.append(name)
        if name in FORBIDDEN:
            found.append(name)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_executes_what_a_file_holds(package: str) -> None:
    for name, path in modules(REPOSITORY, package):
        found = set(unsafe(path.read_text(encoding="utf-8")))
        assert found <= OWN_PIPES.get(name, set()), f"{name}: {found}"


@pytest.mark.parametrize(
    "text",
    [
        "torch.load(p)", "torch.load(p, weights_only=False)", "pickle.load(f)", "yaml.load(t)",
        "np.load(p, allow_pickle=True)",
    ],
)  # fmt: skip
def test_a_planted_call_is_found(text: str) -> None:
    assert unsafe(text)
    assert not unsafe("torch.load(p, weights_only=True)\nnp.load(p)\nyaml.safe_load(t)\nnetwork.eval()")


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_checkpoints_execute_nothing(tmp_path: Path) -> None:
    """Neither those that a training goes on from, which Lightning reads, nor those that it starts from."""
    mark, path = tmp_path / "executed", tmp_path / "hostile.ckpt"
    torch.save({"state_dict": {"network.x": Planted(mark)}}, path)
    readers: list[tuple[Callable[[], Any], type[Exception]]] = [
        (lambda: _load(path), pickle.UnpicklingError),
        (lambda: read_initial_weights(path, {}), CheckpointError),
    ]
    for read, refusal in readers:
        with pytest.raises(refusal):
            read()
        assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists()
