"""The page holds everything, loads nothing, and shows names as they are."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import soundfile

from reports.probing.__main__ import main, write_report
from reports.probing.html import MOST_ROWS, headline_table, render, shown_table
from reports.probing.meta import Example, MetaError, ReportMeta, read_meta, write_meta
from reports.probing.rows import Coefficient, ScoreEntry
from reports.probing.tables import read_tables, write_table
from tests.reports.probing.made_up_study import made_up_tables, write_study

EVIL = "<script>alert('x')</script> & \"quotes\""
FIGURES = ["blocks", "confusion_speaker_sex", "learning_curve", "scores", "verification"]
VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Elements of a page with their attributes; checks that all are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" not in self.open and "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def few_tables() -> dict[str, list[Any]]:
    tables = made_up_tables()
    few = {name: [row for row in tables[name] if row.task == "vad"] for name in ("scores", "learning_curve")}
    few["scores"] = [row for row in few["scores"] if row.features in ("masks", "log_magnitude")]
    confusion = [row for row in tables["confusion"] if row.task == "speaker_sex"]
    return few | {"verification": tables["verification"], "confusion": confusion, "selection": []}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_study(folder, few_tables())
    write_report(folder)
    return folder


@pytest.fixture
def study(drawn: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may break."""
    return Path(shutil.copytree(drawn, tmp_path / "study"))


@pytest.fixture(scope="module")
def page(drawn: Path) -> Page:
    return Page((drawn / "report.html").read_text("utf-8"))


def payload(source: str | None) -> bytes:
    assert source is not None
    return base64.b64decode(source.partition(";base64,")[2], validate=True)


def test_every_figure_is_inside(drawn: Path, page: Page) -> None:
    ids = [figure["id"] for figure in page.all("figure") if "id" in figure]
    assert sorted(ids) == [f"figure-{name}" for name in FIGURES]
    inside = {payload(image["src"]) for image in page.all("img")}
    for name in FIGURES:
        assert (drawn / "figures" / f"{name}.svg").read_bytes() in inside
    for place in range(2):
        assert (drawn / "audio" / f"{place}.png").read_bytes() in inside
    assert all(image["alt"] for image in page.all("img"))


def test_every_sound_is_inside_as_16_bit(drawn: Path, page: Page) -> None:
    sounds = page.all("audio")
    assert [sound["aria-label"] for sound in sounds][:3] == [
        f"Example 1, {name}" for name in ("noisy", "enhanced", "clean")
    ]
    assert len(sounds) == 6
    content = payload(sounds[1]["src"])
    assert soundfile.info(io.BytesIO(content)).subtype == "PCM_16"
    expected, _ = soundfile.read(drawn / "audio" / "0_enhanced.wav")
    assert soundfile.read(io.BytesIO(content))[0] == pytest.approx(expected, abs=1e-4)


def test_nothing_is_loaded_from_elsewhere(page: Page) -> None:
    addresses = [
        (tag, value) for tag, attributes in page.found for name, value in attributes.items() if name in ("src", "href")
    ]
    assert addresses
    for tag, value in addresses:
        assert value is not None and value.startswith("#" if tag == "a" else "data:"), tag
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'")
    assert not page.all("link") and not any("url(" in str(attributes.get("style")) for _, attributes in page.found)


def test_header_and_numbers_are_shown(page: Page) -> None:
    for text in (
        "What do the masks know?",
        "runs/corpus/best.ckpt",
        "configs/corpus.yaml",
        "22600",
        "360",
        "3.9 -> 6.2 dB",
    ):
        assert text in page.text
    assert "Masks of a network that never saw these targets." in page.text
    anchors = {link["href"] for link in page.all("a")}
    assert anchors <= {f"#{attributes['id']}" for _, attributes in page.found if "id" in attributes}


def test_tables_are_readable_without_script(drawn: Path, page: Page) -> None:
    assert "<noscript" not in (drawn / "report.html").read_text("utf-8")
    scores = read_tables(drawn)["scores"]
    assert f"Table scores, {len(scores)} rows" in " ".join(page.text.split())
    assert page.text.count("3 channels of 256 vary") == sum(bool(row.note) for row in scores)
    assert all(heading.get("scope") in ("col", "row") for heading in page.all("th"))
    assert "selection" not in page.text  # an empty table is left out


def test_the_headline_compares_masks_with_controls() -> None:
    rows = [
        ScoreEntry("masks", "all", "vad", "balanced_accuracy", 0.8, 0.75, 0.85, 0.5, 0.51, note="n"),
        ScoreEntry("masks", "00", "vad", "balanced_accuracy", 0.1),
        ScoreEntry("log_magnitude", "all", "vad", "balanced_accuracy", 0.7),
    ]
    columns, lines = headline_table(rows)
    expected = "voice activity|balanced accuracy|0.800 (0.750 to 0.850)|0.500|0.510|0.700|-|-|n"
    assert "|".join(lines[0]) == expected
    assert len(columns) == len(lines[0]) and len(lines) == 1


