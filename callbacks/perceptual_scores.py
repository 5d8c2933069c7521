"""Quality of the scored mixtures: the noisy input, the network, and a dense network side by side."""

from __future__ import annotations

import math
import os
from concurrent.futures import Future, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor
from tqdm import tqdm

from callbacks.evaluation import EvaluationCallback
from callbacks.rank_rows import gather_on_all
from datamodules.process_pool import ProcessError, ProcessPool
from datamodules.rating import MEASURES, PESQ_MODES, unavailable
from datamodules.rating.utterance import Rated, RatingJob, rate_job
from lightning_modules.enhancement import SCORED_LOADER, enhancement_module
from networks.complexity import FrameBudget, cost_per_frame, mac_budget
from reports.quality import QualityReport, QualitySettings, print_report, summarize, write_report
from reports.quality_intervals import Bootstrap, snr_groups
from reports.quality_scores import (
    DENSE,
    NOISY,
    SCORED,
    ScoresError,
    ScoreTable,
    UtteranceScores,
    beside,
    check_labels,
    make_table,
    read_dense,
)
from reports.tested_runs import QUALITY_FOLDER

LOGGED_BY_MODULE = ("si_sdr_db", "si_sdr_db_noisy")  # as si_sdr_db and si_sdr_noisy_db, in trainings too


