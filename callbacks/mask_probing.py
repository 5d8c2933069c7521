"""Fits probes on the channel masks in every validation and logs what they know."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from callbacks.evaluation import EvaluationCallback
from callbacks.logging_time import TimedLogging
from callbacks.media_log import MediaLog, media_log
from callbacks.probe_figures import probe_figures
from callbacks.probe_files import ProbeFiles, checkpoint_folder, probe_bank
from callbacks.probe_table import probe_rows
from callbacks.rank_rows import gather_on_first, of_first
from lightning_modules.enhancement import SCORED_LOADER, Enhancement, enhancement_module
from probes.features import (
    feature_names,
    frame_targets,
    log_energy_features,
    log_magnitude_features,
    mask_features,
)
from probes.logistic import DEFAULT_LOGISTIC_L2
from probes.report import log_keys
from probes.results import ProbeResult
from probes.ridge import DEFAULT_RIDGE_L2
from probes.suite import ProbeSuite
from probes.tasks import ProbeTask
from reports.environment import last_parts, software
from reports.overview import Overview, draw_overview

LONGEST = 2**32  # frames that no mixture has
NOISE_CLASS = "noise_class"  # target, and what mixtures call its name
FeatureMap = Callable[[Enhancement], NDArray[Any]]
FEATURES: dict[str, FeatureMap] = {
    "masks": lambda enhancement: mask_features(enhancement.channel_masks),
    "log_magnitude": lambda enhancement: log_magnitude_features(enhancement.noisy_spectrum),
    "log_energy": lambda enhancement: log_energy_features(enhancement.noisy_spectrum),
}


class MaskProbing(EvaluationCallback, TimedLogging):
    """Collects masks and targets in validation or test, fits linear probes, scores and logs them.

    Probes are fitted on loader 1 (training speakers and noise recordings) and scored on loader 0 (unseen ones). Logged
    under ``probes/<target>/<metric>`` with ``_chance`` and ``_shuffled`` beside it. The same probes on the noisy
    log-magnitude and on one log-energy per frame do not change in training; they are fitted once and logged every time
    under ``controls/<features>/<target>/<metric>``. A network without gates has no masks: nothing is fitted or drawn.

    With several ranks, each collects its own mixtures; the rows come together on the first one, which fits, scores and
    writes what a single process with all mixtures would, while the others wait.

    The headline scores also make a table, ``tables/probes``, with intervals. In a training, the probes are kept as
    files beside the checkpoints (``best.probes.safetensors``), where ``dyncp enhance`` finds them.

    Args:
        tasks: what is probed.
        every_n_epochs: validations are probed this often, and always the last one.
        frame_stride: every how many frames a frame is used in the fit; neighbours say nearly the same.
        logistic_rows: most frames that a logistic probe is fitted on.
        folds: of utterances, to choose the strength of the ridge.
        ridge_l2: strengths to choose from for values; null takes those of :class:`probes.ridge.RidgeProbe`.
        logistic_l2: strengths to choose from for classes; null takes those of :class:`probes.logistic.LogisticProbe`.
        controls: fit the log-magnitude and log-energy probes too.
        figures: draw the overview of the first scored mixture each time.
        details_every_n_epochs: also draw scores, errors and weights of the probes this often, and in the last
            validation; null never does.
        embedding_frames: most scored frames that are laid out by t-SNE with these details; 0 draws none.
        interval_resamples: of utterances, for the intervals of the table; 0 leaves them out.
        seed: of the drawn frames and the shuffled labels.

    Raises:
        ValueError: if a number is not positive or no task is given.
    """

    def __init__(
        self,
        tasks: list[ProbeTask],
        every_n_epochs: int = 1,
        frame_stride: int = 4,
        logistic_rows: int = 6000,
        folds: int = 3,
        ridge_l2: list[float] | None = None,
        logistic_l2: list[float] | None = None,
        controls: bool = True,
        figures: bool = True,
        details_every_n_epochs: int | None = 4,
        embedding_frames: int = 400,
        interval_resamples: int = 200,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not tasks:
            raise ValueError("MaskProbing.tasks must list at least one task")
        numbers = {"every_n_epochs": every_n_epochs, "frame_stride": frame_stride, "logistic_rows": logistic_rows}
        if details_every_n_epochs is not None:
            numbers["details_every_n_epochs"] = details_every_n_epochs
        for name, number in numbers.items():
            if number < 1:
                raise ValueError(f"MaskProbing.{name} must be positive, got {number}")
        for name, number in {"embedding_frames": embedding_frames, "interval_resamples": interval_resamples}.items():
            if number < 0:
                raise ValueError(f"MaskProbing.{name} must not be negative, got {number}")
        self.tasks = tasks
        self.every_n_epochs = every_n_epochs
        self.frame_stride = frame_stride
        self.logistic_rows = logistic_rows
        self.folds = folds
        self.ridge_l2 = DEFAULT_RIDGE_L2 if ridge_l2 is None else tuple(ridge_l2)
        self.logistic_l2 = DEFAULT_LOGISTIC_L2 if logistic_l2 is None else tuple(logistic_l2)
        self.controls = controls
        self.figures = figures
        self.details_every_n_epochs = details_every_n_epochs
        self.embedding_frames = embedding_frames
        self.interval_resamples = interval_resamples
        self.seed = seed
        self._files = ProbeFiles()
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._suites: dict[str, ProbeSuite] = {}
        self._control_keys: dict[str, float] = {}
        self._results: dict[str, list[ProbeResult]] = {}
        self._class_names: dict[str, dict[int, str]] = {}
        self._example: tuple[dict[str, Any], Enhancement] | None = None
        self._seconds = 0.0
        self._told = False
        self._epoch_started = time.perf_counter()
        self._fit_loader_started: float | None = None
        self._fit_frames = 0  # of a mixture

    def _new_suite(self) -> ProbeSuite:
        return ProbeSuite(
            self.tasks,
            ridge_l2=self.ridge_l2,
            logistic_l2=self.logistic_l2,
            logistic_rows=self.logistic_rows,
            frame_stride=self.frame_stride,
            folds=self.folds,
            seed=self.seed,
        )

    def start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a collection, unless this validation is left out."""
        epoch = trainer.current_epoch + 1
        in_training = trainer.state.fn == TrainerFn.FITTING
        due = not in_training or epoch % self.every_n_epochs == 0 or epoch == trainer.max_epochs
        self._suites, self._example = {}, None
        self._seconds = 0.0
        self._fit_loader_started = None
        if trainer.sanity_checking or not due:
            return
        if not enhancement_module(pl_module).network.gated:
            if not self._told:
                rank_zero_info("MaskProbing: network.gated is false, there are no channel masks to probe")
                self._told = True
            return
        self._suites["masks"] = self._new_suite()
        if self.controls and not self._control_keys:
            self._suites |= {name: self._new_suite() for name in FEATURES if name != "masks"}

    def collect(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, loader: int) -> None:
        """Hand the features and targets of a batch to the suites."""
        if not self._suites:
            return
        started = time.perf_counter()
        enhancement: Enhancement = outputs["enhancement"]
        part = "score" if loader == SCORED_LOADER else "fit"
        num_frames = enhancement.channel_masks.shape[-1]
        if part == "fit":
            self._fit_frames = num_frames
        targets = frame_targets(batch["targets"], num_frames)
        utterance_ids = np.repeat(batch["index"].cpu().numpy(), num_frames)
        # Mixtures for fitting are equally long. Scored ones may differ, and are all kept: only their order counts.
        length = num_frames if part == "fit" else LONGEST
        positions = utterance_ids * length + np.tile(np.arange(num_frames), len(batch["index"]))
        if part == "score" and NOISE_CLASS in batch["targets"]:
            labels = batch["targets"][NOISE_CLASS].tolist()
            named = zip(map(int, labels), batch["mixture"][NOISE_CLASS], strict=True)
            self._class_names.setdefault(NOISE_CLASS, {}).update(named)
        for name, suite in self._suites.items():
            add = suite.add_score if part == "score" else suite.add_fit
            add(FEATURES[name](enhancement), targets, utterance_ids, positions)
        if part == "score" and self._example is None:
            self._example = _first(batch), Enhancement(*(value[:1].detach().cpu() for value in enhancement))
        if part == "score":
            self._fit_loader_started = time.perf_counter()  # after the last scored batch the mixtures for fitting begin
            self._seconds += self._fit_loader_started - started

    def finish(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Fit, score and log."""
        self._merge_ranks()
        if not of_first(
            all(len(rows) for suite in self._suites.values() for rows in (suite.fit_rows, suite.score_rows))
        ):
            self._suites = {}
        if not self._suites:  # on all ranks or on none
            self._forget_probes(trainer)
            return
        keys, self._control_keys = of_first((self._fit(), self._control_keys) if trainer.is_global_zero else ({}, {}))
        pl_module.log_dict(keys, sync_dist=True)
        log = media_log(trainer)
        if log is not None:
            with self.timed():
                self._write(trainer, pl_module, log)

    def _merge_ranks(self) -> None:
        """Bring the rows of all ranks to the first one; the others keep theirs, which nothing is done with."""
        ranks = gather_on_first((self._suites, self._class_names)) if self._suites else None
        for suites, class_names in (ranks or [])[1:]:
            for name, suite in suites.items():
                self._suites[name].merge(suite)
            for target, names in class_names.items():
                self._class_names.setdefault(target, {}).update(names)

    def _fit(self) -> dict[str, float]:
        """Fit and score on the rows of all ranks, and return what to log."""
        started = time.perf_counter()
        if self._fit_loader_started is not None:  # mixtures that only the probes need are part of their cost
            self._seconds += started - self._fit_loader_started
        keys: dict[str, float] = {}
        # One thread of numpy's BLAS: the logistic fits are many small products, and spinning on the next one doubled
        # their time on two cores. The large systems are torch's, with the threads that training has.
        with threadpool_limits(1, user_api="blas"):
            for name, suite in self._suites.items():
                self._results[name] = suite.run()  # those of controls serve later validations too
                if name == "masks":
                    keys = log_keys(self._results[name])
                else:
                    self._control_keys |= log_keys(self._results[name], prefix=f"controls/{name}")
        finished = time.perf_counter()
        self._seconds += finished - started
        return (
            keys
            | self._control_keys
            | {
                "cost/probing_seconds": self._seconds,
                "cost/probing_share_of_epoch": self._seconds / (finished - self._epoch_started),
            }
        )

    def _write(self, trainer: Trainer, pl_module: LightningModule, log: MediaLog) -> None:
        """Log table and figures, and keep the probes of a training."""
        for name, suite in self._suites.items():
            self._rows[name] = probe_rows(name, self._results[name], suite, self.interval_resamples, self.seed)
        log.table("tables/probes", [row for rows in self._rows.values() for row in rows])
        if trainer.state.fn == TrainerFn.FITTING:
            self._keep_probes(trainer, pl_module, log)
        if self.figures and self._example is not None:
            self._draw(pl_module, log)
            if self._details_due(trainer):
                self._draw_details(pl_module, log)

    def _keep_probes(self, trainer: Trainer, pl_module: LightningModule, log: MediaLog) -> None:
        module = enhancement_module(pl_module)
        provenance = {
            "run": last_parts(log.folder),
            "steps": str(trainer.global_step),
            "scores": "; ".join(f"{row['task']} {row['metric']} {row['score']:.3f}" for row in self._rows["masks"]),
        } | software()
        grid = module.stft.grid
        utterance_s = self._fit_frames * grid.hop_length / grid.sample_rate
        bank = probe_bank(self._suites["masks"], module.network, grid, self._class_names, provenance, utterance_s)
        self._files.write(bank, checkpoint_folder(trainer, log.folder))

    def _forget_probes(self, trainer: Trainer) -> None:
        """Remove the probes of an earlier state of the network."""
        log = media_log(trainer)
        if log is not None and trainer.state.fn == TrainerFn.FITTING:
            self._files.write(None, checkpoint_folder(trainer, log.folder))

    def _details_due(self, trainer: Trainer) -> bool:
        """Tell whether this validation draws more than the overview."""
        if self.details_every_n_epochs is None:
            return False
        epoch = trainer.current_epoch + 1
        last = trainer.state.fn != TrainerFn.FITTING or epoch == trainer.max_epochs
        return last or epoch % self.details_every_n_epochs == 0

    def _draw_details(self, pl_module: LightningModule, log: MediaLog) -> None:
        """Draw scores, errors and weights of the probes, and a map of the masks."""
        network = enhancement_module(pl_module).network
        names = feature_names(len(network.blocks), network.channels)
        suite = self._suites["masks"]
        for name, figure in probe_figures(
            self._results, suite, self._class_names, names, self.embedding_frames, self.seed
        ):
            log.figure(f"figures/{name}", figure)

    def _draw(self, pl_module: LightningModule, log: MediaLog) -> None:
        """Draw the overview of the first scored mixture with the predictions of the probes."""
        assert self._example is not None
        batch, enhancement = self._example
        features = mask_features(enhancement.channel_masks)
        targets = frame_targets(batch["targets"], enhancement.channel_masks.shape[-1])
        suite = self._suites["masks"]
        overview = Overview(
            noisy=batch["noisy"][0].numpy(),
            clean=batch["clean"][0].numpy(),
            enhanced=enhancement.waveform[0].float().numpy(),
            channel_masks=enhancement.channel_masks[0].bool().numpy(),
            targets=targets,
            predictions={task.name: suite.predict(task.name, features) for task in self.tasks},
        )
        figure = draw_overview(overview, enhancement_module(pl_module).stft.grid)
        log.figure("figures/overview", figure)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to keep probes."""
        self._files.begin(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to time the epoch."""
        self._settle(trainer)
        self._epoch_started = time.perf_counter()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the probes of the best checkpoint: it is saved by now."""
        self._settle(trainer)

    def _settle(self, trainer: Trainer) -> None:
        log = media_log(trainer)
        if log is not None:
            self._files.settle(trainer, checkpoint_folder(trainer, log.folder))


def _first(batch: dict[str, Any]) -> dict[str, Any]:
    """Return the first utterance of a batch, on the CPU."""
    targets = {name: values[:1].cpu() for name, values in batch["targets"].items()}
    return {name: batch[name][:1].cpu() for name in ("noisy", "clean")} | {"targets": targets}
