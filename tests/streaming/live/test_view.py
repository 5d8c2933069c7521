"""What the terminal shows of a state, as text."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from streaming.live.latency import Latency
from streaming.live.state import ChunkMeter, Level, LevelMeter, LiveState, LoadMeter, Reading
from streaming.live.view import bar, note_name, plain_line, render
from streaming.properties import PropertySpec
from tests.streaming.transparent_network import bursts, transparent_enhancer

SCHEMA = (
    PropertySpec("vad", "binary", "", (), 0.5, None, 0),
    PropertySpec("voicing", "binary", "", (), 0.5, None, 1),
    PropertySpec("speaker_sex", "binary", "", (), 0.5, None, 2),
    PropertySpec("noise_class", "category", "", ("street", "office", "kitchen", "park"), 0.5, None, 3),
    PropertySpec("snr_db", "value", "dB", (), 0.5, None, 7),
    PropertySpec("f0_hz", "value", "Hz", (), 0.5, "log2", 8),
    PropertySpec("pesq_wb", "value", "", (), 0.5, None, 9),
)
VALUES = {"vad": 0.91, "voicing": 0.8, "speaker_sex": 0.7, "snr_db": 7.5, "f0_hz": 220.0, "pesq_wb": 2.25}


def readings(**changed: float) -> dict[str, Reading]:
    values = VALUES | changed
    return {
        spec.name: Reading(spec, math.nan, (0.1, 0.6, 0.25, 0.05))
        if spec.kind == "category"
        else Reading(spec, values[spec.name])
        for spec in SCHEMA
    }


@pytest.fixture
def state() -> LiveState:
    return LiveState(
        elapsed_s=12.34,
        device="mic -> headphones",
        latency=Latency(0.01, 0.016, 0.016, 0.0, 0.01),
        noisy=Level(-23.4, -6.1),
        enhanced=Level(-30.0, -12.0),
        readings=readings(),
        block_utilization=tuple(0.1 * number for number in range(1, 10)),
        utilization=0.27,
        load_median=0.012,
        load_p99=0.034,
        late_blocks=3,
        input_overflows=2,
    )


def text(state: LiveState) -> str:
    console = Console(record=True, width=100, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(render(state))
    return console.export_text()


def lines(state: LiveState, word: str) -> str:
    return next(line for line in text(state).splitlines() if word in line)


def test_everything_is_shown(state: LiveState) -> None:
    shown = text(state)
    for expected in (
        "-23.4 dBFS, peak -6.1",
        "-30.0 dBFS, peak -12.0",
        "0.91  SPEECH",
        "220.0 Hz  A3 +0",
        "7.5 dB",
        "60 %  office",
        "25 %  kitchen",
        "10 %  street",
        "male  (male 70 %)",
        "pesq_wb 2.25",
        "27.0 % active",
        "10   20   30 %",
        "1.2 % of real time, p99 3.4 %",
        "late 3  lost 0  device: underflows 0, overflows 2",
        "latency 52 ms (device 10 + block 16 + algorithm 16 + resampling 0 + spare 10)",
        "mic -> headphones",
        "b bypass   r record   q quit",
        " ENHANCED ",
    ):
        assert expected in shown, expected
    assert "park" not in shown  # the fourth class
    assert "NOISY" not in shown and "recording 2" not in shown


def test_lines_have_one_width(state: LiveState) -> None:
    assert len({len(line.rstrip()) for line in text(state).splitlines() if line.strip()}) == 1


def test_bars_are_as_long_as_what_they_show(state: LiveState) -> None:
    for share in (0.25, 0.5, 1.0):
        assert lines(replace(state, utilization=share), "active").count("█") == 32 * share
    assert lines(state, "60 %  office").count("█") == 19
    quiet = replace(state, noisy=Level(-100.0, -100.0))
    assert "█" not in lines(quiet, "input") and "│  input" in lines(quiet, "input")


def test_silence_and_unvoiced_speech(state: LiveState) -> None:
    silent = replace(state, readings=readings(vad=0.2))
    assert "no speech" in text(silent) and "unvoiced" in text(silent) and "Hz" not in text(silent)
    assert "unvoiced" in text(replace(state, readings=readings(voicing=0.1)))
    assert "female  (male 30 %)" in text(replace(state, readings=readings(speaker_sex=0.3)))


def test_bypass_recording_and_messages(state: LiveState) -> None:
    shown = text(replace(state, bypass=True, recording="take", message="planted message"))
    assert " NOISY " in shown and "recording take" in shown and "planted message" in shown


def test_without_probes_masks_or_signal(state: LiveState) -> None:
    assert "unusable" not in text(state) and "unusable samples 7" in text(replace(state, unusable_samples=7))
    bare = LiveState(0.0, "mic", state.latency)
    assert "voice" not in text(bare) and "channels" not in text(bare) and "latency 52 ms" in text(bare)
    assert "in blocks" not in text(replace(state, block_utilization=()))


def test_a_line_for_logs(state: LiveState) -> None:
    line = plain_line(replace(state, recording="take"))
    assert "\n" not in line
    for expected in ("12.3 s", "in -23 dBFS", "noise_class office 60 %", "load 1.2/3.4 %", "late 3", "recording take"):
        assert expected in line, expected
    assert "bypass" not in line and "bypass" in plain_line(replace(state, bypass=True))


@pytest.mark.parametrize(("f0_hz", "name"), [(82.41, "E2 +0"), (430.0, "A4 -40"), (math.nan, ""), (0.0, "")])
def test_notes(f0_hz: float, name: str) -> None:
    assert note_name(f0_hz) == name


def test_a_bar_never_changes_its_width() -> None:
    assert {len(bar(share, 9)) for share in np.linspace(-0.5, 1.5, 97)} == {9}
    assert [bar(eighth / 8, 1) for eighth in (0, 1, 4, 8)] == [" ", "▏", "▌", "█"]


def test_the_load_forgets_what_is_long_ago() -> None:
    meter = LoadMeter(window_s=1.25)
    assert meter.percentiles() == (0.0, 0.0)
    for load in [1.0] * 10 + [0.1] * 9 + [0.5]:
        meter.update(load * 0.125, 0.125)
    median, high = meter.percentiles()
    assert median == pytest.approx(0.1) and 0.4 < high <= 0.5


def test_the_peak_falls_slowly_and_the_level_follows() -> None:
    meter = LevelMeter(16000)
    loud = meter.update(np.full(16000, 0.5, np.float32))
    quiet = meter.update(np.zeros(8000, np.float32))
    assert loud.peak_dbfs == pytest.approx(-6.02, abs=0.01) and quiet.peak_dbfs == pytest.approx(-16.02, abs=0.01)
    assert quiet.rms_dbfs < loud.rms_dbfs - 6
    assert meter.update(np.zeros(0, np.float32)) == quiet


def test_chunks_are_averaged_and_those_without_frames_change_nothing(tmp_path: Path) -> None:
    meter, enhancer = ChunkMeter(0.016), transparent_enhancer(tmp_path, keep_masks=True)
    meter.update(enhancer.feed(np.zeros(100, np.float32)))
    assert meter.readings == {} and meter.utilization is None and meter.block_utilization is None
    chunk = enhancer.feed(bursts(0.5))
    meter.update(chunk)
    assert chunk.channel_masks is not None and 0.1 < chunk.utilization.mean() < 0.9
    assert meter.utilization == pytest.approx(chunk.utilization.mean())
    np.testing.assert_allclose(meter.block_utilization, chunk.channel_masks.mean(axis=(0, 2)))  # type: ignore[arg-type]
    assert meter.readings["vad"].value == chunk.properties.smoothed("vad")[-1]
    noise = meter.readings["noise_class"]
    assert noise.posteriors == tuple(chunk.properties.smoothed("noise_class")[-1].tolist())
    # a second without channels: what is left is that of half a second ago
    masks = np.zeros_like(chunk.channel_masks)
    meter.update(chunk._replace(utilization=np.zeros_like(chunk.utilization), channel_masks=masks))
    assert meter.utilization == pytest.approx(chunk.utilization.mean() * np.exp(-len(masks) * 0.016 / 0.5))
