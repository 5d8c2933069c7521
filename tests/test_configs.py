"""Every shipped configuration is parsed and built, and says what its objects really are."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from lightning_modules import cli, enhancement_cli
from networks.complexity import mac_budget
from networks.gate_settings import GateSettings

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIGS = sorted((REPOSITORY / "configs").glob("*.yaml"))
BASE = REPOSITORY / "configs" / "corpus.yaml"
# Files in folders hold what differs from the base; a W&B sweep, which has a command, is another kind of file, and so
# are the settings of `dyncp probe` (tests/probing/test_settings.py).
FOLDERS = sorted(set((REPOSITORY / "configs").glob("*/**/*.yaml")) - set((REPOSITORY / "configs").glob("probing/*")))
SWEEPS = [path for path in FOLDERS if "command" in yaml.safe_load(path.read_text())]
OVERLAYS = [path for path in FOLDERS if path not in SWEEPS]
UTILIZATION = {"50": 0.5, "25": 0.25, "12": 0.125}


Build = Callable[..., enhancement_cli.EnhancementCLI]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Return what builds everything from configuration files, once, in a folder where nothing is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lightning"])
        patch.chdir(tmp_path_factory.mktemp("empty"))
        yield cache(lambda *files: enhancement_cli.run([f"--config={file}" for file in files], execute=False))


@cache
def resolved(run: enhancement_cli.EnhancementCLI) -> dict[tuple[str, ...], Any]:
    """Return every value of the configuration of a run."""
    return leaves(yaml.safe_load(run.parser.dump(run.config, skip_none=False)))


def leaves(settings: Any, *keys: str) -> dict[tuple[str, ...], Any]:
    """Return every value that is no mapping, by the keys that lead to it."""
    if not isinstance(settings, Mapping):
        return {keys: settings}
    return {place: leaf for key, value in settings.items() for place, leaf in leaves(value, *keys, key).items()}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_config_builds_what_it_says(config: Path, build: Build) -> None:
    written = yaml.safe_load(config.read_text())
    built = build(config)
    network = built.model.network
    arguments = written["model"]["network"]["init_args"]
    assert network.gate_settings == GateSettings(**arguments["gate"])
    assert len(network.blocks) == arguments["stacks"] * len(arguments["dilations"])
    assert network.num_frequencies == built.datamodule.grid.num_frequencies
    assert built.model.stft.grid == built.datamodule.grid
    assert built.datamodule.counts["train_mixtures"] == written["data"]["train_mixtures"]
    probing = next(callback for callback in built.trainer.callbacks if type(callback).__name__ == "MaskProbing")
    computed = {name for target in built.datamodule.targets for name in target.names}
    needed = {task.target for task in probing.tasks} | {task.where for task in probing.tasks if task.where}
    assert needed <= computed
    assert written["seed_everything"] is not None
    assert built.model.learning_rate == written["model"]["learning_rate"]


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_overlay_changes_what_it_says_and_nothing_else(overlay: Path, build: Build) -> None:
    command = re.search(r"lightning fit((?: --config \S+)+)", overlay.read_text())
    assert command, "its first lines say what it is stacked on"
    stack = [REPOSITORY / name for name in command[1].split()[1::2]]
    assert stack[0] == BASE and stack[-1] == overlay
    expected, got = resolved(build(*stack[:-1])), resolved(build(*stack))
    written = leaves(yaml.safe_load(overlay.read_text()))
    assert written
    objects = {place for place, value in written.items() if isinstance(value, list) and isinstance(value[0], dict)}
    assert {place: got[place] for place in written if place not in objects} == {
        place: value for place, value in written.items() if place not in objects
    }
    changed = {place for place in got if place not in expected or got[place] != expected[place]} - {("config",)}
    assert changed <= set(written)


def test_experiments_differ_in_the_network_alone() -> None:
    files = {path.stem: yaml.safe_load(path.read_text()) for path in (REPOSITORY / "configs" / "experiment").iterdir()}
    assert "network" not in files.pop("milder_end")["model"]  # of any of them
    assert {"dense", *(f"{kind}_{share}" for kind in ("joint", "static") for share in UTILIZATION)} == set(files)
    shared = [{key: value for key, value in written.items() if key != "model"} for written in files.values()]
    assert all(one == shared[0] for one in shared)
    joint = [written["model"]["joint_probes"] for name, written in files.items() if name.startswith("joint")]
    assert all(one == joint[0] for one in joint)


@pytest.mark.parametrize("share", UTILIZATION)
@pytest.mark.parametrize(("folder", "kind"), [("sweep", "gated"), ("experiment", "joint")])
def test_a_narrow_network_costs_what_the_gated_one_does_at_its_target(
    folder: str, kind: str, share: str, build: Build
) -> None:
    files = REPOSITORY / "configs" / folder
    gated = build(BASE, files / f"{kind}_{share}.yaml").model.network
    narrow = build(BASE, files / f"static_{share}.yaml").model.network
    assert gated.target_utilization == UTILIZATION[share]
    budget = mac_budget(gated)
    macs = budget.fixed + budget.gates + UTILIZATION[share] * budget.blocks * budget.channels * budget.per_channel
    assert not narrow.gated
    assert mac_budget(narrow).gates == 0
    assert mac_budget(narrow).dense == pytest.approx(macs, rel=0.01)  # one channel of 87 is 0.9 %


def agent_command(definition: Mapping[str, Any], chosen: Mapping[str, object]) -> list[str]:
    """Return the command that W&B's agent runs for one choice of parameters."""
    arguments = [f"--{name}={value}" for name, value in chosen.items()]
    parts = {"${args}": arguments, "${env}": ["/usr/bin/env"]}
    return [word for part in definition["command"] for word in parts.get(part, [part])]


