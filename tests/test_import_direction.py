"""Imports go one way, and importing changes nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = (
    "storage",
    "networks",
    "datamodules",
    "probes",
    "estimators",
    "enhancers",
    "reports",
    "lightning_modules",
    "callbacks",
    "probing",
    "corpora",
    "sweeps",
    "checkpoints",
    "streaming",
    "reproduction",
    "commands",
)
# Who may import what of ours, besides itself. The longest matching importer counts.
ALLOWED: dict[str, set[str]] = {
    "storage": set(),
    "networks": set(),
    "datamodules": {"networks.framing", "storage"},
    "probes": {"networks.framing", "storage"},
    "estimators": {"networks.framing", "datamodules.process_pool", "datamodules.targets"},
    "enhancers": set(),
    "reports": {"networks", "probes", "storage"},
    "lightning_modules": {"networks", "storage"},
    "lightning_modules.cli": {"datamodules.corpus", "datamodules.shards.store", "reports.quality_scores", "storage"},
    "lightning_modules.initial_weights": {"checkpoints"},
    "lightning_modules.pesq_pool": {"datamodules.process_pool", "datamodules.rating"},
    "lightning_modules.enhancement_cli": {"checkpoints.yaml_file", "networks", "datamodules", "storage"},
    "callbacks": {
        "checkpoints",
        "networks",
        "datamodules.process_pool",
        "datamodules.rating",
        "probes",
        "reports",
        "lightning_modules",
        "storage",
    },
    "probing": {
        "checkpoints",
        "networks",
        "datamodules",
        "probes",
        "estimators",
        "reports",
        "lightning_modules",
        "storage",
    },
    "corpora": {"datamodules.corpus", "datamodules.recording_checks", "storage"},
    "sweeps": {"reports", "storage"},
    "checkpoints": {"networks.framing", "networks.gate_settings", "networks.former_names", "storage"},
    "streaming": {
        "probes.tasks",
        "networks.framing",
        "networks.gate_settings",
        "networks.former_names",
        "probes.deployment",
        "checkpoints",
        "storage",
    },
    "reproduction": {
        "checkpoints",
        "networks",
        "datamodules",
        "probes",
        "probing",
        "reports.probing",
        "streaming.enhancer",
        "streaming.loading",
        "streaming.properties",
        "storage",
    },
    "commands": {"corpora", "datamodules.corpus", "datamodules.shards.writer"},
    "commands.dashboard": {"reports"},
    "commands.enhance": {"checkpoints", "probes.deployment", "streaming", "reports"},
    "commands.enhance_files": {"streaming", "reports.enhanced"},
    "commands.enhance_network": {"checkpoints", "streaming"},
    "commands.enhance_pipe": {"streaming"},
    "commands.export": {"checkpoints", "probes.deployment", "streaming", "reports"},
    "commands.live": {"checkpoints", "probes.deployment", "streaming", "reports"},
    "commands.probe": {"lightning_modules", "probing", "reports.probing"},
    "commands.report": {"reports.run"},
    "commands.reproduce": {"reproduction"},
    "commands.sweep": {"lightning_modules.enhancement_cli", "reports.sweep", "sweeps"},
}
# What runs a trained network, and must start quickly.
QUICK = (
    "storage.whole_files",
    "streaming",
    "checkpoints.training",
    "probes.deployment",
    "networks.framing",
    "networks.gate_settings",
    "networks.former_names",
)
SLOW = {"torch", "lightning", "sklearn", "matplotlib"}
# Prints what an import changed of the state that all code of a process shares.
IMPORT_PROBE = """
import importlib, os, random, sys, warnings
import numpy, torch
for name in sys.argv[1].split():
    try:
        importlib.import_module(name)
    except ImportError:
        pass
