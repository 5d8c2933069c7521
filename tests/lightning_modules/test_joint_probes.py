"""Joint training: losses are those of torch on the frames that count, they reach the gates, heads can be dropped."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import Trainer
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from lightning_modules.checkpoints import CheckpointError
from lightning_modules.enhancement import EnhancementModule
from lightning_modules.initial_weights import read_initial_weights
from lightning_modules.joint_probes import JointProbes, JointProbeSettings, JointTargetError, JointTask, select_frames
from networks.conv_fsenet import ConvFSENet
from networks.gate_settings import GateSettings
from networks.gating import ChannelGate
from tests.lightning_modules.test_enhancement import GRID, make_batch, make_module

TASKS = (
    JointTask("vad", "binary"),
    JointTask("noise_class", "category", classes=3, weight=0.5),
    JointTask("snr_db", "value", center=5.0, scale=12.0),
    JointTask("f0_hz", "value", where="voicing", log2=True, center=160.0, scale=0.5),
)
SETTINGS = JointProbeSettings(TASKS, weight=0.1)
BLOCKS, CHANNELS, FRAMES = 3, 8, 40


def make_targets(size: int = 4, frames: int = FRAMES, seed: int = 0) -> dict[str, Tensor]:
    """Draw targets as the data gives them; some frames and utterances are unknown."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    voicing = (uniform(size, frames) < 0.5).float()
    vad = (uniform(size, frames) < 0.5).float()
    vad[0, :3] = torch.nan
    noise_class = torch.arange(size).remainder(3).float()
    noise_class[-1] = -1.0  # not known
    return {
        "voicing": voicing,
        "vad": vad,
        "noise_class": noise_class,
        "snr_db": 30 * uniform(size, frames) - 10,
        "f0_hz": torch.where(voicing == 1, 80 + 240 * uniform(size, frames), torch.nan),
    }


def make_masks(size: int = 4, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(size, BLOCKS, CHANNELS, FRAMES, generator=generator) < 0.25).float()


def make_probes(settings: JointProbeSettings = SETTINGS, features: int = BLOCKS * CHANNELS) -> JointProbes:
    """Return heads that have weights already."""
    torch.manual_seed(2)
    probes = JointProbes(settings, features)
    for parameter in probes.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return probes


def joint_batch() -> dict[str, Any]:
    batch = make_batch()
    return {**batch, "targets": make_targets(4, GRID.num_frames(batch["noisy"].shape[1]))}


def gate_gradients(module: EnhancementModule) -> list[Tensor]:
    gates = [gate for gate in module.modules() if isinstance(gate, ChannelGate)]
    return [p.grad for gate in gates for p in gate.parameters() if p.grad is not None]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_loss_is_that_of_torch_on_the_frames_that_count(task: JointTask) -> None:
    probes, masks, targets = make_probes(), make_masks(), make_targets()
    losses = []
    for utterance in range(len(masks)):  # frame by frame, as a reader would do it
        for frame in range(FRAMES):
            values = targets[task.name]
            value = values[utterance] if values.ndim == 1 else values[utterance, frame]
            if value.isnan() or (task.kind == "category" and value < 0):
                continue
            if task.where is not None and targets[task.where][utterance, frame] != 1:
                continue
            features = masks[utterance, :, :, frame].flatten()
            predicted = functional.linear(features, probes.weight[task.name], probes.bias[task.name])
            if task.kind == "category":
                losses.append(functional.cross_entropy(predicted, value.long()))
            elif task.kind == "binary":
                losses.append(functional.binary_cross_entropy_with_logits(predicted[0], value))
            else:
                scaled = torch.log2(value / 160.0) / 0.5 if task.log2 else (value - 5.0) / 12.0
                losses.append(functional.mse_loss(predicted[0], scaled))
    assert 0 < len(losses) < masks.shape[0] * FRAMES or task.name == "snr_db"
    got = probes.losses(masks, targets)[f"joint_{task.name}_loss"]
    torch.testing.assert_close(got, torch.stack(losses).mean())