def test_long_tables_are_cut_and_say_so() -> None:
    rows = [Coefficient("vad", "", f"block00/ch{place:04d}", 0.1) for place in range(MOST_ROWS + 1)]
    table = shown_table("coefficients", rows)
    assert (len(table.rows), table.total) == (MOST_ROWS, MOST_ROWS + 1)
    assert table.numeric == [False, False, False, True]
    truths = shown_table("scores", [ScoreEntry("masks", "all", "vad", "accuracy", 0.5, converged=True)])
    assert [name for name, numeric in zip(truths.columns, truths.numeric, strict=True) if not numeric] == [
        "features", "blocks", "task", "metric", "converged", "note",
    ]  # fmt: skip


def test_names_are_escaped(tmp_path: Path) -> None:
    rows = [ScoreEntry("masks", "all", EVIL, "balanced_accuracy", 0.8, note=EVIL)]
    write_table(tmp_path / "scores", rows)
    write_meta(
        tmp_path,
        ReportMeta(EVIL, EVIL, EVIL, EVIL, {EVIL: EVIL}, {"know": EVIL, EVIL: EVIL}, (Example(EVIL, truths=EVIL),)),
    )
    text = render(tmp_path)
    assert "alert" in text and "<script>alert" not in text
    assert Page(text).text.count(EVIL) >= 10
    assert len(Page(text).all("script")) == 1


def test_a_page_needs_no_tables(tmp_path: Path) -> None:
    write_meta(tmp_path, ReportMeta("empty"))
    page = Page(write_report(tmp_path).read_text("utf-8"))
    assert page.all("img") == [] and page.all("table") == []
    assert "empty" in page.text


def test_figures_of_others_are_shown(study: Path) -> None:
    shutil.copy(study / "audio" / "0.png", study / "figures" / "my_own.png")
    page = Page(render(study))
    assert "figure-my_own" in [figure.get("id") for figure in page.all("figure")]
    assert "Further figures" in page.text


def test_a_large_vector_figure_is_shown_as_pixels(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.probing.html.LARGEST_SVG", 10)
    page = Page(render(study))
    assert all(str(image["src"]).startswith("data:image/png") for image in page.all("img"))


def test_the_command_redraws_and_compares(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other"
    write_study(other, {}, utilization=0.5, examples=0)
    for name in ("scores", "verification", "learning_curve", "confusion"):
        (study / f"{name}.csv").unlink()
    main([str(study), str(other)])
    assert "report.html" in capsys.readouterr().out
    assert sorted(path.name for path in (study / "figures").iterdir()) == ["comparison.png", "comparison.svg"]
    assert "figure-comparison" in (study / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"numbers": [1]}, "numbers must hold numbers or texts by label, got"),
        ({"notes": {"know": 1}}, "notes must hold texts by label"),
        ({"title": None}, "title must be a text, got None"),
        ({"examples": {}}, "examples must be a list"),
        ({"examples": [{"noisy": "a.wav"}]}, r"examples\[0\]: field 'title' is missing"),
        ({"examples": [{"title": "t", "noisy": "a.wav"}]}, r"examples\[0\].noisy: no such file"),
        ({"examples": [{"title": "t", "clean": "scores.wav"}]}, r"examples\[0\].clean: not a sound file"),
    ],
)
def test_a_broken_meta_names_its_field(change: Mapping[str, Any], expected: str, tmp_path: Path) -> None:
    write_meta(tmp_path, ReportMeta("t"))
    (tmp_path / "scores.wav").write_text("no sound")
    path = tmp_path / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(MetaError, match=expected) as caught:
        render(tmp_path)
    assert str(path) in str(caught.value)


def test_a_missing_meta_or_broken_table_stops_the_command(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"report\.json: no such file"):
        main([str(tmp_path)])
    write_meta(tmp_path, ReportMeta("t"))
    (tmp_path / "verification.csv").write_text("features,eer,low,high,trials,speakers\nmasks,0.3,0.2\n")
    with pytest.raises(SystemExit, match=r"verification\.csv, row 2: column 'high' is missing"):
        main([str(tmp_path)])


def test_meta_is_read_back(tmp_path: Path) -> None:
    meta = ReportMeta(
        "t", "c", "r", "d", {"PESQ-WB": 1.5, "x": "y"}, {"know": "n"}, (Example("e", "o.png", truths="z"),)
    )
    write_meta(tmp_path, meta)
    assert read_meta(tmp_path) == meta


def test_the_template_is_installed() -> None:
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert re.search(r'"reports\.pages" = \["\*\.jinja"\]', text)
