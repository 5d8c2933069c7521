"""Tasks say which frames count; features are laid out utterance by utterance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from jsonargparse import ArgumentParser

from probes.features import (
    feature_names,
    frame_targets,
    log_energy_features,
    log_magnitude_features,
    mask_features,
)
from probes.tasks import ProbeTask, select


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "", "kind": "value"}, "tasks.name"),
        ({"name": "a/b", "kind": "value"}, "without '/'"),
        ({"name": "vad", "kind": "boolean"}, r"tasks\[vad\].kind must be one of"),
        ({"name": "f0_hz", "kind": "value", "transform": "ln"}, "must be 'log2'"),
        ({"name": "vad", "kind": "binary", "transform": "log2"}, "only for kind 'value'"),
        ({"name": "vad", "kind": "binary", "where": "vad"}, "another, binary target"),
        ({"name": "y", "kind": "binary", "source": "vad", "where": "vad"}, "another, binary target"),
        ({"name": "y", "kind": "value", "source": ""}, r"tasks\[y\].source must be the name of a target"),
        ({"name": "vad", "kind": "binary", "fill": 0.0}, r"tasks\[vad\].fill is only for kind 'value'"),
        ({"name": "y", "kind": "value", "fill": float("nan")}, "fill must be finite"),
        ({"name": "y", "kind": "value", "fill": 0.0, "transform": "log2"}, "positive for 'log2', got 0.0"),
    ],
)
def test_wrong_fields_are_named(fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProbeTask(**fields)  # type: ignore[arg-type]


def test_unknown_targets_do_not_count() -> None:
    targets = {
        "vad": np.array([1.0, 0.0, np.nan, 1.0]),
        "noise_class": np.array([3, -1, 0, 2]),
        "snr_db": np.array([1.0, np.inf, 2.0, np.nan]),
    }
    assert select(targets, ProbeTask("vad", "binary")).tolist() == [True, True, False, True]
    assert select(targets, ProbeTask("noise_class", "category")).tolist() == [True, False, True, True]
    assert select(targets, ProbeTask("snr_db", "value")).tolist() == [True, False, True, False]
    assert select(targets, ProbeTask("snr_db", "value", where="vad")).tolist() == [True, False, False, False]
    assert targets["noise_class"].tolist() == [3, -1, 0, 2]


def test_a_filled_target_counts_everywhere_and_is_read_from_its_source() -> None:
    targets = {"f0_hz": np.array([100.0, np.nan, 200.0, np.nan]), "vad": np.array([1, 1, 0, 0])}
    task = ProbeTask("f0_or_zero_hz", "value", unit="Hz", source="f0_hz", fill=0.0)
    assert select(targets, task).all()
    assert task.encode(targets["f0_hz"]).tolist() == [100.0, 0.0, 200.0, 0.0]
    speech = ProbeTask("f0_in_speech_hz", "value", source="f0_hz", fill=0.0, where="vad")
    assert select(targets, speech).tolist() == [True, True, False, False]
    octaves = ProbeTask("f0_octaves", "value", source="f0_hz", fill=50.0, transform="log2")
    assert octaves.decode(octaves.encode(targets["f0_hz"])) == pytest.approx([100.0, 50.0, 200.0, 50.0])
    assert np.isnan(targets["f0_hz"][1])
    with pytest.raises(ValueError, match="target 'f0_hz' is missing"):
        select({"f0_or_zero_hz": np.ones(2)}, task)


def test_tasks_are_read_from_configuration() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--tasks", type=list[ProbeTask])
    written = "{name: f0_or_zero_hz, kind: value, unit: Hz, source: f0_hz, fill: 0.0}"
    arguments = parser.parse_args([f"--tasks=[{{name: vad, kind: binary}}, {written}]"])
    assert parser.instantiate_classes(arguments).tasks == [
        ProbeTask("vad", "binary"),
        ProbeTask("f0_or_zero_hz", "value", unit="Hz", source="f0_hz", fill=0.0),
    ]


@pytest.mark.parametrize(
    ("task", "values", "message"),
    [
        (ProbeTask("y", "binary"), [0.0, 2.0], "binary target 'y' must be 0, 1 or NaN, got 2.0"),
        (ProbeTask("y", "category"), [0.0, 0.5], "class indices, got 0.5"),
        (ProbeTask("y", "value", transform="log2"), [100.0, 0.0], "positive"),
        (ProbeTask("y", "value", where="voicing"), [1.0, 2.0], "'voicing' is missing"),
    ],
)
def test_illegal_targets_are_named(task: ProbeTask, values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select({"y": np.array(values)}, task)


def test_mask_features_follow_their_names() -> None:
    masks = torch.zeros(2, 3, 4, 5, dtype=torch.bool)
    masks[1, 2, 1, 3] = True
    rows = mask_features(masks)
    assert rows.dtype == np.bool_ and np.argwhere(rows).tolist() == [[1 * 5 + 3, 2 * 4 + 1]]
    assert feature_names(3, 4)[2 * 4 + 1] == "block02/ch001"
    with pytest.raises(ValueError, match="channel_masks must have shape"):
        mask_features(masks[0])


def test_spectrum_features_are_ordered_and_finite_in_silence() -> None:
    spectrum = torch.zeros(2, 3, 4, dtype=torch.complex64)
    spectrum[1, 2, 0] = -10
    rows = log_magnitude_features(spectrum)
    assert rows.shape == (8, 3) and rows.dtype == np.float32
    assert rows[4, 2] == pytest.approx(1.0, abs=1e-5) and rows[0, 0] == pytest.approx(-5.0)
    energy = log_energy_features(spectrum)
    assert energy.shape == (8, 1) and energy[4, 0] == pytest.approx(np.log10(100 / 3), abs=1e-5)
    assert np.isfinite(energy).all()


def test_frame_targets_repeat_what_holds_for_an_utterance() -> None:
    targets = {"vad": torch.tensor([[0.0, 1.0], [1.0, 1.0]]), "noise_class": torch.tensor([3.0, 5.0])}
    rows = frame_targets(targets, 2)
    assert rows["vad"].tolist() == [0, 1, 1, 1]
    assert rows["noise_class"].tolist() == [3, 3, 5, 5]