def test_filled_frames_count_and_two_tasks_read_one_target() -> None:
    every = JointTask("f0_or_zero_hz", "value", source="f0_hz", fill=0.0, center=90.0, scale=80.0)
    probes = make_probes(JointProbeSettings((TASKS[3], every)))
    masks, targets = make_masks(), make_targets()
    assert targets["f0_hz"].isnan().any()
    f0_hz = targets["f0_hz"].nan_to_num(0.0)
    losses = probes.losses(masks, targets)
    assert set(losses) == {"joint_f0_hz_loss", "joint_f0_or_zero_hz_loss"}
    expected = functional.mse_loss(probes(masks)["f0_or_zero_hz"][:, 0], (f0_hz - 90) / 80)
    torch.testing.assert_close(losses["joint_f0_or_zero_hz_loss"], expected)


@pytest.mark.parametrize("task", [replace(TASKS[1], pooled=True), replace(TASKS[2], pooled=True, where="voicing")])
def test_a_pooled_loss_is_that_of_the_means_of_utterances(task: JointTask) -> None:
    probes = make_probes(JointProbeSettings((task,)))
    masks, targets = make_masks(), make_targets()
    losses = []
    for utterance in range(len(masks)):
        frames = slice(None) if task.where is None else targets[task.where][utterance] == 1
        predicted = probes(masks)[task.name][utterance][:, frames].mean(dim=1)
        if task.kind == "value":
            losses.append((predicted[0] - (targets["snr_db"][utterance, frames].mean() - 5) / 12).square())
        elif targets["noise_class"][utterance] >= 0:
            losses.append(functional.cross_entropy(predicted, targets["noise_class"][utterance].long()))
    assert len(losses) == (4 if task.kind == "value" else 3)
    torch.testing.assert_close(probes.losses(masks, targets)[f"joint_{task.name}_loss"], torch.stack(losses).mean())


def test_a_pooled_category_of_frames_is_refused() -> None:
    task = replace(TASKS[1], source="vad", pooled=True)
    with pytest.raises(JointTargetError, match=r"tasks\[noise_class\]: pooled needs one category per utterance"):
        make_probes(JointProbeSettings((task,))).losses(make_masks(), make_targets())


def test_the_weighted_sum_has_both_weights() -> None:
    losses = {f"joint_{task.name}_loss": torch.tensor(float(index)) for index, task in enumerate(TASKS)}
    assert make_probes().weighted_sum(losses).item() == pytest.approx(0.1 * (0 + 0.5 * 1 + 2 + 3))


@given(st.integers(0, 2**16), st.sampled_from(TASKS))
def test_what_does_not_count_changes_neither_loss_nor_gradient(seed: int, task: JointTask) -> None:
    masks, targets = make_masks(seed=seed), make_targets(seed=seed)
    _, counts = select_frames(task, targets, (4, FRAMES))
    keep = counts[:, None, None, :]

    def result(masks: Tensor) -> tuple[Tensor, Tensor]:
        masks = masks.clone().requires_grad_()
        loss = make_probes().losses(masks, targets)[f"joint_{task.name}_loss"]
        (gradient,) = torch.autograd.grad(loss, masks)
        return loss, gradient

    loss, gradient = result(masks)
    other_loss, other_gradient = result(torch.where(keep, masks, 1 - masks))
    torch.testing.assert_close(other_loss, loss)
    torch.testing.assert_close(other_gradient, gradient)
    assert gradient.isfinite().all()
    assert (gradient * ~keep == 0).all()
    assert (gradient * keep != 0).any()


def test_a_batch_without_a_known_frame_has_a_loss_of_0_and_no_gradient() -> None:
    masks = make_masks().requires_grad_()
    unknown = {name: torch.full_like(values, torch.nan) for name, values in make_targets().items()}
    probes = make_probes()
    losses = probes.losses(masks, unknown)
    assert [loss.item() for loss in losses.values()] == [0.0] * len(TASKS)
    probes.weighted_sum(losses).backward()
    assert masks.grad is not None and (masks.grad == 0).all()


