"""Streams: pieces, properties, several at once, states, and signals that no microphone makes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from probes.deployment import LARGEST_OCTAVES, LARGEST_OUTPUT, DeployedProbe
from probes.smoothing import leaky_average
from streaming.enhancer import Chunk, StreamingEnhancer
from streaming.state_file import write_state


@pytest.fixture(scope="module")
def path(small_network: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_network().save(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def enhancer(path: Path) -> StreamingEnhancer:
    return StreamingEnhancer(path, keep_masks=True)


def run(enhancer: StreamingEnhancer, signal: np.ndarray, lengths: list[int]) -> list[Chunk]:
    """Feed a signal in pieces of the given lengths, over and over, and flush."""
    chunks, position, turn = [], 0, 0
    while position < len(signal):
        length = lengths[turn % len(lengths)]
        chunks.append(enhancer.feed(signal[position : position + length]))
        position, turn = position + length, turn + 1
    return [*chunks, enhancer.flush()]


def joined(chunks: list[Chunk]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples, properties (2, frame, output) and masks of all chunks."""
    masks = [chunk.channel_masks for chunk in chunks if chunk.channel_masks is not None]
    outputs = [chunk.properties.outputs for chunk in chunks]
    return np.concatenate([chunk.samples for chunk in chunks]), np.concatenate(outputs, axis=1), np.concatenate(masks)


@pytest.mark.slow
@settings(max_examples=15)
@given(
    lengths=strategies.lists(strategies.integers(0, 900), min_size=1, max_size=6).filter(any),
    total=strategies.integers(0, 6000),
)
def test_pieces_change_nothing(enhancer: StreamingEnhancer, signal: np.ndarray, lengths: list[int], total: int) -> None:
    whole, pieces = (joined(run(enhancer.new_stream(), signal[:total], cut)) for cut in ([6000], lengths))
    assert len(whole[0]) == total
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(one, other)


def test_latency_is_that_declared(enhancer: StreamingEnhancer, signal: np.ndarray) -> None:
    stream, got = enhancer.new_stream(), 0
    behind = []
    for fed in range(1, 1500):
        got += len(stream.feed(signal[fed - 1 : fed]).samples)
        behind.append(fed - got)
    assert max(behind) == stream.latency_samples - 1 == 63
    # and no less: a sample depends on what comes up to a window later
    changed = signal.copy()
    changed[1000:] += 0.1
    one, other = (joined(run(enhancer.new_stream(), x, [6000]))[0] for x in (signal, changed))
    first = int(np.flatnonzero(one != other)[0])
    assert 1000 - 64 <= first < 1000 - 32


def test_chunks_say_which_frames_they_hold(enhancer: StreamingEnhancer, signal: np.ndarray) -> None:
    chunks = run(enhancer.new_stream(), signal[:1000], [100])
    firsts = np.cumsum([0, *(len(chunk.properties) for chunk in chunks)])
    assert [chunk.first_frame for chunk in chunks] == firsts[:-1].tolist()
    assert firsts[-1] == 1 + 1000 // 32
    for chunk in chunks:
        assert chunk.channel_masks is not None
        np.testing.assert_allclose(chunk.utilization, chunk.channel_masks.mean(axis=(1, 2)), atol=1e-6)


def running_mean(values: np.ndarray, frames: int) -> np.ndarray:
    """Average all values until there are so many, then leakily; as what is true of averages alone is averaged."""
    averages = [values[:1].mean()]
    for number, value in enumerate(values[1:], start=2):
        averages.append(averages[-1] + (value - averages[-1]) / min(number, frames))
    np.testing.assert_allclose(averages[:frames], np.cumsum(values[:frames]) / np.arange(1, frames + 1))
    return np.array(averages)


def test_properties_are_those_of_the_probes(
    enhancer: StreamingEnhancer, small_network: Callable[..., Any], signal: np.ndarray
) -> None:
    chunk = enhancer.new_stream().feed(signal)
    bank = small_network().bank()
    assert chunk.channel_masks is not None
    masks = chunk.channel_masks.reshape(len(chunk.channel_masks), -1)
    frames = np.zeros(len(masks), dtype=int)
    tau = 0.1 * 16000 / 32
    assert [spec.name for spec in chunk.properties.schema] == list(bank.probes)
    for name, probe in bank.probes.items():
        expected = probe.predict(masks)
        np.testing.assert_allclose(chunk.properties.raw(name), expected, rtol=2e-4, atol=2e-6)
        octaves = np.log2(expected) if probe.transform == "log2" else expected
        smooth = running_mean(expected, 40) if probe.averaged_s else leaky_average(octaves, frames, tau)
        smooth = np.exp2(smooth) if probe.transform == "log2" else smooth
        np.testing.assert_allclose(chunk.properties.smoothed(name), smooth, rtol=5e-4, atol=1e-4)
        assert expected.std() > 0
    with pytest.raises(KeyError, match="no property 'speaker'"):
        chunk.properties.raw("speaker")


