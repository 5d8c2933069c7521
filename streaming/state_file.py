"""State of a stream as bytes: tensors and text in the safetensors format, no code."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

FORMAT = "dyncp-stream"
VERSION = 1


def write_state(tensors: Mapping[str, NDArray[Any]], identity: Mapping[str, str]) -> bytes:
    """Write what a stream remembers.

    Args:
        tensors: by name.
        identity: what it is the state of: engine, network and probes.
    """
    text = {"format": FORMAT, "version": VERSION, "identity": dict(identity)}
    return save(dict(tensors), {"dyncp": json.dumps(text)})


def read_state(state: bytes, identity: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_state` wrote.

    Raises:
        ValueError: if it is no such state, or one of something else.
    """
    try:
        tensors = load(state)
        (length,) = struct.unpack("<Q", state[:8])
        text = json.loads(json.loads(state[8 : 8 + length])["__metadata__"]["dyncp"])
    except (SafetensorError, struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not the state of a stream ({error})") from error
    if not isinstance(text, dict) or (text.get("format"), text.get("version")) != (FORMAT, VERSION):
        raise ValueError(f"expected the state of a stream of format '{FORMAT}', version {VERSION}")
    given = text.get("identity")
    for name, value in identity.items():
        found = given.get(name) if isinstance(given, dict) else None
        if found != value:
            raise ValueError(f"the state is of another {name}: expected {value}, got {found!s:.100}")
    return tensors
