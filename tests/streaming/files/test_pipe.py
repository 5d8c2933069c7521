"""Raw PCM through pipes: as it arrives, byte by byte if need be."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from streaming.enhancer import StreamingEnhancer
from streaming.files.pipe import PcmError, PcmFormat, PcmPipe, PcmReport
from streaming.files.property_columns import Selection
from tests.streaming.transparent_network import CLASSES, speech_like, transparent_enhancer


@pytest.fixture(scope="module")
def enhancer(tmp_path_factory: pytest.TempPathFactory) -> StreamingEnhancer:
    return transparent_enhancer(tmp_path_factory.mktemp("network"))


def through(pipe: PcmPipe, pieces: Sequence[bytes]) -> tuple[bytes, PcmReport]:
    """Send pieces through a pipe, one after the other, and return what comes out."""
    source, feed = os.pipe()
    drain, sink = os.pipe()

    def write() -> None:
        for piece in pieces:
            os.write(feed, piece)
        os.close(feed)

    received: list[bytes] = []

    def read() -> None:
        while content := os.read(drain, 65536):
            received.append(content)

    threads = [threading.Thread(target=write), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    try:
        return_value = pipe.run(source, sink)
    finally:
        os.close(sink)
        for thread in threads:
            thread.join()
        os.close(source)
        os.close(drain)
    return b"".join(received), return_value


@pytest.mark.parametrize(("kind", "tolerance"), [("s16le", 1 / 32768), ("f32le", 2e-5)])
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2)])
def test_what_goes_in_comes_out(
    enhancer: StreamingEnhancer, kind: str, tolerance: float, rate: int, channels: int
) -> None:
    pcm = PcmFormat(kind, rate, channels)  # type: ignore[arg-type]
    signal = speech_like(0.4, rate, channels)
    content = pcm.encode(signal)[0]
    odd = [content[start : start + 997] for start in range(0, len(content), 997)]  # cut within samples
    received, report = through(PcmPipe(enhancer, pcm), odd)
    assert len(received) == len(content)
    edge = round(0.05 * rate)
    np.testing.assert_allclose(
        pcm.decode(received)[edge:-edge], pcm.decode(content)[edge:-edge], atol=1.01 * tolerance + 2e-5
    )
    assert (report.seconds, report.clipped, report.reader_left) == (len(signal) / rate, 0, False)
    assert report.heard.frames == channels * 26


def test_samples_come_out_one_window_after_they_went_in(enhancer: StreamingEnhancer) -> None:
    source, feed = os.pipe()
    drain, sink = os.pipe()
    pipe = PcmPipe(enhancer, PcmFormat("f32le"))
    thread = threading.Thread(target=pipe.run, args=(source, sink))
    thread.start()
    signal = speech_like(0.2, 16000)
    os.write(feed, signal[:1024].tobytes())  # the pipe stays open: nothing is held back
    received = b""
    while len(received) < 4 * (1024 - enhancer.latency_samples):
        received += os.read(drain, 65536)
    os.close(feed)
    thread.join(timeout=10)
    assert not thread.is_alive()
    for descriptor in (source, drain, sink):
        os.close(descriptor)
    np.testing.assert_allclose(np.frombuffer(received, "<f4"), signal[: len(received) // 4, 0], atol=1e-5)


def test_properties_are_written_while_it_runs(enhancer: StreamingEnhancer) -> None:
    lines = io.StringIO()
    signal = speech_like(0.3, 16000, 2)
    pipe = PcmPipe(enhancer, PcmFormat("f32le", 16000, 2), lines, Selection(smoothed=False))
    through(pipe, [signal.tobytes()])
    rows = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [(row["frame"], row["channel"]) for row in rows] == [
        (frame, channel) for frame in range(19) for channel in (0, 1)
    ]
    assert all(row["noise_class"] in CLASSES and row["vad"] in (0, 1) for row in rows)
    alone = enhancer.new_stream().feed(signal[:, 1]).properties.raw("snr_db")
    np.testing.assert_allclose([row["snr_db"] for row in rows if row["channel"] == 1][: len(alone)], alone, rtol=1e-4)


def test_values_beyond_full_scale_are_limited_and_counted(enhancer: StreamingEnhancer) -> None:
    pcm = PcmFormat("s16le")
    assert pcm.encode(np.array([[1.0], [-1.0], [1.2], [-7.0]], dtype=np.float32)) == (
        np.array([32767, -32768, 32767, -32768], dtype="<i2").tobytes(),
        2,
    )
    values = np.arange(-32768, 32768, dtype="<i2").tobytes()
    assert pcm.encode(pcm.decode(values)) == (values, 0)


def test_a_reader_that_leaves_ends_it_quietly(enhancer: StreamingEnhancer) -> None:
    source, feed = os.pipe()
    drain, sink = os.pipe()
    os.close(drain)
    os.write(feed, speech_like(0.2, 16000).tobytes())
    report = PcmPipe(enhancer, PcmFormat("f32le")).run(source, sink)
    assert report.reader_left
    for descriptor in (source, feed, sink):
        os.close(descriptor)


def test_what_is_no_number_is_named_after_what_was_good_is_written(enhancer: StreamingEnhancer) -> None:
    signal = speech_like(0.3, 16000, 2)
    signal[2500, 1] = np.inf
    source, feed = os.pipe()
    drain, sink = os.pipe()
    os.write(feed, signal.tobytes())
    with pytest.raises(PcmError, match=r"stdin: sample 2500 \(0\.156 s\) of channel 1 is inf"):
        PcmPipe(enhancer, PcmFormat("f32le", 16000, 2)).run(source, sink)
    os.close(sink)
    received = np.frombuffer(os.read(drain, 1 << 16), "<f4").reshape(-1, 2)
    for descriptor in (source, feed, drain):
        os.close(descriptor)
    assert len(received) == 2500
    np.testing.assert_allclose(received[:-500], signal[:2000], atol=1e-5)


def test_what_is_far_beyond_full_scale_is_refused(enhancer: StreamingEnhancer) -> None:
    signal = speech_like(0.3, 16000)
    signal[2500] = 3e7
    with pytest.raises(PcmError, match=r"stdin: samples must be .* got 30000000\.0"):
        through(PcmPipe(enhancer, PcmFormat("f32le")), [signal.tobytes()])


def test_an_end_within_a_sample_is_told_after_the_rest(enhancer: StreamingEnhancer) -> None:
    signal = speech_like(0.1, 16000, 2)
    pipe = PcmPipe(enhancer, PcmFormat("f32le", 16000, 2))
    with pytest.raises(PcmError, match="5 bytes are left over, a sample of 2 channels in f32le has 8"):
        through(pipe, [signal.tobytes() + b"\0" * 5])


@pytest.mark.parametrize("values", [("u8", 16000, 1), ("s16le", 0, 1), ("s16le", 16000, 0)])
def test_a_bad_format_is_refused(values: tuple[str, int, int]) -> None:
    with pytest.raises(PcmError, match="must be"):
        PcmFormat(*values)  # type: ignore[arg-type]