def test_heads_learn_what_single_channels_tell_and_nothing_from_shuffled_masks() -> None:
    masks = make_masks(size=8)
    vad = masks[:, 0, 3]
    noise_class = masks[:, 1, 0].mean(dim=1).argsort().argsort().remainder(2).float()  # unrelated to single frames
    snr_db = 12.0 * (masks[:, 2, 5] - masks[:, 1, 2])
    targets = {"vad": vad, "noise_class": noise_class, "snr_db": snr_db}
    tasks = (TASKS[0], replace(TASKS[1], classes=2), JointTask("snr_db", "value", scale=12.0))

    def learn(masks: Tensor) -> dict[str, float]:
        probes = JointProbes(JointProbeSettings(tasks, weight=1.0), BLOCKS * CHANNELS)
        optimizer = torch.optim.AdamW(probes.parameters(), lr=0.1, weight_decay=0.0)
        for _ in range(100):
            optimizer.zero_grad()
            losses = probes.losses(masks, targets)
            probes.weighted_sum(losses).backward()
            optimizer.step()
        return {name: loss.item() for name, loss in losses.items()}

    planted = learn(masks)
    assert planted["joint_vad_loss"] < 0.05
    assert planted["joint_snr_db_loss"] < 0.01
    assert planted["joint_noise_class_loss"] > 0.5  # log 2 is chance
    shuffled = learn(masks.flip(0, 3))
    assert shuffled["joint_vad_loss"] > 0.45
    assert shuffled["joint_snr_db_loss"] > 0.5 * snr_db.var().item() / 144


def test_untrained_heads_are_at_chance_and_draw_no_random_number() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    losses = JointProbes(SETTINGS, BLOCKS * CHANNELS).losses(make_masks(), make_targets())
    assert torch.equal(torch.rand(1), expected)
    assert losses["joint_vad_loss"].item() == pytest.approx(math.log(2))
    assert losses["joint_noise_class_loss"].item() == pytest.approx(math.log(3))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_the_gradient_reaches_the_gates_through_the_heads(precision: torch.dtype) -> None:
    module, batch = make_module(joint_probes=SETTINGS), joint_batch()
    assert module.joint_probes is not None
    with torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32):
        masks = module(batch["noisy"]).channel_masks
        untrained = module.joint_probes.losses(masks, batch["targets"])  # heads of zeros
        module.joint_probes.weighted_sum(untrained).backward(retain_graph=True)
        assert all((gradient == 0).all() for gradient in gate_gradients(module))
        with torch.no_grad():
            for parameter in module.joint_probes.parameters():
                parameter.normal_(std=0.3)
        losses = module.joint_probes.losses(masks, batch["targets"])
    assert all(loss.dtype == torch.float32 for loss in losses.values())
    full = module.joint_probes.losses(masks.detach().float(), batch["targets"])
    for name, loss in full.items():
        torch.testing.assert_close(losses[name], loss)
    module.joint_probes.weighted_sum(losses).backward()
    gradients = gate_gradients(module)
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)
    assert any((gradient != 0).any() for gradient in gradients)


def test_with_weight_0_the_network_trains_as_without_heads(logged: dict[str, float]) -> None:
    plain, joint = make_module(), make_module(joint_probes=replace(SETTINGS, weight=0.0))
    batch = joint_batch()
    plain.training_step(batch, 0).backward()
    without = dict(logged)
    joint.training_step(batch, 0).backward()
    assert {name: logged[name] for name in without} == without
    assert logged.keys() - without.keys() == {f"train/joint_{task.name}_loss" for task in TASKS}
    for (name, one), other in zip(plain.network.named_parameters(), joint.network.parameters(), strict=True):
        assert one.grad is not None and other.grad is not None
        assert torch.equal(one.grad, other.grad), name


def test_the_loss_has_the_joint_losses_in_training_and_not_in_validation(logged: dict[str, float]) -> None:
    module, batch = make_module(joint_probes=SETTINGS), joint_batch()
    parts = ("enhancement_loss", "sparsity_loss", *(f"joint_{task.name}_loss" for task in TASKS))
    module.training_step(batch, 0)
    enhancement, sparsity, vad, noise_class, snr_db, f0_hz = (logged[f"train/{name}"] for name in parts)
    total = enhancement + 10 * sparsity + 0.1 * (vad + 0.5 * noise_class + snr_db + f0_hz)
    assert logged["train/loss"] == pytest.approx(total, rel=1e-5)
    with torch.no_grad():
        module.eval().validation_step(batch, 0, 0)
    assert all(logged[f"val/{name}"] > 0 for name in parts)
    assert logged["val/loss"] == pytest.approx(logged["val/enhancement_loss"] + 10 * logged["val/sparsity_loss"])
    with torch.no_grad():
        module.test_step(make_batch(), 0, 0)  # needs no targets
    assert not [name for name in logged if name.startswith("test/joint")]


