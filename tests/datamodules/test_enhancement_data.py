"""The LightningDataModule: batches that depend on nothing but the seed, and splits that stay apart."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader

import datamodules.enhancement_data as enhancement_data
from datamodules.augmentation import Clipping
from datamodules.corpus import CorpusError
from datamodules.dataset import MixtureDataset
from datamodules.enhancement_data import HELD_OUT_STREAM, PROBE_STREAM, TRAIN_STREAM, EnhancementDataModule
from datamodules.sampler import EpochSampler, ItemKey
from datamodules.scene import MixingSettings
from datamodules.targets import Labels, Levels, Pitch, VoiceActivity
from networks.framing import FrameGrid

Batch = dict[str, Any]


def write_corpus(root: Path, rate: int = 16000) -> Path:
    """Write two speakers and two noise recordings for each split."""
    rng = np.random.default_rng(0)
    root.mkdir(exist_ok=True)
    speech, noise = ["path,speaker,sex,seconds,split"], ["path,category,seconds,split"]
    for split in ("train", "valid", "test"):
        for sex in "FM":
            name = f"{split}_{sex}.wav"
            envelope = np.repeat(rng.uniform(0.001, 0.2, 40), rate // 20)
            soundfile.write(root / name, rng.standard_normal(2 * rate) * envelope, rate)
            speech.append(f"{name},{split}_{sex},{sex},2.0,{split}")
        for category in ("rain", "wind"):
            name = f"{split}_{category}.wav"
            soundfile.write(root / name, rng.standard_normal(2 * rate) * 0.1, rate)
            noise.append(f"{name},{category},2.0,{split}")
    (root / "speech.csv").write_text("\n".join(speech) + "\n")
    (root / "noise.csv").write_text("\n".join(noise) + "\n")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus")


def data_of(root: Path, **arguments: Any) -> EnhancementDataModule:
    defaults: dict[str, Any] = {
        "grid": FrameGrid(),
        "targets": [VoiceActivity(), Levels(), Labels()],
        "mixing": MixingSettings(segment_s=0.5),
        "batch_size": 3,
        "train_mixtures": 7,
        "valid_mixtures": 4,
        "test_mixtures": 5,
        "probe_mixtures": 6,
        "num_workers": 0,
        "cache_mb": 8,
    }
    return EnhancementDataModule(str(root), **{**defaults, **arguments})


def ready(root: Path, **arguments: Any) -> EnhancementDataModule:
    data = data_of(root, **arguments)
    data.prepare_data()
    data.setup("fit")
    return data


def flat(batch: Batch) -> dict[str, torch.Tensor]:
    return {**{name: value for name, value in batch.items() if name not in ("targets", "mixture")}, **batch["targets"]}


def assert_same_batches(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second) > 0
    for batch, again in zip(first, second, strict=True):
        assert batch["mixture"].keys() == again["mixture"].keys()
        for name, values in batch["mixture"].items():
            assert list(values) == list(again["mixture"][name]), name
        one, other = flat(batch), flat(again)
        assert one.keys() == other.keys()
        for name, value in one.items():
            torch.testing.assert_close(value, other[name], rtol=0, atol=0, equal_nan=True)


def test_batches_have_the_documented_shapes(root: Path) -> None:
    data = ready(root)
    batches = list(data.train_dataloader())
    assert [len(batch["index"]) for batch in batches] == [3, 3, 1]
    assert torch.cat([batch["index"] for batch in batches]).tolist() == list(range(7))
    assert len(data.train_dataloader()) == 3
    for name, value in flat(batches[0]).items():
        expected = {"noisy": (3, 7936), "clean": (3, 7936), "noise": (3, 7936)}
        per_frame = name in ("vad", "snr_db", "speech_level_dbfs", "noise_level_dbfs")
        assert value.shape == expected.get(name, (3, 32) if per_frame else (3,)), name
        assert value.dtype == (torch.int64 if name == "index" else torch.float32), name


def test_batches_do_not_depend_on_the_number_of_workers(root: Path) -> None:
    alone, shared = ready(root).train_dataloader(), ready(root, num_workers=2).train_dataloader()
    for epoch in range(2):  # the workers live on between epochs
        for loader in (alone, shared):
            assert isinstance(loader.sampler, EpochSampler)
            loader.sampler.set_epoch(epoch)
        assert_same_batches(list(alone), list(shared))


def test_batches_depend_on_the_seed(root: Path) -> None:
    first, second = (next(iter(ready(root, seed=seed).train_dataloader())) for seed in (0, 1))
    assert (first["noisy"] - second["noisy"]).abs().amax(dim=1).min() > 1e-3


def loaders_by_name(data: EnhancementDataModule) -> dict[str, DataLoader[Batch]]:
    valid, probe = data.val_dataloader()
    test, test_probe = data.test_dataloader()
    assert test_probe is probe, "a test fits its probes on the same mixtures"
    assert data.predict_dataloader() is test
    return {"train": data.train_dataloader(), "valid": valid, "probe": probe, "test": test}


def test_every_loader_uses_the_right_split(root: Path) -> None:
    data = ready(root)
    splits = {"train": "train", "valid": "valid", "probe": "train", "test": "test"}
    sizes = {"train": 7, "valid": 4, "probe": 6, "test": 5}
    for name, loader in loaders_by_name(data).items():
        batches = list(loader)
        assert sum(len(batch["index"]) for batch in batches) == sizes[name]
        speakers = {data.corpus.speakers[int(k)] for batch in batches for k in batch["targets"]["speaker"]}
        assert speakers <= {f"{splits[name]}_F", f"{splits[name]}_M"}, name
        assert isinstance(loader.dataset, MixtureDataset)
        noises = {loader.dataset.scene(key).noise.path.name for key in loader.sampler}
        assert noises == {f"{splits[name]}_rain.wav", f"{splits[name]}_wind.wav"}, name


def test_probes_are_fitted_on_mixtures_that_are_not_trained_on(root: Path) -> None:
    loaders = loaders_by_name(ready(root))
    train, probe = (next(iter(loaders[name]))["clean"] for name in ("train", "probe"))
    for mixture in probe:
        assert (train - mixture).abs().amax(dim=1).min() > 1e-3


def test_validation_is_the_same_in_every_pass_and_process(root: Path) -> None:
    data, again = ready(root), ready(root)
    for position in range(2):
        first = list(data.val_dataloader()[position])
        loader = data.val_dataloader()[position]
        assert isinstance(loader.sampler, EpochSampler)
        loader.sampler.set_epoch(5)
        assert_same_batches(first, list(loader))
        assert_same_batches(first, list(again.val_dataloader()[position]))


class Recorder(LightningModule):
    """Trains one number and keeps every mixture it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.ones(()))
        self.seen: dict[str, list[torch.Tensor]] = {"train": [], "valid": [], "probe": [], "test": []}

    def training_step(self, batch: Batch) -> torch.Tensor:
        self.seen["train"].append(batch["noisy"])
        return (self.gain * batch["noisy"] - batch["clean"]).square().mean()

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.seen[("valid", "probe")[dataloader_idx]].append(batch["noisy"])

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        if dataloader_idx == 0:
            self.seen["test"].append(batch["noisy"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)

    def epochs(self, name: str, size: int) -> list[torch.Tensor]:
        return list(torch.split(torch.cat(self.seen[name]), size))


def trainer_of(folder: Path, epochs: int) -> Trainer:
    return Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_lightning_draws_each_training_epoch_anew_also_after_resuming(root: Path, tmp_path: Path) -> None:
    whole = Recorder()
    trainer_of(tmp_path, epochs=3).fit(whole, datamodule=data_of(root))
    first, second, third = whole.epochs("train", 7)
    for one, other in ((first, second), (second, third), (first, third)):
        assert (one - other).abs().amax(dim=1).min() > 1e-3
    for name, size in (("valid", 4), ("probe", 6)):
        passes = whole.epochs(name, size)
        assert len(passes) == 3
        assert passes[0].equal(passes[1]) and passes[0].equal(passes[2])

    start = trainer_of(tmp_path, epochs=2)
    start.fit(Recorder(), datamodule=data_of(root))
    start.save_checkpoint(tmp_path / "two.ckpt")
    rest = Recorder()
    trainer_of(tmp_path, epochs=3).fit(rest, datamodule=data_of(root), ckpt_path=tmp_path / "two.ckpt")
    assert torch.cat(rest.seen["train"]).equal(third)
    stored = torch.load(tmp_path / "two.ckpt", weights_only=True)
    assert stored["EnhancementDataModule"] == {
        "categories": ["rain", "wind"],
        "next_epoch": 2,
        "next_batch": 0,
        "epoch_cut": False,
        "trained_batches": 6,
        "batches_per_epoch": 3,
    }


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_training_does_not_touch_the_test_split_and_a_test_does(root: Path, tmp_path: Path) -> None:
    kept = {path: path.read_bytes() for path in root.glob("test_*.wav")}
    assert len(kept) == 4
    for path in kept:
        path.unlink()
    data, trainer, module = data_of(root), trainer_of(tmp_path, epochs=1), Recorder()
    trainer.fit(module, datamodule=data)
    trainer.validate(module, datamodule=data, verbose=False)
    assert len(torch.cat(module.seen["valid"])) == 8
    with pytest.raises(CorpusError, match=r"test_F\.wav: no such audio file"):
        trainer.test(module, datamodule=data, verbose=False)
    for path, content in kept.items():
        path.write_bytes(content)
    for path in root.glob("valid_*.wav"):  # not needed for a test
        path.unlink()
    trainer.test(module, datamodule=data, verbose=False)
    assert len(torch.cat(module.seen["test"])) == 5


def test_prediction_reads_the_test_split(root: Path) -> None:
    data = data_of(root)
    data.trainer = SimpleNamespace(testing=False, predicting=True)  # type: ignore[assignment]
    (root / "test_wind.wav").unlink()
    with pytest.raises(CorpusError, match=r"test_wind\.wav: no such audio file"):
        data.prepare_data()


@pytest.mark.parametrize("name", ["train_F.wav", "valid_wind.wav"])
def test_every_recording_is_checked_before_training(root: Path, name: str) -> None:
    soundfile.write(root / name, np.zeros((100, 2)), 16000)
    with pytest.raises(CorpusError, match=f"{name}: expected mono, got 2 channels"):
        data_of(root).prepare_data()


def test_a_missing_category_is_refused_before_training(root: Path) -> None:
    rows = (root / "noise.csv").read_text().splitlines()
    (root / "noise.csv").write_text("\n".join(row for row in rows if "valid_rain" not in row))
    with pytest.raises(CorpusError, match=r"split 'valid' has no noise of category 'rain'"):
        data_of(root).prepare_data()


def test_recordings_of_another_rate_need_resample(tmp_path: Path) -> None:
    root = write_corpus(tmp_path / "corpus", rate=8000)
    with pytest.raises(CorpusError, match=r"expected 16000 Hz, got 8000 Hz; set data\.resample"):
        data_of(root).prepare_data()
    noisy = next(iter(ready(root, resample=True).train_dataloader()))["noisy"]
    assert noisy.shape == (3, 7936)
    spectrum = torch.fft.rfft(noisy).abs().square().mean(0)
    assert spectrum[2200:].sum() < 0.01 * spectrum.sum(), "nothing above 4 kHz but what the filter leaks"


def test_a_synthetic_corpus_is_generated_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def generate(synthetic: object, root: Path, grid: FrameGrid, progress: bool) -> None:
        calls.append((synthetic, root, grid))
        write_corpus(root)

    monkeypatch.setattr(enhancement_data, "generate", generate)
    asked = object()
    data = data_of(tmp_path / "made", synthetic=asked)
    assert not (tmp_path / "made").exists(), "nothing is written by the constructor"
    data.prepare_data()
    data.setup("fit")
    assert calls == [(asked, tmp_path / "made", FrameGrid())]
    assert len(list(data.train_dataloader())) == 3


def test_targets_are_prepared_for_the_splits_in_use(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = []
    monkeypatch.setattr(Levels, "prepare", lambda self, corpus, splits, reader, grid: prepared.append(tuple(splits)))
    data = data_of(root)
    data.prepare_data()
    data.trainer = SimpleNamespace(testing=True, predicting=False)  # type: ignore[assignment]
    data.prepare_data()
    assert prepared == [("train", "valid"), ("train", "test")]


def test_setup_comes_before_the_loaders(root: Path) -> None:
    with pytest.raises(RuntimeError, match=r"setup\(\), which has not been called"):
        data_of(root).train_dataloader()


@pytest.mark.parametrize(
    "name", ["batch_size", "train_mixtures", "valid_mixtures", "test_mixtures", "probe_mixtures", "cache_mb"]
)
def test_counts_must_be_positive(root: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"data\.{name} must be positive, got 0"):
        data_of(root, **{name: 0})


@pytest.mark.parametrize("name", ["num_workers", "seed"])
def test_numbers_must_not_be_negative(root: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"data\.{name} must not be negative, got -1"):
        data_of(root, **{name: -1})


@pytest.mark.parametrize("held_out", [False, True])
def test_augmentations_reach_the_mixtures_that_they_are_for(root: Path, held_out: bool) -> None:
    loud = MixingSettings(segment_s=0.5, clipping=Clipping(probability=1.0, overdrive_db=(20.0, 20.0)))
    augmented = ready(root, mixing=loud, augment_held_out=held_out)
    plain = ready(root)
    for split, stream in (("train", TRAIN_STREAM), ("train", PROBE_STREAM), ("valid", HELD_OUT_STREAM)):
        noise = [data.dataset(split, stream)[ItemKey(0, 0)]["noise"] for data in (augmented, plain)]
        reached = stream == TRAIN_STREAM or held_out
        assert np.array_equal(*noise) != reached, (split, stream)


def test_targets_of_fixed_sets_are_computed_once(root: Path) -> None:
    class Counting(Levels):
        calls = 0

        def compute(self, *arguments: Any) -> dict[str, Any]:
            self.calls += 1
            return super().compute(*arguments)

    counting = Counting()
    data = ready(root, targets=[counting])
    fixed, training = data.dataset("valid", HELD_OUT_STREAM), data.dataset("train", TRAIN_STREAM)
    first, again, other = (fixed[ItemKey(index, 0)]["targets"]["snr_db"] for index in (0, 0, 1))
    assert counting.calls == 2
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    for _ in range(2):
        training[ItemKey(0, 0)]
    assert counting.calls == 4


def test_a_mixture_must_span_a_window(root: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.mixing\.segment_s must span at least one window of 512 samples"):
        data_of(root, mixing=MixingSettings(segment_s=0.02, pause_s=(0.0, 0.01)))


def test_the_order_of_targets_is_checked(root: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.targets: Pitch needs 'vad', which must be listed before it"):
        data_of(root, targets=[Pitch(), VoiceActivity()])
    with pytest.raises(ValueError, match=r"data\.targets: 'vad' is computed twice, the second time by VoiceActivity"):
        data_of(root, targets=[VoiceActivity(1), Levels(), VoiceActivity(2)])
    data_of(root, targets=[VoiceActivity(), Pitch()])
