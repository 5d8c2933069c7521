"""A part of a corpus is a corpus, nested in larger parts, with everything that is not for training."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.smaller_corpus import main, write_smaller
from datamodules.corpus import Corpus, read_corpus
from datamodules.synthetic import SyntheticCorpus, generate
from networks.framing import FrameGrid


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(SyntheticCorpus(), tmp_path_factory.mktemp("made") / "corpus", FrameGrid(), progress=False)


def names(corpus: Corpus, split: str) -> set[Path]:
    return {record.path for record in (*corpus.speech_of(split), *corpus.noise_of(split))}


def test_parts_are_nested_and_leave_the_other_splits(whole: Path, tmp_path: Path) -> None:
    for share in (0.25, 0.5, 1.0):
        write_smaller(whole, tmp_path / f"{share}", share, seed=1)
    quarter, half, all_of_it = (read_corpus(tmp_path / f"{share}") for share in (0.25, 0.5, 1.0))
    assert names(quarter, "train") < names(half, "train") < names(all_of_it, "train")
    assert names(all_of_it, "train") == names(read_corpus(whole), "train")
    for split in ("valid", "test"):
        assert names(quarter, split) == names(read_corpus(whole), split)
    assert {noise.category for noise in quarter.noise_of("train")} == set(quarter.categories)
    speakers = [{one.speaker for one in corpus.speech_of("train")} for corpus in (half, all_of_it)]
    assert 0.4 <= len(speakers[0]) / len(speakers[1]) <= 0.6
    kept = [one.path for one in all_of_it.speech_of("train") if one.speaker in speakers[0]]
    assert {one.path for one in half.speech_of("train")} == set(kept)  # all recordings of a speaker, or none


@pytest.mark.parametrize(("arguments", "message"), [(["--share", "0"], "--share must lie"), ([], "no such|speech.csv")])
def test_what_cannot_be_is_said(arguments: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=message):
        main([str(tmp_path), str(tmp_path / "out"), *arguments])
    assert not (tmp_path / "out").exists()