class PerceptualScores(EvaluationCallback):
    """Rates noisy and enhanced mixtures in ``test``, and in a ``validate`` that is run by itself.

    Processes rate while the network runs on. Logged: ``<stage>/<measure>``, ``<stage>/<measure>_noisy`` and, with
    ``dense_scores``, ``<stage>/<measure>_dense``, means over the utterances that can be rated, each with
    ``..._undefined``, the number that cannot (``si_sdr_db`` and its noisy value are the module's). Written to
    ``<run>/quality``: ``utterances.csv``, ``by_snr.csv``, ``by_noise_class.csv`` and ``summary.json``
    (``docs/quality.md``). A measure is skipped with a warning where its package or its models are not there, or at a
    sample rate that it is not defined for.

    With several ranks, each rates its own mixtures in its own processes; rows are then gathered, so that every rank
    logs the scores of all mixtures, and the first one writes the files. A mixture that two ranks have scored counts
    once.

    Args:
        measures: names out of ``datamodules.rating.MEASURES``; null takes all.
        dense_scores: ``utterances.csv`` of a test of the dense network on the same mixtures; null leaves its columns
            empty.
        workers: processes that rate; 0 rates in this one, null takes as many as this process may use cores.
        snr_edges_db: ascending edges of the SNR bins; null makes bins of 5 dB.
        resamples: of the bootstrap over utterances.
        confidence: of its intervals.
        seed: of its draws.

    Raises:
        ValueError: if a measure is unknown or a number out of range.
    """

    def __init__(
        self,
        measures: list[str] | None = None,
        dense_scores: str | None = None,
        workers: int | None = None,
        snr_edges_db: list[float] | None = None,
        resamples: int = 2000,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        super().__init__()
        measures = list(MEASURES) if measures is None else measures
        if not measures or len(set(measures)) != len(measures) or not set(measures) <= set(MEASURES):
            known = list(MEASURES)
            raise ValueError(f"PerceptualScores.measures must be distinct names out of {known}, got {measures}")
        if workers is not None and workers < 0:
            raise ValueError(f"PerceptualScores.workers must not be negative, got {workers}")
        snr_groups(np.zeros(1), snr_edges_db)  # refuses edges that do not ascend
        self.measures = tuple(measures)
        self.dense_scores = dense_scores
        self.workers = workers
        edges = None if snr_edges_db is None else tuple(snr_edges_db)
        self.settings = QualitySettings(Bootstrap(resamples, confidence, seed), edges)
        self._active: tuple[str, ...] = ()
        self._budget: FrameBudget | None = None
        self._pool: ProcessPool[RatingJob, Rated] | None = None
        self._rated: list[tuple[UtteranceScores, Future[Rated]]] = []
        self._dense: ScoreTable | None = None
        self._report: QualityReport | None = None
        self._problems: list[str] = []

    def start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget earlier scores, say what cannot be measured, and start the processes."""
        self._close()
        self._rated, self._report, self._problems, self._dense = [], None, [], None
        if trainer.state.fn == TrainerFn.FITTING:
            return
        module = enhancement_module(pl_module)
        self._active = self._available(module.stft.grid.sample_rate)
        self._budget = mac_budget(module.network)
        if self.dense_scores is None:
            rank_zero_info("PerceptualScores.dense_scores is null: no dense network is scored beside")
        else:
            self._dense = read_dense(Path(self.dense_scores))
        workers = max(1, _cores() // max(1, trainer.num_devices)) if self.workers is None else self.workers
        self._pool = ProcessPool(rate_job, workers)

    def _available(self, sample_rate: int) -> tuple[str, ...]:
        """Return the measures that can be computed here, and warn of the others."""
        reasons = {name: unavailable(name) for name in self.measures}
        if "pesq_wb" in reasons and sample_rate not in PESQ_MODES:
            reasons["pesq_wb"] = f"it is defined at {sorted(PESQ_MODES)} Hz, data.grid.sample_rate is {sample_rate}"
        for reason in dict.fromkeys(filter(None, reasons.values())):
            skipped = ", ".join(name for name in reasons if reasons[name] == reason)
            rank_zero_warn(f"not measured: {skipped}: {reason} (docs/quality.md)")
        return tuple(name for name in self.measures if reasons[name] is None)

    def collect(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, loader: int) -> None:
        """Hand a batch to the processes."""
        if loader != SCORED_LOADER or self._pool is None:
            return
        assert self._budget is not None, "start() sets both"
        masks = outputs["enhancement"].channel_masks
        rows = _identify(batch, masks.mean(dim=(1, 2, 3), dtype=torch.float64), cost_per_frame(self._budget, masks))
        if self._dense is not None:
            check_labels(rows, self._dense, Path(str(self.dense_scores)))  # scores are compared at the end
        known = {name: batch["targets"][name] for name in self._active if name in batch["targets"]}
        noisy_measures = tuple(name for name in self._active if name not in known)
        clean, noisy = _array(batch["clean"]), _array(batch["noisy"])
        enhanced = _array(outputs["enhancement"].waveform)
        for position, row in enumerate(rows):
            job = RatingJob(
                name=f"utterance {row.utterance} (speaker {row.speaker}, noise {row.noise})",
                clean=clean[position],
                signals={SCORED: enhanced[position], NOISY: noisy[position]},
                measures={SCORED: self._active, NOISY: noisy_measures},
                sample_rate=enhancement_module(pl_module).stft.grid.sample_rate,
            )
            scores = {name + NOISY: float(values[position]) for name, values in known.items()}
            self._rated.append((replace(row, scores=scores), self._pool.submit(job)))

    def finish(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Wait for the last ratings, write the files and log the means."""
        if self._pool is None:
            return
        gathered = gather_on_all([self._result(row, future) for row, future in self._progress()])
        self._close()
        self._problems = [line for _, failures in gathered for line in failures]
        table = make_table(self._active, [row for row, _ in gathered])
        if self._dense is not None:
            try:
                table = beside(table, self._dense, Path(str(self.dense_scores)))
            except ScoresError as error:
                self._problems.append(str(error))
        self._report = summarize(table, self.settings)
        log_dir = trainer.log_dir  # asks all ranks
        if trainer.is_global_zero and log_dir is not None:
            facts = {"stage": stage, "dense_scores": self.dense_scores, "problems": self._problems}
            write_report(Path(log_dir) / QUALITY_FOLDER, table, self._report, self.settings, facts)
        for score in self._report.overall:
            systems = {SCORED: (score.enhanced, score.rated), NOISY: (score.noisy, score.rated_noisy)}
            if self._dense is not None:
                systems[DENSE] = (score.dense, score.rated_dense)
            for system, (mean, rated) in systems.items():
                name = score.measure + system
                if mean is not None and name not in LOGGED_BY_MODULE:
                    pl_module.log(f"{stage}/{name}", mean, sync_dist=True)
                pl_module.log(f"{stage}/{name}_undefined", float(score.utterances - rated), sync_dist=True)

    def _progress(self) -> list[tuple[UtteranceScores, Future[Rated]]]:
        """Wait for all ratings, with a progress bar for what is left."""
        futures = [future for _, future in self._rated]
        left = [future for future in futures if not future.done()]
        done = len(futures) - len(left)
        with tqdm(desc="Rating", unit="utterance", total=len(futures), initial=done, disable=not left) as bar:
            for _ in as_completed(left):
                bar.update()
        return self._rated

    def _result(self, row: UtteranceScores, future: Future[Rated]) -> tuple[UtteranceScores, tuple[str, ...]]:
        """Return a row with its scores, and what failed."""
        undefined = {name + system: math.nan for name in self._active for system in (NOISY, SCORED, DENSE)}
        try:
            rated = future.result()
        except ProcessError as error:
            rated = Rated({}, (f"utterance {row.utterance} (speaker {row.speaker}, noise {row.noise}): {error}",))
        return replace(row, scores={**undefined, **row.scores, **rated.scores}), rated.failures

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table of a test."""
        self._print(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table of a validation that was run by itself."""
        self._print(trainer)

    def _print(self, trainer: Trainer) -> None:
        """Print the table; raise what stands in the way of trusting it."""
        if self._report is None:
            return
        if trainer.is_global_zero:
            console = Console()
            console = console if console.is_terminal else Console(width=160)
            print_report(self._report, self.settings.bootstrap.confidence, console)
        self._report = None
        if self._problems:
            raise ScoresError("not everything could be rated (other scores are written):\n" + "\n".join(self._problems))

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the processes."""
        self._close()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """End the processes."""
        self._close()

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.close()
        self._pool = None


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _array(waveform: Tensor) -> NDArray[np.float32]:
    return waveform.detach().float().cpu().numpy()


def _identify(batch: dict[str, Any], utilization: Tensor, macs: Tensor) -> list[UtteranceScores]:
    """Return the rows of a batch, without scores; utilization is (batch,), MACs are (batch, frame)."""
    mixture = batch["mixture"]
    return [
        UtteranceScores(
            utterance=index,
            speaker=mixture["speaker"][position],
            speech=mixture["speech"][position],
            noise_class=mixture["noise_class"][position],
            noise=mixture["noise"][position],
            snr_db=float(mixture["snr_db"][position]),
            utilization=float(utilization[position]),
            macs_per_frame=float(macs[position].double().mean()),
        )
        for position, index in enumerate(batch["index"].tolist())
    ]
