"""Files of probes: read back as written, equal to the fitted probes, and refused when broken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from probes.deployment import DeployedProbe, ProbeBank, ProbeFileError, linear_weights
from probes.logistic import LogisticProbe
from probes.ridge import RidgeProbe

BLOCKS, CHANNELS = 2, 8


def masks(frames: int = 400) -> np.ndarray:
    return np.random.default_rng(3).random((frames, BLOCKS * CHANNELS)) < 0.4


def bank() -> ProbeBank:
    x = masks()
    features = np.array([1, 4, 9], dtype=np.int32)
    chosen = x[:, features]
    f0 = RidgeProbe(l2=0.01).fit(chosen, 7 + chosen @ np.array([0.5, -0.2, 0.1]))
    vad = LogisticProbe(l2=0.01).fit(chosen, chosen[:, 0] | chosen[:, 1])
    noise = LogisticProbe(l2=0.01).fit(chosen, chosen[:, 0] + 2 * chosen[:, 2])
    probes = {
        "f0_hz": DeployedProbe(
            "value", features, *linear_weights(f0.coef_, f0.intercept_), unit="Hz", transform="log2"
        ),
        "vad": DeployedProbe("binary", features, *linear_weights(vad.coef_, vad.intercept_), threshold=0.4),
        "noise_class": DeployedProbe(
            "category", features, *linear_weights(noise.coef_, noise.intercept_), classes=("a", "b", "c", "d")
        ),
    }
    probes["level"] = DeployedProbe(
        "value", features, np.ones((1, 3), np.float32), np.zeros(1, np.float32), unit="dB", averaged_s=4.0
    )
    return ProbeBank(probes, BLOCKS, CHANNELS, 0.016, {"checkpoint": "best.ckpt"})


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "1" * 5000, "NaN"])
def test_text_that_no_program_would_write_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "probes.safetensors"
    save_file({"a": np.zeros(1)}, path, {"dyncp": text})
    with pytest.raises(ProbeFileError, match=r"probes\.safetensors"):
        ProbeBank.load(path)


@pytest.mark.parametrize(
    ("field", "value"), [("blocks", float("inf")), ("hop_s", 10**400), ("probes", [1]), ("provenance", None)]
)
def test_numbers_that_nothing_can_be_computed_with_are_refused(tmp_path: Path, field: str, value: Any) -> None:
    path = tmp_path / "probes.safetensors"
    bank().save(path)
    with safe_open(path, framework="numpy") as file:
        text = json.loads(file.metadata()["dyncp"])
    save_file(load_file(path), path, {"dyncp": json.dumps(text | {field: value})})
    with pytest.raises(ProbeFileError, match=r"probes\.safetensors"):
        ProbeBank.load(path)


def test_weights_whose_sum_is_no_number_are_refused() -> None:
    features = np.arange(2, dtype=np.int32)
    with pytest.raises(ValueError, match=r"must not add up to more than 1e\+15"):
        DeployedProbe("binary", features, np.full((1, 2), 3e38, np.float32), np.zeros(1, np.float32))
    with pytest.raises(ValueError, match="must not add up to more than 50, got 60"):
        DeployedProbe("value", features, np.full((1, 2), 30, np.float32), np.zeros(1, np.float32), transform="log2")


def test_a_file_says_what_the_fitted_probes_say(tmp_path: Path) -> None:
    x = masks()
    chosen = x[:, [1, 4, 9]]
    written = bank()
    written.save(tmp_path / "probes.safetensors")
    read = ProbeBank.load(tmp_path / "probes.safetensors")
    noise = LogisticProbe(l2=0.01).fit(chosen, chosen[:, 0] + 2 * chosen[:, 2])
    assert np.allclose(read.probes["noise_class"].predict(x), noise.predict_proba(chosen), atol=1e-5)
    f0 = RidgeProbe(l2=0.01).fit(chosen, 7 + chosen @ np.array([0.5, -0.2, 0.1]))
    assert np.allclose(read.probes["f0_hz"].predict(x), 2 ** f0.predict(chosen), rtol=1e-5)
    vad = LogisticProbe(l2=0.01).fit(chosen, chosen[:, 0] | chosen[:, 1])
    assert np.allclose(read.probes["vad"].predict(x), vad.predict_proba(chosen)[:, 1], atol=1e-5)
    assert read.probes["vad"].threshold == 0.4
    assert (read.probes["level"].averaged_s, read.probes["vad"].averaged_s) == (4.0, 0.0)
    assert read.probes["noise_class"].classes == ("a", "b", "c", "d")
    assert (read.blocks, read.channels, read.hop_s) == (BLOCKS, CHANNELS, 0.016)
    assert read.provenance == {"checkpoint": "best.ckpt"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["probes.safetensors"]


def changed(tmp_path: Path, head: dict[str, Any] | None = None, **tensors: np.ndarray) -> Path:
    """Write a good file, then change it."""
    path = tmp_path / "probes.safetensors"
    bank().save(path)
    content = load_file(path)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        stored = json.loads(json.loads(file.read(length))["__metadata__"]["dyncp"])
    save_file({**content, **tensors}, path, {"dyncp": json.dumps({**stored, **(head or {})})})
    return path


@pytest.mark.parametrize(
    ("head", "tensors", "message"),
    [
        ({"version": 99}, {}, "version 1"),
        ({"channels": 4}, {}, "listens to channel 9"),
        ({"hop_s": 0.0}, {}, "must be positive"),
        ({"probes": {"tilt": {}}}, {}, "tilt.features"),
        ({}, {"vad.bias": np.array([np.nan], dtype=np.float32)}, "probe 'vad'.*finite"),
        ({}, {"vad.features": np.array([4, 1, 9], dtype=np.int32)}, "probe 'vad'.*rising"),
        ({}, {"vad.features": np.array([1, 4, 9], dtype=np.int64)}, "vad.features must be int32"),
        ({}, {"vad.weights": np.zeros((1, 2), dtype=np.float32)}, "probe 'vad'.*shape"),
    ],
)
def test_a_broken_file_is_refused_by_name(
    tmp_path: Path, head: dict[str, Any], tensors: dict[str, np.ndarray], message: str
) -> None:
    path = changed(tmp_path, head, **tensors)
    with pytest.raises(ProbeFileError, match=message) as refused:
        ProbeBank.load(path)
    assert str(path) in str(refused.value)


def test_files_of_earlier_versions_hold_probes_of_frames(tmp_path: Path) -> None:
    path = changed(tmp_path)
    with safe_open(path, framework="numpy") as file:
        text = json.loads(file.metadata()["dyncp"])
    for described in text["probes"].values():
        del described["averaged_s"]
    save_file(load_file(path), path, {"dyncp": json.dumps(text)})
    assert {probe.averaged_s for probe in ProbeBank.load(path).probes.values()} == {0.0}


@pytest.mark.parametrize(("averaged_s", "kind"), [(-1.0, "value"), (np.nan, "value"), (1e9, "value"), (4.0, "binary")])
def test_averages_that_cannot_be_are_refused(averaged_s: float, kind: Any) -> None:
    with pytest.raises(ValueError, match=r"averaged_s must lie in \[0, 3600\] and be 0 but for values"):
        DeployedProbe(
            kind, np.arange(2, dtype=np.int32), np.ones((1, 2), np.float32), np.zeros(1, np.float32),
            averaged_s=averaged_s,
        )  # fmt: skip


@pytest.mark.parametrize("size", [0, 7, 200])
def test_a_truncated_file_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "probes.safetensors"
    bank().save(path)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ProbeFileError, match="safetensors"):
        ProbeBank.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProbeFileError, match=r"none\.safetensors: no such file"):
        ProbeBank.load(tmp_path / "none.safetensors")
