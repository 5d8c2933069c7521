"""How long a stream waits, and that low delay costs nothing but exactness in time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.enhancer import StreamingEnhancer
from streaming.live.latency import Latency, longest_wait, stream_waits
from streaming.resampling import ResampledStream
from tests.streaming.transparent_network import transparent_enhancer

HOP, WINDOW = 256, 512


@pytest.fixture(scope="module")
def enhancer(tmp_path_factory: pytest.TempPathFactory) -> StreamingEnhancer:
    return transparent_enhancer(tmp_path_factory.mktemp("network"))


@given(block=st.integers(1, 2000))
def test_the_wait_at_the_networks_rate_follows_from_the_hop(enhancer: StreamingEnhancer, block: int) -> None:
    assert stream_waits(enhancer, 16000, block, 1.0) == (WINDOW - np.gcd(block, HOP), 0)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
def test_low_delay_waits_less_and_loses_no_sample(enhancer: StreamingEnhancer, rate: int) -> None:
    block, length = rate * HOP // 16000, 2 * rate
    whole, alone = stream_waits(enhancer, rate, block, 2.0)
    slow = ResampledStream(enhancer.new_stream(), rate)
    assert alone < whole < 0.6 * longest_wait(lambda samples: slow.feed(samples).samples, block, length)
    seconds = np.arange(length) / rate
    noisy = np.sin(2 * np.pi * 300 * seconds).astype(np.float32)
    stream = ResampledStream(enhancer.new_stream(), rate, low_delay=True)
    pieces = [stream.feed(noisy[at : at + block]).samples for at in range(0, length, block)]
    returned = np.concatenate([*pieces, stream.flush().samples])
    assert returned.size == length
    steady = slice(rate // 10, -rate // 10)
    shift = 2 * np.pi * 300 * 0.3e-3  # of a quarter of a millisecond
    assert np.abs(returned - noisy)[steady].max() < shift
    ratio = np.vdot(np.exp(2j * np.pi * 300 * seconds)[steady], returned[steady]) * 2 / len(seconds[steady])
    assert abs(ratio) == pytest.approx(1.0, rel=2e-3)


def test_the_parts_add_up() -> None:
    latency = Latency(0.001, 0.002, 0.003, 0.004, 0.005)
    assert latency.total == pytest.approx(0.015) and str(latency).startswith("15 ms (device 1 + block 2")
