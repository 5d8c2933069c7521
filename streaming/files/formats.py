"""Which container and sample format an enhanced file gets."""

from __future__ import annotations

from pathlib import Path

import soundfile

# What files are also called; all other suffixes are the names of libsndfile's containers.
_CONTAINER_OF_SUFFIX = {
    "aif": "AIFF",
    "aifc": "AIFF",
    "bwf": "WAV",
    "iff": "SVX",
    "oga": "OGG",
    "opus": "OGG",
    "snd": "AU",
    "sph": "NIST",
    "wave": "WAV",
}
_NOT_SELF_DESCRIBING = {"RAW"}  # has no header: rate and channels would have to be told
# What keeps the resolution of a sample format best where a container does not have it, best first.
_SUBSTITUTES = {
    "PCM_S8": ("PCM_U8", "PCM_16"),
    "PCM_U8": ("PCM_S8", "PCM_16"),
    "PCM_16": ("PCM_24", "PCM_32"),
    "PCM_24": ("PCM_32", "FLOAT", "PCM_16"),
    "PCM_32": ("PCM_24", "FLOAT", "PCM_16"),
    "FLOAT": ("PCM_24", "PCM_32", "PCM_16"),
    "DOUBLE": ("FLOAT", "PCM_24", "PCM_32", "PCM_16"),
}
_BYTES = {
    "PCM_S8": 1,
    "PCM_U8": 1,
    "ULAW": 1,
    "ALAW": 1,
    "PCM_16": 2,
    "PCM_24": 3,
    "PCM_32": 4,
    "FLOAT": 4,
    "DOUBLE": 8,
}
_MAX_WAV_BYTES = 2**32 - 2**20  # the header counts bytes in 32 bits
_UNBOUNDED = ("FLOAT", "DOUBLE", "VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III")


class AudioFormatError(ValueError):
    """A container or sample format that cannot be written; the message says which ones can."""


def container_of(suffix: str) -> str | None:
    """Return libsndfile's name of the container that a suffix stands for, None if it stands for none.

    Args:
        suffix: with or without its dot, in any case.

    Example:
        >>> container_of(".FLAC"), container_of("aif"), container_of(".txt")
        ('FLAC', 'AIFF', None)
    """
    name = suffix.lower().lstrip(".")
    container = _CONTAINER_OF_SUFFIX.get(name, name.upper())
    return container if container in soundfile.available_formats() and container not in _NOT_SELF_DESCRIBING else None


def suffix_of(requested: str) -> str:
    """Return the suffix, with its dot, of files in a container that the user named.

    Raises:
        AudioFormatError: if there is no such container.

    Example:
        >>> suffix_of("FLAC"), suffix_of("aiff")
        ('.flac', '.aiff')
    """
    if container_of(requested) is None:
        raise AudioFormatError(f"--format: no container '{requested}'; expected one of {_names(_containers())}")
    return "." + requested.lower().lstrip(".")


def output_format(
    target: Path,
    source: tuple[str, str],
    *,
    same_suffix: bool = False,
    container: str | None = None,
    subtype: str | None = None,
    num_values: int = 0,
) -> tuple[str, str]:
    """Choose container and sample format of an output.

    Args:
        target: file to be written; its suffix tells the container.
        source: container and sample format of the input, in libsndfile's words.
        same_suffix: the input is called alike; its variant of the container is kept then.
        container: what the user wants in place of what the suffix tells.
        subtype: sample format that the user wants; None takes the input's, or what is nearest to it in the container.
        num_values: samples times channels, for the choice between WAV and RF64.

    Returns:
        Container and sample format.

    Raises:
        AudioFormatError: if the suffix tells no container, or the container does not have the sample format.

    Example:
        >>> output_format(Path("a.wav"), ("WAV", "PCM_24")), output_format(Path("a.flac"), ("WAV", "FLOAT"))
        (('WAV', 'PCM_24'), ('FLAC', 'PCM_24'))
        >>> output_format(Path("a.ogg"), ("WAV", "PCM_16"))
        ('OGG', 'VORBIS')
    """
    named = container or target.suffix
    chosen = container_of(named)
    if chosen is None:
        raise AudioFormatError(
            f"{target}: '{named}' tells no container of audio; expected one of {_names(_containers())}, or --format"
        )
    if same_suffix and container is None:
        chosen = source[0]
    if subtype is None:
        subtype = "OPUS" if named.lower().endswith("opus") else _nearest_subtype(chosen, source[1])
    subtype = subtype.upper()
    if not soundfile.check_format(chosen, subtype):
        raise AudioFormatError(
            f"{target}: {chosen} files have no sample format '{subtype}'; "
            f"expected one of {_names(soundfile.available_subtypes(chosen))}"
        )
    if chosen in ("WAV", "WAVEX") and num_values * _BYTES.get(subtype, 0) > _MAX_WAV_BYTES:
        chosen = "RF64"
    return chosen, subtype


def is_clipped(subtype: str) -> bool:
    """Tell whether a sample format ends at full scale.

    Example:
        >>> is_clipped("PCM_16"), is_clipped("FLOAT")
        (True, False)
    """
    return subtype not in _UNBOUNDED


def _nearest_subtype(container: str, subtype: str) -> str:
    for candidate in (subtype, *_SUBSTITUTES.get(subtype, ())):
        if soundfile.check_format(container, candidate):
            return candidate
    default: str | None = soundfile.default_subtype(container)
    if default is None:
        raise AudioFormatError(f"{container} files cannot be written; expected one of {_names(_containers())}")
    return default


def _containers() -> list[str]:
    return [name for name in soundfile.available_formats() if container_of(name) and soundfile.default_subtype(name)]


def _names(names: object) -> str:
    return ", ".join(str(name).lower() for name in names)  # type: ignore[attr-defined]
