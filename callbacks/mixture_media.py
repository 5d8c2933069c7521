"""Shows and plays a few fixed mixtures, and how decided the gates are on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from numpy.typing import NDArray
from torch import Tensor

from callbacks.evaluation import EvaluationCallback
from callbacks.logging_time import TimedLogging
from callbacks.media_log import MediaLog, media_log
from callbacks.rank_rows import gather_on_first, of_first
from lightning_modules.enhancement import SCORED_LOADER, Enhancement, enhancement_module
from networks.conv_fsenet import ConvFSENet
from networks.framing import FrameGrid
from networks.gate_health import QUANTILES, GateMargins, gate_margins
from reports.margin_figure import draw_margins
from reports.mixture_figures import draw_masks, draw_spectrograms


@dataclass(frozen=True)
class _Kept:
    """One mixture: waveforms (sample,), masks (block, channel, frame), spectrum (frequency, frame)."""

    sounds: dict[str, NDArray[np.float32]]
    channel_masks: NDArray[np.bool_]
    noisy_spectrum: Tensor


class MixtureMedia(EvaluationCallback, TimedLogging):
    """Keeps some scored mixtures of a validation, which are the same in all of them, and logs them.

    Every ``every_n_epochs`` epochs and in the last validation: ``audio/noisy``, ``audio/enhanced`` and
    ``audio/clean``; ``figures/spectrograms`` (the three of them), ``figures/channel_masks`` and
    ``figures/gate_margins``. In every validation, of the same mixtures: ``gates/margin/pNN``, percentiles of the
    distance of the gates' logits from their threshold in standard deviations, and ``gates/near_threshold``, the share
    of decisions within a tenth of one.

    Args:
        mixtures: positions among the scored mixtures, from 0; those beyond the last one are left out.
        every_n_epochs: how often sound and pictures are logged.
        audio: log sound.
        figures: log pictures.
        margins: log how decided the gates are, which runs the network once more on these mixtures.

    Raises:
        ValueError: if a position is negative or repeated, or ``every_n_epochs`` is not positive.
    """

    def __init__(
        self,
        mixtures: list[int],
        every_n_epochs: int = 4,
        audio: bool = True,
        figures: bool = True,
        margins: bool = True,
    ) -> None:
        super().__init__()
        if len(set(mixtures)) != len(mixtures) or min(mixtures, default=0) < 0:
            raise ValueError(f"MixtureMedia.mixtures must be distinct positions from 0, got {mixtures}")
        if every_n_epochs < 1:
            raise ValueError(f"MixtureMedia.every_n_epochs must be positive, got {every_n_epochs}")
        self.mixtures = mixtures
        self.every_n_epochs = every_n_epochs
        self.audio = audio
        self.figures = figures
        self.margins = margins
        self._kept: dict[int, _Kept] = {}

    def start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the mixtures of the last validation."""
        self._kept = {}

    def collect(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, loader: int) -> None:
        """Keep those mixtures of a batch that are asked for."""
        if loader != SCORED_LOADER or trainer.sanity_checking or len(self._kept) == len(self.mixtures):
            return
        with self.timed():
            for position, index in enumerate(batch["index"].tolist()):
                if index in self.mixtures:
                    self._kept[index] = _keep(batch, outputs["enhancement"], position)

    def finish(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log them."""
        log = media_log(trainer)
        # Each rank has its own; the first one shows them, in their order.
        kept = [item for rank in gather_on_first(self._kept) or [] for item in rank.items()]
        self._kept = dict(sorted(kept, key=lambda item: item[0]))
        network, grid = enhancement_module(pl_module).network, enhancement_module(pl_module).stft.grid
        with self.timed():
            margins = self._margins(trainer, network) if network.gated and self.margins else None
            keys = of_first(None if margins is None else _margin_keys(margins))
            if keys is not None:
                pl_module.log_dict(keys, sync_dist=True)
            if log is not None and self._kept and self._due(trainer):
                self._log_media(log, grid, margins)
        self._kept = {}

    def _due(self, trainer: Trainer) -> bool:
        """Tell whether this validation shows its mixtures."""
        epoch = trainer.current_epoch + 1
        in_training = trainer.state.fn == TrainerFn.FITTING
        return not in_training or epoch % self.every_n_epochs == 0 or epoch == trainer.max_epochs

    def _margins(self, trainer: Trainer, network: ConvFSENet) -> GateMargins | None:
        """Run the network once more to see its gates' logits."""
        if not self._kept:
            return None
        with trainer.precision_plugin.forward_context():
            device = network.frontend.weight.device
            spectra = [kept.noisy_spectrum.to(device) for kept in self._kept.values()]
            logits = [network.trace(spectrum[None]).gate_logits for spectrum in spectra]
        thresholds = torch.stack([gate.threshold for gate in network.gates])
        # mixtures may differ in length: frames of all of them in a row
        return gate_margins(torch.cat([one.float() for one in logits], dim=-1), thresholds)

    def _log_media(self, log: MediaLog, grid: FrameGrid, margins: GateMargins | None) -> None:
        names = {index: f"{index:03d}" for index in sorted(self._kept)}
        if self.audio:
            for signal in ("noisy", "enhanced", "clean"):
                clips = {name: self._kept[index].sounds[signal] for index, name in names.items()}
                log.audio(f"audio/{signal}", clips, grid.sample_rate)
        if not self.figures:
            return
        pictures = {name: draw_spectrograms(self._kept[index].sounds, grid) for index, name in names.items()}
        log.figures("figures/spectrograms", pictures)
        rasters = {name: draw_masks(self._kept[index].channel_masks, grid) for index, name in names.items()}
        log.figures("figures/channel_masks", rasters)
        if margins is not None:
            log.figure("figures/gate_margins", draw_margins(margins))


def _keep(batch: dict[str, Any], enhancement: Enhancement, position: int) -> _Kept:
    """Copy one mixture of a batch to where it can wait and be sent to the first rank."""
    signals = {"noisy": batch["noisy"], "enhanced": enhancement.waveform, "clean": batch["clean"]}
    return _Kept(
        sounds={name: signal[position].detach().float().cpu().numpy() for name, signal in signals.items()},
        channel_masks=enhancement.channel_masks[position].detach().bool().cpu().numpy(),
        noisy_spectrum=enhancement.noisy_spectrum[position].detach().to("cpu", copy=True),
    )


def _margin_keys(margins: GateMargins) -> dict[str, float]:
    """Return log keys."""
    shares = zip(QUANTILES, margins.all_quantiles.tolist(), strict=True)
    keys = {f"gates/margin/p{round(100 * share):02d}": value for share, value in shares}
    return keys | {"gates/near_threshold": float(margins.near.mean())}
