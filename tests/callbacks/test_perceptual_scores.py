"""Quality in a test: what is rated and what is taken over, the dense network beside, and what is refused or named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.trainer.states import TrainerFn

from callbacks import PerceptualScores
from datamodules.rating import rate_utterance
from lightning_modules.enhancement import Enhancement, EnhancementModule
from networks.complexity import cost_per_frame, mac_budget
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from reports.quality_scores import ScoresError, ScoreTable, read_table, write_table

SAMPLES, FRAMES = 40 * 256, 41
MEASURES = ["stoi", "si_sdr_db"]
Batch = tuple[dict[str, Any], dict[str, Any]]


class Logged(EnhancementModule):
    """A module that keeps what is logged, and refuses a name that comes twice."""

    def __init__(self) -> None:
        super().__init__(ConvFSENet(residual_channels=8, channels=6, stacks=1), FrameGrid())
        self.logged: dict[str, float] = {}

    def log(self, name: str, value: Any, *_: Any, **__: Any) -> None:
        assert name not in self.logged
        self.logged[name] = value


def trainer(folder: Path, state: TrainerFn = TrainerFn.TESTING) -> Any:
    return SimpleNamespace(
        state=SimpleNamespace(fn=state), num_devices=1, log_dir=str(folder), is_global_zero=True, loggers=[]
    )


def batch(first: int, **targets: torch.Tensor) -> Batch:
    """Return a step's output and batch: three mixtures of modulated noise, enhanced by taking half the noise away."""
    generator = torch.Generator().manual_seed(first)
    steps = torch.rand(3, SAMPLES // 512, generator=generator).repeat_interleave(512, dim=1)
    clean = torch.randn(3, SAMPLES, generator=generator) * steps * 0.1
    noise = torch.randn(3, SAMPLES, generator=generator) * 0.05
    masks = (torch.rand(3, 3, 6, FRAMES, generator=generator) > 0.5).float()
    spectrum = torch.zeros(3, 257, FRAMES, dtype=torch.complex64)
    data = {
        "noisy": clean + noise,
        "clean": clean,
        "index": torch.arange(first, first + 3),
        "targets": targets,
        "mixture": {
            "speaker": ["anna", "bert", "anna"],
            "speech": ["a.flac", "b.flac", "a.flac;c.flac"],
            "noise_class": ["rain", "wind", "rain"],
            "noise": ["r0.wav", "w0.wav", "r1.wav"],
            "snr_db": torch.tensor([-1.0, 3.0, 4.0]) + first,
        },
    }
    return {"enhancement": Enhancement(clean + noise / 2, spectrum, spectrum, masks)}, data


def run(callback: PerceptualScores, folder: Path, *batches: Batch) -> Logged:
    """Run the callback through a test."""
    module, state = Logged(), trainer(folder)
    callback.on_test_epoch_start(state, module)
    for number, (outputs, data) in enumerate(batches):
        callback.on_test_batch_end(state, module, outputs, data, number)
    callback.on_test_batch_end(state, module, *batch(99), 0, 1)  # serves to fit probes
    callback.on_test_epoch_end(state, module)
    callback.on_test_end(state, module)
    return module


def test_scores_are_written_and_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = torch.tensor([0.25, 0.5, float("nan")])
    batches = [batch(0, stoi=given), batch(3, stoi=given)]
    module = run(PerceptualScores(MEASURES, workers=0, resamples=100), tmp_path, *batches)
    table = read_table(tmp_path / "quality" / "utterances.csv")
    assert [row.utterance for row in table.rows] == list(range(6))
    assert [row.noise for row in table.rows] == ["r0.wav", "w0.wav", "r1.wav"] * 2
    assert table.snr_db.tolist() == [-1, 3, 4, 2, 6, 7]
    assert table.column("stoi", "_noisy").tolist()[:2] == [0.25, 0.5], "what the targets hold is not measured again"
    row, (outputs, data) = table.rows[4], batches[1]
    enhancement = outputs["enhancement"]
    rated = rate_utterance(enhancement.waveform[1], data["clean"][1], 16000, MEASURES)
    rated |= {"si_sdr_db_noisy": rate_utterance(data["noisy"][1], data["clean"][1], 16000, MEASURES)["si_sdr_db"]}
    for name, value in rated.items():
        assert row.scores[name] == pytest.approx(value, abs=1e-6)
    assert row.utilization == pytest.approx(float(enhancement.channel_masks[1].mean()), abs=1e-6)
    macs = cost_per_frame(mac_budget(module.network), enhancement.channel_masks)[1]
    assert row.macs_per_frame == pytest.approx(float(macs.double().mean()), abs=1e-5)
    assert module.logged == {
        "test/stoi": pytest.approx(table.column("stoi", "").mean()),
        "test/stoi_undefined": 0.0,
        "test/stoi_noisy": pytest.approx(0.375),
        "test/stoi_noisy_undefined": 2.0,
        "test/si_sdr_db_undefined": 0.0,
        "test/si_sdr_db_noisy_undefined": 0.0,
    }
    printed = capsys.readouterr().out
    assert "4 / 6 of 6" in printed
    assert "network - noisy, by SNR" in printed


def test_a_dense_network_stands_beside(tmp_path: Path) -> None:
    batches = [batch(0), batch(3)]
    run(PerceptualScores(MEASURES, workers=0, resamples=100), tmp_path / "a", *batches)
    own = read_table(tmp_path / "a" / "quality" / "utterances.csv")
    rows = tuple(replace(row, utilization=1.0) for row in own.rows)
    path = tmp_path / "dense.csv"
    write_table(path, ScoreTable(own.measures, rows))
    callback = PerceptualScores(MEASURES, str(path), workers=0, resamples=100)
    module = run(callback, tmp_path / "b", *batches)
    assert module.logged["test/stoi_dense"] == module.logged["test/stoi"]
    assert {"test/si_sdr_db_dense", "test/si_sdr_db_dense_undefined"} < set(module.logged)
    summary = json.loads((tmp_path / "b" / "quality" / "summary.json").read_text())
    for cells in summary["measures"].values():
        assert (cells["minus_dense"], cells["minus_dense_low"], cells["minus_dense_high"]) == (0, 0, 0)

    write_table(path, ScoreTable(own.measures, (rows[0], replace(rows[1], speaker="eve"), *rows[2:])))
    with pytest.raises(ScoresError, match=r"dense\.csv, line 3, utterance 1: speaker is 'eve', expected 'bert'"):
        run(callback, tmp_path / "c", *batches)
    assert not (tmp_path / "c").exists(), "labels are compared before anything is rated"
    callback.teardown(trainer(tmp_path), module, "test")

    louder = {**rows[2].scores, "si_sdr_db_noisy": rows[2].scores["si_sdr_db_noisy"] + 1}
    for changed, message in (
        ((*rows[:2], replace(rows[2], scores=louder), *rows[3:]), r"line 4, utterance 2: si_sdr_db_noisy is"),
        ((*rows, replace(rows[5], utterance=6)), r"7 utterances, expected 6"),
    ):
        write_table(path, ScoreTable(own.measures, changed))
        with pytest.raises(ScoresError, match=rf"dense\.csv.*{message}"):
            run(callback, tmp_path / "d", *batches)
        kept, whole = (tmp_path / folder / "quality" / "utterances.csv" for folder in ("d", "a"))
        assert kept.read_bytes() == whole.read_bytes(), "the test's own scores are not lost"
    with pytest.raises(ScoresError, match=r"none\.csv: no such file"):
        run(PerceptualScores(MEASURES, str(tmp_path / "none.csv"), workers=0), tmp_path / "e")


def test_an_utterance_that_fails_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    outputs, data = batch(0)
    outputs["enhancement"].waveform[1, 50] = torch.nan
    with pytest.raises(ScoresError, match=r"utterance 1 \(speaker bert, noise w0\.wav\): stoi: ValueError: .*finite"):
        run(PerceptualScores(MEASURES, workers=0, resamples=100), tmp_path, (outputs, data), batch(3))
    table = read_table(tmp_path / "quality" / "utterances.csv")
    assert [row.utterance for row in table.rows if row.scores["stoi"] != row.scores["stoi"]] == [1]
    summary = json.loads((tmp_path / "quality" / "summary.json").read_text())
    assert summary["measures"]["stoi"]["rated"] == 5
    assert len(summary["problems"]) == 2


def test_what_cannot_be_measured_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    callback = PerceptualScores(["si_sdr_db", "dnsmos_sig", "dnsmos_ovrl"], workers=0, resamples=100)
    with pytest.warns(UserWarning, match="not measured: dnsmos_sig, dnsmos_ovrl: ") as warned:
        module = run(callback, tmp_path, batch(0))
    assert len([warning for warning in warned if "not measured" in str(warning.message)]) == 1
    assert read_table(tmp_path / "quality" / "utterances.csv").measures == ("si_sdr_db",)
    assert not any("dnsmos" in name for name in module.logged)


def test_pesq_is_left_out_at_a_sample_rate_that_it_is_not_defined_for() -> None:
    callback = PerceptualScores(["pesq_wb", "si_sdr_db"])
    with pytest.warns(UserWarning, match=r"pesq_wb: it is defined at \[8000, 16000\] Hz, .*sample_rate is 22050"):
        assert callback._available(22050) == ("si_sdr_db",)


def test_trainings_are_left_alone(tmp_path: Path) -> None:
    module, state = Logged(), trainer(tmp_path, TrainerFn.FITTING)
    callback = PerceptualScores()
    callback.on_validation_epoch_start(state, module)
    callback.on_validation_batch_end(state, module, *batch(0), 0)
    callback.on_validation_epoch_end(state, module)
    callback.on_validation_end(state, module)
    assert module.logged == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"measures": ["mos"]}, r"PerceptualScores\.measures must be distinct names out of .*'dnsmos_p808'"),
        ({"measures": []}, r"PerceptualScores\.measures"),
        ({"workers": -1}, r"PerceptualScores\.workers must not be negative, got -1"),
        ({"snr_edges_db": [5.0, 0.0]}, "snr_edges_db must ascend"),
        ({"resamples": 1}, "resamples must be at least 100, got 1"),
    ],
)
def test_arguments_are_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PerceptualScores(**arguments)