def test_the_largest_outputs_that_a_file_may_hold_are_numbers(
    small_network: Callable[..., Any], signal: np.ndarray, tmp_path: Path
) -> None:
    small = small_network()
    bank = small.bank()
    features, weights = np.arange(1, dtype=np.int32), np.ones((1, 1), np.float32)
    for name, largest, transform in (("snr_db", LARGEST_OUTPUT, None), ("f0_hz", LARGEST_OCTAVES, "log2")):
        bias = np.full(1, 0.95 * largest, np.float32)
        bank.probes[name] = DeployedProbe("value", features, weights, bias, transform=transform)
    bank.save(tmp_path / "large.safetensors")
    properties = StreamingEnhancer(small.save(tmp_path), tmp_path / "large.safetensors").feed(signal).properties
    assert np.isfinite(properties.outputs).all() and properties.raw("snr_db").max() > LARGEST_OUTPUT / 2


def test_smoothing_can_be_left_out(path: Path, signal: np.ndarray) -> None:
    properties = StreamingEnhancer(path, smoothing_s=0).feed(signal).properties
    np.testing.assert_allclose(properties.raw("snr_db"), properties.smoothed("snr_db"), atol=1e-6)


def test_streams_do_not_disturb_each_other(enhancer: StreamingEnhancer, signal: np.ndarray) -> None:
    signals = [np.roll(signal, 700 * shift) for shift in range(4)]
    alone = [joined(run(enhancer.new_stream(), x, [333]))[0] for x in signals]
    streams = [enhancer.new_stream() for _ in signals]
    taken: list[list[np.ndarray]] = [[] for _ in signals]
    for start in range(0, 6000, 125):  # in turn
        for stream, x, parts in zip(streams, signals, taken, strict=True):
            parts.append(stream.feed(x[start : start + 125]).samples)
    for stream, parts, expected in zip(streams, taken, alone, strict=True):
        np.testing.assert_array_equal(np.concatenate([*parts, stream.flush().samples]), expected)
    results: dict[int, np.ndarray] = {}

    def work(index: int) -> None:
        results[index] = joined(run(streams[index], signals[index], [77]))[0]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, expected in enumerate(alone):
        np.testing.assert_array_equal(results[index], expected)


def test_a_state_goes_on_elsewhere(enhancer: StreamingEnhancer, path: Path, signal: np.ndarray) -> None:
    expected = joined(run(enhancer.new_stream(), signal, [501]))
    first, second = enhancer.new_stream(), StreamingEnhancer(path, keep_masks=True)
    before = first.feed(signal[:2222])
    second.restore_state(first.save_state())
    after = joined([before, second.feed(signal[2222:]), second.flush()])
    for one, other in zip(expected, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_wrong_state_is_refused(
    enhancer: StreamingEnhancer, small_network: Callable[..., Any], signal: np.ndarray, tmp_path: Path
) -> None:
    stream, other = enhancer.new_stream(), StreamingEnhancer(small_network("raw").save(tmp_path))
    stream.feed(signal[:500])
    kept = stream.save_state()
    for state, message in (
        (other.save_state(), "another network"),
        (b"", "not the state"),
        (kept[:100], "not the state"),
        (b"\x10" + kept[1:], "not the state"),
        (other.new_stream().save_state().replace(b"dyncp-stream", b"dyncp-strean"), "of format"),
    ):
        with pytest.raises(ValueError, match=message):
            stream.restore_state(state)
    assert stream.save_state() == kept


@pytest.mark.parametrize("field", ["frames", "filled", "received"])
@pytest.mark.parametrize("change", [1, -1, 10**12, -(10**12)])
def test_a_state_with_a_position_that_no_stream_reaches_is_refused(
    enhancer: StreamingEnhancer, signal: np.ndarray, field: str, change: int
) -> None:
    stream = enhancer.new_stream()
    stream.feed(signal[:1000])
    kept, tensors = stream.save_state(), stream._stream.tensors()
    tensors["clock"][["frames", "filled", "received"].index(field)] += change
    with pytest.raises(ValueError, match="'clock' must be a position in a stream"):
        stream.restore_state(write_state(tensors, stream.identity))
    assert stream.save_state() == kept


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e7])
def test_unusable_samples_are_refused_and_change_nothing(
    enhancer: StreamingEnhancer, signal: np.ndarray, value: float
) -> None:
    stream = enhancer.new_stream()
    parts = [stream.feed(signal[:1000])]
    bad = signal[1000:1500].copy()
    bad[123] = value
    with pytest.raises(ValueError, match=f"got {value} at position 123|got 10000000.0 at position 123"):
        stream.feed(bad)
    parts += [stream.feed(signal[1000:]), stream.flush()]
    np.testing.assert_array_equal(joined(parts)[0], joined(run(enhancer.new_stream(), signal, [6000]))[0])


