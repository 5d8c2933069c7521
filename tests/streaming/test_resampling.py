"""Streams of any rate come back in their own, in line with what went in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.enhancer import StreamingEnhancer
from streaming.resampling import ResampledStream
from tests.streaming.transparent_network import speech_like, transparent_enhancer

RATES = (8000, 11025, 16000, 22050, 44100, 48000, 96000)
EDGE_S = 0.05  # of the resampler at both ends, and the fade of the last frame


@pytest.fixture(scope="module")
def enhancer(tmp_path_factory: pytest.TempPathFactory) -> StreamingEnhancer:
    return transparent_enhancer(tmp_path_factory.mktemp("network"))


def enhanced(enhancer: StreamingEnhancer, signal: np.ndarray, rate: int, cuts: Sequence[int] = ()) -> np.ndarray:
    stream = ResampledStream(enhancer.new_stream(), rate)
    pieces = [stream.feed(part).samples for part in np.split(signal, list(cuts))]
    return np.concatenate([*pieces, stream.flush().samples])


@pytest.mark.parametrize("rate", RATES)
def test_a_network_that_changes_nothing_returns_the_signal_in_line(enhancer: StreamingEnhancer, rate: int) -> None:
    signal = speech_like(0.7, rate)[:, 0]
    returned = enhanced(enhancer, signal, rate)
    assert returned.shape == signal.shape
    inside = slice(round(EDGE_S * rate), -round(EDGE_S * rate))
    np.testing.assert_allclose(returned[inside], signal[inside], atol=2e-5)
    # The control: a shift by one sample would be seen.
    assert np.abs(np.roll(returned, 1)[inside] - signal[inside]).max() > 2e-3


@given(rate=st.sampled_from(RATES), length=st.integers(0, 3000), data=st.data())
def test_length_and_values_do_not_depend_on_the_pieces(
    enhancer: StreamingEnhancer, rate: int, length: int, data: st.DataObject
) -> None:
    signal = speech_like(1.0, rate)[:length, 0]
    cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=5)))
    whole = enhanced(enhancer, signal, rate)
    assert len(whole) == length
    np.testing.assert_array_equal(enhanced(enhancer, signal, rate, cuts), whole)


def test_what_the_network_is_fed_is_what_it_answers_for(enhancer: StreamingEnhancer) -> None:
    stream = ResampledStream(enhancer.new_stream(), 48000)
    pieces = [stream.feed(speech_like(0.5, 48000)[:, 0]), stream.flush()]
    fed = sum(len(piece.noisy) for piece in pieces)
    chunks = [chunk for piece in pieces for chunk in piece.chunks]
    assert fed == 8000
    assert sum(len(chunk.samples) for chunk in chunks) == fed
    assert sum(len(chunk.utilization) for chunk in chunks) == 1 + fed // 256


@pytest.mark.parametrize("rate", [16000, 22050])
@pytest.mark.parametrize("value", [np.nan, -np.inf, 3e7])
def test_what_cannot_be_used_is_refused_and_the_stream_goes_on(
    enhancer: StreamingEnhancer, rate: int, value: float
) -> None:
    signal = speech_like(0.3, rate)[:, 0]
    stream = ResampledStream(enhancer.new_stream(), rate)
    first = stream.feed(signal[:3000]).samples
    bad = signal[3000:].copy()
    bad[5] = value
    with pytest.raises(ValueError, match=f"must be finite .*got {value} at position 5"):
        stream.feed(bad)
    rest = [stream.feed(signal[3000:]).samples, stream.flush().samples]
    np.testing.assert_array_equal(np.concatenate([first, *rest]), enhanced(enhancer, signal, rate))


def test_filters_that_overshoot_are_no_reason_to_refuse(enhancer: StreamingEnhancer) -> None:
    signal = np.where(np.arange(4000) % 200 < 100, 1e6, -1e6).astype(np.float32)
    assert np.isfinite(enhanced(enhancer, signal, 48000)).all()


@pytest.mark.parametrize("rate", [0, -16000])
def test_a_rate_must_be_that_of_a_recording(enhancer: StreamingEnhancer, rate: int) -> None:
    with pytest.raises(ValueError, match=f"must be 1000 to 1000000 Hz, got {rate}"):
        ResampledStream(enhancer.new_stream(), rate)
