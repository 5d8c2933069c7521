"""Names that weights and settings had in earlier versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Layers of a gate that had other names in 0.1.0.
RENAMED = {".gate.input_norm.": ".gate.stem.norm.", ".gate.squeeze.": ".gate.stem.squeeze."}
# Settings of the gates that were arguments of the network in 0.1.0.
MOVED = {"target_utilization": "target_utilization", "gate_width": "width", "gate_normalize": "normalize"}


def present_name(name: str) -> str:
    """Return the name that a weight has today.

    Args:
        name: in the state of a module, of any version.

    Example:
        >>> present_name("network.blocks.0.gate.squeeze.bias"), present_name("network.frontend.bias")
        ('network.blocks.0.gate.stem.squeeze.bias', 'network.frontend.bias')
    """
    for old, new in RENAMED.items():
        name = name.replace(old, new)
    return name


def present_settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a network under the names that they have today.

    Args:
        arguments: of the constructor of ``ConvFSENet``, of any version.

    Example:
        >>> present_settings({"channels": 256, "gate_width": 16, "surrogate_slope": 2.0})
        {'channels': 256, 'gate': {'width': 16, 'temperature': 0.5}}
        >>> present_settings({"channels": 256, "gate": {"width": 16}})
        {'channels': 256, 'gate': {'width': 16}}
    """
    present = {name: value for name, value in arguments.items() if name not in {*MOVED, "surrogate_slope"}}
    gate = {MOVED[name]: arguments[name] for name in MOVED if name in arguments}
    if "surrogate_slope" in arguments:
        gate["temperature"] = 1.0 / arguments["surrogate_slope"]
    return present | ({"gate": gate | present.get("gate", {})} if gate else {})
