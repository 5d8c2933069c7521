"""The page of a run: what stands on it, and that a browser draws it without loading anything."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from commands.main import main
from reports.run.contents import RunError, read_run
from reports.run.page import PAGE, logged_table, render_run, write_run_page
from tests.reports.run.run_folder import write_media, write_run

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
TALL = "--window-size=1250,12000"  # every chart is in view: those out of it are not drawn


class Elements(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def run_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of a whole run."""
    folder = tmp_path_factory.mktemp("runs") / "name" / "version_0"
    return write_run_page(write_media(write_run(folder)))


def test_the_page_has_every_section_picture_sound_and_number(run_page: Path) -> None:
    page = run_page.read_text()
    elements = Elements(page)
    sections = [section["id"] for section in elements.all("section")]
    assert sections == ["overview", "train", "enhancement", "gates", "probes", "media", "everything"]
    assert len(elements.all("audio")) == 6
    assert len(elements.all("img")) == 4
    assert sum(div.get("class") == "chart" for div in elements.all("div")) == 5
    assert "<h1>name/version_0</h1>" in page
    assert "+4.25 dB" in page
    assert "732,186" in page
    assert "abc123 and changes" in page
    assert "few &lt;frames&gt;" in page
    assert "seed_everything: 1" in page


def test_every_link_within_the_page_leads_somewhere(run_page: Path) -> None:
    elements = Elements(run_page.read_text())
    targets = {attributes.get("id") for _, attributes in elements.found}
    links = [link["href"] for link in elements.all("a")]
    assert links
    assert all(href is not None and href.removeprefix("#") in targets for href in links)


def test_nothing_is_loaded_from_elsewhere(run_page: Path) -> None:
    elements = Elements(run_page.read_text())
    sources = [attributes[name] for _, attributes in elements.found for name in ("src",) if name in attributes]
    assert sources
    assert all(source is not None and source.startswith("data:") for source in sources)
    assert not elements.all("link")


def test_a_run_under_way_has_a_page(tmp_path: Path) -> None:
    page = render_run(read_run(write_run(tmp_path / "version_0", steps=4)))
    assert "no summary yet" in page
    assert "<audio" not in page


def test_a_broken_sound_is_named_and_leaves_no_page(tmp_path: Path) -> None:
    folder = write_media(write_run(tmp_path / "version_0", steps=4))
    (folder / "audio" / "clean_009.wav").write_bytes(b"no sound")
    with pytest.raises(RunError, match=r"clean_009\.wav: not a sound file"):
        write_run_page(folder)
    assert not (folder / PAGE).exists()


def test_numbers_of_a_table_are_short_and_texts_stay() -> None:
    rows = [{"step": "1", "epoch": "0", "score": "0.000012345", "note": "1 of 2", "low": ""}]
    table = logged_table("probes", rows)
    assert (table.columns, table.numeric) == (["score", "note", "low"], [True, False, False])
    assert table.rows == [["1.234e-05", "1 of 2", "-"]]
    assert logged_table("empty", []).rows == []


def test_the_command_writes_a_page_or_says_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "name" / "version_3", steps=4)
    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path / "name"), "--out", str(tmp_path / "out" / "page.html")])
    assert ended.value.code == 0
    assert (tmp_path / "out" / "page.html").stat().st_size > 1000
    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path)])
    assert ended.value.code == 1
    assert "expected the folder of a run, runs/NAME/version_N" in capsys.readouterr().err


def test_a_browser_draws_every_chart(run_page: Path) -> None:
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no Chromium; apt-get install chromium")
    profile = f"--user-data-dir={run_page.parent / 'browser'}"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", TALL, "--virtual-time-budget=5000", profile]
    done = subprocess.run(
        [browser, *flags, "--enable-logging=stderr", "--dump-dom", run_page.resolve().as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert complaints == []
    charts = [div for div in Elements(done.stdout).all("div") if "chart" in (div.get("class") or "").split()]
    assert len(charts) == 5
    assert all(chart.get("data-drawn") == "yes" for chart in charts)
    assert len(re.findall(r'class="scatterlayer', done.stdout)) == 5
