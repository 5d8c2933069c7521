"""Tables say the same in every format, whatever order their parts were made in."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streaming.enhancer import StreamingEnhancer
from streaming.files.property_columns import Selection, columns_for, rows_of, rows_of_channels
from streaming.files.property_table import PropertyTable, PropertyTableError, TableLayout
from tests.conftest import full_disk
from tests.streaming.transparent_network import CLASSES, bursts, speech_like, transparent_enhancer

METADATA = {"network_sha256": "abc", "units": {"snr_db": "dB"}}
FILES = ("b.wav", 'odd, "name".wav')


@pytest.fixture(scope="module")
def enhancer(tmp_path_factory: pytest.TempPathFactory) -> StreamingEnhancer:
    return transparent_enhancer(tmp_path_factory.mktemp("network"))


def write(path: Path, enhancer: StreamingEnhancer, selection: Selection) -> list[dict[str, Any]]:
    """Write a table of two files in two blocks each and return the rows that were given, by name of the column."""
    table = PropertyTable(path, TableLayout(columns_for(enhancer.schema, selection), METADATA))
    table.prepare(keep=False)
    expected: dict[str, list[dict[str, Any]]] = {}
    for seed, file in reversed(list(enumerate(FILES))):
        streams = [enhancer.new_stream() for _ in range(2)]
        signal = speech_like(0.3, 16000, channels=2, seed=seed)
        expected[file] = []
        with table.open_part(file) as part:
            for block in (signal[:1000], signal[1000:]):
                chunks = [[stream.feed(block[:, channel])] for channel, stream in enumerate(streams)]
                rows = rows_of_channels(chunks, 0.016, selection)
                part.write(rows)
                plain = {name: values.tolist() for name, values in rows.items()}
                expected[file] += [{"file": file, **dict(zip(plain, row))} for row in zip(*plain.values())]  # noqa: B905
    assert table.join(FILES) == 2
    assert [left.name for left in path.parent.iterdir()] == [path.name]
    return [row for file in FILES for row in expected[file]]


def read(path: Path) -> tuple[list[str], list[list[Any]], dict[str, Any] | None]:
    """Return columns, rows as text or numbers, and metadata."""
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            names, *rows = csv.reader(file)
        return names, rows, None
    if path.suffix == ".json":
        stored = json.loads(path.read_text())
        return stored["columns"], stored["data"], stored["metadata"]
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(path)
    return (
        table.column_names,
        [list(row.values()) for row in table.to_pylist()],
        json.loads(table.schema.metadata[b"dyncp"]),
    )


@pytest.mark.parametrize("selection", [Selection(), Selection(smoothed=False, posteriors=True)])
@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_every_format_holds_what_was_given(
    tmp_path: Path, enhancer: StreamingEnhancer, suffix: str, selection: Selection
) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    given = write(tmp_path / f"t{suffix}", enhancer, selection)
    names, rows, metadata = read(tmp_path / f"t{suffix}")
    assert metadata in (None, METADATA) and (metadata is None) == (suffix == ".csv")
    assert len(rows) == len(given) == 2 * 2 * 18  # files, channels, frames that are complete without the end
    assert names == ["file", *(column.name for column in columns_for(enhancer.schema, selection))]
    for row, expected in zip(rows, given, strict=True):
        for name, value in zip(names, row, strict=True):
            wanted = expected[name]
            if name == "noise_class":
                assert value == CLASSES[wanted]
            elif name == "file":
                assert value == wanted
            else:
                assert float(value) == pytest.approx(float(wanted), rel=1e-5)


def test_names_have_units_and_decisions_follow_thresholds(enhancer: StreamingEnhancer) -> None:
    chunk = enhancer.new_stream().feed(bursts(2.0))
    rows = rows_of(chunk, 0.016, 3, Selection(smoothed=False, posteriors=True))
    assert {"snr_db", "f0_hz", "loudness_lufs", "speech_level_dbfs", "noise_class_probability_rain, heavy"} <= set(rows)
    assert "loudness" not in rows
    probability = chunk.properties.raw("vad")
    np.testing.assert_array_equal(rows["vad_probability"], probability)
    np.testing.assert_array_equal(rows["vad"], probability >= 0.75)
    between = (probability >= 0.5) & (probability < 0.75)
    assert between.any() and rows["vad"].any(), "the threshold of the probe would be told from one half"
    np.testing.assert_allclose(
        sum(rows[f"noise_class_probability_{name}"] for name in CLASSES), np.ones(len(probability)), rtol=1e-5
    )
    np.testing.assert_array_equal(rows["time_s"], np.arange(len(probability)) * 0.016)
    assert set(rows["channel"]) == {3}
    smoothed = rows_of(chunk, 0.016, 3, Selection())
    assert np.abs(smoothed["snr_db"] - rows["snr_db"]).max() > 0.1
    assert np.abs(np.diff(smoothed["snr_db"])).max() < 0.5 * np.abs(np.diff(rows["snr_db"])).max()


def test_parts_stay_for_the_same_layout_only(tmp_path: Path, enhancer: StreamingEnhancer) -> None:
    columns = columns_for(enhancer.schema, Selection())
    table = PropertyTable(tmp_path / "t.csv", TableLayout(columns, METADATA))
    table.prepare(keep=True)
    with table.open_part("a.wav"):
        pass
    table.prepare(keep=True)
    assert table.part_path("a.wav").is_file()
    other = PropertyTable(tmp_path / "t.csv", TableLayout(columns, METADATA | {"network_sha256": "other"}))
    other.prepare(keep=True)
    assert not table.part_path("a.wav").exists()


def test_a_part_of_a_failed_file_leaves_nothing(tmp_path: Path, enhancer: StreamingEnhancer) -> None:
    for suffix in (".csv", ".json", ".parquet"):
        if suffix == ".parquet":
            pytest.importorskip("pyarrow")
        table = PropertyTable(tmp_path / f"t{suffix}", TableLayout(columns_for(enhancer.schema, Selection()), METADATA))
        table.prepare(keep=False)
        with pytest.raises(RuntimeError), table.open_part("a.wav") as part:
            chunk = enhancer.new_stream().feed(speech_like(0.1, 16000)[:, 0])
            part.write(rows_of_channels([[chunk]], 0.016, Selection()))
            raise RuntimeError
        assert [path.name for path in table.folder.iterdir()] == ["layout.json"]
        assert table.join(["a.wav"]) == 0
        assert not table.path.exists()


def test_numbers_that_are_none_are_left_empty(tmp_path: Path, enhancer: StreamingEnhancer) -> None:
    chunk = enhancer.new_stream().feed(speech_like(0.05, 16000)[:, 0])
    rows = dict(rows_of_channels([[chunk]], 0.016, Selection()))
    rows["f0_hz"] = np.full(len(chunk.utilization), np.inf)
    for suffix, expected in ((".csv", ""), (".json", None)):
        table = PropertyTable(tmp_path / f"t{suffix}", TableLayout(columns_for(enhancer.schema, Selection()), METADATA))
        table.prepare(keep=False)
        with table.open_part("a.wav") as part:
            part.write(rows)
        table.join(["a.wav"])
        names, written, _ = read(table.path)
        assert [row[names.index("f0_hz")] for row in written] == [expected] * len(chunk.utilization)


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        PropertyTableError, match=r"t\.xlsx: expected a name that ends in one of \.csv, \.json, \.parquet"
    ):
        PropertyTable(tmp_path / "t.xlsx", TableLayout((), {}))


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_a_full_disk_leaves_no_half_of_a_part_or_table(
    tmp_path: Path, enhancer: StreamingEnhancer, suffix: str
) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    table = PropertyTable(tmp_path / f"t{suffix}", TableLayout(columns_for(enhancer.schema, Selection()), METADATA))
    table.prepare(keep=False)
    chunk = enhancer.new_stream().feed(bursts(8.0))
    rows = rows_of_channels([[chunk]], 0.016, Selection())
    with pytest.raises(OSError, match="File too large"), full_disk(), table.open_part("a.wav") as part:
        part.write(rows)
    assert [path.name for path in table.folder.iterdir()] == ["layout.json"]
    with table.open_part("a.wav") as part:
        part.write(rows)
    table.path.write_text("earlier")
    with pytest.raises(OSError, match="File too large"), full_disk():
        table.join(["a.wav"])
    assert table.path.read_text() == "earlier"
    assert {path.name for path in tmp_path.iterdir()} == {table.path.name, table.folder.name}


def test_a_table_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PropertyTableError, match=r"--properties .*file/t\.csv: cannot be written \(Not a directory\)"):
        PropertyTable(tmp_path / "file" / "t.csv", TableLayout((), {})).prepare(keep=False)
    (tmp_path / "t.csv.parts").mkdir()
    (tmp_path / "t.csv.parts" / "mine.txt").touch()
    for keep in (True, False):
        with pytest.raises(PropertyTableError, match=r"t\.csv\.parts is in the way"):
            PropertyTable(tmp_path / "t.csv", TableLayout((), {})).prepare(keep)
    assert (tmp_path / "t.csv.parts" / "mine.txt").is_file()