def test_joint_training_teaches_the_masks(logged: dict[str, float]) -> None:
    """The negative control trains the same heads on masks that get no gradient from them."""
    batch = joint_batch()
    frames = batch["targets"]["vad"].shape[1]
    batch["targets"] = {"vad": (torch.arange(frames) // 8 % 2).float().expand(4, -1)}  # unrelated to the signal
    settings = JointProbeSettings(TASKS[:1], weight=1.0)

    def train(detached: bool) -> float:
        module = make_module(joint_probes=settings)
        assert module.joint_probes is not None
        optimizer = torch.optim.AdamW(module.parameters(), lr=1e-2)
        for _ in range(40):
            optimizer.zero_grad()
            masks = module(batch["noisy"]).channel_masks
            losses = module.joint_probes.losses(masks.detach() if detached else masks, batch["targets"])
            module.joint_probes.weighted_sum(losses).backward()
            optimizer.step()
        return losses["joint_vad_loss"].item()

    assert train(detached=False) < 0.8 * train(detached=True)


def test_heads_have_groups_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class FixedLength:
        estimated_stepping_batches = 20.0

    monkeypatch.setattr(EnhancementModule, "trainer", FixedLength())
    module = make_module(learning_rate=0.01, warmup_steps=0, joint_probes=replace(SETTINGS, learning_rate_factor=3.0))
    configured: Any = module.configure_optimizers()
    groups = configured["optimizer"].param_groups
    assert [group["lr"] for group in groups] == pytest.approx([0.01, 0.01, 0.03, 0.03])
    assert [group["weight_decay"] for group in groups] == [0.01, 0.0, 0.01, 0.0]
    assert [len(group["params"]) for group in groups[2:]] == [len(TASKS)] * 2
    assert sum(len(group["params"]) for group in groups) == len(list(module.parameters()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, r"tasks\.name must be a non-empty string"),
        ({"name": "a.b"}, r"tasks\.name must be a non-empty string.*got 'a\.b'"),
        ({"kind": "ordinal"}, r"tasks\[vad\]\.kind must be one of .*got 'ordinal'"),
        ({"where": "vad"}, r"tasks\[vad\]\.where must name another"),
        ({"log2": True}, r"tasks\[vad\]: log2, center and scale are only for kind 'value'"),
        ({"kind": "value", "log2": True}, r"tasks\[vad\]\.center must be positive with log2, got 0"),
        ({"kind": "value", "scale": 0.0}, r"tasks\[vad\]\.scale must be positive, got 0"),
        ({"weight": -1.0}, r"tasks\[vad\]\.weight must not be negative, got -1"),
        ({"kind": "category"}, r"tasks\[vad\]\.classes must be the number of classes, at least 2, got None"),
        ({"source": ""}, r"tasks\[vad\]\.source must be the name of a target or null"),
        ({"source": "f0", "where": "f0"}, r"tasks\[vad\]\.where must name another"),
        ({"fill": 0.0}, r"tasks\[vad\]\.fill is only for kind 'value'.*got 0"),
        ({"kind": "value", "fill": math.inf}, r"tasks\[vad\]\.fill is only for .*finite.*got inf"),
        (
            {"kind": "value", "log2": True, "center": 1.0, "fill": 0.0},
            r"tasks\[vad\]\.fill .* log2, got 0",
        ),
        ({"classes": 2}, r"tasks\[vad\]\.classes is only for kind 'category'"),
    ],
)
def test_a_task_that_cannot_be_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=rf"model\.joint_probes\.{message}"):
        JointTask(**(asdict(TASKS[0]) | change))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tasks": ()}, r"tasks must list at least one task"),
        ({"tasks": (TASKS[0], TASKS[0])}, r"tasks: 'vad' is listed twice"),
        ({"tasks": TASKS, "weight": -0.1}, r"weight must not be negative, got -0\.1"),
        ({"tasks": TASKS, "learning_rate_factor": 0.0}, r"learning_rate_factor must be positive, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=rf"model\.joint_probes\.{message}"):
        JointProbeSettings(**settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vad": None}, r"tasks\[vad\]: the batch has no target 'vad', only f0_hz, .*in training mixtures too"),
        ({"voicing": None}, r"tasks\[f0_hz\]: the batch has no target 'voicing'"),
        (
            {"vad": torch.zeros(4, 7)},
            r"tasks\[vad\]: target 'vad' must have shape .*\(4, 40\) or \(batch,\), got \(4, 7\)",
        ),
        ({"vad": torch.full((4, FRAMES), 0.5)}, r"tasks\[vad\]: values must be 0, 1 or NaN, got 0\.5"),
        ({"noise_class": torch.full((4,), 3.0)}, r"tasks\[noise_class\]: .* below classes = 3, .*got 3"),
        ({"noise_class": torch.full((4,), 0.5)}, r"tasks\[noise_class\]: .*got 0\.5"),
        ({"f0_hz": torch.zeros(4, FRAMES)}, r"tasks\[f0_hz\]: values must be positive with log2, or NaN, got 0"),
    ],
)
def test_targets_that_do_not_fit_are_named(change: dict, message: str) -> None:
    targets = {name: values for name, values in (make_targets() | change).items() if values is not None}
    with pytest.raises(JointTargetError, match=rf"model\.joint_probes\.{message}"):
        make_probes().losses(make_masks(), targets)


