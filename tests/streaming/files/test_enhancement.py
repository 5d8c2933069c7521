"""One file in, one file out: rate, channels, length, sample format and alignment stay."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streaming.enhancer import StreamingEnhancer
from streaming.files.audio import AudioFileError
from streaming.files.enhancement import FileSettings, Stopped, enhance_file
from streaming.files.plan import FileJob
from streaming.files.property_columns import Selection, columns_for
from streaming.files.property_table import PropertyTable, TableLayout
from tests.streaming.transparent_network import speech_like, transparent_enhancer

EDGE_S = 0.05


@pytest.fixture(scope="module")
def enhancer(tmp_path_factory: pytest.TempPathFactory) -> StreamingEnhancer:
    return transparent_enhancer(tmp_path_factory.mktemp("network"), keep_masks=True)


def job(folder: Path, source: str = "in.wav", target: str = "out.wav") -> FileJob:
    return FileJob(folder / source, folder / target, source)


@pytest.mark.parametrize(
    ("name", "rate", "channels", "subtype", "tolerance"),
    [
        ("a.wav", 16000, 1, "PCM_16", 2**-15),
        ("a.wav", 48000, 2, "PCM_24", 3e-5),
        ("a.wav", 44100, 3, "FLOAT", 3e-5),
        ("a.wav", 8000, 1, "PCM_U8", 2**-6),
        ("a.flac", 22050, 2, "PCM_24", 3e-5),
        ("a.flac", 16000, 1, "PCM_16", 2**-15),
        ("a.ogg", 16000, 1, "VORBIS", None),
        ("a.opus", 48000, 2, "OPUS", None),
        ("a.aiff", 11025, 1, "PCM_16", 2**-14),
    ],
)
def test_what_goes_in_comes_out_where_the_network_changes_nothing(
    tmp_path: Path,
    enhancer: StreamingEnhancer,
    name: str,
    rate: int,
    channels: int,
    subtype: str,
    tolerance: float | None,
) -> None:
    signal = speech_like(0.9, rate, channels)
    container = "OGG" if subtype in ("VORBIS", "OPUS") else None
    soundfile.write(tmp_path / name, signal, rate, subtype=subtype, format=container)
    read, _ = soundfile.read(tmp_path / name, always_2d=True)
    report = enhance_file(job(tmp_path, name, f"out/{name}"), enhancer, FileSettings(block_s=0.21))
    with soundfile.SoundFile(tmp_path / "out" / name) as out:
        assert (out.samplerate, out.channels, out.subtype, out.frames) == (rate, channels, subtype, len(read))
        written = out.read(always_2d=True)
    inside = slice(round(EDGE_S * rate), -round(EDGE_S * rate))
    if tolerance is None:  # the codec loses something again, but shifts nothing
        agreement = [np.corrcoef(np.roll(written, lag, axis=0)[inside, 0], read[inside, 0])[0, 1] for lag in (-1, 0, 1)]
        assert agreement[1] > 0.9 and np.argmax(agreement) == 1
    else:
        np.testing.assert_allclose(written[inside], read[inside], atol=tolerance)
    assert report.seconds == pytest.approx(0.9, abs=0.01)
    assert report.clipped == 0
    assert report.heard.frames == channels * (1 + round(report.seconds * 16000) // 256)


@pytest.mark.parametrize("samples", [0, 1, 100, 700])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_short_and_empty_files_keep_their_length(
    tmp_path: Path, enhancer: StreamingEnhancer, samples: int, rate: int
) -> None:
    soundfile.write(tmp_path / "in.wav", speech_like(0.1, rate, 2)[:samples], rate)
    report = enhance_file(job(tmp_path), enhancer, FileSettings(excerpt_s=1.0))
    written, out_rate = soundfile.read(tmp_path / "out.wav", always_2d=True)
    assert (written.shape, out_rate) == ((samples, 2), rate)
    assert report.excerpt is not None and len(report.excerpt.noisy) == round(samples * 16000 / rate)
    heard = round(samples * 16000 / rate)
    assert report.heard.frames == (2 * (1 + heard // 256) if heard else 0)
    assert ("no frames" in report.heard.text()) == (heard == 0)


def test_channels_do_not_meet(tmp_path: Path, enhancer: StreamingEnhancer) -> None:
    signal = speech_like(0.5, 16000, 2)
    signal[:, 1] = 0
    soundfile.write(tmp_path / "in.wav", signal, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "left.wav", signal[:, 0], 16000, subtype="FLOAT")
    enhance_file(job(tmp_path), enhancer, FileSettings())
    enhance_file(job(tmp_path, "left.wav", "left_out.wav"), enhancer, FileSettings())
    both, left = soundfile.read(tmp_path / "out.wav")[0], soundfile.read(tmp_path / "left_out.wav")[0]
    np.testing.assert_array_equal(both[:, 0], left)
    np.testing.assert_array_equal(both[:, 1], 0)


def test_memory_does_not_grow_with_the_length(tmp_path: Path, enhancer: StreamingEnhancer) -> None:
    peaks = []
    for seconds in (20, 200):
        soundfile.write(tmp_path / "in.wav", np.zeros(seconds * 8000, dtype=np.float32), 8000)
        table = PropertyTable(tmp_path / "t.csv", TableLayout(columns_for(enhancer.schema, Selection()), {}))
        table.prepare(keep=False)
        tracemalloc.start()
        enhance_file(job(tmp_path), enhancer, FileSettings(excerpt_s=5.0), table)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_an_excerpt_is_the_beginning_of_the_first_channel(tmp_path: Path, enhancer: StreamingEnhancer) -> None:
    signal = speech_like(1.5, 16000, 2)
    soundfile.write(tmp_path / "in.wav", signal, 16000, subtype="FLOAT")
    settings = FileSettings(excerpt_s=0.8, block_s=0.3)
    excerpt = enhance_file(job(tmp_path), enhancer, settings).excerpt
    assert excerpt is not None
    np.testing.assert_array_equal(excerpt.noisy, signal[:12800, 0])
    np.testing.assert_allclose(excerpt.enhanced, signal[:12800, 0], atol=1e-5)
    assert excerpt.channel_masks.shape == (51, enhancer.blocks, enhancer.channels)
    assert excerpt.seconds == 1.5
    noise = next(spec for spec in enhancer.schema if spec.kind == "category")
    np.testing.assert_allclose(excerpt.posteriors(noise).sum(axis=1), np.ones(51), rtol=1e-5)


@pytest.mark.parametrize("value", [np.nan, 3e7])
def test_a_bad_file_is_named_and_leaves_nothing(tmp_path: Path, enhancer: StreamingEnhancer, value: float) -> None:
    signal = speech_like(0.9, 16000)
    signal[9000] = value
    soundfile.write(tmp_path / "in.wav", signal, 16000, subtype="FLOAT")
    table = PropertyTable(tmp_path / "t.csv", TableLayout(columns_for(enhancer.schema, Selection()), {}))
    table.prepare(keep=False)
    with pytest.raises(AudioFileError, match=r"in\.wav: .*finite"):
        enhance_file(job(tmp_path), enhancer, FileSettings(block_s=0.2), table)
    assert {path.name for path in tmp_path.iterdir()} == {"in.wav", "t.csv.parts"}
    assert [path.name for path in table.folder.iterdir()] == ["layout.json"]


def test_stopping_leaves_nothing_and_progress_is_told(tmp_path: Path, enhancer: StreamingEnhancer) -> None:
    soundfile.write(tmp_path / "in.wav", speech_like(1.0, 16000), 16000)
    told: list[float] = []
    enhance_file(job(tmp_path), enhancer, FileSettings(block_s=0.25), advance=told.append)
    assert told == [0.25] * 4
    (tmp_path / "out.wav").unlink()
    told.clear()
    with pytest.raises(Stopped):
        enhance_file(
            job(tmp_path), enhancer, FileSettings(block_s=0.25), advance=told.append, stopped=lambda: len(told) > 1
        )
    assert len(told) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]
