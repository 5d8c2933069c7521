"""Hashes of a corpus's manifests: two runs with the same ones were trained on the same lists of recordings."""

from __future__ import annotations

import hashlib
from pathlib import Path


def manifest_hashes(root: Path) -> dict[str, str]:
    """Hash the manifests of a corpus.

    Args:
        root: folder of the corpus.

    Returns:
        Name of every CSV file in it to the SHA-256 of its bytes.
    """
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(root.glob("*.csv"))}
