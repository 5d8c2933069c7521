"""Names that the weights had in checkpoints of earlier versions."""

from __future__ import annotations

# Layers of a gate that had other names in 0.1.0.
RENAMED = {".gate.input_norm.": ".gate.stem.norm.", ".gate.squeeze.": ".gate.stem.squeeze."}


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
