"""Losses and gradients of two ranks are those of one process with both batches, also where these differ in size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_modules.joint_probes import JointProbes, JointProbeSettings, JointTask
from lightning_modules.losses import balance_loss, utilization_loss
from networks.complexity import FrameBudget
from tests.ranks import run_on_ranks

BUDGET = FrameBudget(fixed=100, gates=30, per_channel=7, channels=5, blocks=3)
TASKS = (
    JointTask("vad", "binary"),
    JointTask("noise_class", "category", classes=3, pooled=True),
    JointTask("f0_hz", "value", where="vad", log2=True, center=160.0, scale=0.5),
    JointTask("silent", "value", where="never"),  # no frame of the second rank counts
)
SIZES, FRAMES = [3, 1], 6
LOSSES = ("network", "block", "macs", "balance", *(task.name for task in TASKS))


def make_batch() -> tuple[Tensor, dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(sum(SIZES), 3, 5, FRAMES, generator=generator)
    vad = (torch.rand(sum(SIZES), FRAMES, generator=generator) > 0.4).float()
    targets = {
        "vad": vad,
        "noise_class": torch.tensor([0.0, 2.0, 1.0, 1.0]),
        "f0_hz": 80 + 200 * torch.rand(sum(SIZES), FRAMES, generator=generator),
        "silent": torch.rand(sum(SIZES), FRAMES, generator=generator),
        "never": torch.zeros(sum(SIZES), FRAMES),
    }
    targets["never"][0, 2:4] = 1.0
    return masks, targets


def gradients(masks: Tensor, targets: dict[str, Tensor]) -> dict[str, tuple[float, Tensor, Tensor]]:
    """Return every loss, its gradient with respect to the masks, and to the first head."""
    torch.manual_seed(3)
    probes = JointProbes(JointProbeSettings(TASKS), 15)
    for parameter in probes.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    results = {}
    for name in LOSSES:
        masks = masks.detach().requires_grad_()
        probes.zero_grad()
        if name == "balance":
            loss = balance_loss(masks)
        elif name in ("network", "block", "macs"):
            loss = utilization_loss(masks, 0.25, BUDGET, name)  # type: ignore[arg-type]
        else:
            loss = probes.losses(masks, targets)[f"joint_{name}_loss"]
        loss.backward()  # type: ignore[no-untyped-call]
        assert masks.grad is not None
        head = probes.weight[name].grad if name in probes.weight else torch.zeros(1)
        results[name] = loss.item(), masks.grad, head.clone()
    return results


def on_rank(rank: int) -> Any:
    masks, targets = make_batch()
    return gradients(masks.split(SIZES)[rank], {name: values.split(SIZES)[rank] for name, values in targets.items()})


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return run_on_ranks(on_rank, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("name", LOSSES)
def test_two_ranks_equal_one_process(name: str, ranks: list[Any]) -> None:
    loss, of_masks, of_head = gradients(*make_batch())[name]
    assert [rank[name][0] for rank in ranks] == [pytest.approx(loss, rel=1e-6)] * 2
    # DistributedDataParallel averages the gradients of weights; here, those that reach the masks stand apart
    joined = torch.cat([rank[name][1] for rank in ranks]) / 2
    torch.testing.assert_close(joined, of_masks, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(sum(rank[name][2] for rank in ranks) / 2, of_head, rtol=1e-5, atol=1e-8)


def test_the_loss_of_one_rank_alone_is_another(ranks: list[Any]) -> None:
    """The batches differ enough that a rank that forgot the others would be found."""
    masks, targets = make_batch()
    first = gradients(masks[:3], {name: values[:3] for name, values in targets.items()})
    for name in LOSSES[:-1]:
        assert abs(first[name][0] - ranks[0][name][0]) > 1e-4 * abs(first[name][0]), name
