"""The examples of docs/extending.md run as they stand there, and do what the text says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from markdown_it import MarkdownIt

from networks.complexity import mac_budget
from networks.conv_fsenet import ConvFSENet
from streaming.enhancer import StreamingEnhancer

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = REPOSITORY / "docs" / "extending.md"
Run = Callable[[str], dict[str, Any]]


def programs() -> dict[str, str]:
    """Return every program of the document by the name in its first line."""
    fences = [token for token in MarkdownIt().parse(DOCUMENT.read_text()) if token.type == "fence"]
    return {token.content.splitlines()[0].removeprefix("# "): token.content for token in fences}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return what writes a program of the document into a folder of its own, runs it there, and returns its names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def run_program(name: str) -> dict[str, Any]:
        text = programs()[name]
        Path(name).write_text(text)
        module = type(sys)(name.removesuffix(".py"))
        monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their module up
        exec(compile(text, name, "exec"), module.__dict__)
        return vars(module)

    return run_program


def test_all_programs_are_here() -> None:
    here = {"crest.py", "crest.yaml", "bands.py", "level_gate.py", "birds.py", "timed_engine.py"}
    assert set(programs()) == here


def test_the_target_is_measured_on_every_mixture(run: Run, tmp_path: Path) -> None:
    from datamodules.targets import Levels, VoiceActivity
    from tests.datamodules.small_corpus import ready, write_corpus

    target = run("crest.py")["CrestFactor"]()
    data = ready(write_corpus(tmp_path / "corpus"), targets=[VoiceActivity(), Levels(), target])
    batch = next(iter(data.train_dataloader()))
    crest = batch["targets"]["crest_db"].numpy()
    assert crest.shape == batch["targets"]["snr_db"].shape
    known = crest[np.isfinite(crest)]
    assert known.size
    assert known.min() >= 0
    assert known.max() < 20 * np.log10(512) / 2 + 1e-3  # one sample alone in a window


def test_the_overlay_appends_the_target(run: Run, tmp_path: Path) -> None:
    from lightning_modules.enhancement_cli import ConfigError, merged_settings

    run("crest.py")
    Path("crest.yaml").write_text(programs()["crest.yaml"])
    smoke = f"--config={REPOSITORY / 'configs' / 'smoke.yaml'}"
    before, after = merged_settings([smoke]), merged_settings([smoke, "--config=crest.yaml"])
    listed = [target["class_path"] for target in after["data"]["targets"]]
    assert listed == [*(target["class_path"] for target in before["data"]["targets"]), "crest.CrestFactor"]
    Path("crest.yaml").write_text(programs()["crest.yaml"].replace("CrestFactor", "CrestFactors"))
    with pytest.raises(ConfigError, match="CrestFactors"):
        merged_settings([smoke, "--config=crest.yaml"])


def test_the_task_of_the_target_is_one() -> None:
    from probes.tasks import ProbeTask

    blocks = [token.content for token in MarkdownIt().parse(DOCUMENT.read_text()) if token.type == "code_block"]
    ((arguments,),) = [yaml.safe_load(block) for block in blocks if block.startswith("- {name")]
    assert ProbeTask(**arguments).target == "crest_db"


def test_the_feature_set_is_probed_beside_the_masks(run: Run) -> None:
    scores = run("bands.py")["scores"]
    assert scores["band_energies"] > 0.9
    assert 0.4 < scores["masks"] <= 1.0


def test_the_gate_prunes_learns_and_is_counted(run: Run) -> None:
    names = run("level_gate.py")
    assert names["masks"].shape == (2, 9, 256, 100)
    share = names["masks"].detach().mean(dim=(0, 2, 3))
    assert float(share[0]) == pytest.approx(0.25, abs=0.05)  # deeper inputs are skewed; training sees to that
    assert (share > 0.05).all()
    assert all(block.gate.slope.weight.grad.abs().sum() > 0 for block in names["network"].blocks)
    assert names["gate_macs"] == 9 * 256 < mac_budget(ConvFSENet()).gates


def test_the_corpus_is_prepared_with_its_species(tmp_path: Path, run: Run) -> None:
    rng = np.random.default_rng(0)
    for species in ("wren", "lark"):
        (tmp_path / "birds" / species).mkdir(parents=True)
        for take in range(4):
            soundfile.write(tmp_path / "birds" / species / f"{take}.wav", rng.uniform(-0.1, 0.1, 1600), 16000)
    report = run("birds.py")["report"]
    assert {row["category"] for row in report.noise} == {"wren", "lark"}
    assert {row["split"] for row in report.noise} == {"train", "valid", "test"}
    assert (tmp_path / "corpus" / "noise.csv").is_file()


def test_the_engine_measures_and_changes_nothing(run: Run) -> None:
    names = run("timed_engine.py")
    assert names["stream"].seconds > 0
    reference = StreamingEnhancer(probes=False)
    chunk = reference.feed(names["samples"])
    assert names["written"] == chunk.samples.size
    np.testing.assert_array_equal(names["enhanced"][: names["written"]], chunk.samples)
    np.testing.assert_array_equal(names["utilization"], chunk.utilization)
