"""The lock files agree with pyproject.toml and name nothing of one machine."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-pesq.lock", "requirements-uv.lock")
PIN = re.compile(r"^([\w.-]+)==(\S+)(?: ; [^\\]+)? \\$", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def unmet(requirements: list[str], lock: str) -> list[str]:
    """List the requirements of which some pin of the lock is outside the range, or that have none."""
    pins: dict[str, list[str]] = {}
    for name, version in PIN.findall(lock):
        pins.setdefault(canonicalize_name(name), []).append(version)
    return [
        text
        for text, requirement in ((text, Requirement(text)) for text in requirements)
        if not (found := pins.get(canonicalize_name(requirement.name)))
        or not all(requirement.specifier.contains(Version(version)) for version in found)
    ]


def test_locks_satisfy_the_project(project: dict[str, Any]) -> None:
    extras = project["project"]["optional-dependencies"]
    locked = {
        "requirements.lock": [
            *project["project"]["dependencies"],
            *extras["wandb"],
            *extras["tensorboard"],
            *extras["stoi"],
            *extras["shards"],
            *extras["losses"],
            *extras["dnsmos"],
            *extras["estimators"],
            *extras["enhancers"],
            *extras["stream"],
            *extras["onnx"],
            *extras["live"],
            *extras["parquet"],
            *extras["report"],
            *extras["docs"],
            *extras["dev"],
        ],
        "requirements-pesq.lock": [*extras["pesq"], *project["dependency-groups"]["pesq"]],
        "requirements-uv.lock": project["dependency-groups"]["uv"],
    }
    for name, requirements in locked.items():
        assert unmet(requirements, (REPOSITORY / name).read_text()) == [], f"{name} is stale: run make lock"


def test_an_unmet_requirement_is_found() -> None:
    lock = "torch==2.11.0 \\\n    --hash=sha256:0\nnumpy==2.5.5 ; python_full_version >= '3.12' \\\n"
    assert unmet(["torch>=2.11,<2.12", "numpy>=2.4"], lock) == []
    assert unmet(["torch>=2.12", "numpy<2.5", "scipy"], lock) == ["torch>=2.12", "numpy<2.5", "scipy"]


@pytest.mark.parametrize("name", LOCKS)
def test_locks_hold_only_pins_and_hashes(name: str) -> None:
    """No index, link or path of the machine that resolved them; a pin without a hash would stop the installation."""
    entries = re.split(
        r"\n(?=\S)", re.sub(r"^ *#.*\n", "", (REPOSITORY / name).read_text(), flags=re.MULTILINE).strip()
    )
    for entry in entries:
        pin, *hashes = entry.split("\n")
        assert PIN.match(pin), f"{name}: {pin!r} is no pin"
        assert hashes and all(HASH.fullmatch(line.strip(" \\")) for line in hashes), f"{name}: hashes of {pin!r}"
