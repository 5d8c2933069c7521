"""A process that compiles the loops and one that finds them on disk compute the same bits."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from streaming.enhancer import StreamingEnhancer

REPOSITORY = Path(__file__).resolve().parents[2]
ELSEWHERE = """
import hashlib, sys
import numpy as np
from streaming.enhancer import StreamingEnhancer
chunk = StreamingEnhancer(sys.argv[1]).feed(np.load(sys.argv[2]))
print(hashlib.sha256(chunk.samples.tobytes() + chunk.properties.outputs.tobytes()).hexdigest())
"""


def test_another_process_computes_the_same_bits(
    small_network: Callable[..., Any], signal: np.ndarray, tmp_path: Path
) -> None:
    # On a machine without compiled loops this process compiles them; the other one always loads them.
    path = small_network("default", window=512, hop=256).save(tmp_path)
    np.save(tmp_path / "signal.npy", signal)
    chunk = StreamingEnhancer(path).feed(signal)
    here = hashlib.sha256(chunk.samples.tobytes() + chunk.properties.outputs.tobytes()).hexdigest()
    command = [sys.executable, "-c", ELSEWHERE, str(path), str(tmp_path / "signal.npy")]
    there = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=300)
    assert there.stdout.strip() == here
    assert np.abs(chunk.samples).max() > 0
