"""Mixtures without augmentations stay what they were: golden hashes of a generated corpus, to the last bit."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from datamodules.audio import AudioReader
from datamodules.corpus import Corpus, read_corpus
from datamodules.dataset import MixtureDataset
from datamodules.sampler import ItemKey
from datamodules.scene import MixingSettings
from datamodules.synthetic import SyntheticCorpus, generate
from networks.framing import FrameGrid

# Made by the code as it was before there were augmentations. They change with GENERATOR_VERSION of the corpus, and must
# not change with anything else: every published score was measured on such mixtures.
GOLDEN = {
    ("train", 0, 0, 0, 0): ("3f8546137683ac62112015d7de2435185710a7fc92c8ca08802deb13a0d20acb", 7.132715515343598),
    ("train", 0, 0, 4, 3): ("1ef8402bb9d31b8510d2e5a6dbc005fe1282e9f8e9fa9cae1242e7d5b5c7cb7d", 1.969130289242596),
    ("train", 5, 1, 0, 0): ("94c6bc31b0b84fbd5bbe6fc10c3d6285ee7e3b76637796e3dfabb50cb2f3cd1b", -0.7955770958621748),
    ("train", 5, 1, 4, 3): ("f01e69e9813d2476f07479f0d64dd8f6bd4d179957d622b676b94a98950bdd99", -4.661723169363476),
    ("valid", 0, 2, 0, 0): ("e6cb8fcdac02aae07909bf9e69f1ecb27a95fea28ffbdbd15c51395ddc17519d", -2.633166294745124),
    ("valid", 0, 2, 4, 3): ("74759538c9d4048cb1c52000dd4ec8b660ae0b65b63c403607d2a0d55fe47656", 0.8930095860118819),
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
    digest = hashlib.sha256(b"".join(signal.tobytes() for signal in scene.mixture)).hexdigest()
    assert (digest, scene.snr_db) == GOLDEN[split, seed, stream, index, epoch]
