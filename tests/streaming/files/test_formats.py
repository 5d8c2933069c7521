"""Which container and sample format an output gets."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from streaming.files.formats import AudioFormatError, container_of, is_clipped, output_format, suffix_of


@pytest.mark.parametrize(
    ("target", "source", "expected"),
    [
        ("a.wav", ("WAV", "PCM_16"), ("WAV", "PCM_16")),
        ("a.WAV", ("WAV", "PCM_24"), ("WAV", "PCM_24")),
        ("a.wav", ("FLAC", "PCM_S8"), ("WAV", "PCM_U8")),
        ("a.flac", ("WAV", "FLOAT"), ("FLAC", "PCM_24")),
        ("a.flac", ("WAV", "PCM_32"), ("FLAC", "PCM_24")),
        ("a.wav", ("OGG", "VORBIS"), ("WAV", "PCM_16")),
        ("a.opus", ("WAV", "PCM_16"), ("OGG", "OPUS")),
        ("a.oga", ("FLAC", "PCM_24"), ("OGG", "VORBIS")),
        ("a.aif", ("WAV", "DOUBLE"), ("AIFF", "DOUBLE")),
        ("a.mp3", ("WAV", "PCM_16"), ("MP3", "MPEG_LAYER_III")),
    ],
)
def test_the_suffix_tells_the_container_and_resolution_is_kept(
    target: str, source: tuple[str, str], expected: tuple[str, str]
) -> None:
    assert output_format(Path(target), source) == expected
    assert soundfile.check_format(*expected)


def test_variants_of_a_container_are_kept_under_the_same_suffix() -> None:
    source = ("WAVEX", "PCM_16")
    assert output_format(Path("a.wav"), source, same_suffix=True) == source
    assert output_format(Path("a.wav"), source) == ("WAV", "PCM_16")
    assert output_format(Path("a.wav"), source, same_suffix=True, container="flac") == ("FLAC", "PCM_16")


def test_what_the_user_wants_goes_first() -> None:
    assert output_format(Path("a.wav"), ("WAV", "PCM_16"), subtype="pcm_24") == ("WAV", "PCM_24")
    assert output_format(Path("a.xyz"), ("WAV", "PCM_16"), container="FLAC") == ("FLAC", "PCM_16")


def test_more_than_a_wav_file_can_count_becomes_rf64() -> None:
    values = 2**31
    assert output_format(Path("a.wav"), ("WAV", "PCM_16"), num_values=values)[0] == "RF64"
    assert output_format(Path("a.wav"), ("WAV", "PCM_16"), num_values=values // 2)[0] == "WAV"
    assert output_format(Path("a.flac"), ("FLAC", "PCM_16"), num_values=values)[0] == "FLAC"


def test_what_cannot_be_written_is_refused_with_what_can() -> None:
    with pytest.raises(AudioFormatError, match=r"FLAC files have no sample format 'FLOAT'; expected one of .*pcm_24"):
        output_format(Path("a.flac"), ("WAV", "PCM_16"), subtype="float")
    with pytest.raises(AudioFormatError, match=r"'\.doc' tells no container of audio; expected one of .*wav"):
        output_format(Path("a.doc"), ("WAV", "PCM_16"))
    with pytest.raises(AudioFormatError, match="--format: no container 'mp7'"):
        suffix_of("mp7")


def test_headerless_files_are_no_audio_files() -> None:
    assert container_of(".raw") is None
    assert container_of("") is None


def test_only_integers_and_companded_samples_end_at_full_scale() -> None:
    assert [is_clipped(name) for name in ("PCM_24", "ULAW", "DOUBLE", "VORBIS")] == [True, True, False, False]
