"""What counts as the published scores: within tolerance, of the same files, corpus and settings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reproduction.comparison import compare
from reproduction.report import comparison_lines, score_lines
from tests.reproduction.made import MADE, PUBLISHED, SETTINGS, changed, with_score


def test_the_same_run_is_confirmed() -> None:
    comparison = compare(PUBLISHED, MADE)
    assert not comparison.failed
    assert comparison.confirmed == len(PUBLISHED.scores) == 5  # neither the unknown number nor the unlisted metric


@given(st.floats(-0.05, 0.05))
def test_a_difference_counts_beyond_the_tolerance(difference: float) -> None:
    comparison = compare(PUBLISHED, with_score("vad/accuracy", 0.9 + difference))
    assert comparison.failed == (abs(difference) > SETTINGS.tolerances["accuracy"] + 1e-9)


def test_a_difference_says_what_was_expected_and_what_came() -> None:
    comparison = compare(PUBLISHED, with_score("f0_hz/r2", 0.6))
    assert [str(item) for item in comparison.differences] == ["f0_hz/r2: expected 0.6500, got 0.6000, tolerance 0.005"]
    assert comparison.confirmed == 4
    lines = comparison_lines(PUBLISHED, with_score("f0_hz/r2", 0.6))
    assert [line.split()[0] for line in lines if line.endswith("DIFFERS")] == ["f0_hz/r2"]


@pytest.mark.parametrize("name", ["vad/accuracy", "cost/utilization"])
def test_an_undefined_or_missing_score_is_a_difference(name: str) -> None:
    assert compare(PUBLISHED, with_score(name, float("nan"))).failed
    without = changed(scores=tuple(row for row in MADE.scores if row.name != name))
    assert [item.name for item in compare(PUBLISHED, without).differences] == [name]


def test_other_files_are_found_even_if_all_scores_agree() -> None:
    comparison = compare(PUBLISHED, changed(hashes=dict(MADE.hashes) | {"probes": "e" * 64}))
    assert comparison.failed
    assert comparison.other_files == ("probes: expected the one of hash bbbbbbbbbbbb, got eeeeeeeeeeee",)


def test_another_corpus_is_not_compared() -> None:
    comparison = compare(PUBLISHED, replace(with_score("vad/accuracy", 0.5), corpus={"speech.csv": "c" * 64}))
    assert comparison.unlike == ("noise.csv is another one",)
    assert (comparison.failed, comparison.confirmed) == (False, 0)


def test_other_settings_are_not_compared() -> None:
    comparison = compare(PUBLISHED, changed(settings=SETTINGS.with_mixtures(12).identity()))
    assert comparison.unlike == ("mixtures.score is 12, published 360", "mixtures.known is 6, published 180")


def test_what_needs_an_absent_package_is_not_checked() -> None:
    scores = tuple(row for row in MADE.scores if "pesq" not in row.name)
    made = changed(scores=scores, missing={"pesq_wb": "the package pesq is not installed"})
    comparison = compare(PUBLISHED, made)
    assert not comparison.failed
    assert comparison.confirmed == 3
    assert comparison.unchecked == (
        "pesq_wb/r2: the package pesq is not installed",
        "quality/pesq_wb/gain: the package pesq is not installed",
    )
    assert sum(line.endswith("not checked") for line in comparison_lines(PUBLISHED, made)) == 2


def test_all_scores_are_shown_with_intervals() -> None:
    lines = score_lines(MADE)
    assert len(lines) == 1 + len(MADE.scores)
    assert lines[1].split() == ["vad/accuracy", "0.9000", "[0.8800,", "0.9200]", "360"]
