"""Pictures, sound and numbers as they stand inside a page."""

from __future__ import annotations

import base64
import io
import math
import mimetypes
from pathlib import Path
from typing import Any

import soundfile

DASH = "-"


def data_url(content: bytes, kind: str) -> str:
    """Return bytes as the address of something that is inside the page.

    Example:
        >>> data_url(b"abc", "image/png")
        'data:image/png;base64,YWJj'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def picture_url(path: Path) -> str:
    """Return a picture file, PNG unless its suffix tells another kind, as a data URL."""
    return data_url(path.read_bytes(), mimetypes.guess_type(path.name)[0] or "image/png")


def sound_url(path: Path) -> str:
    """Return a sound file as a data URL; WAV files become 16-bit ones, which all browsers play.

    Raises:
        soundfile.SoundFileError: if it cannot be read.
    """
    if path.suffix.lower() != ".wav" or soundfile.info(path).subtype == "PCM_16":
        return data_url(path.read_bytes(), mimetypes.guess_type(path.name)[0] or "audio/flac")
    samples, rate = soundfile.read(path)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype="PCM_16")
    return data_url(buffer.getvalue(), "audio/wav")


def number_text(value: Any) -> str:
    """Return a cell as it is read: four significant digits, a dash where nothing is known.

    Example:
        >>> [number_text(value) for value in (0.123456, float("nan"), None, True, 22600, "rain")]
        ['0.1235', '-', '-', 'yes', '22600', 'rain']
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1e4 and value.is_integer() else f"{value:.4g}"
    return str(value)
