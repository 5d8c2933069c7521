"""Training curves: read back from the CSV log, also across a resumed run."""

from __future__ import annotations

from pathlib import Path

import yaml

from reports.curves import draw_curves, read_series, run_chain


def write_run(folder: Path, rows: list[str], resumed_from: Path | None = None) -> Path:
    folder.mkdir()
    header = "epoch,step,train/enhancement_loss,val/enhancement_loss,probes/vad/balanced_accuracy,probes/snr_db/r2"
    (folder / "metrics.csv").write_text("\n".join([header, *rows]) + "\n")
    checkpoint = str(resumed_from / "checkpoints" / "last.ckpt") if resumed_from else None
    (folder / "config.yaml").write_text(yaml.safe_dump({"ckpt_path": checkpoint}))
    return folder


def test_a_resumed_run_continues_the_curves_and_replaces_what_it_repeats(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", ["0,9,0.5,,,", "0,9,,0.6,0.7,0.1", "1,19,0.4,,,"])
    second = write_run(tmp_path / "b", ["1,19,0.3,,,", "1,29,0.2,,,", "1,29,,0.25,0.8,0.3"], resumed_from=first)
    assert run_chain(second) == [first, second]
    series = read_series(second)
    assert series["train/enhancement_loss"] == ([9, 19, 29], [0.5, 0.3, 0.2])
    assert series["probes/vad/balanced_accuracy"] == ([9, 29], [0.7, 0.8])


def test_a_test_goes_on_with_nothing(tmp_path: Path) -> None:
    trained = write_run(tmp_path / "a", ["0,9,0.5,,,", "0,9,,0.6,0.7,0.1"])
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "metrics.csv").write_text("step,probes/vad/balanced_accuracy\n0,0.9\n")
    (tmp_path / "b" / "config.yaml").write_text(f"ckpt_path: {trained}/checkpoints/last.ckpt\n")
    assert read_series(tmp_path / "b") == {"probes/vad/balanced_accuracy": ([0], [0.9])}


def test_the_figure_shows_losses_and_probes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", ["0,9,0.5,,,", "0,9,,0.6,0.7,0.1", "1,19,,0.5,0.8,0.2"])
    figure = draw_curves(read_series(run))
    lines = {line.get_label(): line.get_ydata().tolist() for axis in figure.axes for line in axis.lines}
    assert lines["validation"] == [0.6, 0.5]
    assert lines["vad"] == [0.7, 0.8]
    assert lines["snr_db"] == [0.1, 0.2]
