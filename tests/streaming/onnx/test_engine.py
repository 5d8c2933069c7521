"""Both engines say the same; what the ONNX one cannot do is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from checkpoints.network_file import StoredNetwork
from networks.conv_fsenet import ConvFSENet
from probes.deployment import DeployedProbe, ProbeBank
from streaming.enhancer import StreamingEnhancer

Build = Callable[..., ConvFSENet]
Store = Callable[[ConvFSENet], StoredNetwork]


def signal(samples: int = 4000) -> np.ndarray:
    generator = np.random.default_rng(5)
    return (generator.standard_normal(samples) * np.linspace(0.001, 0.2, samples)).astype(np.float32)


@pytest.fixture
def files(tmp_path: Path, trained: Build, stored: Store) -> Callable[[str], Path]:
    """Return a function that writes a network with probes beside it."""

    def write(kind: str) -> Path:
        path = tmp_path / f"{kind}.safetensors"
        stored(trained(kind)).save(path)
        generator = np.random.default_rng(6)
        features = np.arange(0, 80, 3, dtype=np.int32)
        weights = generator.standard_normal((4, features.size)).astype(np.float32) / 5
        probes = {
            "vad": DeployedProbe("binary", features, weights[:1], np.zeros(1, np.float32)),
            "noise_class": DeployedProbe(
                "category", features, weights[1:], np.zeros(3, np.float32), classes=tuple("abc")
            ),
        }
        ProbeBank(probes, 4, 20, 32 / 16000).save(tmp_path / f"{kind}.probes.safetensors")
        return path

    return write


def test_both_engines_enhance_and_hear_the_same(kind: str, files: Callable[[str], Path]) -> None:
    path, noisy = files(kind), signal()
    one, other = (StreamingEnhancer(path, engine=name, keep_masks=True) for name in ("numba", "onnx"))
    for piece in np.split(noisy, [1, 40, 40, 1000, 1032]):
        expected, found = one.feed(piece), other.feed(piece)
        assert np.array_equal(found.channel_masks, expected.channel_masks)
        assert np.allclose(found.utilization, expected.utilization, atol=1e-6)
        assert np.abs(found.samples - expected.samples).max(initial=0) < 1e-6
        assert found.first_frame == expected.first_frame
        for name in ("vad", "noise_class"):
            assert np.allclose(found.properties.smoothed(name), expected.properties.smoothed(name), atol=1e-5)
    assert np.abs(one.flush().samples - other.flush().samples).max() < 1e-6


def test_pieces_change_nothing(files: Callable[[str], Path]) -> None:
    enhancer, noisy = StreamingEnhancer(files("all"), engine="onnx"), signal()
    whole = np.concatenate([enhancer.feed(noisy).samples, enhancer.flush().samples])
    pieces = [enhancer.feed(piece).samples for piece in np.split(noisy, np.arange(7, noisy.size, 61))]
    assert np.array_equal(np.concatenate([*pieces, enhancer.flush().samples]), whole)


def test_streams_are_apart_and_states_are_kept(files: Callable[[str], Path]) -> None:
    enhancer, noisy = StreamingEnhancer(files("all"), engine="onnx"), signal()
    other = enhancer.new_stream()
    enhancer.feed(noisy[:1500])
    state = enhancer.save_state()
    expected = enhancer.feed(noisy[1500:]).samples
    other.feed(noisy[::-1])
    other.restore_state(state)
    assert np.array_equal(other.feed(noisy[1500:]).samples, expected)
    other.reset()
    assert not np.array_equal(other.feed(noisy[1500:]).samples, expected)


def test_unusable_samples_are_refused_and_change_nothing(files: Callable[[str], Path]) -> None:
    enhancer, noisy = StreamingEnhancer(files("default"), engine="onnx"), signal()
    enhancer.feed(noisy[:1000])
    before = enhancer.save_state()
    with pytest.raises(ValueError, match="must be finite"):
        enhancer.feed(np.array([0.0, np.nan], dtype=np.float32))
    assert enhancer.save_state() == before


def test_given_masks_are_refused(files: Callable[[str], Path]) -> None:
    enhancer = StreamingEnhancer(files("default"), engine="onnx")
    frames = enhancer.frames_after(500)
    with pytest.raises(ValueError, match="the masks of its gates only"):
        enhancer.feed(signal(500), np.ones((frames, 4, 20), dtype=np.bool_))
