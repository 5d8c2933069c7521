"""Reading recordings: exact samples, resampling, the memory bound and damaged files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from datamodules.audio import AudioReader
from datamodules.corpus import CorpusError
from datamodules.recording_checks import check_audio


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often each file is decoded, by name."""
    counts: Counter[str] = Counter()
    original = AudioReader._decode

    def counting(self: AudioReader, path: Path) -> object:
        counts[path.name] += 1
        return original(self, path)

    monkeypatch.setattr(AudioReader, "_decode", counting)
    return counts


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_sixteen_bit_samples_are_exact(tmp_path: Path, suffix: str) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    samples[:4] = (-32768, 32767, 0, 1)
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, samples, 16000, subtype="PCM_16")
    reader = AudioReader(16000, cache_mb=1)
    for _ in range(2):  # the second time from memory
        read = reader.read(path)
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read.astype(np.float64) * 32768, samples)
    assert reader.num_samples(path) == 5000


def test_float_samples_are_exact_even_above_full_scale(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).normal(0, 0.7, 5000).astype(np.float32)
    assert np.abs(samples).max() > 1
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    np.testing.assert_array_equal(AudioReader(16000, cache_mb=1).read(tmp_path / "a.wav"), samples)


def test_24_bit_samples_keep_their_precision(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-(1 << 23), 1 << 23, 5000)
    soundfile.write(tmp_path / "a.wav", (samples << 8).astype(np.int32), 16000, subtype="PCM_24")
    read = AudioReader(16000, cache_mb=1).read(tmp_path / "a.wav").astype(np.float64)
    np.testing.assert_array_equal(read * (1 << 23), samples)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_resampling_keeps_length_frequency_and_amplitude(tmp_path: Path, rate: int, subtype: str) -> None:
    seconds = np.arange(2 * rate + 11) / rate
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 1000 * seconds), rate, subtype=subtype)
    reader = AudioReader(16000, cache_mb=4)
    read = reader.read(tmp_path / "a.wav")
    assert read.dtype == np.float32
    assert len(read) == reader.num_samples(tmp_path / "a.wav") == -(-(2 * rate + 11) * 16000 // rate)
    middle = read[8000:24000] * np.hanning(16000)  # bins of 1 Hz
    spectrum = np.abs(np.fft.rfft(middle)) / 4000
    assert spectrum.argmax() == 1000
    assert spectrum.max() == pytest.approx(0.5, rel=0.01)
    assert np.delete(spectrum, slice(990, 1011)).max() < 1e-3


def test_memory_bound_drops_what_was_used_longest_ago(tmp_path: Path, decoded: Counter[str]) -> None:
    paths = [tmp_path / f"{name}.wav" for name in "abcd"]
    for path in paths:  # 340,000 bytes each as 16-bit integers: three fit into 1 MiB, as floats one
        soundfile.write(path, np.full(170_000, 0.1), 16000, subtype="PCM_16")
    a, b, c, d = paths
    reader = AudioReader(16000, cache_mb=1)
    for path in (a, b, c, a, b, c, a, d):
        reader.read(path)
    assert decoded == {"a.wav": 1, "b.wav": 1, "c.wav": 1, "d.wav": 1}
    assert sum(samples.nbytes for samples in reader._held.values()) <= 1 << 20
    for path in (a, c, d):
        reader.read(path)
    assert decoded.total() == 4, "only b may have been dropped"
    reader.read(b)
    assert decoded["b.wav"] == 2


def test_a_recording_larger_than_the_bound_is_read_and_kept_alone(tmp_path: Path, decoded: Counter[str]) -> None:
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", np.full(600_000, 0.1), 16000, subtype="PCM_16")
    reader = AudioReader(16000, cache_mb=1)
    for name in "abba":
        assert len(reader.read(tmp_path / f"{name}.wav")) == 600_000
        assert len(reader._held) == 1
    assert decoded == {"a.wav": 2, "b.wav": 1}


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_truncated_file_with_a_good_header_is_named_when_read(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "cut.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 48000), 16000)
    whole = path.read_bytes()
    assert len(AudioReader(16000, cache_mb=1).read(path)) == 48000
    path.write_bytes(whole[: int(kept * len(whole))])
    check_audio(path, 16000, resample=False)  # the header alone does not tell
    with pytest.raises(CorpusError, match=r"cut\.flac: (cannot be decoded|truncated)"):
        AudioReader(16000, cache_mb=1).read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"absent\.wav: cannot be decoded"):
        AudioReader(16000, cache_mb=1).read(tmp_path / "absent.wav")
