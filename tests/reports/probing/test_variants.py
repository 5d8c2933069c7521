"""A row for every study: each cell is one of its scores."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.probing.meta import ReportMeta, write_meta
from reports.probing.rows import QualityEntry, ScoreEntry
from reports.probing.tables import write_table
from reports.probing.variants import Study, main, variant_table

VAD = ScoreEntry("masks", "all", "vad", "accuracy", 0.9, 0.88, 0.91)
OTHERS = [
    ScoreEntry("log_energy", "all", "vad", "accuracy", 0.6),
    ScoreEntry("masks", "03", "vad", "accuracy", 0.7),
    ScoreEntry("masks", "all", "vad", "auroc", 0.95),
]
META = ReportMeta("What the masks know", numbers={"utilization": 0.248, "constant channels": 0.0})
QUALITY = QualityEntry("pesq_wb", 1.2, 1.6, 0.4, 0.3, 0.5, 60)


def test_rows_are_studies_and_columns_what_one_of_them_has() -> None:
    plain = Study(META, {"scores": [VAD, *OTHERS]})
    rated = Study(
        ReportMeta("Another"), {"scores": [ScoreEntry("masks", "all", "f0_hz", "r2", 0.5)], "quality": [QUALITY]}
    )
    assert variant_table({"plain": plain, "rated": rated})[:-1] == [
        "|  | utilization | constant channels | PESQ-WB | voice activity, accuracy | F0 voiced, R² |",
        "|---|---|---|---|---|---|",
        "| plain | 24.8% | 0.0% | - | 0.900 [0.880, 0.910] | - |",
        "| rated | - | - | 1.600 [1.500, 1.700] | - | 0.500 |",
    ]


def test_the_command_reads_folders_and_names_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    with pytest.raises(SystemExit, match=r"error: .*base.*report\.json: no such file"):
        main([str(folder)])
    write_meta(folder, META)
    write_table(folder / "scores", [VAD])
    main([str(folder)])
    assert "| base | 24.8% | 0.0% | 0.900 [0.880, 0.910] |" in capsys.readouterr().out
