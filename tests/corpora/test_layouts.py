"""Every corpus, as a small tree of its published layout: what is listed, labelled and split, and what is refused."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from corpora.demand import Demand
from corpora.dns_challenge import DnsChallenge
from corpora.esc50 import Esc50
from corpora.folder import PlainFolders
from corpora.librispeech import LibriSpeech
from corpora.libritts import LibriTts
from corpora.musan import Musan
from corpora.prepare import Settings, prepare
from corpora.registry import CORPORA
from corpora.source import CorpusSource, NotDownloadable
from corpora.vctk import Vctk
from corpora.vctk_speakers import VCTK_SEX
from corpora.voicebank_demand import GROUP_OF, VoiceBankDemand
from datamodules.corpus import Corpus, CorpusError, NoiseRecord, SpeechRecord, read_corpus
from datamodules.recording_checks import check_audio

Write = Callable[..., Path]
SPEAKERS_TXT = """; Some pipe(|) separated metadata about all LibriVox readers
;ID  |SEX| SUBSET           |MINUTES| NAME
14   | F | train-clean-360  | 25.03 | Kristin LeMoine
19   | F | train-clean-100  | 25.19 | Kara Shallenberg
26   | M | train-clean-100  | 25.08 | Denny Sayers
84   | F | dev-clean        |  8.02 | Christie Nowak
174  | M | dev-clean        |  8.04 | Peter Eastman
61   | M | test-clean       |  8.08 | Paul-Gabriel Wiener
121  | F | test-clean       |  8.13 | Nikolle Doolin
"""


def prepared(source: CorpusSource, root: Path, out: Path, **settings: Any) -> Path:
    prepare(source, root, out, Settings(**settings))
    return out


def completed(out: Path, plain: Path) -> Corpus:
    """Add the part that the corpus lacks, read everything and check every file."""
    missing = [kind for kind in ("speech", "noise") if not (out / f"{kind}.csv").is_file()]
    for kind in missing:
        prepare(PlainFolders(**{kind: plain / kind}), Path(), out, Settings())
    corpus = read_corpus(out)
    for record in (*corpus.speech, *corpus.noise):
        check_audio(record.path, 16000, resample=False)
    return corpus


def splits(records: Iterable[SpeechRecord | NoiseRecord]) -> dict[str, set[str]]:
    """Return the names of the files of every split."""
    found = defaultdict(set)
    for record in records:
        found[record.split].add(record.path.stem)
    return dict(found)


@pytest.fixture
def libri(tmp_path: Path, write: Write) -> Path:
    folder = tmp_path / "LibriSpeech"
    subsets = {"train-clean-100": (19, 26), "dev-clean": (84, 174), "test-clean": (61, 121)}
    for subset, readers in subsets.items():
        for reader in readers:
            for number in range(2):
                write(folder / subset / f"{reader}" / "198" / f"{reader}-198-{number:04d}.flac")
            (folder / subset / f"{reader}" / "198" / f"{reader}-198.trans.txt").write_text(f"{reader}-198-0000 A\n")
    (folder / "SPEAKERS.TXT").write_text(SPEAKERS_TXT)
    return folder


@pytest.mark.parametrize("as_root", ["LibriSpeech", "."])
def test_librispeech(libri: Path, plain: Path, tmp_path: Path, as_root: str) -> None:
    corpus = completed(prepared(LibriSpeech(), tmp_path / as_root, tmp_path / "out"), plain)
    speakers = {record.speaker: (record.sex, record.split) for record in corpus.speech}
    assert speakers == {
        "librivox_19": ("F", "train"),
        "librivox_26": ("M", "train"),
        "librivox_84": ("F", "valid"),
        "librivox_174": ("M", "valid"),
        "librivox_61": ("M", "test"),
        "librivox_121": ("F", "test"),
    }
    assert len(corpus.speech) == 12
    assert all(record.path.is_relative_to(libri) for record in corpus.speech)  # used where they are


def test_librispeech_subsets(libri: Path, tmp_path: Path) -> None:
    train = LibriSpeech(subsets=["train-clean-100"])
    with pytest.raises(CorpusError, match=r"no subset for the split 'valid', only train-clean-100.*--split hash"):
        prepare(train, libri, tmp_path / "out", Settings())
    with pytest.raises(CorpusError, match=r"no subset 'dev-other'; download it \(https://www.openslr.org/12/\)"):
        prepare(LibriSpeech(subsets=["dev-other"]), libri, tmp_path / "out", Settings())
    with pytest.raises(CorpusError, match=r"no subset \(train-clean-100, \.\.\.\)"):
        prepare(LibriSpeech(), libri / "dev-clean", tmp_path / "out", Settings())
    prepare(LibriSpeech(subsets=["train-clean-100", "dev-clean"], split="hash"), libri, tmp_path / "out", Settings())
    report = prepare(LibriSpeech(split="hash"), libri, tmp_path / "out", Settings())
    assert {(row["sex"], row["split"]) for row in report.speech} == {
        (s, p) for s in "FM" for p in ("train", "valid", "test")
    }


def test_libritts_at_24_khz_with_speakers_tsv(tmp_path: Path, plain: Path, write: Write) -> None:
    folder = tmp_path / "LibriTTS"
    for subset, reader in (("train-clean-100", 19), ("dev-clean", 84), ("test-clean", 61)):
        write(folder / subset / f"{reader}" / "198" / f"{reader}_198_000000_000000.wav", rate=24000, seconds=0.5)
    (folder / "speakers.tsv").write_text(
        "READER\tGENDER\tSUBSET\tNAME\n19\tF\ttrain-clean-100\tKara\n84\tF\tdev-clean\t\n"
    )
    corpus = completed(prepared(LibriTts(), folder, tmp_path / "out"), plain)
    assert {record.speaker: record.sex for record in corpus.speech} == {
        "librivox_19": "F",
        "librivox_84": "F",
        "librivox_61": "",
    }
    assert soundfile.info(corpus.speech[0].path).frames == 8000


@pytest.fixture
def vctk(tmp_path: Path, write: Write) -> Path:
    folder = tmp_path / "VCTK-Corpus-0.92"
    speakers = ["p225", "p226", "p227", "p228", "p229", "p232", "p280", "s5"]
    for speaker in speakers:
        for number in range(1, 3):
            for microphone in ("mic1",) if speaker == "p280" else ("mic1", "mic2"):
                name = f"{speaker}_{number:03d}_{microphone}.flac"
                write(folder / "wav48_silence_trimmed" / speaker / name, rate=48000)
    (folder / "speaker-info.txt").write_text(
        "ID  AGE  GENDER  ACCENTS  REGION COMMENTS \np225  23  F    English    Southern  England\n"
        "p226  22  M    English    Surrey\np227  38  M    English    Cumbria\n"
        "p228  22  F    English    Southern  England\n"
        "p229  23  F    English    Southern  England\np232  23  M    English    Southern  England\n"
        "p280  25  F    Unknown    France (mic2 files unavailable)\ns5  28  F  American  San Francisco\n"
    )
    return folder


@pytest.mark.parametrize("microphone", ["mic1", "mic2"])
def test_vctk(vctk: Path, plain: Path, tmp_path: Path, microphone: Any) -> None:
    corpus = completed(prepared(Vctk(microphone), vctk.parent, tmp_path / "out"), plain)
    speakers = {record.speaker: record.sex for record in corpus.speech if "vctk" in record.speaker}
    females = ["vctk_p225", "vctk_p228", "vctk_p229", "vctk_s5"] + ["vctk_p280"] * (microphone == "mic1")
    assert speakers == {**dict.fromkeys(females, "F"), **dict.fromkeys(["vctk_p226", "vctk_p227", "vctk_p232"], "M")}
    assert all(record.path.stem.endswith(microphone) for record in corpus.speech)
    for split in ("train", "valid", "test"):
        assert {record.sex for record in corpus.speech_of(split)} == {"F", "M"}


def test_the_table_of_vctk_speakers() -> None:
    """109 speakers with numbers, 62 of them female; those of the published VoiceBank-DEMAND test set."""
    assert (len(VCTK_SEX), list(VCTK_SEX.values()).count("F")) == (109, 62)
    assert (VCTK_SEX["p232"], VCTK_SEX["p257"]) == ("M", "F")


TRAIN_NOISES = ("babble", "cafeteria", "car", "kitchen", "meeting", "metro", "restaurant", "ssn", "station", "traffic")
TEST_NOISES = ("bus", "cafe", "living", "office", "psquare")


@pytest.fixture
def voicebank(tmp_path: Path) -> Path:
    folder = tmp_path / "DS_10283_2791"
    rng = np.random.default_rng(0)
    subsets = {
        "trainset_28spk": (("p226", "p287", "p228", "p230"), TRAIN_NOISES, ("15", "0")),
        "trainset_56spk": (("p234", "p237", "p245"), TRAIN_NOISES, ("10", "5")),
        "testset": (("p232", "p257"), TEST_NOISES, ("17.5", "2.5")),
    }
    for subset, (speakers, noises, snrs) in subsets.items():
        log = []
        for kind in ("clean", "noisy"):
            (folder / f"{kind}_{subset}_wav").mkdir(parents=True)
        for speaker in speakers:
            for number, noise_name in enumerate(noises):
                name = f"{speaker}_{number + 1:03d}"
                clean, noise = rng.uniform(-0.3, 0.3, (2, 4800))
                soundfile.write(folder / f"clean_{subset}_wav" / f"{name}.wav", clean, 48000)
                soundfile.write(folder / f"noisy_{subset}_wav" / f"{name}.wav", clean + noise, 48000)
                log.append(f"{name} {noise_name} {snrs[number % 2]}")
        (folder / "logfiles").mkdir(exist_ok=True)
        (folder / "logfiles" / f"log_{subset}.txt").write_text("\n".join(log) + "\n")
    return folder


def test_voicebank_demand(voicebank: Path, tmp_path: Path) -> None:
    corpus = completed(prepared(VoiceBankDemand(), voicebank, tmp_path / "out"), tmp_path)
    assert {record.speaker: (record.sex, record.split) for record in corpus.speech} == {
        "vctk_p226": ("M", "valid"),
        "vctk_p287": ("M", "valid"),
        "vctk_p228": ("F", "train"),
        "vctk_p230": ("F", "train"),
        "vctk_p232": ("M", "test"),
        "vctk_p257": ("F", "test"),
    }
    assert corpus.categories == ("domestic", "office", "street", "transport", "voices")
    assert len(corpus.pairs) == len(corpus.speech) == len(corpus.noise) == 50
    pair = next(pair for pair in corpus.pairs if pair.speech.path.stem == "p232_002")
    assert (pair.noise.category, pair.noise.split, pair.snr_db) == ("voices", "test", 2.5)
    assert {pair.snr_db for pair in corpus.pairs_of("train")} == {15.0, 0.0}


def test_voicebank_pairs_sum_to_the_published_mixtures(voicebank: Path, tmp_path: Path) -> None:
    """Against an independent resampler: the band below 7 kHz of noisy is that of speech + noise."""
    corpus = read_corpus(prepared(VoiceBankDemand(), voicebank, tmp_path / "out"))
    for pair in corpus.pairs_of("test"):
        noisy, _ = soundfile.read(voicebank / "noisy_testset_wav" / f"{pair.speech.path.stem}.wav")
        total = soundfile.read(pair.speech.path)[0] + soundfile.read(pair.noise.path)[0]
        window = np.hanning(1600)
        wanted = np.abs(np.fft.rfft(noisy * np.repeat(window, 3)))[:700] / 3
        assert np.corrcoef(np.abs(np.fft.rfft(total * window))[:700], wanted)[0, 1] > 0.98


def test_voicebank_noise_groups_stand_in_training_and_test() -> None:
    assert set(GROUP_OF) == {*TRAIN_NOISES, *TEST_NOISES}
    assert {GROUP_OF[name] for name in TRAIN_NOISES} == {GROUP_OF[name] for name in TEST_NOISES}


def test_voicebank_of_56_speakers_validates_on_one_of_each_sex(voicebank: Path, tmp_path: Path) -> None:
    corpus = read_corpus(prepared(VoiceBankDemand(trainset="56spk"), voicebank, tmp_path / "out"))
    valid = {record.speaker: record.sex for record in corpus.speech_of("valid")}
    assert "vctk_p234" in valid and sorted(valid.values()) == ["F", "M"]
    assert len({record.speaker for record in corpus.speech_of("train")}) == 1
    both = VoiceBankDemand(trainset="both", valid_speakers=["p228", "p245"])
    assert {
        record.speaker for record in read_corpus(prepared(both, voicebank, tmp_path / "both")).speech_of("valid")
    } == {
        "vctk_p228",
        "vctk_p245",
    }


def test_voicebank_refusals(voicebank: Path, tmp_path: Path) -> None:
    def refused(message: str, **options: Any) -> None:
        with pytest.raises(CorpusError, match=message):
            prepare(VoiceBankDemand(**options), voicebank, tmp_path / "out", Settings())

    refused("--valid-speakers: 'p999' is no speaker of the training set 28spk", valid_speakers=["p999"])
    extra = voicebank / "noisy_testset_wav" / "p232_999.wav"
    shutil.copy(voicebank / "noisy_testset_wav" / "p232_001.wav", extra)
    refused(r"p232_999\.wav: no clean file of this name \(1 such files\)")
    extra.unlink()
    (voicebank / "noisy_trainset_28spk_wav" / "p226_001.wav").unlink()
    refused(r"clean_trainset_28spk_wav/p226_001\.wav: no noisy file of this name")
    shutil.rmtree(voicebank / "noisy_trainset_28spk_wav")
    refused("no folder 'noisy_trainset_28spk_wav'")


def test_voicebank_logs(voicebank: Path, tmp_path: Path) -> None:
    logs = voicebank / "logfiles"
    text = (logs / "log_testset.txt").read_text()
    for broken, message in (
        (
            text.replace("p232_001 bus 17.5", "p232_001 bus"),
            r"log_testset\.txt, line 1: expected 'utterance noise snr'",
        ),
        (text.replace("bus", "zoo"), r"p232_001: unknown noise 'zoo' in the log; expected one of"),
        ("", r"no log_testset\.txt; add it, or pass --category one"),
    ):
        (logs / "log_testset.txt").write_text(broken)
        with pytest.raises(CorpusError, match=message):
            prepare(VoiceBankDemand(), voicebank, tmp_path / "out", Settings())
    corpus = read_corpus(prepared(VoiceBankDemand(category="one"), voicebank, tmp_path / "one"))
    assert corpus.categories == ("demand",) and np.isnan(corpus.pairs_of("test")[0].snr_db)
    shutil.rmtree(logs)
    assert read_corpus(prepared(VoiceBankDemand(), voicebank, tmp_path / "none")).categories == ("unknown",)


def test_a_damaged_file_takes_its_pair_along(voicebank: Path, tmp_path: Path) -> None:
    bad = voicebank / "clean_testset_wav" / "p232_001.wav"
    bad.write_bytes(bad.read_bytes()[:-4])
    out = prepared(VoiceBankDemand(), voicebank, tmp_path / "out", skip_bad_files=True)
    corpus = read_corpus(out)
    assert (len(corpus.speech), len(corpus.noise), len(corpus.pairs)) == (49, 49, 49)
    assert "p232_001" not in {pair.speech.path.stem for pair in corpus.pairs}


def test_only_one_part_has_no_pairs(voicebank: Path, plain: Path, tmp_path: Path) -> None:
    out = prepared(VoiceBankDemand(), voicebank, tmp_path / "out")
    prepare(VoiceBankDemand(), voicebank, out, Settings(only="speech"))
    assert not (out / "pairs.csv").exists() and len(read_corpus(out).noise) == 50
    assert completed(prepared(VoiceBankDemand(), voicebank, tmp_path / "new", only="noise"), plain).pairs == ()


@pytest.fixture
def musan(tmp_path: Path, write: Write) -> Path:
    folder = tmp_path / "musan"
    for number in range(5):
        write(folder / "music" / "fma" / f"music-fma-{number:04d}.wav")
        write(folder / "noise" / "free-sound" / f"noise-free-sound-{number:04d}.wav")
        write(folder / "noise" / "sound-bible" / f"noise-sound-bible-{number:04d}.wav")
        write(folder / "speech" / "librivox" / f"speech-librivox-{number:04d}.wav")
    (folder / "music" / "fma" / "ANNOTATIONS").write_text(
        "music-fma-0000 electronica N Airglow\nmusic-fma-0001 rock,pop Y Yes_No\nmusic-fma-0002 jazz N Y\n"
    )
    (folder / "noise" / "free-sound" / "ANNOTATIONS").write_text("Background noises:\nnoise-free-sound-0000\n")
    return folder


def test_musan(musan: Path, plain: Path, tmp_path: Path) -> None:
    corpus = completed(prepared(Musan(), musan, tmp_path / "out"), plain)
    assert corpus.categories == ("music", "noise") and len(corpus.noise) == 15
    assert not any("librivox" in record.path.name for record in corpus.noise)
    corpus = completed(prepared(Musan(speech=True, skip_vocals=True), musan, tmp_path / "more"), plain)
    assert corpus.categories == ("music", "noise", "speech")
    left_out = {path.stem for path in musan.rglob("*.wav")} - {record.path.stem for record in corpus.noise}
    assert left_out == {"music-fma-0001"}


ENVIRONMENTS = (
    *("DKITCHEN", "DLIVING", "DWASHING", "NFIELD", "NPARK", "NRIVER", "OHALLWAY", "OMEETING", "OOFFICE"),
    *("PCAFETER", "PRESTO", "PSTATION", "SCAFE", "SPSQUARE", "STRAFFIC", "TBUS", "TCAR", "TMETRO"),
)


@pytest.fixture
def demand(tmp_path: Path, write: Write) -> Path:
    for name in ENVIRONMENTS:
        for channel in (1, 16):
            write(tmp_path / "demand" / name / f"ch{channel:02d}.wav", seconds=0.5)
    return tmp_path / "demand"


def test_demand_by_time(demand: Path, plain: Path, tmp_path: Path) -> None:
    corpus = completed(prepared(Demand(), demand, tmp_path / "out"), plain)
    assert set(corpus.categories) == {name[1:].lower() for name in ENVIRONMENTS} and len(corpus.noise) == 54
    whole = soundfile.read(demand / "DKITCHEN" / "ch01.wav", dtype="int16")[0]
    places = {}
    for record in corpus.noise:
        if record.category == "kitchen":
            part = soundfile.read(record.path, dtype="int16")[0]
            first = next(n for n in range(len(whole)) if (whole[n : n + len(part)] == part).all())
            places[record.split] = (first, first + len(part))
    assert places == {"train": (0, 6400), "valid": (6440, 7200), "test": (7240, 8000)}  # of 8000 samples


def test_demand_by_environment(demand: Path, plain: Path, tmp_path: Path) -> None:
    source = Demand(grouping="six", split_by="environment", microphone=16)
    corpus = completed(prepared(source, demand, tmp_path / "out"), plain)
    assert corpus.categories == ("domestic", "nature", "office", "public", "street", "transport")
    assert all(record.path.name == "ch16.wav" for record in corpus.noise)  # used where they are
    for split in ("train", "valid", "test"):
        assert len(corpus.noise_of(split)) == 6


def test_demand_refusals(demand: Path, tmp_path: Path, write: Write) -> None:
    def refused(message: str, root: Path = demand, **options: Any) -> None:
        with pytest.raises(CorpusError, match=message):
            prepare(Demand(**options), root, tmp_path / "out", Settings())

    refused("--split-by environment needs --grouping six", split_by="environment")
    refused(r"ch02\.wav: no such file; --microphone must be 1 to 16", microphone=2)
    refused(r"no \*/ch01\.wav", root=demand / "DKITCHEN" / "x")
    write(demand / "TCAR_16k" / "TCAR" / "ch01.wav")
    refused("TCAR is there 2 times .*name its folder as --root")
    shutil.rmtree(demand / "TCAR_16k")
    write(demand / "KITCHEN" / "ch01.wav")
    refused("KITCHEN: expected the name of an environment")


@pytest.fixture
def esc50(tmp_path: Path, write: Write) -> Path:
    folder = tmp_path / "ESC-50-master"
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for target, category in (
        (0, "dog"),
        (11, "sea_waves"),
        (21, "sneezing"),
        (30, "door_wood_knock"),
        (43, "car_horn"),
    ):
        for fold in range(1, 6):
            for take in "AB":
                name = f"{fold}-{fold}{target:02d}-{take}-{target}.wav"
                write(folder / "audio" / name, rate=44100)
                lines.append(f"{name},{fold},{target},{category},False,{fold}{target:02d},{take}")
    (folder / "meta").mkdir()
    (folder / "meta" / "esc50.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_esc50(esc50: Path, plain: Path, tmp_path: Path) -> None:
    corpus = completed(prepared(Esc50(), esc50.parent, tmp_path / "out"), plain)
    assert corpus.categories == ("animals", "exterior", "human", "interior", "nature")
    folds = {split: {name[0] for name in names} for split, names in splits(corpus.noise).items()}
    assert folds == {"train": {"1", "2", "3"}, "valid": {"4"}, "test": {"5"}}
    source = Esc50(category="class", valid_fold=1, test_fold=2)
    corpus = completed(prepared(source, esc50, tmp_path / "class"), plain)
    assert corpus.categories == ("car_horn", "dog", "door_wood_knock", "sea_waves", "sneezing")
    assert {name[0] for name in splits(corpus.noise)["train"]} == {"3", "4", "5"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1-100-A-0.wav,1", "1-100-A-0.wav,5", r"line 3: recording 100 stands in 'train' and in another split"),
        ("1-100-A-0.wav,1", "1-100-A-0.wav,6", r"line 2: fold must be 1 to 5, got '6'"),
        ("1-100-A-0.wav,1,0", "1-100-A-0.wav,1,50", r"line 2: target must be 0 to 49, got '50'"),
        ("1-100-A-0.wav,1", "gone.wav,1", r"line 2: .*gone\.wav is missing"),
        ("src_file", "source", r"line 2: column 'src_file' is missing"),
    ],
)
def test_esc50_refusals(esc50: Path, tmp_path: Path, old: str, new: str, message: str) -> None:
    table = esc50 / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(CorpusError, match=message):
        prepare(Esc50(), esc50, tmp_path / "out", Settings())


@pytest.fixture(params=["datasets_fullband", "datasets"])
def dns(tmp_path: Path, write: Write, request: pytest.FixtureRequest) -> Path:
    suffix = "_fullband" if request.param == "datasets_fullband" else ""
    clean, noise = (tmp_path / "DNS" / request.param / f"{kind}{suffix}" for kind in ("clean", "noise"))
    for reader in range(5):
        for book in range(2):
            name = f"book_{book:05d}_chp_0009_reader_{reader * 1111:05d}_{book}_seg_1.wav"
            write(clean / "read_speech" / name, rate=48000)
    for number in range(2):
        write(clean / "vctk_wav48_silence_trimmed" / "p232" / f"p232_{number:03d}.wav", rate=48000)
        write(clean / "emotional_speech" / "crema_d" / f"10{number}_DFA_ANG_XX.wav", rate=48000)
        write(tmp_path / "DNS" / request.param / "impulse_responses" / "SLR26" / f"rir{number}.wav")
    for number in range(4):
        write(noise / f"--0ab{number}cd.wav", rate=48000)
        write(noise / f"door_Freesound_validated_{number}.wav", rate=48000)
    return tmp_path / "DNS"


def test_dns_challenge(dns: Path, tmp_path: Path) -> None:
    corpus = completed(prepared(DnsChallenge(), dns, tmp_path / "out"), tmp_path)
    readers = {f"dns_reader_{number * 1111}": "" for number in range(5)}
    expected = {**readers, "vctk_p232": "M", "dns_emotional_speech_crema_d": ""}
    assert {record.speaker: record.sex for record in corpus.speech} == expected
    assert corpus.categories == ("dns",) and len(corpus.noise) == 8


def test_dns_challenge_with_categories(dns: Path, tmp_path: Path) -> None:
    table = tmp_path / "categories.csv"
    table.write_text("file,category\n" + "".join(f"door_Freesound_validated_{n}.wav,door\n" for n in range(4)))
    corpus = completed(prepared(DnsChallenge(table), dns, tmp_path / "out"), tmp_path)
    assert corpus.categories == ("dns", "door")
    assert {record.path.name[:4] for record in corpus.noise if record.category == "door"} == {"door"}
    for text, message in (
        ("file,kind\na,b\n", "expected a CSV file with the columns file and category"),
        ("file,category\nx.wav,door\n", "names no file of"),
    ):
        table.write_text(text)
        with pytest.raises(CorpusError, match=message):
            prepare(DnsChallenge(table), dns, tmp_path / "out", Settings())


def test_plain_folders_by_regular_expression(tmp_path: Path, write: Write) -> None:
    for speaker in ("f1", "f2", "m1"):
        for take in range(3):
            write(tmp_path / "s" / f"{speaker}-{take}.ogg")
    for original in range(4):
        for cut in range(3):
            write(tmp_path / "n" / "rain" / f"{original}_{cut}.flac")
    source = PlainFolders(
        "mine",
        speech=tmp_path / "s",
        noise=tmp_path / "n",
        speaker_regex=r"^(\w\d)-",
        recording_regex=r"/(\d)_",
    )
    corpus = completed(prepared(source, Path(), tmp_path / "out"), tmp_path)
    assert corpus.speakers == ("f1", "f2", "m1")
    names = splits(corpus.noise)
    assert all(len(names[split]) % 3 == 0 for split in names)
    assert not {name[0] for name in names["train"]} & {name[0] for name in names["test"] | names["valid"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "pass --speech DIR, --noise DIR or both"),
        ({"speech": "nowhere"}, "--speech: no folder '.*nowhere'"),
        ({"speech": "empty"}, "--speech: no audio files in"),
        ({"speech": "flat"}, r"a\.wav: lies in no subfolder of .*flat; expected one for each speaker"),
        ({"speech": "flat", "speaker_regex": "(x)"}, r"--speaker-regex: '\(x\)' finds nothing in 'a\.wav'"),
        ({"speech": "flat", "speaker_regex": "("}, "--speaker-regex: expected a regular expression with one group"),
        ({"speech": "flat", "speaker_regex": "a"}, "--speaker-regex: expected a regular expression with one group"),
        ({"noise": "few"}, "recordings of noise category 'rain': 1 .rain/rain/a.; expected at least 3"),
    ],
)
def test_plain_folder_refusals(tmp_path: Path, write: Write, options: dict[str, Any], message: str) -> None:
    write(tmp_path / "flat" / "a.wav")
    write(tmp_path / "few" / "rain" / "a.wav")
    (tmp_path / "empty").mkdir()
    paths = {name: tmp_path / value if name in ("speech", "noise") else value for name, value in options.items()}
    with pytest.raises(CorpusError, match=message):
        prepare(PlainFolders(**paths), Path(), tmp_path / "out", Settings())


def test_a_bad_table_of_sexes_is_refused(plain: Path, tmp_path: Path) -> None:
    table = plain / "sexes.csv"
    table.write_text("speaker,sex\nann,female\n")
    with pytest.raises(CorpusError, match="speaker 'ann': sex must be F, M or empty, got 'female'"):
        prepare(PlainFolders(speech=plain / "speech", sexes=table), Path(), tmp_path / "out", Settings())
    with pytest.raises(CorpusError, match="--name: expected letters"):
        PlainFolders("a/b")


@pytest.mark.parametrize("name", CORPORA)
def test_an_empty_folder_is_no_corpus(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError):
        prepare(CORPORA[name](), tmp_path / "empty", tmp_path / "out", Settings())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["voicebank-demand", "dns-challenge", "musan", "demand", "esc50", "folder"])
def test_what_is_not_downloaded_says_where_it_is(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        NotDownloadable, match=f"{name} is not downloaded by this command; get it from {CORPORA[name].url}"
    ):
        CORPORA[name]().download(tmp_path)
