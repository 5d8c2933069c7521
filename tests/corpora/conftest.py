"""Small corpora, laid out as the published ones are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

Write = Callable[..., Path]


@pytest.fixture
def write() -> Write:
    """Return a function that writes a file of noise that depends on its name."""

    def write_file(path: Path, seconds: float = 0.1, rate: int = 16000, channels: int = 1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(list(path.name.encode()))
        samples = rng.uniform(-0.5, 0.5, (round(seconds * rate), channels))
        soundfile.write(path, samples, rate)  # 16-bit unless it is Ogg Vorbis
        return path

    return write_file


@pytest.fixture
def plain(tmp_path: Path, write: Write) -> Path:
    """Return a folder with speech of six speakers and noise of two categories, at 16 kHz."""
    for speaker in ("ann", "bea", "cora", "dan", "eli", "finn"):
        for take in range(2):
            write(tmp_path / "plain" / "speech" / speaker / f"{speaker}{take}.wav")
    for category in ("rain", "wind"):
        for take in range(4):
            write(tmp_path / "plain" / "noise" / category / f"{category}{take}.wav")
    sexes = "speaker,sex\nann,F\nbea,f\ncora,F\ndan,M\neli,M\nfinn,M\n"
    (tmp_path / "plain" / "sexes.csv").write_text(sexes)
    return tmp_path / "plain"