@pytest.mark.parametrize("sweep", SWEEPS, ids=lambda path: path.stem)
def test_commands_of_a_wandb_sweep_are_understood(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    definition = yaml.safe_load(sweep.read_text())
    monkeypatch.chdir(REPOSITORY)
    ((name, parameter),) = definition["parameters"].items()
    if name == "config":  # every overlay is parsed by a test of its own
        assert {REPOSITORY / value for value in parameter["values"]} <= set(OVERLAYS)
    value = parameter["values"][-1]
    env, lightning, fit, *arguments = agent_command(definition, {name: value})
    assert (env, lightning, fit) == ("/usr/bin/env", "lightning", "fit")
    settings = enhancement_cli.merged_settings(arguments)
    wanted = leaves(yaml.safe_load(Path(value).read_text())) if name == "config" else {tuple(name.split(".")): value}
    merged = leaves(settings)
    assert {place: merged[place] for place in wanted} == wanted
    loggers = {logger["class_path"].split(".")[-1]: logger["init_args"] for logger in settings["trainer"]["logger"]}
    assert loggers["WandbLogger"]["offline"] is True
    with pytest.raises(enhancement_cli.ConfigError, match="no_such_key"):
        enhancement_cli.merged_settings([*arguments, "--model.no_such_key=1"])


def test_quickstart_and_corpus_train_the_full_size_network(build: Build) -> None:
    for name in ("quickstart", "corpus"):
        assert mac_budget(build(REPOSITORY / "configs" / f"{name}.yaml").model.network).dense == 662_528


UNREADABLE = {
    "digits": b"trainer: {max_epochs: " + b"7" * 5000 + b"}",
    "encoding": b"\xff\xfe\x00",
    "depth": b"[" * 4000 + b"]" * 4000,
    "circle": b"model: &m {network: *m}",  # in which the parser itself would go round
    "bracket": b"model: [",
    "code": b"model: !!python/object/apply:os.getcwd []",
    "empty": b"",
    "list": b"- 1",
}


def written(folder: Path, kind: str) -> Path:
    path = folder / "mine.yaml"
    path.write_bytes(UNREADABLE[kind])
    return path


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_file_that_holds_no_settings_is_refused_by_name_in_one_line(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path, kind)
    with pytest.raises(enhancement_cli.ConfigError) as refused:
        enhancement_cli.merged_settings(["--config", str(BASE), "--config", str(path)])
    pattern = rf"{re.escape(str(path))}: (not readable as YAML \(.+\)|expected a mapping .+)"
    assert re.fullmatch(pattern, str(refused.value))


@pytest.mark.parametrize("kind", ["bracket", "digits"])
@pytest.mark.parametrize("arguments", ["fit --config {base} --config {path}", "fit -c {path}", "--config={path} fit"])
def test_the_command_names_an_unreadable_file_in_one_line(
    kind: str, arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, kind)
    monkeypatch.setattr(sys, "argv", ["lightning", *arguments.format(base=BASE, path=path).split()])
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {path}: not readable as YAML (")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["--data.grid.window_length=511"], "grid.window_length must be even and a multiple of at least two hops"),
        (["--trainer.max_epochs", "7" * 5000], "trainer.max_epochs"),
        (["--data.targets", "[" * 3000 + "]" * 3000], "a value of the command line is nested too deeply"),
    ],
    ids=lambda value: None if isinstance(value, list) else value.split()[0],
)
def test_a_value_that_is_refused_is_not_called_an_unreadable_file(value: list[str], message: str) -> None:
    with pytest.raises(enhancement_cli.ConfigError, match=re.escape(message)) as refused:
        enhancement_cli.merged_settings(["--config", str(BASE), *value])
    assert "YAML" not in str(refused.value)
