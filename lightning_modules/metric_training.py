"""Training against a PESQ discriminator: its own steps, beside those of the enhancement network."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lightning_modules.discriminator import MetricDiscriminator
from lightning_modules.losses import compress, level_scale
from lightning_modules.objective import MetricDiscriminatorSettings
from lightning_modules.pesq_pool import PesqPool
from networks.stft import Stft


def normalize_pesq(score: Tensor) -> Tensor:
    """Map PESQ to what the discriminator predicts, ``(PESQ - 1) / 3.5`` as in CMGAN (Cao et al., 2022): 0 to 1.04."""
    return (score - 1.0) / 3.5


@dataclass
class HeldBatch:
    """Utterances whose PESQ is being computed.

    Attributes:
        signals: enhanced, shape (batch, sample); clean, the same shape; its active-speech level, shape (batch,).
        ratings: of each utterance, ready or not.
    """

    signals: tuple[Tensor, Tensor, Tensor]
    ratings: list[Future[float]]

    def scores(self) -> Tensor:
        """Wait for PESQ; shape (batch,), NaN where it is not defined."""
        return torch.tensor([rating.result() for rating in self.ratings])


class MetricTraining:
    """Trains a discriminator on true PESQ, and gives the enhancement network its loss (MetricGAN, Fu et al., 2019).

    In every training step, in this order: the discriminator learns from the batch of the step before, whose PESQ has
    been computed meanwhile; it judges the new batch for the loss of the enhancement network; the new batch is handed to
    the processes that compute PESQ. The batch behind is always exactly one, so results do not depend on timing, and it
    is part of the checkpoint (about 2 MB for four utterances of 4 s), so a resumed training continues exactly.

    The discriminator's squared errors: towards 1 for (clean, clean), towards normalised PESQ for (clean, enhanced). It
    steps once per batch with its own AdamW at a constant learning rate, in float32 whatever the precision of the
    training. Utterances that PESQ cannot rate are left out of both. Its parameters need no gradient outside its own
    step, so none of the enhancement loss reaches them.

    One device only: every device would train a discriminator of its own on its share of the batches.

    Args:
        discriminator: trained here, and only here.
        settings: weight, rates and processes.
        stft: analysis.
        compression: exponent of the magnitudes.
    """

    def __init__(
        self, discriminator: MetricDiscriminator, settings: MetricDiscriminatorSettings, stft: Stft, compression: float
    ) -> None:
        self.discriminator = discriminator.requires_grad_(False)
        self.settings = settings
        self.optimizer = torch.optim.AdamW(discriminator.parameters(), lr=settings.learning_rate)
        self._stft = stft
        self._compression = compression
        self._held: HeldBatch | None = None
        self._pool: PesqPool | None = None

    def loss(self, enhanced: Tensor, clean: Tensor, clean_rms: Tensor) -> Tensor:
        """Compute how far the discriminator is from taking enhanced speech for perfect: mean of ``(D - 1)^2``.

        Args:
            enhanced: shape (batch, sample).
            clean: shape (batch, sample).
            clean_rms: active-speech level of the clean signal, shape (batch,).
        """
        self.discriminator.eval()  # its spectral norms learn in its own steps only
        predicted = self.discriminator(self._magnitude(clean, clean_rms), self._magnitude(enhanced, clean_rms))
        self.discriminator.train()
        return (predicted.float() - 1.0).square().mean()

    def hold(self, enhanced: Tensor, clean: Tensor, clean_rms: Tensor, batch_idx: int = 0) -> None:
        """Begin to rate a batch, from which :meth:`learn` learns when it is called next.

        Args:
            enhanced: shape (batch, sample).
            clean: shape (batch, sample).
            clean_rms: active-speech level of the clean signal, shape (batch,).
            batch_idx: number of the batch in its epoch: where not all utterances are rated, the next ones take their
                turn in every batch. The first of a batch are often of the same noise categories.
        """
        self.start()
        assert self._pool is not None
        size = len(enhanced)
        count = min(self.settings.rated_per_batch or size, size)
        rated = (torch.arange(count, device=enhanced.device) + batch_idx * count) % size
        enhanced, clean, clean_rms = (signal.detach()[rated].float() for signal in (enhanced, clean, clean_rms))
        ratings = self._pool.submit(list(enhanced.cpu().numpy()), list(clean.cpu().numpy()))
        self._held = HeldBatch((enhanced, clean, clean_rms), ratings)

    def drop(self) -> None:
        """Forget the batch that is held: the step that it is of was skipped."""
        self._held = None

    def learn(self) -> dict[str, Tensor]:
        """Let the discriminator learn from the batch that is held.

        Returns:
            What to log of it, by name: ``metric_undefined`` (utterances that PESQ could not rate), and if there are
            others ``metric_discriminator_loss`` and ``metric_pesq``, their mean PESQ. Nothing before the first batch.
        """
        if self._held is None:
            return {}
        held, self._held = self._held, None
        scores = held.scores()
        rated = scores.isfinite()
        logged = {"metric_undefined": (~rated).sum().float()}
        if rated.any():
            device = held.signals[0].device
            enhanced, clean, clean_rms = (signal[rated.to(device)] for signal in held.signals)
            logged["metric_discriminator_loss"] = self._step(enhanced, clean, clean_rms, scores[rated].to(device))
            logged["metric_pesq"] = scores[rated].mean()
        return logged

    def _step(self, enhanced: Tensor, clean: Tensor, clean_rms: Tensor, pesq: Tensor) -> Tensor:
        """Do a step of the discriminator and return its loss."""
        target = torch.cat([torch.ones_like(pesq), normalize_pesq(pesq)])
        with torch.autocast(clean.device.type, enabled=False):
            reference = self._magnitude(clean, clean_rms)
            judged = torch.cat([reference, self._magnitude(enhanced, clean_rms)])
            self.discriminator.requires_grad_(True)
            predicted = self.discriminator(torch.cat([reference, reference]), judged)
            loss = 2.0 * (predicted - target).square().mean()  # the sum of the two means
            loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.discriminator.requires_grad_(False)
        return loss.detach()

    def _magnitude(self, waveform: Tensor, clean_rms: Tensor) -> Tensor:
        return compress(self._stft.analyze(waveform * level_scale(clean_rms)), self._compression)[0]

    def start(self) -> None:
        """Open the pool, unless it is open.

        Raises:
            MetricError: if PESQ cannot be computed.
        """
        if self._pool is None:
            self._pool = PesqPool(self._stft.grid.sample_rate, self.settings.processes)

    def stop(self) -> None:
        """End the processes; a batch that is held is rated before."""
        if self._pool is not None:
            try:
                if self._held is not None:
                    self._held.scores()
            finally:  # also where the batch cannot be rated
                self._pool.close()
                self._pool = None

    def to(self, device: torch.device) -> None:
        """Move the optimiser's state and the batch that is held to the discriminator's device."""
        self.optimizer.load_state_dict(self.optimizer.state_dict())  # casts to the device of each parameter
        if self._held is not None:
            enhanced, clean, clean_rms = (signal.to(device) for signal in self._held.signals)
            self._held = HeldBatch((enhanced, clean, clean_rms), self._held.ratings)

    def state_dict(self) -> dict[str, Any]:
        """Return all but the discriminator's weights: the optimiser, and the batch that it has not learned from yet."""
        held = None
        if self._held is not None:
            held = {"signals": tuple(signal.cpu() for signal in self._held.signals), "scores": self._held.scores()}
        return {"optimizer": self.optimizer.state_dict(), "held": held}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        self._held = None
        if state["held"] is not None:
            ratings: list[Future[float]] = []
            for score in state["held"]["scores"].tolist():
                ratings.append(Future())
                ratings[-1].set_result(score)
            self._held = HeldBatch(state["held"]["signals"], ratings)
