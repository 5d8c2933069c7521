"""Manifests and audio headers: what is accepted; every refusal names the file, the field and what was expected."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from datamodules.corpus import CorpusError, read_corpus
from datamodules.recording_checks import check_audio

SPEECH = """path,speaker,sex,seconds,split
s/a1.wav,anna,F,1.0,train
s/a2.wav,anna,f,2.0,train
s/b.wav,bert,M,1.0,valid
s/c.wav,cleo,,1.0,test
"""
NOISE = """path,category,seconds,split
n/w1.wav,wind,1.0,train
n/r1.wav,rain,1.0,train
n/w2.wav,wind,1.0,valid
n/r2.wav,rain,1.0,valid
n/w3.wav,wind,1.0,test
n/r3.wav,rain,1.0,test
"""


def write_manifests(root: Path, speech: str = SPEECH, noise: str = NOISE) -> Path:
    (root / "speech.csv").write_text(speech, encoding="utf-8")
    (root / "noise.csv").write_text(noise, encoding="utf-8")
    return root


def test_good_manifests_are_read_completely_and_in_order(tmp_path: Path) -> None:
    corpus = read_corpus(write_manifests(tmp_path))
    assert [record.path for record in corpus.speech] == [tmp_path / f"s/{name}.wav" for name in ("a1", "a2", "b", "c")]
    assert [record.sex for record in corpus.speech] == ["F", "F", "M", ""]
    assert [record.split for record in corpus.speech] == ["train", "train", "valid", "test"]
    assert [record.category for record in corpus.noise] == ["wind", "rain"] * 3
    assert corpus.categories == ("rain", "wind")
    assert corpus.speakers == ("anna", "bert", "cleo")
    assert [record.path.name for record in corpus.speech_of("train")] == ["a1.wav", "a2.wav"]
    assert [record.path.name for record in corpus.noise_of("valid")] == ["w2.wav", "r2.wav"]


def test_further_columns_and_their_order_do_not_matter(tmp_path: Path) -> None:
    plain = read_corpus(write_manifests(tmp_path))
    rows = [line.split(",") for line in SPEECH.splitlines()]
    shuffled = "".join(",".join([row[4], "x y", row[0], row[3], row[2], row[1]]) + "\n" for row in rows)
    assert read_corpus(write_manifests(tmp_path, speech=shuffled.replace("x y", "licence", 1))) == plain


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    """Spreadsheet programs put one in front of the first column's name."""
    assert read_corpus(write_manifests(tmp_path, speech="\ufeff" + SPEECH)).speakers == ("anna", "bert", "cleo")


