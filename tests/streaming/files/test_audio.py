"""Files are read with every damage found, and are there only when complete."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from streaming.files.audio import AudioFileError, AudioSink, AudioSource
from tests.conftest import full_disk
from tests.streaming.transparent_network import speech_like


def read(path: Path, block_s: float = 0.1) -> np.ndarray:
    with AudioSource(path) as source:
        return np.concatenate([np.zeros((0, source.channels), np.float32), *source.blocks(block_s)])


@pytest.mark.parametrize("block_s", [0.00001, 0.1, 100.0])
def test_blocks_are_the_file(tmp_path: Path, block_s: float) -> None:
    path, signal = tmp_path / "a.wav", speech_like(0.05, 8000, channels=2)
    soundfile.write(path, signal, 8000, subtype="FLOAT")
    np.testing.assert_array_equal(read(path, block_s), signal)
    with AudioSource(path) as source:
        told = (source.sample_rate, source.channels, source.num_samples, source.container, source.subtype)
        assert told == (8000, 2, 400, "WAV", "FLOAT")
        assert source.seconds == 0.05


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_named_with_its_place(tmp_path: Path, value: float) -> None:
    path, signal = tmp_path / "a.wav", speech_like(1.0, 8000, channels=2)
    signal[4002, 1] = value
    soundfile.write(path, signal, 8000, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=rf"a\.wav: sample 4002 \(0\.500 s\) of channel 1 is {value}"):
        read(path)


@pytest.mark.parametrize(("name", "kept"), [("a.flac", 0.5), ("a.flac", 0.9)])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, kept: float) -> None:
    path = tmp_path / name
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 40000), 8000)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(AudioFileError, match=r"a\.flac: (truncated|cannot be decoded)"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"no audio at all", b"RIFF\0\0\0\0WAVE"])
def test_what_is_no_audio_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(AudioFileError, match=r"a\.wav: cannot be read as audio"):
        AudioSource(path)
    with pytest.raises(AudioFileError, match="absent"):
        AudioSource(tmp_path / "absent.wav")


def test_an_output_has_its_name_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "a.flac"
    with AudioSink(path, 8000, 1, "FLAC", "PCM_16") as sink:
        sink.write(np.full((100, 1), 0.5, dtype=np.float32))
        assert not path.exists()
    np.testing.assert_array_equal(read(path), np.full((100, 1), 0.5))
    before = path.read_bytes()
    with pytest.raises(RuntimeError), AudioSink(path, 8000, 1, "FLAC", "PCM_16") as sink:
        sink.write(np.zeros((7, 1), dtype=np.float32))
        raise RuntimeError
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("subtype", "clipped"), [("PCM_16", 3), ("PCM_24", 3), ("FLOAT", 0)])
def test_values_beyond_full_scale_are_limited_and_counted(tmp_path: Path, subtype: str, clipped: int) -> None:
    path = tmp_path / "a.wav"
    values = np.array([[0.5, 1.5], [-1.5, 1.0], [-1.0, 2.0]], dtype=np.float32)
    with AudioSink(path, 8000, 2, "WAV", subtype) as sink:
        sink.write(values)
    assert sink.clipped == clipped
    np.testing.assert_allclose(read(path), np.clip(values, -1, 1) if clipped else values, atol=2**-15)


def test_a_rate_that_the_container_does_not_take_is_told(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match=r"a\.opus: OGG OPUS does not take 1 channels at 44100 Hz"):
        AudioSink(tmp_path / "a.opus", 44100, 1, "OGG", "OPUS")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("container", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")])
@pytest.mark.parametrize("samples", [30000, 400000])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, container: str, subtype: str, samples: int) -> None:
    signal = np.random.default_rng(0).uniform(-0.5, 0.5, (samples, 1)).astype(np.float32)
    with (
        full_disk(),
        pytest.raises(AudioFileError, match=r"a\.out: cannot be written"),
        AudioSink(tmp_path / "a.out", 16000, 1, container, subtype) as sink,
    ):
        sink.write(signal)
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AudioFileError, match=r"file/a\.wav: cannot be written \((Not a directory|File exists)\)"):
        AudioSink(tmp_path / "file" / "a.wav", 16000, 1, "WAV", "PCM_16")
