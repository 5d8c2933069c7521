"""The ONNX graph, run by onnxruntime, is the network, for every kind of gate and any number of frames per call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from checkpoints.network_file import StoredNetwork
from networks.conv_fsenet import ConvFSENet
from streaming.folding import fold
from streaming.network import FixedGate
from streaming.onnx.graph import frame_graph, scan_over_frames, without_idle_channels

Build = Callable[..., ConvFSENet]
Store = Callable[[ConvFSENet], StoredNetwork]


def session(network: StoredNetwork, **settings: bool) -> onnxruntime.InferenceSession:
    model = scan_over_frames(frame_graph(fold(network), **settings), {"kind": "test"})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])


def run(running: onnxruntime.InferenceSession, magnitude: np.ndarray, pieces: Sequence[int]) -> dict[str, np.ndarray]:
    """Feed frames in pieces and join what comes out."""
    kinds = {"tensor(float)": np.float32, "tensor(bool)": np.bool_, "tensor(int64)": np.int64}
    states = {i.name: np.zeros(i.shape, kinds[i.type]) for i in running.get_inputs() if i.name != "magnitude"}
    names = [output.name for output in running.get_outputs()]
    joined: dict[str, list[np.ndarray]] = {}
    for piece in np.split(magnitude, np.cumsum(pieces)):
        outputs: dict[str, Any] = dict(zip(names, running.run(None, {"magnitude": piece, **states}), strict=True))
        states = {name: outputs.pop(f"new_{name}") for name in states}
        for name, value in outputs.items():
            joined.setdefault(name, []).append(value)
    return {name: np.concatenate(values) for name, values in joined.items()}


@pytest.mark.parametrize("pieces", [(), (1,) * 40, (7, 30)], ids=["at once", "one by one", "pieces"])
def test_output_and_masks_are_those_of_the_network(
    kind: str, pieces: Sequence[int], trained: Build, stored: Store, features: torch.Tensor
) -> None:
    network = trained(kind)
    with torch.no_grad():
        spectral, masks = network.estimate(features)
    found = run(session(stored(network)), features[0].T.numpy(), pieces)
    assert np.abs(found["spectral_mask"] - spectral[0].T.numpy()).max() < 1e-5
    assert ("channel_masks" in found) == (kind != "dense")
    if kind != "dense":
        assert np.array_equal(found["channel_masks"], masks[0].permute(2, 0, 1).bool().numpy())


@pytest.mark.parametrize("kernel_size", [1, 2, 4])
def test_any_number_of_taps(kernel_size: int, trained: Build, stored: Store, features: torch.Tensor) -> None:
    network = trained("depthwise", kernel_size)
    with torch.no_grad():
        spectral, _ = network.estimate(features)
    found = run(session(stored(network)), features[0].T.numpy(), (3, 20))
    assert np.abs(found["spectral_mask"] - spectral[0].T.numpy()).max() < 1e-5


@pytest.mark.parametrize("gates", ["default", "hysteresis", "static", "random"])
def test_every_channel_is_computed_below_an_infinite_threshold(
    gates: str, trained: Build, stored: Store, features: torch.Tensor
) -> None:
    network = trained(gates)
    network.set_target_utilization(1.0)
    with torch.no_grad():
        spectral, _ = network.estimate(features)
    found = run(session(stored(network)), features[0].T.numpy(), (5,))
    assert found["channel_masks"].all()
    assert np.abs(found["spectral_mask"] - spectral[0].T.numpy()).max() < 1e-5


def test_products_and_sums_apart_change_nothing(trained: Build, stored: Store, features: torch.Tensor) -> None:
    network, magnitude = stored(trained("default")), features[0].T.numpy()
    one, other = (run(session(network, fused=fused), magnitude, ()) for fused in (True, False))
    assert np.abs(one["spectral_mask"] - other["spectral_mask"]).max() < 1e-6


def test_the_state_matters(trained: Build, stored: Store, features: torch.Tensor) -> None:
    running, magnitude = session(stored(trained("default"))), features[0].T.numpy()
    forgotten = [run(running, piece, ())["spectral_mask"] for piece in np.split(magnitude, [40])]
    assert np.abs(np.concatenate(forgotten) - run(running, magnitude, ())["spectral_mask"]).max() > 1e-4


def test_idle_channels_of_fixed_gates_are_left_out(trained: Build, stored: Store) -> None:
    network = fold(stored(trained("static")))
    active = [int(block.gate.channel_mask.sum()) for block in network.blocks if isinstance(block.gate, FixedGate)]
    smaller = without_idle_channels(network)
    assert {block.expand_weight.shape[0] for block in smaller.blocks} == {max(active)}
    assert max(active) < network.channels
    dense = fold(stored(trained("dense")))
    assert without_idle_channels(dense) is dense


def test_a_network_without_active_channels_is_translated(trained: Build, stored: Store, features: torch.Tensor) -> None:
    network = trained("static")
    for gate in network.gates:
        gate.threshold.fill_(100.0)
    with torch.no_grad():
        spectral, _ = network.estimate(features)
    found = run(session(stored(network)), features[0].T.numpy(), ())
    assert not found["channel_masks"].any()
    assert np.abs(found["spectral_mask"] - spectral[0].T.numpy()).max() < 1e-5


def test_blocks_take_few_operations(trained: Build, stored: Store) -> None:
    """Between operations a runtime spends as long as in them: what was measured depends on their number."""
    graph = frame_graph(fold(stored(trained("dense")))).model.graph
    kinds = Counter(node.op_type for node in graph.node)
    blocks = 4
    assert kinds["Gemm"] == 2 * blocks + 2
    assert len(graph.node) <= 7 * blocks + 14
    assert kinds["Gather"] == 2
    assert "Slice" not in kinds
