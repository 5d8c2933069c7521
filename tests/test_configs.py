"""Every shipped configuration is parsed and built, and says what its objects really are."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lightning_modules import enhancement_cli
from networks.complexity import mac_budget
from networks.gate_settings import GateSettings

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIGS = sorted((REPOSITORY / "configs").glob("*.yaml"))
OVERLAYS = sorted((REPOSITORY / "configs").glob("*/**/*.yaml"))  # each is stacked on corpus.yaml


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_config_builds_what_it_says(config: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["lightning"])
    monkeypatch.chdir(tmp_path)
    written = yaml.safe_load(config.read_text())
    built = enhancement_cli.run(["--config", str(config)], execute=False)
    network = built.model.network
    arguments = written["model"]["network"]["init_args"]
    assert network.gate_settings == GateSettings(**arguments["gate"])
    assert len(network.blocks) == arguments["stacks"] * len(arguments["dilations"])
    assert network.num_frequencies == built.datamodule.grid.num_frequencies
    assert built.model.stft.grid == built.datamodule.grid
    assert built.datamodule.counts["train_mixtures"] == written["data"]["train_mixtures"]
    probing = next(callback for callback in built.trainer.callbacks if type(callback).__name__ == "MaskProbing")
    computed = {name for target in built.datamodule.targets for name in target.names}
    needed = {task.name for task in probing.tasks} | {task.where for task in probing.tasks if task.where}
    assert needed <= computed
    assert written["seed_everything"] is not None
    assert built.model.learning_rate == written["model"]["learning_rate"]


def leaves(settings: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the value of every setting."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{above}{key}.")
        else:
            yield above + key, list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_overlay_changes_what_it_says_and_nothing_else(
    overlay: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["lightning"])
    monkeypatch.chdir(tmp_path)
    corpus = REPOSITORY / "configs" / "corpus.yaml"
    name = overlay.relative_to(REPOSITORY).as_posix()
    assert f"lightning fit --config configs/corpus.yaml --config {name}" in overlay.read_text()
    plain = enhancement_cli.run(["--config", str(corpus)], execute=False)
    built = enhancement_cli.run(["--config", str(corpus), "--config", str(overlay)], execute=False)
    expected, got = (dict(leaves(run.config.as_dict())) for run in (plain, built))
    written = dict(leaves(yaml.safe_load(overlay.read_text())))
    assert written
    assert {key: got[key] for key in written} == written
    changed = {key for key in got if key not in expected or got[key] != expected[key]} - {"config"}
    assert changed <= set(written)


def test_quickstart_and_corpus_train_the_full_size_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["lightning"])
    monkeypatch.chdir(tmp_path)
    for name in ("quickstart", "corpus"):
        built = enhancement_cli.run(["--config", str(REPOSITORY / "configs" / f"{name}.yaml")], execute=False)
        assert mac_budget(built.model.network).dense == 662_528