def state():
    return {
        "random": random.getstate(),
        "numpy seed": [part.tolist() if hasattr(part, "tolist") else part for part in numpy.random.get_state()],
        "torch seed": torch.get_rng_state().tolist(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "precision": (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.get_default_dtype()),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "environment": dict(os.environ),
        "working directory": os.getcwd(),
        "warning filters": list(warnings.filters),
    }
before = state()
for name in sys.argv[2].split():
    importlib.import_module(name)
after = state()
print([key for key in before if before[key] != after[key]])
"""


def modules(root: Path, package: str) -> Iterator[tuple[str, Path]]:
    """Yield dotted name and file of every module of a package."""
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported_names(name: str, path: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, wherever in the file, relative ones and import_module included."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "import_module"):
            yield from (argument.value for argument in node.args if isinstance(argument, ast.Constant))


def within(name: str, parents: set[str]) -> bool:
    """Tell whether a dotted name is one of the parents or inside one."""
    return any(name == parent or name.startswith(parent + ".") for parent in parents)


def violations(root: Path) -> list[str]:
    """List the imports that go the wrong way."""
    found = []
    for package in PACKAGES:
        for name, path in modules(root, package):
            allowed = ALLOWED[max((rule for rule in ALLOWED if within(name, {rule})), key=len)] | {package}
            for target in imported_names(name, path):
                if within(target, set(PACKAGES)) and not within(target, allowed):
                    found.append(f"{name} imports {target}")
    return found


def import_effects(root: Path, names: list[str], others: set[str]) -> str:
    """Import modules in a new process and return the printed list of what that changed."""
    arguments = [sys.executable, "-c", IMPORT_PROBE, " ".join(sorted(others)), " ".join(names)]
    result = subprocess.run(arguments, cwd=root, capture_output=True, text=True, check=False, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip().splitlines()[-1]


def test_every_package_is_shipped_and_has_a_rule() -> None:
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        shipped = tomllib.load(file)["tool"]["setuptools"]["packages"]
    excluded = {"tests", "docs", "benchmarks", "configs"}
    here = {str(path.parent.relative_to(REPOSITORY)).replace("/", ".") for path in REPOSITORY.glob("*/**/__init__.py")}
    ours = {name for name in here if not name.startswith(".") and name.split(".")[0] not in excluded}
    assert sorted(shipped) == sorted(ours)
    assert {name.split(".")[0] for name in shipped} == set(PACKAGES)


def test_imports_go_one_way() -> None:
    assert violations(REPOSITORY) == []


def test_networks_need_torch_only() -> None:
    allowed = {"networks", "torch"} | sys.stdlib_module_names
    names = {target for name, path in modules(REPOSITORY, "networks") for target in imported_names(name, path)}
    assert {name for name in names if name.split(".")[0] not in allowed} == set()


@pytest.mark.parametrize(
    ("file", "line", "expected"),
    [
        ("networks/planted.py", "import probes.ridge", "probes.ridge"),
        ("networks/planted.py", "from callbacks import gate_statistics", "callbacks.gate_statistics"),
        ("datamodules/targets/planted.py", "from networks.stft import Stft", "networks.stft.Stft"),
        ("datamodules/planted.py", "from networks import stft", "networks.stft"),
        ("probes/planted.py", "def f():\n    import networks", "networks"),
        ("estimators/planted.py", "from probes.suite import ProbeSuite", "probes.suite.ProbeSuite"),
        ("reports/planted.py", "from importlib import import_module\nimport_module('callbacks')", "callbacks"),
        ("lightning_modules/planted.py", "from datamodules.corpus import Corpus", "datamodules.corpus.Corpus"),
        ("lightning_modules/cli.py", "import callbacks", "callbacks"),
        ("callbacks/planted.py", "from datamodules import corpus", "datamodules.corpus"),
        ("networks/planted.py", "from ..probes import ridge", "probes.ridge"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, file: str, line: str, expected: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert violations(tmp_path) == [f"{file.removesuffix('.py').replace('/', '.')} imports {expected}"]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("datamodules/planted.py", "from networks.framing import FrameGrid\nfrom datamodules.corpus import Corpus"),
        ("datamodules/planted.py", "from networks import framing"),
        ("datamodules/targets/planted.py", "from .base import Target\nfrom .. import corpus"),
        ("lightning_modules/enhancement_cli.py", "from datamodules.corpus import Corpus\nimport networksx, torch"),
        ("callbacks/planted.py", "from reports.tables import table"),
    ],
)
def test_a_permitted_import_is_no_violation(tmp_path: Path, file: str, line: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert violations(tmp_path) == []


@pytest.mark.slow
def test_importing_changes_no_global_state() -> None:
    found = [item for package in PACKAGES for item in modules(REPOSITORY, package)]
    imported = {target.split(".")[0] for name, path in found for target in imported_names(name, path)}
    # Other packages first: what they do at import is not ours to change.
    others = {
        target for name, path in found for target in imported_names(name, path) if not within(target, {*PACKAGES})
    }
    assert {"torch", "lightning"} <= imported
    assert import_effects(REPOSITORY, [name for name, _ in found], others | imported - {*PACKAGES}) == "[]"


def test_a_planted_side_effect_is_found(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text("import os, torch\ntorch.manual_seed(0)\nos.environ['PLANTED'] = '1'\n")
    assert import_effects(tmp_path, ["planted"], set()) == "['torch seed', 'environment']"


def slow_imports(root: Path, names: list[str]) -> set[str]:
    """Import modules in a new process and return which packages that take seconds came with them."""
    code = f"import sys, {', '.join(names)}; print(*{SLOW!r} & sys.modules.keys())"
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_running_a_trained_network_imports_nothing_slow() -> None:
    assert slow_imports(REPOSITORY, [*QUICK, *(name for name, _ in modules(REPOSITORY, "streaming"))]) == set()


@pytest.mark.parametrize(("line", "expected"), [("import sklearn", "sklearn"), ("from torch import nn", "torch")])
def test_a_planted_slow_import_is_found(tmp_path: Path, line: str, expected: str) -> None:
    (tmp_path / "planted.py").write_text(line)
    assert expected in slow_imports(tmp_path, ["planted"])
