"""Audio from elsewhere: files that are trained with, files that are enhanced, and pipes."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import soundfile
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from benchmarks.hostile.damage import NUMBERS, damaged
from benchmarks.hostile.networks import small_enhancer
from benchmarks.hostile.target import Files, Target, demand

RATE = 16000
SAMPLES = 1500
FORMATS = (
    ("wav", "WAV", "PCM_16"), ("wav", "WAV", "FLOAT"), ("wav", "WAV", "DOUBLE"), ("wav", "WAV", "IMA_ADPCM"),
    ("flac", "FLAC", "PCM_16"), ("ogg", "OGG", "VORBIS"), ("aiff", "AIFF", "PCM_24"), ("au", "AU", "ULAW"),
    ("w64", "W64", "PCM_16"), ("caf", "CAF", "ALAC_16"), ("mp3", "MP3", "MPEG_LAYER_III"), ("rf64", "RF64", "PCM_16"),
)  # fmt: skip


def wave(
    samples: bytes, tag: int = 1, channels: int = 1, rate: int = RATE, align: int = 2, bits: int = 16, size: int = -1
) -> bytes:
    """Return a WAV file with these fields, right or not; ``size`` is what its header says of ``samples``."""
    said = len(samples) if size < 0 else size
    fields = (tag, channels, rate, rate * align & 0xFFFFFFFF, align, bits)
    return b"".join(
        (
            b"RIFF", struct.pack("<I", 36 + said & 0xFFFFFFFF), b"WAVEfmt ", struct.pack("<IHHIIHH", 16, *fields),
            b"data", struct.pack("<I", said & 0xFFFFFFFF), samples,
        )
    )  # fmt: skip


@st.composite
def waves(draw: DrawFn) -> bytes:
    """Return WAV files whose fields contradict one another, and whose samples are no numbers."""
    tag, bits = draw(st.sampled_from(((1, 16), (1, 8), (1, 24), (3, 32), (3, 64), (6, 8), (0xFFFE, 16), (1, 0))))
    channels = draw(st.sampled_from((0, 1, 1, 2, 3, 1000, 65535)))
    rate = draw(st.sampled_from((0, 1, 999, 8000, RATE, RATE, RATE, 44101, 48000, 10**6, 2**31 - 1, 2**32 - 1)))
    align = draw(st.sampled_from((0, 1, 3, channels * bits // 8 & 0xFFFF, channels * bits // 8 & 0xFFFF)))
    special = struct.pack("<ffffdd", float("nan"), float("inf"), 1e30, -1e38, float("nan"), 1e300)
    samples = draw(st.sampled_from((b"", bytes(2000), b"\x11" * 2001, special + bytes(1000), bytes(512) + special)))
    size = draw(st.just(-1) | st.sampled_from(NUMBERS))
    return wave(samples, tag, channels, rate, align, bits, min(size, 2**32 - 1))


def encoded(container: str, subtype: str, channels: int = 1) -> bytes:
    """Return a short signal as a file."""
    time = np.arange(SAMPLES)
    signal = 0.3 * np.sin(time / 9) + 0.1 * np.sin(time / 2.3)
    content = io.BytesIO()
    samples = np.stack([signal] * channels, axis=1)
    soundfile.write(content, samples, RATE, format=container, subtype=subtype)
    return content.getvalue()


def flac_of(total: int) -> bytes:
    """Return a FLAC file whose header says that it has ``total`` samples."""
    content = bytearray(encoded("FLAC", "PCM_16"))
    content[21] = content[21] & 0xF0 | total >> 32 & 0xF  # 36 bits, behind rate, channels and resolution
    content[22:26] = struct.pack(">I", total & 0xFFFFFFFF)
    return bytes(content)


def _lying() -> SearchStrategy[bytes]:
    return st.sampled_from((0, 1, 100, SAMPLES, 2**28, 2**31, 2**36 - 1)).map(flac_of)


@st.composite
def audio_files(draw: DrawFn) -> Files:
    """Return one damaged file under the name of its format."""
    suffix, container, subtype = draw(st.sampled_from([kind for kind in FORMATS if kind[1] in _available()]))
    seeds = [encoded(container, subtype), encoded(container, subtype, 2)] if container != "MP3" else [_mp3()]
    content = draw(st.one_of(damaged(seeds), damaged(seeds), waves(), _lying()))
    return {f"hostile.{draw(st.sampled_from((suffix, suffix, suffix, 'wav', 'raw', 'txt')))}": content}


def _available() -> set[str]:
    return set(soundfile.available_formats())


def _mp3() -> bytes:
    content = io.BytesIO()
    soundfile.write(content, np.zeros(SAMPLES), RATE, format="MP3")
    return content.getvalue()


def recording_target() -> Target:
    """Return what reads recordings of a corpus, with and without resampling."""
    from datamodules.audio import AudioReader
    from datamodules.corpus import CorpusError
    from datamodules.recording_checks import check_audio

    def read(folder: Path) -> None:
        (path,) = folder.iterdir()
        for rate, checked in ((RATE, True), (RATE, False), (8000, False)):
            if checked:
                check_audio(path, rate, resample=True)
            samples = AudioReader(rate, cache_mb=1).read(path)
            demand(samples.ndim == 1 and samples.dtype == np.float32, f"{samples.dtype} {samples.shape}")
            demand(len(samples) and np.isfinite(samples).all(), "not finite or empty")
            with np.errstate(over="raise"):
                demand(np.isfinite(np.square(samples).sum()), "its power is not finite")

    return Target("recordings of a corpus", audio_files(), read, (CorpusError,))


def enhanced_file_target() -> Target:
    """Return what enhances files."""
    from streaming.files.audio import AudioFileError
    from streaming.files.enhancement import FileSettings, enhance_file
    from streaming.files.formats import AudioFormatError
    from streaming.files.plan import FileJob

    enhancer = small_enhancer()

    def read(folder: Path) -> None:
        (path,) = folder.iterdir()
        target = folder / "out" / "clean.wav"
        try:
            report = enhance_file(FileJob(path, target, path.name), enhancer, FileSettings(subtype="FLOAT"))
        except (AudioFileError, AudioFormatError):
            demand(not list(folder.glob("out/*")), "something is left of a refused file")
            raise
        samples, _ = soundfile.read(target, always_2d=True)
        demand(np.isfinite(samples).all(), "enhanced samples are not finite")
        demand(len(samples) == soundfile.info(path).frames, "another number of samples")
        demand(np.isfinite(report.seconds), "its duration is not finite")

    return Target("dyncp enhance, files", audio_files(), read, (AudioFileError, AudioFormatError))


PIPES = st.fixed_dictionaries(
    {
        "hostile.pcm": st.one_of(
            st.binary(max_size=4000),
            damaged([np.sin(np.arange(900.0)).astype("<f4").tobytes(), bytes(3000)]),
            st.just(struct.pack("<4f", 1e30, -1e38, 5.0, float("inf")) * 20),
        ),
        "options": st.tuples(
            st.sampled_from(("s16le", "f32le")),
            st.sampled_from((-1, 0, 1, 8000, RATE, RATE, 44100, 10**9, 2**40)),
            st.sampled_from((-1, 0, 1, 1, 2, 3, 64, 10**9)),
        ).map(lambda given: " ".join(map(str, given)).encode()),
    }
)


def pipe_target() -> Target:
    """Return what enhances raw PCM."""
    from streaming.files.pipe import PcmError, PcmFormat, PcmPipe

    enhancer = small_enhancer()

    def read(folder: Path) -> None:
        kind, rate, channels = (folder / "options").read_text().split()
        pcm = PcmFormat(kind, int(rate), int(channels))  # type: ignore[arg-type] # refusing others is what is tried
        with (folder / "hostile.pcm").open("rb") as source, (folder / "out.pcm").open("wb") as sink:
            PcmPipe(enhancer, pcm).run(source.fileno(), sink.fileno())
        enhanced = pcm.decode((folder / "out.pcm").read_bytes())
        demand(np.isfinite(enhanced).all(), "enhanced samples are not finite")
        demand(len(enhanced) == (folder / "hostile.pcm").stat().st_size // pcm.frame_bytes, "another number of samples")

    return Target("dyncp enhance, pipes", PIPES, read, (PcmError,), named=("stdin", "--pcm", "--rate", "--channels"))
