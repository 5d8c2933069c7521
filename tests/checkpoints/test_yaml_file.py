"""YAML from elsewhere: plain values are read, everything else is refused by name, quickly."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpoints.yaml_file import YamlError, read_yaml

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))


def test_plain_values_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("betas: &b [0.9, 0.99]\nagain: *b\nname: é\n", encoding="utf-8")
    assert read_yaml(path) == {"betas": [0.9, 0.99], "again": [0.9, 0.99], "name": "é"}
    path.write_text("")
    assert read_yaml(path) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LAUGHS, "more than 100000 values"),
        ("a: &a {b: *a}", "inside themselves"),
        ("[" * 3000 + "]" * 3000, "nested too deeply"),
        ("a: [", "YAML"),
        ("a: !!python/object/apply:pathlib.Path.touch [x]", "could not determine a constructor"),
        ("a: 2024-99-99", "month must be in"),
        ("a: " + "1" * 5000, "integer string"),
        ("{[]: 1}", "unhashable"),
        ("\x00", "YAML"),
    ],
)
def test_others_are_refused_by_name(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(content)
    with pytest.raises(YamlError, match=rf"a\.yaml: not readable.*{message}") as refused:
        read_yaml(path)
    assert len(str(refused.value).splitlines()) == 1


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    for name in ("latin.yaml", "none.yaml", "."):
        with pytest.raises(YamlError):
            read_yaml(tmp_path / name)
