"""A part of a corpus is a corpus, nested in larger parts, with everything that is not for training."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.smaller_corpus import main, write_smaller
from corpora.manifests import Row, read_rows, write_manifest
from datamodules.corpus import Corpus, read_corpus
from datamodules.synthetic import SyntheticCorpus, generate
from networks.framing import FrameGrid


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(SyntheticCorpus(), tmp_path_factory.mktemp("made") / "corpus", FrameGrid(), progress=False)


@pytest.fixture
def licensed(whole: Path, tmp_path: Path) -> Path:
    """Return a corpus with licences, two taking turns, and published pairs; lines end as spreadsheets end them."""
    root = tmp_path / "licensed"
    write_smaller(whole, root)
    tables: dict[str, list[Row]] = {name: read_rows(root / name) for name in ("speech.csv", "noise.csv")}
    for name, rows in tables.items():
        for number, row in enumerate(rows):
            row["licence"] = ("CC0-1.0", "CC-BY-NC-4.0")[number % 2]
        write_manifest(root / name, (), rows, "\r\n")
    pairs = [
        {"speech": speech["path"], "noise": noise["path"], "snr_db": "5", "split": speech["split"]}
        for speech in tables["speech.csv"]
        for noise in tables["noise.csv"]
        if noise["split"] == speech["split"]
    ]
    write_manifest(root / "pairs.csv", (), pairs)
    return root


def names(corpus: Corpus, split: str) -> set[str]:
    records = (*corpus.speech_of(split), *corpus.noise_of(split))
    return {corpus.name_of(record.path) for record in records}


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
    # all recordings of a speaker, or none
    assert len(half.speech_of("train")) == sum(one.speaker in speakers[0] for one in all_of_it.speech_of("train"))


def test_audio_is_linked_and_can_be_linked_again(whole: Path, tmp_path: Path) -> None:
    for _ in range(2):
        write_smaller(whole, tmp_path / "half", 0.5)
    assert (tmp_path / "half" / "speech").readlink() == whole.resolve() / "speech"
    half = read_corpus(tmp_path / "half")
    assert all(record.path.is_file() for record in (*half.speech, *half.noise))
    (tmp_path / "other" / "noise").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"other/noise: is there already, and is not .*corpus/noise"):
        write_smaller(whole, tmp_path / "other", 0.5)


def test_licences_choose_the_training_recordings_alone(licensed: Path, tmp_path: Path) -> None:
    counts = write_smaller(licensed, tmp_path / "free", licences=["CC0-1.0", "CC-BY-4.0"])
    for name in ("speech.csv", "noise.csv"):
        rows = (licensed / name).read_bytes().splitlines(keepends=True)
        free = [row for row in rows if b",train," not in row or row.endswith(b",CC0-1.0\r\n")]
        assert (tmp_path / "free" / name).read_bytes() == b"".join(free)  # to the byte: hashes are compared
        assert 0 < counts[name] == sum(b",train," in row for row in free) < sum(b",train," in row for row in rows)


def test_a_share_is_one_of_what_licences_leave(licensed: Path, tmp_path: Path) -> None:
    write_smaller(licensed, tmp_path / "free", licences=["CC0-1.0"])
    write_smaller(licensed, tmp_path / "half", 0.5, licences=["CC0-1.0"])
    free, half = (names(read_corpus(tmp_path / name), "train") for name in ("free", "half"))
    assert half < free


def test_pairs_of_kept_recordings_are_kept(licensed: Path, tmp_path: Path) -> None:
    main([str(licensed), str(tmp_path / "part"), "--share", "0.25"])
    before, after = read_corpus(licensed), read_corpus(tmp_path / "part")
    for split in ("train", "valid", "test"):  # of every recording with every noise
        assert len(after.pairs_of(split)) == len(after.speech_of(split)) * len(after.noise_of(split))
    assert len(after.pairs_of("train")) < len(before.pairs_of("train"))
    assert len(after.pairs_of("test")) == len(before.pairs_of("test"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--share", "0"], "--share must lie"),
        (["--share", "1"], "expected one with speech.csv|speech.csv: no such"),
        (["--licence", "CC0-1.0"], "expected one with speech.csv|speech.csv: no such"),
    ],
)
def test_what_cannot_be_is_said(arguments: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=message):
        main([str(tmp_path), str(tmp_path / "out"), *arguments])
    assert not (tmp_path / "out").exists()


def test_a_corpus_without_licences_is_refused(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"speech\.csv: column 'licence' is missing"):
        main([str(whole), str(tmp_path / "out"), "--licence", "CC0-1.0"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "column"), [("speech.csv", "split"), ("noise.csv", "category")])
def test_too_little_under_a_licence_is_refused(licensed: Path, tmp_path: Path, name: str, column: str) -> None:
    rows = read_rows(licensed / name)
    last = [row[column] for row in rows if row["split"] == "train"][-1]
    changed = [row | {"licence": "unstated"} if row[column] == last else row for row in rows]
    write_manifest(licensed / name, (), changed)
    with pytest.raises(SystemExit, match=rf"{name}: no training row of {column} '{last}' is left by .*under unstated"):
        main([str(licensed), str(tmp_path / "out"), "--licence", "CC0-1.0"])
    assert not (tmp_path / "out").exists()


def test_something_must_be_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path), str(tmp_path / "out")])
    assert "give --share, --licence or both" in capsys.readouterr().err
