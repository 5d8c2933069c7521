"""The LightningDataModule: corpora in, batches of mixtures with targets out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader
from tqdm import tqdm

from datamodules.audio import AudioReader
from datamodules.corpus import (
    Corpus,
    DamagedRecordingError,
    NoiseRecord,
    RoomResponse,
    SpeechRecord,
    read_corpus,
)
from datamodules.dataset import MixtureDataset
from datamodules.fingerprint import manifest_hashes
from datamodules.mixing_settings import MixingSettings
from datamodules.position import TrainingPosition
from datamodules.published_pairs import PublishedPairs
from datamodules.recording_checks import check_audio
from datamodules.sampler import EpochSampler, ResumableLoader, check_equal_batches
from datamodules.shards.archive import CorpusLocation, ShardArchive
from datamodules.shards.schedule import ShardSchedule, fixed_block
from datamodules.shards.settings import ShardSettings
from datamodules.synthetic import SyntheticCorpus, generate
from datamodules.targets import Target
from datamodules.targets.base import check_order
from datamodules.worker_signals import outlive_the_step
from networks.framing import FrameGrid

TRAIN_STREAM, PROBE_STREAM, HELD_OUT_STREAM = 0, 1, 2


class EnhancementDataModule(LightningDataModule):
    """Makes noisy mixtures and their targets on the fly.

    Validation and test have two loaders: the mixtures that are scored (loader 0: speakers and noise recordings of the
    split itself, unseen in training) and those that probes are fitted on (loader 1: fresh, fixed mixtures of training
    speakers and training noise recordings).

    Args:
        root: folder with ``speech.csv`` and ``noise.csv``, and ``rir.csv`` if there is to be reverberation; or a folder
            or URL of a corpus in shards.
        grid: sample rate in Hz, window and hop in samples.
        targets: computed for every mixture, in this order.
        mixing: how mixtures are drawn.
        synthetic: generate this corpus into ``root`` first; None uses what is there.
        resample: accept recordings of another rate and resample them when read.
        shards: how a corpus in shards is read; None takes the defaults. Whether there are shards is told by the
            manifests.
        batch_size: mixtures per batch, on every rank.
        train_mixtures: per epoch, of all ranks together; so are the next three.
        valid_mixtures: fixed mixtures scored in every validation.
        test_mixtures: fixed mixtures scored in a test.
        probe_mixtures: fixed mixtures of the training split that probes are fitted on.
        num_workers: processes that make mixtures; 0 makes them in the training process.
        cache_mb: decoded audio that each process keeps, in MiB.
        seed: of all mixtures.
        on_bad_recording: what to do with a recording that is truncated or corrupt: ``error`` stops, ``skip`` warns once
            in every process that meets it and draws another of the same speaker or category, the same one in every
            process; it is an error if there is no other.
        augment_held_out: augment validation and test mixtures and those that probes are fitted on too. Off, they stay
            the same whatever training is augmented with, so that runs compare.
        published_pairs: validate and test on the mixtures of ``pairs.csv``, whole and as they are, in place of drawn
            ones; ``valid_mixtures`` and ``test_mixtures`` do not count then.

    Raises:
        ValueError: if a number is out of range or the targets are listed in a wrong order.
    """

    def __init__(
        self,
        root: str,
        grid: FrameGrid,
        targets: list[Target],
        mixing: MixingSettings,
        synthetic: SyntheticCorpus | None = None,
        resample: bool = False,
        shards: ShardSettings | None = None,
        batch_size: int = 12,
        train_mixtures: int = 3000,
        valid_mixtures: int = 120,
        test_mixtures: int = 240,
        probe_mixtures: int = 200,
        num_workers: int = 2,
        cache_mb: int = 512,
        seed: int = 0,
        on_bad_recording: Literal["error", "skip"] = "error",
        augment_held_out: bool = False,
        published_pairs: bool = False,
    ) -> None:
        super().__init__()
        counts = {
            "batch_size": batch_size,
            "train_mixtures": train_mixtures,
            "valid_mixtures": valid_mixtures,
            "test_mixtures": test_mixtures,
            "probe_mixtures": probe_mixtures,
            "cache_mb": cache_mb,
        }
        for name, count in counts.items():
            if count < 1:
                raise ValueError(f"data.{name} must be positive, got {count}")
        if num_workers < 0:
            raise ValueError(f"data.num_workers must not be negative, got {num_workers}")
        if seed < 0:
            raise ValueError(f"data.seed must not be negative, got {seed}")
        if on_bad_recording not in ("error", "skip"):
            raise ValueError(f"data.on_bad_recording must be error or skip, got {on_bad_recording!r}")
        mixing.check_grid(grid)
        check_order(targets)
        self.shards = shards or ShardSettings()
        self.location = CorpusLocation(root, self.shards)
        self.root = self.location.folder
        if synthetic is not None and self.location.url is not None:
            raise ValueError(f"data.root: a synthetic corpus is generated into a folder, got the URL '{root}'")
        self.grid = grid
        self.targets = targets
        self.mixing = mixing
        self.synthetic = synthetic
        self.resample = resample
        self.counts = counts
        self.num_workers = num_workers
        self.seed = seed
        self.augment_held_out = augment_held_out
        self.published_pairs = published_pairs
        self.reader = AudioReader(grid.sample_rate, cache_mb, on_bad_recording)
        self._corpus: Corpus | None = None
        self._held_out_split = "valid"
        self._targets_of: tuple[str, ...] | None = None
        self._position = TrainingPosition(train_mixtures, batch_size)
        self._loaders: dict[tuple[str, int, int], DataLoader[dict[str, Any]]] = {}

    def _splits(self) -> tuple[str, ...]:
        """Splits that the current stage reads: the test split is left alone until a test."""
        if self.trainer is not None:
            return ("train", "test" if self.trainer.testing or self.trainer.predicting else "valid")
        return ("train", self._held_out_split)

    def read_without_trainer(self, held_out_split: str, targets_of: tuple[str, ...] | None = None) -> Corpus:
        """Prepare and read the training split and one other, for use outside of a trainer.

        Args:
            held_out_split: valid or test.
            targets_of: splits whose targets will be computed; None prepares those of both.

        Returns:
            The checked manifests.

        Raises:
            ValueError: if there is no such split to hold out.
            CorpusError: if the corpus cannot be used.
        """
        if held_out_split not in ("valid", "test"):
            raise ValueError(f"held_out_split must be valid or test, got {held_out_split!r}")
        self._held_out_split, self._targets_of = held_out_split, targets_of
        self.prepare_data()
        self.setup("validate")
        return self.corpus

    def prepare_data(self) -> None:
        """Generate the corpus if asked, check every recording, and do the slow work of the targets once."""
        if self.synthetic is not None:
            generate(self.synthetic, self.root, self.grid, progress=True)
        self.location.fetch_manifests()
        splits = self._splits()
        corpus = self._read(splits)
        self._check_recordings(corpus, splits)
        for target in self.targets:
            target.prepare(corpus, splits if self._targets_of is None else self._targets_of, self.reader, self.grid)

    def _check_recordings(self, corpus: Corpus, splits: tuple[str, ...]) -> None:
        """Check every recording, or the lists of a corpus in shards."""
        archive = self.reader.archive = self.location.archive()
        if archive is not None:
            archive.check(self.grid.sample_rate, self.resample)
            return
        recordings: list[SpeechRecord | NoiseRecord | RoomResponse] = [*corpus.speech, *corpus.noise, *corpus.responses]
        used = [record.path for record in recordings if record.split in (*splits, None)]
        for path in tqdm(used, desc="Checking audio", unit="file", leave=False):
            try:
                check_audio(path, self.grid.sample_rate, self.resample)
            except DamagedRecordingError as error:
                self.reader.skip_or_raise(path, error)

    def setup(self, stage: str) -> None:
        """Read the manifests; called in every process, before a checkpoint is loaded."""
        self._corpus = self._read(self._splits())
        self.save_hyperparameters({"manifest_sha256": manifest_hashes(Path(self.root))})  # so that loggers record them
        self.reader.archive = self.location.archive()
        for target in self.targets:
            target.attach(self.reader)
        if stage == "fit":
            self._position.reset()

    def _read(self, splits: tuple[str, ...]) -> Corpus:
        return read_corpus(self.root, splits, responses=self.mixing.needs_responses)

    @property
    def corpus(self) -> Corpus:
        """The checked manifests; available after :meth:`setup`."""
        if self._corpus is None:
            raise RuntimeError("the corpus is read by setup(), which has not been called")
        return self._corpus

    @property
    def held_out_mixing(self) -> MixingSettings:
        """How mixtures are drawn that nothing is trained on: augmented with ``augment_held_out`` alone."""
        return self.mixing if self.augment_held_out else self.mixing.plain()

    def dataset(self, split: str, stream: int, schedule: ShardSchedule | None = None) -> MixtureDataset:
        """Return the mixtures of a split; streams are independent draws from it."""
        training = stream == TRAIN_STREAM
        return MixtureDataset(
            self.corpus,
            split,
            self.reader,
            self.grid,
            self.mixing if training else self.held_out_mixing,
            [target for target in self.targets if target.in_training or not training],
            self.seed,
            stream,
            remember_targets=not training,
            schedule=schedule,
        )

    def _pairs(self, split: str) -> PublishedPairs:
        """Return the published mixtures of a split."""
        return PublishedPairs(self.corpus, split, self.reader, self.grid, self.targets)

    def schedule(self, name: str, split: str, stream: int) -> ShardSchedule | None:
        """Return which shards the mixtures called ``name`` are drawn from, or None without shards."""
        if not isinstance(self.reader.archive, ShardArchive):
            return None
        count, block = self.counts[f"{name}_mixtures"], self.shards.block_mixtures
        if name != "train":
            kinds = (self.corpus.speech_of(split), self.corpus.noise_of(split))
            num_shards = max(len({record.path.parent for record in records}) for records in kinds)
            block = fixed_block(count, num_shards, self.shards.fixed_shards)
        return ShardSchedule(self.corpus, split, count, block, self.seed, stream)

    def _loader(self, name: str, split: str, stream: int) -> DataLoader[dict[str, Any]]:
        """Return the loader called ``name``; it is kept, so its workers keep their decoded audio between epochs."""
        rank, world_size = self._ranks()
        if (name, rank, world_size) not in self._loaders:
            training, count, batch_size = name == "train", self.counts[f"{name}_mixtures"], self.counts["batch_size"]
            pairs = self._pairs(split) if self.published_pairs and name in ("valid", "test") else None
            if pairs is not None:
                count, batch_size = len(pairs), 1
            check_equal_batches(f"data.{name}_mixtures", count, batch_size, world_size)
            schedule = self.schedule(name, split, stream) if pairs is None else None
            # Without shards, the batches of all ranks in a step are one batch of a single process, cut.
            block = batch_size if schedule is None else schedule.block
            position = self._next_mixture if training and self.trainer is not None else None
            self._loaders[name, rank, world_size] = (ResumableLoader if training else DataLoader[dict[str, Any]])(
                self.dataset(split, stream, schedule) if pairs is None else pairs,
                batch_size=batch_size,
                sampler=EpochSampler(count, not training, block, rank, world_size, position),
                num_workers=self.num_workers,
                persistent_workers=self.num_workers > 0,
                worker_init_fn=outlive_the_step,
                pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
            )
        return self._loaders[name, rank, world_size]

    def _ranks(self) -> tuple[int, int]:
        """Return the rank of this process and the number of processes."""
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _next_mixture(self) -> tuple[int, int]:
        """Return the epoch that training goes on in, and how many of this rank's mixtures in it are done."""
        assert self.trainer is not None, "without a trainer, the sampler is told its epoch"
        return self._position.next_mixture(self.trainer)

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return training batches, drawn anew in every epoch."""
        return self._loader("train", "train", TRAIN_STREAM)

    def val_dataloader(self) -> list[DataLoader[dict[str, Any]]]:
        """Return the validation mixtures and the mixtures that probes are fitted on."""
        return [
            self._loader("valid", "valid", HELD_OUT_STREAM),
            self._loader("probe", "train", PROBE_STREAM),
        ]

    def test_dataloader(self) -> list[DataLoader[dict[str, Any]]]:
        """Return the test mixtures and the mixtures that probes are fitted on."""
        return [
            self._loader("test", "test", HELD_OUT_STREAM),
            self._loader("probe", "train", PROBE_STREAM),
        ]

    def predict_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Return the test mixtures."""
        return self._loader("test", "test", HELD_OUT_STREAM)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must tell about the data: the noise categories, and what training takes next."""
        categories = list(self._corpus.categories) if self._corpus else []
        return {"categories": categories, **self._position.state_dict(self.trainer)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the batch after the checkpoint."""
        self._position.load_state_dict(state_dict, self.trainer)
