"""Every shipped configuration is parsed and built, and says what its objects really are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from lightning_modules import enhancement_cli
from networks.complexity import mac_budget
from networks.gate_settings import GateSettings

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIGS = sorted((REPOSITORY / "configs").rglob("*.yaml"))


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


def test_quickstart_and_corpus_train_the_full_size_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["lightning"])
    monkeypatch.chdir(tmp_path)
    for name in ("quickstart", "corpus"):
        built = enhancement_cli.run(["--config", str(REPOSITORY / "configs" / f"{name}.yaml")], execute=False)
        assert mac_budget(built.model.network).dense == 662_528
