"""The PESQ discriminator: it learns PESQ, the network learns from it, nothing leaks, and resuming is exact."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from datamodules.process_pool import ProcessError
from datamodules.rating import rate_utterance
from lightning_modules.checkpoints import CheckpointError
from lightning_modules.discriminator import CEILING, MetricDiscriminator
from lightning_modules.enhancement import EnhancementModule
from lightning_modules.metric_training import MetricTraining, normalize_pesq
from lightning_modules.objective import MetricDiscriminatorSettings, ObjectiveSettings
from lightning_modules.pesq_pool import PesqJob, PesqPool, rate_pesq
from networks.stft import Stft
from tests.lightning_modules.speech import RATE, speech_batch
from tests.lightning_modules.test_enhancement import GRID, make_module

pytest.importorskip("pesq")
SETTINGS = MetricDiscriminatorSettings(weight=0.5, learning_rate=3e-3, channels=4, rated_per_batch=None, processes=1)
OBJECTIVE = ObjectiveSettings(metric_discriminator=SETTINGS)
opened: list[EnhancementModule] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """End the processes of the modules that a test made."""
    yield
    while opened:
        opened.pop().teardown("fit")


def metric_module(**changes: Any) -> EnhancementModule:
    opened.append(make_module(objective=OBJECTIVE, **changes))
    return opened[-1]


def training_of(module: EnhancementModule) -> MetricTraining:
    assert module._metric_training is not None
    return module._metric_training


def test_pesq_in_processes_is_that_of_torchmetrics_in_the_order_of_the_batch() -> None:
    batch = speech_batch(4)
    signals = list(batch["noisy"].numpy()), list(batch["clean"].numpy())
    pool = PesqPool(RATE, processes=2)
    rated = [rating.result() for rating in pool.submit(*signals)]
    pool.close()
    expected = [
        rate_utterance(noisy, clean, RATE, ("pesq_wb",))["pesq_wb"]
        for noisy, clean in zip(batch["noisy"], batch["clean"], strict=True)
    ]
    assert rated == expected
    assert rated == sorted(rated)  # the SNR rises
    assert rated[-1] > rated[0] + 0.5


@pytest.mark.parametrize("case", ["silent clean", "silent enhanced", "too short", "not finite"])
def test_what_pesq_cannot_rate_is_nan(case: str) -> None:
    clean = speech_batch(1)["clean"][0].numpy()
    pairs = {
        "silent clean": (clean, np.zeros_like(clean)),
        "silent enhanced": (np.zeros_like(clean), clean),
        "too short": (clean[:2000], clean[:2000]),
        "not finite": (np.full_like(clean, np.nan), clean),
    }
    assert math.isnan(rate_pesq(PesqJob(*pairs[case], RATE)))
    assert rate_pesq(PesqJob(clean, clean, RATE)) == pytest.approx(4.64, abs=0.01)


@pytest.mark.parametrize("frames", [1, 7, 100])
def test_the_discriminator_takes_any_length_and_judges_utterances_alone(frames: int) -> None:
    torch.manual_seed(0)
    discriminator = MetricDiscriminator(4).eval()
    clean, enhanced = torch.rand(2, 3, 33, frames)
    predicted = discriminator(clean, enhanced)
    assert predicted.shape == (3,)
    assert ((predicted > 0) & (predicted < CEILING)).all()
    torch.testing.assert_close(discriminator(clean[1:2], enhanced[1:2]), predicted[1:2])


def test_the_discriminator_learns_pesq_and_not_without_its_steps(logged: dict[str, float]) -> None:
    torch.manual_seed(0)
    batch = speech_batch(6)
    signals = batch["noisy"], batch["clean"], batch["clean_rms"]
    training = MetricTraining(MetricDiscriminator(4), SETTINGS, Stft(GRID), 0.3)
    training.hold(*signals)
    state = training.state_dict()["held"]  # rated once
    scores = state["scores"]
    target = normalize_pesq(scores)
    assert target.std() > 0.1

    def errors() -> tuple[float, float]:
        """Squared error on the noisy utterances, and on clean ones."""
        reference = training._magnitude(batch["clean"], batch["clean_rms"])
        predicted = training.discriminator(reference, training._magnitude(batch["noisy"], batch["clean_rms"]))
        perfect = training.discriminator(reference, reference)
        return (predicted - target).square().mean().item(), (perfect - 1).square().mean().item()

    assert errors()[0] > 0.3 * target.var()
    for _ in range(30):
        training.load_state_dict({"optimizer": training.optimizer.state_dict(), "held": state})
        learned = training.learn()
    training.stop()
    noisy_error, clean_error = errors()
    assert noisy_error < 0.15 * target.var()
    assert clean_error < 0.01
    assert learned["metric_pesq"].item() == pytest.approx(scores.mean().item())
    assert learned["metric_undefined"] == 0


def test_every_utterance_of_a_batch_is_rated_in_turn(monkeypatch: pytest.MonkeyPatch, logged: dict[str, float]) -> None:
    """Noise categories take turns with the index: the first of every batch would always be of the same ones."""
    module = make_module(objective=replace(OBJECTIVE, metric_discriminator=replace(SETTINGS, rated_per_batch=2)))
    rated: list[list[int]] = []

    class Pool:
        def submit(self, enhanced: list[np.ndarray], clean: list[np.ndarray]) -> list[Future[float]]:
            rated.append([round(float(signal[0])) for signal in clean])
            assert all(np.isfinite(signal).all() for signal in enhanced)
            done: list[Future[float]] = [Future() for _ in clean]
            for future in done:
                future.set_result(2.0)
            return done

        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr("lightning_modules.metric_training.PesqPool", lambda *_: Pool())
    batch = speech_batch(6)
    batch["clean"][:, 0] = torch.arange(6.0)  # tells the utterances apart
    for step in range(4):
        module.training_step(batch, step)
    assert rated == [[0, 1], [2, 3], [4, 5], [0, 1]]
    module.training_step({name: value[:1] for name, value in batch.items()}, 5)  # the last batch may be smaller
    assert rated[-1] == [0]


def test_the_network_gets_the_gradient_and_the_discriminator_does_not(logged: dict[str, float]) -> None:
    module, batch = metric_module(), speech_batch(2)
    before = {name: value.clone() for name, value in module.state_dict().items() if name.startswith("metric_")}
    loss = module.training_step(batch, 0)  # nothing to learn from yet
    weighted = logged["train/spectral_loss"] + 0.5 * logged["train/metric_loss"]
    assert logged["train/enhancement_loss"] == pytest.approx(weighted, rel=1e-5)
    loss.backward()
    assert module.metric_discriminator is not None
    assert all(parameter.grad is None for parameter in module.metric_discriminator.parameters())
    assert all(torch.equal(value, module.state_dict()[name]) for name, value in before.items())
    with_metric = [parameter.grad for parameter in module.network.parameters()]
    plain = make_module()
    plain.training_step(batch, 0).backward()
    differing = [
        not torch.allclose(one, parameter.grad)
        for one, parameter in zip(with_metric, plain.network.parameters(), strict=True)
        if one is not None and parameter.grad is not None
    ]
    assert any(differing)
    assert "train/metric_discriminator_loss" not in logged
    module.training_step(batch, 1)  # now it learns from the first batch
    assert logged["train/metric_discriminator_loss"] > 0
    assert all(parameter.grad is None for parameter in module.metric_discriminator.parameters())
    assert any(not torch.equal(value, module.state_dict()[name]) for name, value in before.items())


def test_the_loss_of_the_network_falls_along_its_gradient() -> None:
    module, batch = metric_module(), speech_batch(2)
    enhanced = batch["noisy"].clone().requires_grad_()

    def loss(waveform: Tensor) -> Tensor:
        return training_of(module).loss(waveform, batch["clean"], batch["clean_rms"])

    loss(enhanced).backward()
    assert enhanced.grad is not None
    step = 1e-3 * enhanced.grad / enhanced.grad.norm()
    with torch.no_grad():
        assert loss(enhanced - step) < loss(enhanced) < loss(enhanced + step)
        assert loss(enhanced) == loss(enhanced)  # judging does not change the discriminator


@pytest.mark.parametrize("silent", ["enhanced", "clean"])
def test_silence_gives_finite_gradients_and_is_counted(silent: str, logged: dict[str, float]) -> None:
    module, batch = metric_module(), speech_batch(2)
    enhanced, clean = batch["noisy"].clone(), batch["clean"].clone()
    (enhanced if silent == "enhanced" else clean)[0] = 0.0
    enhanced.requires_grad_()
    signals = enhanced, clean, clean.square().mean(dim=1).sqrt()
    training_of(module).loss(*signals).backward()
    assert enhanced.grad is not None and enhanced.grad.isfinite().all()
    training_of(module).hold(*signals)
    learned = training_of(module).learn()
    assert learned["metric_undefined"] == 1
    assert learned["metric_discriminator_loss"].isfinite()
    training_of(module).hold(enhanced[:1] * 0, clean[:1], batch["clean_rms"][:1])
    assert training_of(module).learn().keys() == {"metric_undefined"}


def test_bfloat16_trains_both_and_keeps_the_discriminator_in_float32(logged: dict[str, float]) -> None:
    batch = speech_batch(2)

    def run(precision: torch.dtype) -> dict[str, float]:
        module = metric_module()
        for step in range(2):
            with torch.autocast("cpu", dtype=precision, enabled=precision != torch.float32):
                module.training_step(batch, step).backward()
            logged.setdefault("first/metric_loss", logged["train/metric_loss"])  # before Adam's first, signed step
        assert all(value.dtype == torch.float32 for value in module.state_dict().values() if value.is_floating_point())
        gradients = [parameter.grad for parameter in module.network.parameters() if parameter.grad is not None]
        assert gradients and all(gradient.isfinite().all() for gradient in gradients)
        result = dict(logged)
        logged.clear()
        return result

    half, full = run(torch.bfloat16), run(torch.float32)
    assert half["train/metric_loss"] != full["train/metric_loss"]
    for name in ("first/metric_loss", "train/metric_discriminator_loss", "train/metric_pesq"):
        assert half[name] == pytest.approx(full[name], rel=0.05), name


def test_the_main_optimiser_has_the_network_only(monkeypatch: pytest.MonkeyPatch) -> None:
    module = metric_module()

    class FixedLength:
        estimated_stepping_batches = 20.0

    monkeypatch.setattr(EnhancementModule, "trainer", FixedLength())
    configured: Any = module.configure_optimizers()
    trained = {id(parameter) for group in configured["optimizer"].param_groups for parameter in group["params"]}
    assert trained == {id(parameter) for parameter in module.network.parameters()}


def test_a_discriminator_changes_no_random_number_of_the_rest() -> None:
    def drawn(**settings: Any) -> Tensor:
        make_module(**settings)
        return torch.rand(1)

    assert torch.equal(drawn(), drawn(objective=OBJECTIVE))


class _Batches(Dataset[dict[str, Tensor]]):
    """Two batches of two utterances."""

    def __init__(self) -> None:
        self.items = [{k: v[i] for k, v in speech_batch(4).items()} for i in range(4)]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.items[index]


def fit(folder: Path, epochs: int, checkpoint: Path | None = None) -> tuple[EnhancementModule, Path]:
    module = metric_module()
    trainer = _trainer(folder, epochs)
    trainer.fit(module, DataLoader(_Batches(), batch_size=2), ckpt_path=checkpoint)
    path = folder / f"{epochs}.ckpt"
    trainer.save_checkpoint(path)
    return module, path


def _trainer(folder: Path, epochs: int) -> Trainer:
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    quiet["enable_checkpointing"] = False
    return Trainer(accelerator="cpu", max_epochs=epochs, default_root_dir=folder, log_every_n_steps=1, **quiet)


@pytest.mark.filterwarnings("ignore:.*num_workers.*", "ignore:.*estimated_stepping_batches.*")
def test_resuming_equals_an_uninterrupted_training_and_needs_no_discriminator_to_be_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a schedule that does not depend on the number of epochs of this trainer
    monkeypatch.setattr("lightning_modules.schedule.warmup_cosine", lambda *_, **__: 1.0)
    whole, whole_path = fit(tmp_path, epochs=3)
    _, half_path = fit(tmp_path, epochs=2)
    resumed, resumed_path = fit(tmp_path / "resumed", epochs=3, checkpoint=half_path)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    one, other = (torch.load(path, weights_only=True)["metric_training"] for path in (whole_path, resumed_path))
    assert torch.equal(one["held"]["scores"], other["held"]["scores"])
    assert all(torch.equal(a, b) for a, b in zip(one["held"]["signals"], other["held"]["signals"], strict=True))
    for index, state in one["optimizer"]["state"].items():
        assert state["step"] == 5  # of six batches the last is held
        assert torch.equal(state["exp_avg_sq"], other["optimizer"]["state"][index]["exp_avg_sq"])
    assert not torch.equal(
        torch.load(half_path, weights_only=True)["metric_training"]["held"]["scores"], one["held"]["scores"]
    )

    plain = make_module()
    with pytest.warns(UserWarning, match=r"the checkpoint has a discriminator \(\d+ tensors\).*left out"):
        _trainer(tmp_path, 1).test(plain, DataLoader(_Batches(), batch_size=2), ckpt_path=whole_path, verbose=False)
    own = metric_module()
    _trainer(tmp_path, 1).test(own, DataLoader(_Batches(), batch_size=2), ckpt_path=whole_path, verbose=False)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, plain.network.state_dict()[name])
        assert torch.equal(value, own.network.state_dict()[name])
    with pytest.raises(CheckpointError, match=r"'metric_discriminator\..*' is missing"):
        own.on_load_checkpoint({"state_dict": plain.state_dict()})


def test_processes_end_also_where_the_last_batch_cannot_be_rated(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []

    class Pool:
        def submit(self, enhanced: list[np.ndarray], clean: list[np.ndarray]) -> list[Future[float]]:
            failed: Future[float] = Future()
            failed.set_exception(ProcessError("its process died 2 times"))
            return [failed]

        def close(self) -> None:
            closed.append(True)

    monkeypatch.setattr("lightning_modules.metric_training.PesqPool", lambda *_: Pool())
    training = MetricTraining(MetricDiscriminator(4), SETTINGS, Stft(GRID), 0.3)
    training.hold(torch.ones(1, 100), torch.ones(1, 100), torch.ones(1))
    with pytest.raises(ProcessError, match="died"):
        training.stop()
    assert closed == [True]


def test_several_devices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class TwoDevices:
        world_size = 2

    monkeypatch.setattr(EnhancementModule, "trainer", TwoDevices())
    with pytest.raises(ValueError, match=r"model\.objective\.metric_discriminator trains on one device.*got 2"):
        metric_module().setup("fit")
    metric_module().setup("test")
    make_module().setup("fit")


def test_what_pesq_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"data\.grid\.sample_rate in \[8000, 16000\] Hz, got 22050"):
        PesqPool(22050, 1)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"metric_discriminator needs PESQ: the package pesq is not installed"):
        PesqPool(16000, 1)
