"""Mixtures without augmentations stay what they were: golden values of a generated corpus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datamodules.audio import AudioReader
from datamodules.corpus import Corpus, read_corpus
from datamodules.dataset import MixtureDataset
from datamodules.sampler import ItemKey
from datamodules.scene import MixingSettings
from datamodules.synthetic import SyntheticCorpus, generate
from networks.framing import FrameGrid

# Made by the code as it was before there were augmentations: SNR, excerpts (source start, start, length), and samples
# 5000, 12000, ... of clean and noise. They change with GENERATOR_VERSION of the corpus, and must not change with
# anything else: every published score was measured on such mixtures.
GOLDEN: dict[tuple[str, int, int, int, int], tuple[float, list[list[int]], list[list[float]]]] = {
    ("train", 0, 0, 0, 0): (
        7.132715515,
        [[1792, 7424, 17408]],
        [[0.0, -0.047089, -0.19951, 0.0], [-0.001023, 0.001143, 0.00343, 0.003972]],
    ),
    ("train", 0, 0, 4, 3): (
        1.969130289,
        [[11264, 16640, 15360]],
        [[0.0, 0.0, 0.028903, 0.048492], [0.011935, -0.021509, -0.020092, 0.000291]],
    ),
    ("train", 5, 1, 0, 0): (
        -0.795577096,
        [[768, 10496, 21504]],
        [[0.0, -0.001382, 0.000261, -0.009626], [-0.00012, 0.017247, -0.012289, -0.001246]],
    ),
    ("train", 5, 1, 4, 3): (
        -4.661723169,
        [[9216, 4352, 27648]],
        [[4e-05, -0.00165, 0.020905, 0.000593], [-0.014581, -0.022421, 0.016837, 0.008579]],
    ),
    ("valid", 0, 2, 0, 0): (
        -2.633166295,
        [[1280, 9472, 22528]],
        [[0.0, -0.012749, 0.025722, 0.018454], [0.000641, 0.004346, -0.005238, -2.8e-05]],
    ),
    ("valid", 0, 2, 4, 3): (
        0.893009586,
        [[1280, 9728, 22272]],
        [[0.0, 0.053308, -0.04385, -0.000257], [0.081611, 0.124061, 0.116621, 0.019502]],
    ),
}
GRID = FrameGrid()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    settings = SyntheticCorpus(
        speakers_train=2,
        speakers_valid=2,
        speakers_test=2,
        utterances_per_speaker=2,
        utterance_s=2.5,
        noise_train=2,
        noise_valid=1,
        noise_test=1,
        noise_s=1.5,
    )
    root: Path = tmp_path_factory.mktemp("golden") / "corpus"
    return read_corpus(generate(settings, root, GRID, progress=False))


@pytest.mark.parametrize(("split", "seed", "stream", "index", "epoch"), GOLDEN)
def test_mixtures_are_those_of_the_first_release(
    corpus: Corpus, split: str, seed: int, stream: int, index: int, epoch: int
) -> None:
    reader = AudioReader(GRID.sample_rate, cache_mb=8)
    dataset = MixtureDataset(corpus, split, reader, GRID, MixingSettings(segment_s=2.0), [], seed, stream)
    scene = dataset.scene(ItemKey(index, epoch))
    snr_db, excerpts, samples = GOLDEN[split, seed, stream, index, epoch]
    assert scene.snr_db == pytest.approx(snr_db, abs=1e-6)
    assert [[excerpt.source_start, excerpt.start, excerpt.length] for excerpt in scene.excerpts] == excerpts
    drawn = [signal[5000::7000] for signal in (scene.mixture.clean, scene.mixture.noise)]
    np.testing.assert_allclose(drawn, samples, atol=5e-5)  # one step of the generated 16-bit recordings
