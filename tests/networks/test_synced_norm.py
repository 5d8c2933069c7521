"""The norms of two ranks are the norm of one process with both batches, in output, gradients and running statistics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from networks.conv_fsenet import ConvFSENet
from networks.gate_settings import GateSettings
from networks.ranks import all_ranks, num_ranks, rank_mean, rank_sum, rank_weight
from networks.synced_norm import SyncedBatchNorm1d, synchronize_norms
from tests.ranks import run_on_ranks

CUTS = {"even": [3, 3], "uneven": [5, 1], "one frame each": [1, 1]}


def make_norm(affine: bool, dtype: torch.dtype) -> nn.Sequential:
    """A norm that has weights already, and a layer before it."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(4, 5, 1), nn.BatchNorm1d(5, affine=affine)).to(dtype)
    if affine:
        nn.init.normal_(network[1].weight)
        nn.init.normal_(network[1].bias)
    return network


def step(network: nn.Module, batch: Tensor, weights: Tensor) -> dict[str, Any]:
    """Two passes, the gradients of the second; the loss is a sum, so that gradients of ranks add up."""
    network(batch + 1)
    batch = batch.clone().requires_grad_()
    output = network(batch)
    (output * weights).sum().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    return {"output": output.detach(), "input": batch.grad, "gradients": gradients, "state": network.state_dict()}


def make_case(cut: str, affine: bool) -> tuple[bool, list[Tensor], list[Tensor]]:
    """Whether the norm has weights; the batch of every rank; what their outputs are weighted by."""
    sizes, frames = CUTS[cut], 1 if cut == "one frame each" else 7
    generator = torch.Generator().manual_seed(1)
    # a mean a thousand times the deviation: sums of squares would lose all digits of float32
    batch = 1.0 + torch.randn(sum(sizes), 4, frames, dtype=torch.float64, generator=generator) / 1000
    weights = torch.randn(sum(sizes), 5, frames, dtype=torch.float64, generator=generator)
    return affine, list(batch.split(sizes)), list(weights.split(sizes))


CASES = {(cut, affine): make_case(cut, affine) for cut in CUTS for affine in (True, False)}


def steps(rank: int) -> Any:
    results = {}
    for case, (affine, batches, weights) in CASES.items():
        network = make_norm(affine, torch.float64)
        assert synchronize_norms(network) == 1
        results[case] = step(network, batches[rank], weights[rank])
    return results


@pytest.fixture(scope="module")
def stepped(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What every rank computed, by case."""
    return run_on_ranks(steps, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_two_ranks_equal_one_process(case: tuple[str, bool], stepped: list[Any]) -> None:
    affine, batches, weights = CASES[case]
    alone = step(make_norm(affine, torch.float64), torch.cat(batches), torch.cat(weights))
    ranks = [rank[case] for rank in stepped]
    for name in ("output", "input"):
        torch.testing.assert_close(torch.cat([rank[name] for rank in ranks]), alone[name], rtol=1e-7, atol=1e-9)
    for name, expected in alone["gradients"].items():
        summed = sum(rank["gradients"][name] for rank in ranks)
        torch.testing.assert_close(summed, expected, rtol=1e-6, atol=1e-7)
    for rank in ranks:
        assert list(rank["state"]) == list(alone["state"])
        for name, expected in alone["state"].items():
            torch.testing.assert_close(rank["state"][name], expected, rtol=1e-9, atol=1e-12)
            assert torch.equal(rank["state"][name], ranks[0]["state"][name]), "the same to the last bit on every rank"


def half_precision(rank: int, batches: list[Tensor]) -> Any:
    network = make_norm(True, torch.float32)
    synchronize_norms(network)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(batches[rank])
        output.float().square().sum().backward()
    return output.detach(), network[1].running_var, network[0].weight.grad


def test_half_precision_keeps_its_type_and_full_statistics(tmp_path: Path) -> None:
    torch.manual_seed(1)
    batch = torch.randn(6, 4, 50)
    alone = make_norm(True, torch.float32)
    output = alone(batch)
    ranks = run_on_ranks(half_precision, tmp_path, list(batch.split([4, 2])))
    assert all(rank[0].dtype == torch.bfloat16 and rank[1].dtype == torch.float32 for rank in ranks)
    torch.testing.assert_close(torch.cat([rank[0] for rank in ranks]).float(), output.detach(), rtol=0.05, atol=0.05)
    torch.testing.assert_close(ranks[0][1], alone[1].running_var, rtol=0.02, atol=0.001)
    assert all(bool(rank[2].isfinite().all()) for rank in ranks)


def test_without_other_ranks_and_in_evaluation_it_is_a_plain_norm() -> None:
    plain, synced = make_norm(True, torch.float32), make_norm(True, torch.float32)
    synchronize_norms(synced)
    batch = torch.randn(3, 4, 6)
    assert torch.equal(plain(batch), synced(batch))
    assert torch.equal(plain.eval()(batch), synced.eval()(batch))


def test_all_norms_of_a_network_are_replaced_and_keep_their_tensors() -> None:
    network = ConvFSENet(9, residual_channels=4, channels=6, stacks=1, gate=GateSettings(width=3))
    parameters, names = {id(parameter) for parameter in network.parameters()}, list(network.state_dict())
    assert synchronize_norms(network) == 3 * 4
    assert not [norm for norm in network.modules() if type(norm) is nn.BatchNorm1d]
    assert sum(isinstance(norm, SyncedBatchNorm1d) for norm in network.modules()) == 12
    assert {id(parameter) for parameter in network.parameters()} == parameters
    assert list(network.state_dict()) == names


def sums(rank: int) -> Any:
    value = torch.tensor([1.0, 2.0]) * (rank + 1)
    value.requires_grad_()
    total = rank_sum(value)
    total.square().sum().backward()
    mean = rank_mean(torch.full((2, 2), float(rank)), 3 if rank == 0 else 1)
    return num_ranks(), total.detach(), value.grad, mean, rank_weight(3 if rank == 0 else 1, torch.device("cpu"))


def agreements(rank: int) -> tuple[bool, bool, bool, list[int]]:
    flags = all_ranks(torch.tensor(True)), all_ranks(torch.tensor(rank == 0)), all_ranks(torch.tensor(False))
    return *flags, rank_sum(torch.tensor([2**53 + rank, 1])).tolist()


def test_flags_and_counts_over_ranks(tmp_path: Path) -> None:
    """Counts are whole numbers, larger than what float64 holds exactly."""
    expected = (True, False, False, [2**54 + 1, 2])
    assert run_on_ranks(agreements, tmp_path) == [expected, expected]


def test_sums_and_means_over_ranks(tmp_path: Path) -> None:
    for rank, (count, total, gradient, mean, weight) in enumerate(run_on_ranks(sums, tmp_path)):
        assert count == 2
        assert total.tolist() == [3.0, 6.0]
        assert gradient.tolist() == [12.0, 24.0]  # of the two equal losses together
        assert mean.tolist() == [[0.25, 0.25], [0.25, 0.25]]
        assert weight == [1.5, 0.5][rank]