def test_masks_that_do_not_depend_on_the_signal_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.joint_probes needs channel masks, and .*gated is false"):
        make_module(gated=False, joint_probes=SETTINGS)
    network = ConvFSENet(GRID.num_frequencies, 4, 4, stacks=1, gate=GateSettings(decision="static"))
    with pytest.raises(ValueError, match=r"model\.joint_probes needs masks that depend on the signal.*got .*'static'"):
        EnhancementModule(network, GRID, joint_probes=SETTINGS)


class _Batches(Dataset[dict[str, Any]]):
    """Four utterances."""

    def __init__(self) -> None:
        batch = joint_batch()
        self.items = [
            {name: values[index] for name, values in batch.items() if name != "targets"}
            | {"targets": {name: values[index] for name, values in batch["targets"].items()}}
            for index in range(4)
        ]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.items[index]


def make_trainer(folder: Path, epochs: int = 1) -> Trainer:
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    quiet["enable_checkpointing"] = False
    return Trainer(accelerator="cpu", max_epochs=epochs, default_root_dir=folder, log_every_n_steps=1, **quiet)


def fit(
    folder: Path, epochs: int = 1, checkpoint: Path | None = None, **settings: Any
) -> tuple[EnhancementModule, Path]:
    """Train a small module and return it with its checkpoint."""
    module, trainer = make_module(**settings), make_trainer(folder, epochs)
    trainer.fit(module, DataLoader(_Batches(), batch_size=2), ckpt_path=checkpoint)
    path = folder / f"{epochs}.ckpt"
    trainer.save_checkpoint(path)
    return module, path


def same(one: EnhancementModule, other: EnhancementModule) -> bool:
    """Tell whether two modules have the same network."""
    pair = one.network.state_dict(), other.network.state_dict()
    return all(torch.equal(value, pair[1][name]) for name, value in pair[0].items())


pytestmark = pytest.mark.filterwarnings("ignore:.*num_workers.*", "ignore:.*estimated_stepping_batches.*")