@pytest.mark.parametrize(
    "samples", [np.zeros((2, 100), np.float32), np.zeros(100, np.int16), np.zeros(100, np.complex64), ["a"]]
)
def test_other_samples_are_refused(enhancer: StreamingEnhancer, samples: Any) -> None:
    with pytest.raises(ValueError, match="floating point with full scale"):
        enhancer.new_stream().feed(samples)


def test_strides_and_double_precision(enhancer: StreamingEnhancer, signal: np.ndarray) -> None:
    expected = enhancer.new_stream().feed(signal).samples
    np.testing.assert_array_equal(enhancer.new_stream().feed(signal.astype(np.float64)).samples, expected)
    twice = np.repeat(signal, 2)
    np.testing.assert_array_equal(enhancer.new_stream().feed(twice[::2]).samples, expected)


def test_silence_clipping_and_tiny_numbers(enhancer: StreamingEnhancer, signal: np.ndarray) -> None:
    silent = joined(run(enhancer.new_stream(), np.zeros(3000, np.float32), [256]))
    assert (silent[0] == 0).all() and np.isfinite(silent[1]).all()
    for scale in (1e-42, 1e-30, 1e3, 9e5):
        found = joined(run(enhancer.new_stream(), np.clip(signal * np.float32(scale), -9e5, 9e5), [256]))
        assert all(np.isfinite(part).all() for part in found)
    # after sound, silence: no number stays tiny for ever
    stream = enhancer.new_stream()
    stream.feed(signal)
    stream.feed(np.zeros(64000, np.float32))
    state = stream._stream.state
    assert not ((np.abs(state) > 0) & (np.abs(state) < 1e-30)).any()


def test_an_hour_without_drift(enhancer: StreamingEnhancer, signal: np.ndarray) -> None:
    period = signal[: 5984 // 32 * 32]  # whole hops
    stream, first, samples = enhancer.new_stream(), None, 0
    hour = 16000 * 3600
    for _ in range(hour // len(period) + 1):
        chunk = stream.feed(period)
        samples += len(chunk.samples)
        if first is None and samples > len(period):
            first = chunk
    assert first is not None and samples > hour - len(period)
    np.testing.assert_array_equal(chunk.samples, first.samples)
    np.testing.assert_array_equal(chunk.properties.outputs[0], first.properties.outputs[0])


def test_reset_and_flush_forget(enhancer: StreamingEnhancer, signal: np.ndarray) -> None:
    expected = joined(run(enhancer.new_stream(), signal, [400]))
    stream = enhancer.new_stream()
    stream.feed(signal[::-1])
    stream.reset()
    for _ in range(2):  # the second time after a flush
        for one, other in zip(expected, joined(run(stream, signal, [400])), strict=True):
            np.testing.assert_array_equal(one, other)
    assert [len(part) for part in (stream.flush().samples, stream.flush().properties)] == [0, 0]


def test_probes_can_be_left_out_or_must_fit(
    path: Path, small_network: Callable[..., Any], tmp_path: Path, signal: np.ndarray
) -> None:
    without = StreamingEnhancer(path, False).feed(signal)
    assert without.properties.schema == () and len(without.properties) > 100
    other = small_network("default", channels=24)
    other.bank().save(tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"4 blocks of 24 channels .* has 4 of 20"):
        StreamingEnhancer(path, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="no such file"):
        StreamingEnhancer(path, tmp_path / "none.safetensors")
    for arguments in ({"engine": "c"}, {"smoothing_s": -1.0}, {"smoothing_s": float("nan")}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            StreamingEnhancer(path, **arguments)  # type: ignore[arg-type]


def test_forced_masks_must_fit(enhancer: StreamingEnhancer, signal: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"forced_masks must have shape \(2, 4, 20\)"):
        enhancer.new_stream().feed(signal[:64], np.zeros((1, 4, 20), bool))


def test_a_stream_is_small(small_network: Callable[..., Any], tmp_path: Path) -> None:
    sizes = {"residual_channels": 128, "channels": 256, "stacks": 3, "dilations": (1, 2, 4)}
    network = small_network("default", window=512, hop=256, **sizes)
    assert StreamingEnhancer(network.save(tmp_path)).stream_bytes < 2**20
