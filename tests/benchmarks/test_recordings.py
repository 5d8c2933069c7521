"""Recordings without a reference are read and rated, and what cannot be read is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.recordings import page, rate_all, read_recordings
from datamodules.rating.dnsmos import DNSMOS_MEASURES, missing_model
from datamodules.synthetic_speech import draw_voice, synthesize_utterance


def test_recordings_are_read_by_name_and_mixed_down(tmp_path: Path) -> None:
    (tmp_path / "street").mkdir()
    stereo = np.stack([np.full(100, 0.5), np.zeros(100)], axis=1)
    soundfile.write(tmp_path / "street" / "a.wav", stereo, 16000, subtype="FLOAT")
    (tmp_path / "notes.txt").write_text("no sound")
    ((name, samples),) = read_recordings(tmp_path).items()
    assert name == "street/a.wav"
    np.testing.assert_array_equal(samples, np.full(100, 0.25, dtype=np.float32))


def test_an_empty_folder_and_another_rate_are_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=f"{tmp_path}: expected a folder with recordings, found none"):
        read_recordings(tmp_path)
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 44100)
    with pytest.raises(SystemExit, match=r"a\.wav: expected 16000 Hz, got 44100"):
        read_recordings(tmp_path)


def test_the_page_has_means_and_single_recordings() -> None:
    ratings = {
        name: {wav: dict.fromkeys(DNSMOS_MEASURES, score) for wav, score in (("a.wav", low), ("b.wav", low + 1))}
        for name, low in (("noisy", 2.0), ("ours", 3.0))
    }
    lines = page(ratings, {"x": "x needs the package y"})
    assert "Means of 2 recordings." in lines
    assert "| noisy | 2.50 | 2.50 | 2.50 | 2.50 |" in lines and "| ours | 3.50 | 3.50 | 3.50 | 3.50 |" in lines
    assert "| b.wav | 3.00 | 4.00 |" in lines
    assert lines[-1] == "Left out: x needs the package y."


@pytest.mark.skipif(missing_model() is not None, reason="the models of DNSMOS are not here")
def test_our_network_makes_the_background_of_speech_in_noise_better() -> None:
    rng = np.random.default_rng(0)
    speech = synthesize_utterance(draw_voice("F", rng), 2 * 16000, 16000, rng).waveform
    noisy = (speech + 0.02 * rng.standard_normal(len(speech))).astype(np.float32)
    ratings, _ = rate_all({"a.wav": noisy}, None)
    assert {"noisy", "log_mmse", "dyncp"} <= set(ratings)
    assert ratings["dyncp"]["a.wav"]["dnsmos_bak"] > ratings["noisy"]["a.wav"]["dnsmos_bak"] + 0.3
