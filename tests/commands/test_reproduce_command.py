"""`dyncp reproduce` on a small generated corpus: publishes, confirms, and finds what was changed."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from checkpoints import default_network, probes_beside
from commands.main import main
from datamodules.rating.measures import unavailable
from datamodules.synthetic import SyntheticCorpus, generate
from networks.framing import FrameGrid
from probes.deployment import ProbeBank
from reproduction.published import Published

SETTINGS = {
    "mixtures": {"score": 9, "known": 9},
    "mixing": {"segment_s": 2.0, "pause_s": [0.15, 0.3]},
    "intervals": {"resamples": 20},
    "num_workers": 0,
    "rating_workers": 0,
}
CORPUS = SyntheticCorpus(
    speakers_train=2, speakers_valid=2, speakers_test=2, utterances_per_speaker=1, utterance_s=2.0,
    noise_train=1, noise_valid=1, noise_test=1, noise_s=3.0,
)  # fmt: skip
pytestmark = pytest.mark.skipif(
    any(unavailable(name) for name in ("pesq_wb", "stoi")), reason="pesq or pystoi is not installed"
)


class Ended(NamedTuple):
    """Exit status and what was printed."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate a corpus, write settings, and publish the scores of the package's network on it."""
    place = tmp_path_factory.mktemp("reproduce")
    generate(CORPUS, place / "corpus", FrameGrid(), progress=False)
    (place / "settings.yaml").write_text(yaml.safe_dump(SETTINGS | {"pitch_cache": str(place / "pitch")}))
    with pytest.raises(SystemExit) as ended:
        main(["reproduce", *given(place), "--out", str(place / "first"), "--publish"])
    assert ended.value.code == 0
    return place


def given(place: Path) -> list[str]:
    files = {"root": "corpus", "config": "settings.yaml", "published": "published.json"}
    return [word for name, file in files.items() for word in (f"--{name}", str(place / file))]


def reproduce(place: Path, capsys: pytest.CaptureFixture[str], *more: str) -> Ended:
    with pytest.raises(SystemExit) as ended:
        main(["reproduce", *given(place), "--out", str(place / "out"), *more])
    return Ended(int(ended.value.code or 0), *capsys.readouterr())


def table(place: Path) -> dict[str, float]:
    with (place / "reproduced.csv").open(newline="") as file:
        return {row["name"]: float(row["score"] or "nan") for row in csv.DictReader(file)}


def test_the_same_again_is_confirmed_to_the_last_digit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = Published.load(folder / "published.json")
    ended = reproduce(folder, capsys)
    assert ended.status == 0, ended.err
    assert f"confirmed: {len(published.scores)} published scores" in ended.out
    assert str(table(folder / "out")) == str(table(folder / "first"))
    names = {score.name for score in published.scores}
    assert names >= {
        "vad/balanced_accuracy", "noise_class/utterance_accuracy", "noise_class_known/utterance_accuracy", "snr_db/r2",
        "snr_db/utterance_r2", "f0_hz/r2", "f0_or_zero_hz/r2", "quality/pesq_wb/gain", "cost/utilization",
        "cost/macs_saved",
    }  # fmt: skip
    # a generated corpus is far from the recorded one, but noise is reduced and voice is heard
    assert table(folder / "first")["vad/auroc"] > 0.6
    assert table(folder / "first")["quality/si_sdr_db/gain"] > 0


def test_tracks_are_made_of_the_split_only(folder: Path) -> None:
    assert len(list((folder / "pitch").iterdir())) == CORPUS.speakers_test * CORPUS.utterances_per_speaker


def test_a_changed_probe_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    probes = probes_beside(default_network())
    assert probes is not None
    bank = ProbeBank.load(probes)
    turned = replace(bank.probes["snr_db"], weights=-bank.probes["snr_db"].weights)
    changed = replace(bank, probes={**bank.probes, "snr_db": turned})
    changed.save(folder / "changed.probes.safetensors")
    ended = reproduce(folder, capsys, "--probes", str(folder / "changed.probes.safetensors"))
    assert ended.status == 1
    assert "probes: expected the one of hash" in ended.err
    wrong = [line.split(":")[0].strip() for line in ended.err.splitlines() if "tolerance" in line]
    assert wrong
    assert {name.split("/")[0] for name in wrong} == {"snr_db"}


def test_another_corpus_or_other_settings_are_told_and_not_compared(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = folder / "corpus" / "noise.csv"
    before = manifest.read_bytes()
    manifest.write_bytes(before + b"\n")
    try:
        ended = reproduce(folder, capsys, "--mixtures", "2")
    finally:
        manifest.write_bytes(before)
    assert ended.status == 0, ended.err
    assert "nothing is compared" in ended.out
    assert "noise.csv is another one" in ended.out
    assert "mixtures.score is 2, published 9" in ended.out


def test_a_broken_published_file_is_refused_before_the_work(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.json").write_text("{}")
    ended = reproduce(folder, capsys, "--published", str(tmp_path / "broken.json"))
    assert ended.status == 1
    assert f"{tmp_path / 'broken.json'}: expected scores of format" in ended.err


def test_part_of_the_mixtures_is_not_published(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "published.json").read_bytes()
    ended = reproduce(folder, capsys, "--publish", "--mixtures", "3")
    assert ended.status == 1
    assert "leave out --mixtures" in ended.err
    assert (folder / "published.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--network", "missing.safetensors"], "missing.safetensors: no such file"),
        (["--probes", "missing.safetensors"], "missing.safetensors: no such file"),
        (["--root", "nowhere"], "no folder 'nowhere'"),
        (["--mixtures", "0"], "mixtures.score must be positive"),
    ],
)
def test_wrong_input_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    ended = reproduce(folder, capsys, *arguments)
    assert ended.status == 1
    assert expected in ended.err
