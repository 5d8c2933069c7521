"""Names and shapes of weights are those of the network in torch; values from files are checked one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from checkpoints.architecture import Architecture
from networks.conv_fsenet import ConvFSENet
from networks.gate_settings import GateSettings

SMALL: dict[str, Any] = {"num_frequencies": 9, "residual_channels": 4, "channels": 6, "stacks": 2, "dilations": (1, 3)}
GATES = [
    GateSettings(),
    GateSettings(normalize=False),
    GateSettings(stem_scope="stack", width=3),
    GateSettings(stem_scope="network", context="depthwise", context_frames=5),
    GateSettings(context="leaky", context_frames=5, hysteresis=0.5),
    GateSettings(skip="magnitude"),
    GateSettings(skip="magnitude", normalize=False, stem_scope="network"),
    GateSettings(decision="static"),
    GateSettings(decision="static", normalize=False),
    GateSettings(decision="random"),
]


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("gated", [True, False])
def test_names_and_shapes_are_those_of_the_network(gate: GateSettings, gated: bool) -> None:
    state = ConvFSENet(**SMALL, kernel_size=2, gated=gated, gate=gate).state_dict()
    expected = {name: tuple(value.shape) for name, value in state.items() if not name.endswith("num_batches_tracked")}
    assert Architecture(**SMALL, kernel_size=2, gated=gated, gate=gate).tensor_shapes() == expected


def test_defaults_are_those_of_the_network() -> None:
    network, stored = ConvFSENet(), Architecture()
    assert stored.tensor_shapes().keys() <= network.state_dict().keys()
    assert stored.compression == network.compression
    assert stored.gate == network.gate_settings


@pytest.mark.parametrize("gate", GATES)
def test_plain_values_are_read_back_through_text(gate: GateSettings) -> None:
    stored = Architecture(**SMALL, gate=gate)
    assert Architecture.from_plain(json.loads(json.dumps(stored.to_plain()))) == stored


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channels": 0}, "architecture.channels must be positive, got 0"),
        ({"channels": 2.5}, "architecture.channels must be like 256"),
        ({"channels": True}, "architecture.channels must be like 256"),
        ({"gated": 1}, "architecture.gated must be like True"),
        ({"compression": float("nan")}, "architecture.compression must be like 0.3"),
        ({"compression": 1.5}, r"architecture.compression must lie in \(0, 1\]"),
        ({"dilations": [1, "2"]}, "architecture.dilations must be whole numbers"),
        ({"dilations": []}, "architecture.dilations must be positive and not empty"),
        ({"depth": 3}, "architecture.depth is unknown"),
        ({"gate": {"width": 3}}, "architecture.gate.target_utilization is missing"),
        ({"gate": None}, "architecture.gate must be like"),
    ],
)
def test_a_bad_value_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Architecture.from_plain(Architecture().to_plain() | change)


def test_missing_values_are_refused_or_default() -> None:
    assert Architecture.from_plain({"gate": {"width": 3}}, complete=False).gate == GateSettings(width=3)
    with pytest.raises(ValueError, match=r"architecture\.residual_channels is missing"):
        Architecture.from_plain({"num_frequencies": 257})
    with pytest.raises(ValueError, match="architecture must be a mapping"):
        Architecture.from_plain([1, 2])


def test_settings_of_earlier_versions_are_complete_and_written_as_they_were() -> None:
    plain = Architecture().to_plain()
    assert "idle" not in plain["gate"] and "skip" not in plain["gate"]
    assert Architecture.from_plain(plain).gate == GateSettings()
    later = Architecture(gate=GateSettings(idle="hold", skip="magnitude"))
    assert later.to_plain()["gate"]["idle"] == "hold" and later.to_plain()["gate"]["skip"] == "magnitude"
    assert Architecture.from_plain(later.to_plain()) == later
