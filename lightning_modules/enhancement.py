"""The LightningModule: trains a gated network to enhance speech under a utilization target."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio as si_sdr

from lightning_modules.checkpoints import configured_state, plain_values
from lightning_modules.discriminator import MetricDiscriminator
from lightning_modules.initial_weights import read_initial_weights
from lightning_modules.joint_probes import JointProbes, JointProbeSettings, check_gates
from lightning_modules.metric_training import MetricTraining
from lightning_modules.nonfinite import NonfiniteGuard
from lightning_modules.objective import DEFAULT_OBJECTIVE, EnhancementObjective, ObjectiveSettings
from lightning_modules.pesq_pool import MetricError
from lightning_modules.pruning import DEFAULT_PRUNING, PruningObjective, PruningSettings
from lightning_modules.resuming import begin_next_epoch
from lightning_modules.schedule import check_schedule, decay_groups, warmup_cosine_of
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.ranks import num_ranks, rank_means, rank_sum, rank_weight
from networks.stft import Stft
from networks.synced_norm import synchronize_norms

SHOWN = ("enhancement_loss", "si_sdr_gain_db")  # beside the progress bar
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
        objective: parts of the enhancement loss and their weights.
        pruning: losses of the channel masks, and how target and temperature move in training.
        joint_probes: what the channel masks are trained to tell besides; None trains for enhancement alone.
        initial_weights: checkpoint or network file (``.safetensors``) whose weights a training starts from, with a new
            optimiser and schedule; a resumed training and an evaluation do not read it.
        compile_network: let ``torch.compile`` translate the network for training.
        sync_norms: in a training by several processes, let the batch norms take the statistics of all their batches;
            False normalises each batch by its own, as in a single process with smaller batches.
        max_nonfinite_steps: training steps in a row without a finite loss and finite gradients that are skipped, before
            training ends with the batch in a file (docs/reliability.md).

    Raises:
        ValueError: if a value is out of range, the objective needs a package that is not installed, or there are joint
            probes and no gates that decide from the signal.
    """

    def __init__(
        self,
        network: ConvFSENet,
        grid: FrameGrid,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        warmup_steps: int = 100,
        final_learning_rate_share: float = 0.05,
        objective: ObjectiveSettings = DEFAULT_OBJECTIVE,
        pruning: PruningSettings = DEFAULT_PRUNING,
        joint_probes: JointProbeSettings | None = None,
        initial_weights: str | None = None,
        compile_network: bool = False,
        sync_norms: bool = True,
        max_nonfinite_steps: int = 10,
    ) -> None:
        super().__init__()
        check_schedule(learning_rate, weight_decay, warmup_steps, final_learning_rate_share)
        # first what is a value already: what is ignored here is dropped from what was saved before
        settings = {"objective": objective, "pruning": pruning, "joint_probes": joint_probes}
        self.save_hyperparameters(ignore=["network", "grid", *settings])
        self.save_hyperparameters({name: plain_values(value) for name, value in settings.items()})
        self.network = network
        self.stft = Stft(grid)
        self.objective = EnhancementObjective(objective, self.stft)
        self.metric_discriminator: MetricDiscriminator | None = None
        self._metric_training: MetricTraining | None = None
        if objective.metric_discriminator is not None:
            with torch.random.fork_rng(devices=[]):  # so that the rest of a run draws what it draws without it
                self.metric_discriminator = MetricDiscriminator(objective.metric_discriminator.channels)
            self._metric_training = MetricTraining(
                self.metric_discriminator, objective.metric_discriminator, self.stft, objective.compression
            )
        self.joint_probes: JointProbes | None = None
        if joint_probes is not None:
            check_gates(network)
            self.joint_probes = JointProbes(joint_probes, len(network.blocks) * network.channels)
        self.initial_weights = initial_weights
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.warmup_steps = warmup_steps
        self.final_learning_rate_share = final_learning_rate_share
        self.pruning = PruningObjective(pruning, network)
        self.compile_network = compile_network
        self.sync_norms = sync_norms
        self._nonfinite = NonfiniteGuard(self, max_nonfinite_steps)
        self._batch: dict[str, Any] = {}
        self._fitting = False

    def forward(self, noisy: Tensor) -> Enhancement:
        """Enhance waveforms of shape (batch, sample)."""
        noisy_spectrum = self.stft.analyze(noisy)
        enhanced = self.network(noisy_spectrum)
        waveform = self.stft.synthesize(enhanced.spectrum, noisy.shape[-1])
        return Enhancement(waveform, noisy_spectrum, enhanced.spectrum, enhanced.channel_masks)

    def _losses(self, enhancement_parts: dict[str, Tensor], pruning_parts: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the total loss and what it is made of, unweighted, by logged name."""
        enhancement = self.objective.weighted_sum(enhancement_parts)
        total = sum(self.pruning.weighted(pruning_parts), start=enhancement)
        return {"loss": total, "enhancement_loss": enhancement, **enhancement_parts, **pruning_parts}

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Return the loss of a batch, with the target and the temperature of this step.

        A discriminator does its own step first.
        """
        scheduled = self.pruning.advance(self.global_step)
        enhancement = self(batch["noisy"])
        signals = enhancement.waveform, batch["clean"], batch["clean_rms"]
        size = len(batch["noisy"])
        parts = self.objective.parts(*signals)
        if self._metric_training is not None:
            self._log_discriminator(self._metric_training.learn(), size)
            parts["metric_loss"] = self._metric_training.loss(*signals)
            self._metric_training.hold(*signals, batch_idx)
        pruning_parts = self.pruning.parts(enhancement.channel_masks, scheduled.get("target_utilization"))
        losses = self._losses(parts, pruning_parts)
        if self.joint_probes is not None:
            joint = self.joint_probes.losses(enhancement.channel_masks, batch.get("targets", {}))
            losses = losses | joint | {"loss": losses["loss"] + self.joint_probes.weighted_sum(joint)}
        for name, value in rank_means(losses | {"utilization": enhancement.channel_masks.mean()}, size).items():
            self.log(f"train/{name}", value, batch_size=size, prog_bar=name in (*SHOWN, "utilization"))
        self.log_dict({f"train/{name}": value for name, value in scheduled.items()}, batch_size=size)
        self._nonfinite.watch(losses["loss"])
        if num_ranks() > 1:
            # the enhancement loss is a mean over this batch, those of the masks are of all ranks already
            return losses["loss"] + (rank_weight(size, self.device) - 1.0) * losses["enhancement_loss"]
        return losses["loss"]

    def on_train_start(self) -> None:
        """Begin where the training was stopped."""
        begin_next_epoch(self.trainer)

    def on_train_batch_start(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Remember what a step that must be skipped changes nevertheless."""
        self._batch = batch
        if batch_idx % self.trainer.accumulate_grad_batches == 0:
            self._nonfinite.begin()

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Skip a step whose loss or gradients are not finite.

        Raises:
            NonfiniteError: after ``max_nonfinite_steps`` in a row.
        """
        skipped = self._nonfinite.skips(one for group in optimizer.param_groups for one in group["params"])
        self.log("train/nonfinite_steps", float(self._nonfinite.count))
        if skipped:
            if self._metric_training is not None:
                self._metric_training.drop()
            rank = self.global_rank if self.trainer.world_size > 1 else None
            folder = Path(self.trainer.log_dir or self.trainer.default_root_dir)
            self._nonfinite.stop(self._batch, self.global_step, folder, rank)

    def _log_discriminator(self, learned: dict[str, Tensor], size: int) -> None:
        """Log a step of the discriminator; utterances that could not be rated are summed over the epoch."""
        for name, value in learned.items():
            summed: dict[str, Any] = {}
            if name == "metric_undefined":
                summed = {"on_step": False, "on_epoch": True, "reduce_fx": "sum"}
            self.log(f"train/{name}", value, batch_size=size, **summed)

    def _evaluate(self, stage: str, batch: dict[str, Any], loader: int) -> Enhancement:
        """Enhance a batch and log its scores under ``stage``, unless it only serves to fit probes."""
        enhancement = self(batch["noisy"])
        if loader != SCORED_LOADER:
            return enhancement
        parts = self.objective.parts(enhancement.waveform, batch["clean"], batch["clean_rms"])
        noisy_db = si_sdr(batch["noisy"], batch["clean"])
        enhanced_db = si_sdr(enhancement.waveform, batch["clean"])
        scores = {
            # without a discriminator, whose judgement changes while it learns
            **self._losses(parts, self.pruning.parts(enhancement.channel_masks)),
            "si_sdr_db": enhanced_db.mean(),
            "si_sdr_noisy_db": noisy_db.mean(),
            "si_sdr_gain_db": (enhanced_db - noisy_db).mean(),
            "utilization": enhancement.channel_masks.mean(),
        }
        if stage == "val" and self.joint_probes is not None:
            # beside val/loss, by which the best checkpoint is chosen: it stays that of a training without heads
            scores |= self.joint_probes.losses(enhancement.channel_masks, batch.get("targets", {}))
        size = len(batch["noisy"])
        # Lightning rounds when it averages the sizes of the batches of ranks: all log the same, of all their mixtures.
        everyone = round(float(rank_sum(torch.tensor(float(size), device=self.device))))
        for name, value in rank_means(scores, size).items():
            self.log(
                f"{stage}/{name}",
                value,
                batch_size=everyone,
                on_step=False,
                on_epoch=True,
                add_dataloader_idx=False,
                sync_dist=True,
                prog_bar=name in SHOWN,
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
        groups = decay_groups(self.network, self.learning_rate)  # a discriminator has its own optimiser
        if self.joint_probes is not None:
            factor = self.joint_probes.settings.learning_rate_factor
            groups += decay_groups(self.joint_probes, factor * self.learning_rate)
        optimizer = torch.optim.AdamW(groups, lr=self.learning_rate, weight_decay=self.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        scheduler = warmup_cosine_of(optimizer, self.warmup_steps, steps, self.final_learning_rate_share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def check_devices(self, count: int) -> None:
        """Refuse several devices for a discriminator, and for a compiled network whose norms talk to one another.

        Raises:
            MetricError: if there is a discriminator and ``count`` is not 1.
            ValueError: if norms are synchronised and the network is compiled.
        """
        if self.compile_network and self.sync_norms and count > 1:
            raise ValueError(
                f"model.compile_network with {count} devices needs model.sync_norms false: the compiler translates no "
                "communication; each device then normalises its own batch"
            )
        if self._metric_training is not None and count > 1:
            raise MetricError(
                "model.objective.metric_discriminator trains on one device, since every device would train a "
                f"discriminator of its own; got {count} (trainer.devices times trainer.num_nodes)"
            )

    def setup(self, stage: str) -> None:
        """Compile the network if that is wanted: evaluation alone would not earn the time back.

        Refuse what a discriminator cannot be trained with, and open its pool.

        Raises:
            MetricError: if there are several devices, or PESQ cannot be computed.
            ValueError: if a compiled network has synchronised norms.
        """
        self._fitting = stage == "fit"
        if not self._fitting:
            return
        self.check_devices(num_ranks())
        if self.sync_norms and num_ranks() > 1:
            synchronize_norms(self.network)
        if self.compile_network:
            self.network.compile_estimate()
        if self._metric_training is not None:
            self.check_devices(self.trainer.world_size)
            self._metric_training.start()

    def on_fit_start(self) -> None:
        """Start from the initial weights unless a training is resumed; bring a discriminator's training to the device.

        Raises:
            CheckpointError: if the initial weights cannot be used.
        """
        if self.initial_weights is not None and self.trainer.ckpt_path is None:
            self.load_state_dict(read_initial_weights(Path(self.initial_weights), self.state_dict()))
            rank_zero_info(f"starting from the weights of {self.initial_weights}")
        if self._metric_training is not None:
            self._metric_training.to(self.device)
        if self.global_rank > 0:  # ranks that are seeded alike would draw the same noise for different mixtures
            torch.manual_seed(torch.initial_seed() + self.global_rank)

    def teardown(self, stage: str) -> None:
        """End the processes that rate utterances."""
        if self._metric_training is not None:
            self._metric_training.stop()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what is not in the module's state: skipped steps, and a discriminator's training."""
        checkpoint["nonfinite_steps"] = self._nonfinite.state_dict()
        if self._metric_training is not None:
            checkpoint["metric_training"] = self._metric_training.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Bring an older checkpoint up to date; refuse one of another architecture before anything is overwritten.

        What the network was trained with (discriminator, joint probes) and the configuration has not is left out, with
        a warning.

        Raises:
            CheckpointError: if the checkpoint does not fit, or a training with joint probes is resumed without them.
        """
        state, told = configured_state(checkpoint["state_dict"], self.state_dict(), resuming=self._fitting)
        for line in told:
            rank_zero_warn(line)
        checkpoint["state_dict"] = state
        if "nonfinite_steps" in checkpoint:  # earlier versions did not count
            self._nonfinite.load_state_dict(checkpoint["nonfinite_steps"])
        if self._metric_training is not None:
            self._metric_training.load_state_dict(checkpoint["metric_training"])


def enhancement_module(pl_module: LightningModule) -> EnhancementModule:
    """Return a callback's module as what it is.

    Raises:
        TypeError: if it is another kind of module.
    """
    if not isinstance(pl_module, EnhancementModule):
        raise TypeError(f"expected an EnhancementModule, got {type(pl_module).__name__}")
    return pl_module