@pytest.mark.parametrize(
    ("manifest", "old", "new", "message"),
    [
        pytest.param("speech", "speaker,", "talker,", r"column 'speaker' is missing; expected path, sp.*talker"),
        pytest.param("noise", "category", "kind", r"column 'category' is missing; expected path, category.*kind"),
        pytest.param("speech", SPEECH, "", r"column 'path' is missing.*an empty file"),
        pytest.param("noise", NOISE[NOISE.index("\n") + 1 :], "", r"no rows; expected at least one recording"),
        pytest.param("speech", "s/b.wav,bert", "s/b.wav,", r", line 4: column 'speaker' is empty"),
        pytest.param("noise", "n/r1.wav,rain,1.0,train", "n/r1.wav,rain", r", line 3: column 'seconds' is empty"),
        pytest.param("speech", "1.0,valid", "1.0,dev", r", line 4: column 'split' must be one of train.*'dev'"),
        pytest.param("noise", "n/r2.wav", "n/r1.wav", r", line 5: path 'n/r1.wav' is listed twice"),
        pytest.param("speech", "bert,M", "bert,male", r"s/b\.wav: sex must be F, M or empty, got 'male'"),
        pytest.param("speech", "anna,f", "anna,M", r"speaker 'anna' has the sexes 'F' and 'M'"),
        pytest.param("speech", "s/c.wav,cleo", "s/c.wav,bert", r"speaker 'bert' stands in .* 'valid' and 'test'"),
        pytest.param("speech", "s/b.wav,bert,M,1.0,valid\n", "", r"split 'valid' has no speech"),
        pytest.param("noise", "n/r3.wav,rain,1.0,test\n", "", r"split 'test' has no noise of category 'rain'"),
        pytest.param("noise", "n/r2.wav,rain", "n/r2.wav,wind", r"split 'valid' has no noise of category 'rain'"),
        pytest.param("noise", "n/r2.wav", "n/../n/r1.wav", r", line 5: path 'n/../n/r1.wav' must be .* without '..'"),
        pytest.param("noise", "n/r2.wav", "./n/r1.wav", r", line 5: path './n/r1.wav' is listed twice"),
        pytest.param("noise", "n/r2.wav", "n/r\0.wav", r", line 5: path .* must be that of a file"),
        pytest.param("speech", "speaker,", "path,", r"column 'path' is there twice"),
        pytest.param("speech", "1.0,valid", "1,0,valid", r", line 4: more fields than columns"),
        pytest.param("speech", "bert", "b" * 200_000, r"not a UTF-8 CSV file \(field larger"),
    ],
)  # fmt: skip
def test_errors_name_manifest_field_and_expectation(
    tmp_path: Path, manifest: str, old: str, new: str, message: str
) -> None:
    texts = {"speech": SPEECH, "noise": NOISE}
    assert texts[manifest].count(old) == 1
    texts[manifest] = texts[manifest].replace(old, new)
    write_manifests(tmp_path, **texts)
    with pytest.raises(CorpusError, match=f"{manifest}\\.csv.*{message}"):
        read_corpus(tmp_path)


def test_a_response_without_the_cell_of_its_split_is_refused(tmp_path: Path) -> None:
    (write_manifests(tmp_path) / "rir.csv").write_text("path,seconds,split\nr.wav,1.0\n")
    with pytest.raises(CorpusError, match=r"rir\.csv, line 2: column 'split' must be one of .*, got 'None'"):
        read_corpus(tmp_path, responses=True)


def test_recordings_that_were_not_copied_are_named_by_their_path(tmp_path: Path) -> None:
    corpus = read_corpus(write_manifests(tmp_path, speech=SPEECH.replace("s/b.wav", "/elsewhere/b.wav")))
    assert [corpus.name_of(record.path) for record in corpus.speech][1:3] == ["s/a2.wav", "/elsewhere/b.wav"]


def test_missing_folder_and_missing_manifest_are_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"data\.root: no folder '.*absent'; expected one with speech\.csv"):
        read_corpus(tmp_path / "absent")
    write_manifests(tmp_path)
    (tmp_path / "noise.csv").unlink()
    with pytest.raises(CorpusError, match=r"noise\.csv: no such manifest; expected .* path, category, seconds, split"):
        read_corpus(tmp_path)


@pytest.mark.parametrize("manifest", ["speech", "noise"])
def test_a_manifest_in_another_encoding_is_refused(tmp_path: Path, manifest: str) -> None:
    write_manifests(tmp_path)
    path = tmp_path / f"{manifest}.csv"
    path.write_bytes(path.read_bytes().replace(b",1.0,train", ",für,train".encode("latin-1")))
    with pytest.raises(CorpusError, match=rf"{manifest}\.csv: not a UTF-8 CSV file"):
        read_corpus(tmp_path)


def test_only_the_splits_asked_for_must_be_complete(tmp_path: Path) -> None:
    noise = NOISE.replace("n/r3.wav,rain,1.0,test\n", "")
    corpus = read_corpus(write_manifests(tmp_path, noise=noise), splits=("train", "valid"))
    assert corpus.categories == ("rain", "wind")


def test_a_short_row_whose_last_column_is_the_sex_means_unknown(tmp_path: Path) -> None:
    speech = "path,speaker,seconds,split,sex\na.wav,anna,1,train\nb.wav,bert,1,valid,M\nc.wav,cleo,1,test,F\n"
    assert [record.sex for record in read_corpus(write_manifests(tmp_path, speech=speech)).speech] == ["", "M", "F"]


