"""Measures of an utterance: against the packages' own calls, where they are undefined, and where models are missing."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pystoi
import pytest
import torch

from datamodules.rating import MEASURES, missing_package, rate_utterance, unavailable
from datamodules.rating.dnsmos import DNSMOS_MEASURES, MODEL_FOLDER, missing_model, rate_dnsmos
from datamodules.synthetic_speech import draw_voice, synthesize_utterance

COMPARED = tuple(name for name in MEASURES if name not in DNSMOS_MEASURES and missing_package(name) is None)


def speech(samples: int = 24000) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(synthesize_utterance(draw_voice("M", rng), samples, 16000, rng).waveform)


def degraded(clean: torch.Tensor) -> torch.Tensor:
    return clean + 0.02 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))


def test_a_signal_is_as_good_as_itself() -> None:
    rated = rate_utterance(speech(), speech(), 16000, COMPARED)
    assert rated["stoi"] == pytest.approx(1.0, abs=1e-3)
    assert rated["estoi"] == pytest.approx(1.0, abs=1e-3)
    assert rated.get("pesq_wb", 4.6) > 4.5


def test_estoi_is_that_of_its_package() -> None:
    clean = speech()
    noisy = degraded(clean)
    rated = rate_utterance(noisy, clean, 16000, ("stoi", "estoi"))
    assert rated["estoi"] == pytest.approx(pystoi.stoi(clean.numpy(), noisy.numpy(), 16000, extended=True), abs=1e-6)
    assert rated["stoi"] == pytest.approx(pystoi.stoi(clean.numpy(), noisy.numpy(), 16000), abs=1e-6)
    assert rated["estoi"] < rated["stoi"]


@pytest.mark.parametrize("silent", ["signal", "reference", "both"])
def test_silence_has_no_quality(silent: str) -> None:
    clean = speech()
    nothing = torch.zeros_like(clean)
    signal = nothing if silent in ("signal", "both") else degraded(clean)
    rated = rate_utterance(signal, nothing if silent in ("reference", "both") else clean, 16000, COMPARED)
    assert set(rated) == set(COMPARED)
    assert all(math.isnan(value) for value in rated.values())


@pytest.mark.parametrize("samples", [200, 3000, 6347, 6400])
def test_too_little_speech_is_undefined_not_nearly_zero(samples: int) -> None:
    clean = speech()[4000 : 4000 + samples]
    rated = rate_utterance(degraded(clean), clean, 16000, COMPARED)
    assert math.isnan(rated["stoi"]) and math.isnan(rated["estoi"])
    assert math.isfinite(rated["si_sdr_db"])
    if "pesq_wb" in rated:
        assert math.isnan(rated["pesq_wb"]) == (samples < 4000)


def test_pauses_do_not_count_as_speech() -> None:
    clean = speech()
    clean[5000:] = 0.0
    assert math.isnan(rate_utterance(degraded(clean), clean, 16000, ("stoi",))["stoi"])


def test_a_signal_that_is_not_finite_is_an_error() -> None:
    clean = speech()
    broken = clean.clone()
    broken[3] = math.inf
    with pytest.raises(ValueError, match="the signal is not finite"):
        rate_utterance(broken, clean, 16000, ("stoi",))
    with pytest.raises(ValueError, match="the clean reference is not finite"):
        rate_utterance(clean, broken, 16000, ("stoi",))


@pytest.mark.parametrize("present", ["none", "one"])
def test_dnsmos_is_skipped_and_never_fetched_where_a_model_is_missing(
    present: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = Path(MODEL_FOLDER).expanduser()
    assert folder.is_relative_to(tmp_path)
    if present == "one":
        folder.mkdir(parents=True)
        (folder / "sig_bak_ovr.onnx").write_bytes(b"model")
    reason = missing_model()
    assert reason is not None
    assert ("sig_bak_ovr.onnx" in reason) == (present == "none")
    for word in ("model_v8.onnx", str(folder), "github.com/microsoft/DNS-Challenge"):
        assert word in reason
    clean = speech()
    assert set(rate_utterance(clean, clean, 16000, ("si_sdr_db", *DNSMOS_MEASURES))) == {"si_sdr_db"}
    with pytest.raises(FileNotFoundError, match="model_v8"):
        rate_dnsmos(clean, 16000)
    assert not (folder / "model_v8.onnx").exists()


@pytest.mark.skipif(unavailable("dnsmos_ovrl") is not None, reason=f"DNSMOS: {unavailable('dnsmos_ovrl')}")
@pytest.mark.parametrize("samples", [2 * 16000, 40000, 80000])
def test_dnsmos_is_that_of_torchmetrics(samples: int) -> None:
    from torchmetrics.functional.audio.dnsmos import deep_noise_suppression_mean_opinion_score

    noisy = degraded(speech(80000))[:samples]
    p808, sig, bak, ovrl = deep_noise_suppression_mean_opinion_score(noisy, 16000, False, num_threads=1).tolist()
    rated = rate_utterance(noisy, noisy, 16000, DNSMOS_MEASURES)
    expected = {"dnsmos_sig": sig, "dnsmos_bak": bak, "dnsmos_ovrl": ovrl, "dnsmos_p808": p808}
    assert rated == pytest.approx(expected, abs=1e-5)
    assert all(1 <= value <= 5 for value in rated.values())
    assert all(math.isnan(value) for value in rate_utterance(noisy * 0, noisy, 16000, DNSMOS_MEASURES).values())
