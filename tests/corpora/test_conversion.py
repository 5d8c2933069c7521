"""Conversion of single recordings: measured resampling, exact copies, damaged files by name, nothing half-written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from corpora.conversion import Job, convert, resample
from corpora.source import Recording
from datamodules.corpus import CorpusError


def job(file: Path, rate: int = 16000, **more: Any) -> Job:
    settings = {"channel": None, "copy": False, "minus": None, "span": None} | more
    recording = Recording(file, "x", minus=settings.pop("minus"), span=settings.pop("span"))
    return Job(recording, file.parent / "out" / "x.flac", rate, **settings)


def stored(path: Path) -> NDArray[np.int16]:
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == 16000 and soundfile.info(path).subtype == "PCM_16" and samples.ndim == 1
    return samples


def tone(frequency_hz: float, rate: int, seconds: float = 1.0) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


@given(rate=st.sampled_from([8000, 11025, 22050, 24000, 32000, 44100, 48000, 96000]), share=st.floats(0.01, 0.9))
def test_resampling_keeps_a_tone_in_place(rate: int, share: float) -> None:
    """Amplitude, phase and time of everything up to 90 % of the band, 0.1 dB being 1.2 %."""
    frequency_hz = share * min(rate, 16000) / 2
    found, wanted = resample(tone(frequency_hz, rate), rate, 16000), tone(frequency_hz, 16000)
    assert len(found) == len(wanted)
    inner = slice(1600, -1600)
    assert np.abs(found[inner] - wanted[inner]).max() < 0.012


@given(rate=st.sampled_from([22050, 24000, 44100, 48000]), share=st.floats(0.0, 0.95))
def test_resampling_removes_what_the_new_rate_cannot_hold(rate: int, share: float) -> None:
    frequency_hz = 8000 + share * (rate / 2 - 8000)
    found = resample(tone(frequency_hz, rate), rate, 16000)
    assert np.abs(found[1600:-1600]).max() < 1e-4  # -80 dB


@given(rate=st.integers(6000, 100000), num_samples=st.integers(1, 3000))
def test_length_after_resampling(rate: int, num_samples: int) -> None:
    rate -= rate % 25
    assert len(resample(np.zeros(num_samples, dtype=np.float32), rate, 16000)) == -(-num_samples * 16000 // rate)


def test_a_file_of_the_wanted_form_is_used_where_it_is(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(100, 16000), 16000)
    outcome = convert(job(tmp_path / "a.wav"))
    assert (outcome.path, outcome.frames, outcome.error) == (tmp_path / "a.wav", 16000, "")
    assert not (tmp_path / "out").exists()


def test_a_copy_has_the_same_samples(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-32768, 32768, 4000).astype(np.int16)
    samples[:2] = -32768, 32767
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    outcome = convert(job(tmp_path / "a.wav", copy=True))
    assert outcome.path == tmp_path / "out" / "x.flac" and outcome.clipped == 0
    np.testing.assert_array_equal(stored(outcome.path), samples)


def test_channels_are_mixed_or_the_first_is_taken_or_they_are_refused(tmp_path: Path) -> None:
    samples = np.array([[1000, 3000], [-500, 700], [8, 8]], dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    assert stored(convert(job(tmp_path / "a.wav", channel="first")).path).tolist() == [1000, -500, 8]
    assert stored(convert(job(tmp_path / "a.wav", channel="mix")).path).tolist() == [2000, 100, 8]
    with pytest.raises(CorpusError, match=r"a\.wav: 2 channels; pass --channel mix"):
        convert(job(tmp_path / "a.wav"))


def test_difference_plus_the_other_is_the_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clean, noise = (rng.uniform(-0.4, 0.4, 48000).astype(np.float32) for _ in range(2))
    soundfile.write(tmp_path / "clean.wav", clean, 48000)
    soundfile.write(tmp_path / "noisy.wav", clean + noise, 48000)
    parts = {}
    for name, minus in (("clean", None), ("noisy", None), ("noise", tmp_path / "clean.wav")):
        file = tmp_path / ("clean.wav" if name == "clean" else "noisy.wav")
        parts[name] = stored(convert(job(file, minus=minus)).path).astype(int)
    # Three roundings to 16 bits before, three after.
    assert np.abs(parts["clean"] + parts["noise"] - parts["noisy"]).max() <= 3
    assert np.corrcoef(parts["noise"], resample(noise, 48000, 16000))[0, 1] > 0.9999


def test_a_pair_of_different_lengths_is_bad(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "noisy.wav", tone(100, 16000), 16000)
    soundfile.write(tmp_path / "clean.wav", tone(100, 16000)[:-1], 16000)
    error = convert(job(tmp_path / "noisy.wav", minus=tmp_path / "clean.wav")).error
    assert "noisy.wav: 16000 samples" in error and "clean.wav has 15999" in error


def test_a_span_is_an_excerpt(tmp_path: Path) -> None:
    samples = np.arange(1000, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 16000)
    outcome = convert(job(tmp_path / "a.wav", span=(0.25, 0.5)))
    np.testing.assert_array_equal(stored(outcome.path), samples[250:500])


def test_samples_beyond_full_scale_are_limited_and_counted(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.array([0.5, 1.5, -2.0, 1.0], dtype=np.float32), 16000, subtype="FLOAT")
    outcome = convert(job(tmp_path / "a.wav", copy=True))
    assert outcome.clipped == 2
    assert stored(outcome.path).tolist() == [16384, 32767, -32768, 32767]


def damaged(folder: Path, kind: str) -> Path:
    """Return a file with a fault."""
    samples = np.random.default_rng(0).integers(-3000, 3000, 16000).astype(np.int16)
    path = folder / f"bad.{kind.split()[-1]}"
    soundfile.write(path, samples if not kind.startswith("empty") else samples[:0], 16000)
    content = path.read_bytes()
    if kind.startswith("half"):
        path.write_bytes(content[: len(content) // 2])
    elif kind.startswith("one byte less"):
        path.write_bytes(content[:-1])
    elif kind.startswith("no audio"):
        path.write_bytes(b"<html>404 Not Found</html>")
    elif kind.startswith("nothing"):
        path.write_bytes(b"")
    elif kind.startswith("missing"):
        path.unlink()
    elif kind.startswith("nan"):
        soundfile.write(path, np.array([0.0, np.nan, 0.1], dtype=np.float32), 16000, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("half wav", "truncated, the last 16"),
        ("one byte less wav", "truncated, the last 1 bytes are missing"),
        ("half flac", "cannot be decoded"),
        ("no audio wav", "cannot be decoded"),
        ("nothing flac", "cannot be decoded"),
        ("missing wav", "cannot be decoded"),
        ("empty wav", "holds no samples"),
        ("nan wav", "not finite"),
    ],
)
@pytest.mark.parametrize("copy", [False, True])
def test_damaged_files_are_named_and_never_written(tmp_path: Path, kind: str, message: str, copy: bool) -> None:
    path = damaged(tmp_path, kind)
    outcome = convert(job(path, copy=copy))
    assert outcome.error.startswith(f"{path}: ") and message in outcome.error
    assert not (tmp_path / "out").exists()


def test_a_wav_of_unknown_length_is_no_truncated_one(tmp_path: Path) -> None:
    """Programs that write to a pipe put the largest number into the header."""
    soundfile.write(tmp_path / "a.wav", tone(100, 16000), 16000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "a.wav").write_bytes(content)
    outcome = convert(job(tmp_path / "a.wav"))
    assert (outcome.error, outcome.frames) == ("", 16000)


def test_chunks_before_and_after_the_audio_are_no_fault(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(100, 16000), 16000)
    content = (tmp_path / "a.wav").read_bytes()
    note = b"note" + (3).to_bytes(4, "little") + b"abc\0"  # of an odd size, padded
    (tmp_path / "a.wav").write_bytes(content[:36] + note + content[36:] + note)
    assert convert(job(tmp_path / "a.wav")).error == ""
    (tmp_path / "a.wav").write_bytes(content[:36] + note + content[36:-2])
    assert "the last 2 bytes are missing" in convert(job(tmp_path / "a.wav")).error