def test_a_joint_training_resumes_exactly_and_its_network_is_scored_without_heads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a schedule that does not depend on the number of epochs of this trainer
    monkeypatch.setattr("lightning_modules.schedule.warmup_cosine", lambda *_, **__: 1.0)
    whole, path = fit(tmp_path, epochs=2, joint_probes=SETTINGS)
    _, half = fit(tmp_path / "half", epochs=1, joint_probes=SETTINGS)
    resumed, _ = fit(tmp_path / "resumed", epochs=2, checkpoint=half, joint_probes=SETTINGS)
    assert whole.state_dict().keys() == resumed.state_dict().keys()
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())
    saved = torch.load(path, weights_only=True)["hyper_parameters"]
    assert saved["joint_probes"]["tasks"] == [asdict(task) for task in TASKS]
    assert saved["objective"]["compression"] == 0.3

    plain, batches = make_module(), DataLoader(_Batches(), batch_size=2)
    with pytest.warns(UserWarning, match=r"the checkpoint has joint probes \(8 tensors\), model\.joint_probes is null"):
        make_trainer(tmp_path).test(plain, batches, ckpt_path=path, verbose=False)
    assert same(whole, plain)
    with pytest.raises(CheckpointError, match=r"with joint probes cannot be resumed .*--model\.initial_weights"):
        make_trainer(tmp_path, 3).fit(make_module(), batches, ckpt_path=path)
    other = make_module(joint_probes=JointProbeSettings(TASKS[:1]))
    with pytest.raises(CheckpointError, match=r"'joint_probes\..*' is not in the configured network"):
        make_trainer(tmp_path).test(other, batches, ckpt_path=path, verbose=False)


def test_initial_weights_start_a_training_and_a_resumed_one_does_not_read_them(tmp_path: Path) -> None:
    emergent, path = fit(tmp_path)
    started, _ = fit(tmp_path / "joint", epochs=0, joint_probes=SETTINGS, initial_weights=str(path))
    assert same(started, emergent)
    assert not same(started, make_module())
    joint, joint_path = fit(tmp_path / "joint", epochs=1, joint_probes=SETTINGS, initial_weights=str(path))
    assert not same(joint, emergent)
    assert torch.load(joint_path, weights_only=True)["global_step"] == 2  # its own steps alone
    path.unlink()
    resumed, _ = fit(tmp_path / "resumed", 1, joint_path, joint_probes=SETTINGS, initial_weights=str(path))
    assert same(resumed, joint)
    with pytest.raises(CheckpointError, match=r"model\.initial_weights: no such file"):
        fit(tmp_path, initial_weights=str(path))
    make_trainer(tmp_path).test(resumed, DataLoader(_Batches(), batch_size=2), verbose=False)  # nor does a test


def test_initial_weights_take_the_heads_that_fit(tmp_path: Path) -> None:
    joint, path = fit(tmp_path, joint_probes=SETTINGS)
    stored = joint.state_dict()
    plain = make_module()
    plain.load_state_dict(read_initial_weights(path, plain.state_dict()))
    assert same(plain, joint)
    tasks = (TASKS[0], replace(TASKS[1], classes=4), JointTask("voicing", "binary"))
    other = make_module(joint_probes=JointProbeSettings(tasks))
    other.load_state_dict(read_initial_weights(path, other.state_dict()))
    got = other.state_dict()
    assert same(other, joint)
    assert torch.equal(got["joint_probes.weight.vad"], stored["joint_probes.weight.vad"])
    assert stored["joint_probes.weight.vad"].any()
    assert not got["joint_probes.weight.noise_class"].any()
    assert not got["joint_probes.weight.voicing"].any()


def test_initial_weights_that_cannot_be_are_named(tmp_path: Path) -> None:
    _, path = fit(tmp_path)
    expected = make_module().state_dict()
    with pytest.raises(
        CheckpointError, match=r"model\.initial_weights: .*1\.ckpt': .*another architecture.*is missing"
    ):
        read_initial_weights(path, ConvFSENet(5).state_dict())
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    torch.save({"state_dict": {"weight": torch.zeros(1)}}, tmp_path / "other.ckpt")
    torch.save([1], tmp_path / "list.ckpt")
    torch.save({"state_dict": Path("code")}, tmp_path / "code.ckpt")
    for name, message in {
        "none.ckpt": "no such file",
        "text.ckpt": "is not a checkpoint, or it is truncated",
        "other.ckpt": "has no weights of a network",
        "list.ckpt": "has no weights of a network",
        "code.ckpt": "cannot be read as a checkpoint",
    }.items():
        with pytest.raises(CheckpointError, match=rf"model\.initial_weights: .*{name}'.*{message}|{message}.*{name}"):
            read_initial_weights(tmp_path / name, expected)