def write_audio(
    path: Path, num_samples: int = 1000, rate: int = 16000, channels: int = 1, subtype: str = "PCM_16"
) -> Path:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (num_samples, channels))
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_good_audio_passes(tmp_path: Path, subtype: str) -> None:
    check_audio(write_audio(tmp_path / "a.wav", subtype=subtype), 16000, resample=False)


def test_missing_unreadable_and_empty_audio(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"a\.wav: no such audio file"):
        check_audio(tmp_path / "a.wav", 16000, resample=True)
    (tmp_path / "b.wav").write_text("this is text")
    with pytest.raises(CorpusError, match=r"b\.wav: not a readable audio file"):
        check_audio(tmp_path / "b.wav", 16000, resample=True)
    with pytest.raises(CorpusError, match=r"c\.wav: holds no samples"):
        check_audio(write_audio(tmp_path / "c.wav", num_samples=0), 16000, resample=True)


@pytest.mark.parametrize("resample", [False, True])
def test_stereo_is_refused(tmp_path: Path, resample: bool) -> None:
    with pytest.raises(CorpusError, match=r"a\.wav: expected mono, got 2 channels"):
        check_audio(write_audio(tmp_path / "a.wav", channels=2), 16000, resample)


def test_another_rate_is_refused_unless_resampling(tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", rate=22050)
    with pytest.raises(CorpusError, match=r"a\.wav: expected 16000 Hz, got 22050 Hz; set data\.resample: true"):
        check_audio(path, 16000, resample=False)
    check_audio(path, 16000, resample=True)


@pytest.mark.parametrize("position", [0, 777, (1 << 20) + 5])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_the_first_sample_that_is_not_finite_is_named(tmp_path: Path, position: int, value: float) -> None:
    samples = np.zeros(position + 10, dtype=np.float32)
    samples[[position, position + 3]] = value
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    with pytest.raises(CorpusError, match=re.escape(f"a.wav: sample {position} is not finite")):
        check_audio(tmp_path / "a.wav", 16000, resample=False)


PAIRS = """speech,noise,snr_db,split
s/a1.wav,n/w1.wav,2.5,train
s/c.wav,n/r3.wav,,test
"""


def test_pairs_are_read_with_their_recordings(tmp_path: Path) -> None:
    assert read_corpus(write_manifests(tmp_path)).pairs == ()
    (tmp_path / "pairs.csv").write_text(PAIRS)
    corpus = read_corpus(tmp_path)
    assert [pair.speech for pair in corpus.pairs] == [corpus.speech[0], corpus.speech[3]]
    assert [pair.noise for pair in corpus.pairs] == [corpus.noise[0], corpus.noise[5]]
    assert corpus.pairs[0].snr_db == 2.5 and np.isnan(corpus.pairs[1].snr_db)
    assert corpus.pairs_of("test") == [corpus.pairs[1]] and corpus.pairs_of("valid") == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("s/a1.wav", "s/x.wav", "line 2: speech 's/x.wav' is not listed in speech.csv"),
        ("n/r3.wav", "n/x.wav", "line 3: noise 'n/x.wav' is not listed in noise.csv"),
        ("n/w1.wav", "n/w2.wav", "line 2: split is 'train', but noise 'n/w2.wav' stands in 'valid' in noise.csv"),
        ("s/c.wav", "s/b.wav", "line 3: split is 'test', but speech 's/b.wav' stands in 'valid' in speech.csv"),
        ("2.5", "loud", "line 2: snr_db must be a number, got 'loud'"),
        ("2.5", "1e999", "line 2: snr_db must be finite or empty, got '1e999'"),
        ("snr_db", "snr", "column 'snr_db' is missing"),
        (",2.5,train", ",2.5,dev", "line 2: column 'split' must be one of train, valid, test, got 'dev'"),
    ],
)
def test_bad_pairs_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    write_manifests(tmp_path)
    (tmp_path / "pairs.csv").write_text(PAIRS.replace(old, new))
    with pytest.raises(CorpusError, match=re.escape(message)):
        read_corpus(tmp_path)
