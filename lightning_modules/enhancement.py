"""The LightningModule: trains a gated network to enhance speech under a utilization target."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio as si_sdr

from lightning_modules.checkpoints import check_architecture, upgrade_state
from lightning_modules.losses import SparsityScope, balance_loss, compressed_spectral_loss, utilization_loss
from lightning_modules.pruning_schedule import PruningSchedule
from lightning_modules.schedule import warmup_cosine
from networks.complexity import mac_budget
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.stft import Stft

DEFAULT_SCHEDULE = PruningSchedule()
SCORED_LOADER = 0  # of validation and test; loader 1 holds the mixtures that probes are fitted on


class Enhancement(NamedTuple):
    """Result of one forward pass.

    Attributes:
        waveform: enhanced, shape (batch, sample).
        noisy_spectrum: complex, shape (batch, frequency, frame).
        spectrum: enhanced, complex, shape (batch, frequency, frame).
        channel_masks: 0 or 1, shape (batch, block, channel, frame).
    """

    waveform: Tensor
    noisy_spectrum: Tensor
    spectrum: Tensor
    channel_masks: Tensor


class EnhancementModule(LightningModule):
    """Trains a network with an enhancement loss and a sparsity loss.

    Args:
        network: maps a noisy spectrum to an enhanced one and channel masks.
        grid: sample-to-frame alignment, linked from the data.
        learning_rate: peak of the schedule.
        weight_decay: of AdamW.
        warmup_steps: steps of the linear rise of the learning rate.
        final_learning_rate_share: share of the peak that is left at the end of training.
        compression: exponent of the spectral loss.
        complex_weight: share of the complex error in the spectral loss, in [0, 1].
        sparsity_weight: weight of the squared distance of the utilization from its target.
        sparsity_scope: what must reach the target: ``network``, ``block`` or ``macs``.
        balance_weight: weight of the variance of utilization over the channels of a block; 0 leaves it out.
        pruning: how the target and the gates' temperature move in training.
        compile_network: let ``torch.compile`` translate the network for training.

    Raises:
        ValueError: if a value is out of range.
    """

    def __init__(
        self,
        network: ConvFSENet,
        grid: FrameGrid,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        warmup_steps: int = 100,
        final_learning_rate_share: float = 0.05,
        compression: float = 0.3,
        complex_weight: float = 0.3,
        sparsity_weight: float = 10.0,
        sparsity_scope: SparsityScope = "network",
        balance_weight: float = 0.0,
        pruning: PruningSchedule = DEFAULT_SCHEDULE,
        compile_network: bool = False,
    ) -> None:
        super().__init__()
        if learning_rate <= 0:
            raise ValueError(f"model.learning_rate must be positive, got {learning_rate}")
        if not 0 < compression <= 1:
            raise ValueError(f"model.compression must lie in (0, 1], got {compression}")
        shares = {"final_learning_rate_share": final_learning_rate_share, "complex_weight": complex_weight}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"model.{name} must lie in [0, 1], got {share}")
        weights = {"weight_decay": weight_decay, "warmup_steps": warmup_steps}
        weights |= {"sparsity_weight": sparsity_weight, "balance_weight": balance_weight}
        for name, value in weights.items():
            if value < 0:
                raise ValueError(f"model.{name} must not be negative, got {value}")
        self.save_hyperparameters(ignore=["network", "grid", "pruning"])
        self.network = network
        self.stft = Stft(grid)
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.warmup_steps = warmup_steps
        self.final_learning_rate_share = final_learning_rate_share
        self.compression = compression
        self.complex_weight = complex_weight
        self.sparsity_weight = sparsity_weight
        self.sparsity_scope: SparsityScope = sparsity_scope
        self.balance_weight = balance_weight
        self.pruning = pruning
        self.compile_network = compile_network
        self._budget = mac_budget(network)

    def setup(self, stage: str) -> None:
        """Compile the network if that is wanted; evaluation alone would not earn the time back."""
        if stage == "fit" and self.compile_network:
            self.network.compile_estimate()

    def forward(self, noisy: Tensor) -> Enhancement:
        """Enhance waveforms of shape (batch, sample)."""
        noisy_spectrum = self.stft.analyze(noisy)
        enhanced = self.network(noisy_spectrum)
        waveform = self.stft.synthesize(enhanced.spectrum, noisy.shape[-1])
        return Enhancement(waveform, noisy_spectrum, enhanced.spectrum, enhanced.channel_masks)

    def _losses(self, batch: dict[str, Any], enhancement: Enhancement, target: float) -> dict[str, Tensor]:
        """Return the total loss and its parts, by logged name, for a utilization target."""
        spectral = compressed_spectral_loss(
            enhancement.waveform,
            batch["clean"],
            batch["clean_rms"],
            self.stft,
            self.compression,
            self.complex_weight,
        )
        losses = {"loss": spectral, "enhancement_loss": spectral}
        if self.network.gated:
            masks = enhancement.channel_masks
            losses["sparsity_loss"] = utilization_loss(masks, target, self._budget, self.sparsity_scope)
            losses["loss"] = spectral + self.sparsity_weight * losses["sparsity_loss"]
            if self.balance_weight > 0:
                losses["balance_loss"] = balance_loss(masks)
                losses["loss"] = losses["loss"] + self.balance_weight * losses["balance_loss"]
        return losses

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Return the loss of a batch, with the target and the temperature of this step."""
        target = self.pruning.target_at(self.global_step, self.network.target_utilization)
        temperature = self.pruning.temperature_at(self.global_step, self.network.gate_settings.temperature)
        self.network.set_target_utilization(target)
        self.network.set_temperature(temperature)
        enhancement = self(batch["noisy"])
        losses = self._losses(batch, enhancement, target)
        size = len(batch["noisy"])
        self.log_dict({f"train/{name}": value.detach() for name, value in losses.items()}, batch_size=size)
        if self.network.gated:
            self.log_dict({"train/target_utilization": target, "train/temperature": temperature}, batch_size=size)
        self.log("train/utilization", enhancement.channel_masks.detach().mean(), batch_size=size, prog_bar=True)
        return losses["loss"]

    def _evaluate(self, stage: str, batch: dict[str, Any], loader: int) -> Enhancement:
        """Enhance a batch and log its scores under ``stage``, unless it only serves to fit probes."""
        enhancement = self(batch["noisy"])
        if loader != SCORED_LOADER:
            return enhancement
        noisy_db = si_sdr(batch["noisy"], batch["clean"])
        enhanced_db = si_sdr(enhancement.waveform, batch["clean"])
        scores = {
            # the final target, so that a network that is still dense is not the best one
            **self._losses(batch, enhancement, self.network.target_utilization),
            "si_sdr_db": enhanced_db.mean(),
            "si_sdr_noisy_db": noisy_db.mean(),
            "si_sdr_gain_db": (enhanced_db - noisy_db).mean(),
            "utilization": enhancement.channel_masks.mean(),
        }
        self.log_dict(
            {f"{stage}/{name}": value for name, value in scores.items()},
            batch_size=len(batch["noisy"]),
            on_step=False,
            on_epoch=True,
            add_dataloader_idx=False,
            sync_dist=True,
        )
        return enhancement

    def validation_step(self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """Return the enhancement for callbacks."""
        return {"enhancement": self._evaluate("val", batch, dataloader_idx)}

    def test_step(self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """Return the enhancement for callbacks."""
        return {"enhancement": self._evaluate("test", batch, dataloader_idx)}

    def predict_step(self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0) -> Enhancement:
        """Return the enhancement."""
        return self(batch["noisy"])

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return AdamW with warm-up and cosine decay over the whole training."""
        decayed = [parameter for parameter in self.parameters() if parameter.ndim > 1]
        rest = [parameter for parameter in self.parameters() if parameter.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": decayed}, {"params": rest, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(
            groups,  # norms, biases and shifts are not decayed
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
        )
        factor = partial(
            warmup_cosine,
            warmup_steps=self.warmup_steps,
            total_steps=int(self.trainer.estimated_stepping_batches),
            final_share=self.final_learning_rate_share,
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Bring an older checkpoint up to date; refuse one of another architecture before anything is overwritten."""
        checkpoint["state_dict"] = upgrade_state(checkpoint["state_dict"], self.state_dict())
        check_architecture(checkpoint["state_dict"], self.state_dict())


def enhancement_module(pl_module: LightningModule) -> EnhancementModule:
    """Return a callback's module as what it is.

    Raises:
        TypeError: if it is another kind of module.
    """
    if not isinstance(pl_module, EnhancementModule):
        raise TypeError(f"expected an EnhancementModule, got {type(pl_module).__name__}")
    return pl_module
