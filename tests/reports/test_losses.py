"""Validation losses as tables: the last of several trainings, and one over its steps, resumed ones included."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.losses import main

HEADER = "step,epoch,train/loss,val/enhancement_loss,val/joint_vad_loss,gates/utilization\n"


def write_run(folder: Path, rows: list[str], header: str = HEADER) -> Path:
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(header + "".join(f"{row}\n" for row in rows))
    return folder


def test_the_last_validation_of_every_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "gated" / "version_0", ["99,0,,9,9,0.9"])
    write_run(tmp_path / "gated" / "version_1", ["99,0,0.8,,,", "99,0,,0.3,0.5,0.26", "199,1,,0.21,0.4,0.25"])
    dense = write_run(tmp_path / "dense" / "version_0", ["299,0,,0.1"], "step,epoch,train/loss,val/enhancement_loss\n")
    main([str(tmp_path / "gated"), str(dense)])
    assert capsys.readouterr().out.splitlines() == [
        "| training | steps | enhancement loss | utilization | voice activity |",
        "|---|---|---|---|---|",
        "| gated | 200 | 0.210 | 0.250 | 0.400 |",
        "| dense | 300 | 0.100 | - | - |",
    ]


def test_one_training_over_its_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write_run(tmp_path / "run" / "version_0", ["0,0,1.0,,,", "99,0,,0.5,0.6,0.3", "199,1,,0.4,0.5,0.3"])
    (first / "checkpoints").mkdir()
    again = write_run(
        tmp_path / "run" / "version_1", ["199,1,0.5,0.39,0.5,0.3", "299,2,,0.35,0.45,0.25", "349,3,,0.3,0.4,0.25"]
    )
    (again / "config.yaml").write_text(f"ckpt_path: {first / 'checkpoints' / 'last.ckpt'}\n")
    main([str(tmp_path / "run"), "--every", "200"])
    assert [line.split(" | ")[:2] for line in capsys.readouterr().out.splitlines()[2:]] == [
        ["| 100", "0.500"],
        ["| 300", "0.350"],
        ["| 350", "0.300"],
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nowhere"], "nowhere: expected the folder of a run"), (["a", "b", "--every", "5"], "--every must be positive")],
)
def test_what_cannot_be_shown_is_refused(
    tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert message in f"{ended.value} {capsys.readouterr().err}"
