"""Which files are found, what outputs are called, and what is refused before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from streaming.files.plan import FilePlanError, plan_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "in/b.wav",
        "in/a.FLAC",
        "in/sub/c.ogg",
        "in/sub/notes.txt",
        "in/.hidden/d.wav",
        "in/._e.wav",
        "f.wav",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(jobs: list, root: Path) -> list[tuple[str, str, str]]:
    return [(job.label, *(path.relative_to(root).as_posix() for path in (job.source, job.target))) for job in jobs]


def test_a_folder_is_searched_and_its_structure_kept(folder: Path) -> None:
    jobs = plan_files([str(folder / "in")], str(folder / "out"))
    assert names(jobs, folder) == [
        ("a.FLAC", "in/a.FLAC", "out/a.FLAC"),
        ("b.wav", "in/b.wav", "out/b.wav"),
        ("sub/c.ogg", "in/sub/c.ogg", "out/sub/c.ogg"),
    ]


def test_files_and_folders_can_be_mixed_and_renamed(folder: Path) -> None:
    jobs = plan_files(
        [str(folder / "f.wav"), str(folder / "in")], str(folder / "out"), suffix=".flac", plot=str(folder / "plots")
    )
    assert [job.target.name for job in jobs] == ["f.flac", "a.flac", "b.flac", "c.flac"]
    assert jobs[3].plot == folder / "plots" / "sub" / "c.ogg.png"


def test_one_file_goes_to_a_file_or_into_a_folder(folder: Path) -> None:
    given = [str(folder / "f.wav")]
    assert plan_files(given, str(folder / "g.ogg"), plot="p.svg")[0].outputs == (folder / "g.ogg", Path("p.svg"))
    assert plan_files(given, str(folder / "in"))[0].target == folder / "in" / "f.wav"
    assert plan_files(given, str(folder / "new") + "/")[0].target == folder / "new" / "f.wav"
    assert plan_files(given, str(folder / "g"), suffix=".wav")[0].target == folder / "g"


def test_outputs_of_an_earlier_run_inside_the_inputs_are_no_inputs(folder: Path) -> None:
    out = folder / "in" / "out"
    out.mkdir()
    (out / "b.wav").touch()
    assert [job.label for job in plan_files([str(folder / "in")], str(out))] == ["a.FLAC", "b.wav", "sub/c.ogg"]


def test_an_input_is_never_an_output(folder: Path) -> None:
    (folder / "link.wav").symlink_to(folder / "f.wav")
    (folder / "hard.wav").hardlink_to(folder / "f.wav")
    for out in ("f.wav", "link.wav", "hard.wav", "in/../f.wav"):
        with pytest.raises(FilePlanError, match="is an input"):
            plan_files([str(folder / "f.wav")], str(folder / out))
    with pytest.raises(FilePlanError, match="is the folder of the inputs"):
        plan_files([str(folder / "in")], str(folder / "in" / "."))
    with pytest.raises(FilePlanError, match="is an input"):
        plan_files([str(folder / "in" / "b.wav"), str(folder / "in" / "sub")], str(folder / "in"))


@pytest.mark.parametrize(
    ("inputs", "out", "more", "message"),
    [
        (["absent.wav"], "o.wav", {}, "absent.wav: no such file"),
        (["in/.hidden/../sub/notes.txt", "f.wav"], "f.wav", {}, "f.wav: expected a folder"),
        (["empty"], "o", {}, "empty: no audio files"),
        (["f.wav"], "o", {}, "expected a name that ends like audio"),
        (["f.wav"], "o.txt", {}, "expected a name that ends like audio"),
        (["f.wav"], "o.wav", {"plot": "p.gif"}, "ends in one of .png"),
        (["in/b.wav", "other/b.wav"], "o", {}, "would be written for both"),
        (["f.wav"], "o.png", {"plot": "o.png", "suffix": ".wav"}, "would be written for both"),
    ],
)
def test_what_does_not_fit_is_refused(folder: Path, inputs: list[str], out: str, more: dict, message: str) -> None:
    (folder / "empty").mkdir()
    (folder / "other").mkdir()
    (folder / "other" / "b.wav").touch()
    more = {name: str(folder / value) if name == "plot" else value for name, value in more.items()}
    with pytest.raises(FilePlanError, match=message):
        plan_files([str(folder / name) for name in inputs], str(folder / out), **more)
