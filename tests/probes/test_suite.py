"""The suite end to end: the planted channel is found, shuffled labels are at chance, gaps are counted."""

from __future__ import annotations

import math

import numpy as np
import pytest

from probes import ProbeResult, ProbeSuite, ProbeTask
from probes.evaluation import score_classes, score_values
from probes.intervals import score_intervals
from probes.report import log_keys, table_rows

TASKS = (
    ProbeTask("vad", "binary"),
    ProbeTask("voicing", "binary", where="vad"),
    ProbeTask("noise_class", "category", per_utterance=True),
    ProbeTask("snr_db", "value", unit="dB", per_utterance=True),
    ProbeTask("f0_hz", "value", unit="Hz", where="voicing", transform="log2"),
    ProbeTask("level_dbfs", "value", unit="dBFS"),
)
UTTERANCES, FRAMES, CHANNELS = 40, 30, 48
Rows = tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]


def planted(seed: int) -> Rows:
    """Channels 0..19 carry the targets, 20 and 21 are constant, the rest is noise."""
    generator = np.random.default_rng(seed)
    rows = UTTERANCES * FRAMES
    utterances = np.repeat(np.arange(UTTERANCES), FRAMES) + 1000 * seed
    x = generator.random((rows, CHANNELS)) < 0.3
    noise_class = np.repeat(generator.permutation(np.arange(UTTERANCES) % 3), FRAMES)
    flips = generator.random((rows, 3)) < 0.1
    x[:, 2:5] = (noise_class[:, None] == np.arange(3)) ^ flips
    x[:, 20], x[:, 21] = True, False
    vad = x[:, 0].astype(float)
    voicing = x[:, 1] & x[:, 0]
    f0_hz = 100 * 2 ** (x[:, 5:10].sum(axis=1) / 3 + generator.normal(0, 0.05, rows))
    f0_hz[~voicing] = np.nan
    snr_db = x[:, 10:15].sum(axis=1) * 3.0 + generator.normal(size=rows)
    level_dbfs = -40.0 + x[:, 15:20].sum(axis=1) + generator.normal(size=rows)
    level_dbfs[::7] = np.nan
    targets = {"vad": vad, "voicing": voicing, "noise_class": noise_class, "f0_hz": f0_hz}
    return x, targets | {"snr_db": snr_db, "level_dbfs": level_dbfs, "unused": vad}, utterances


def filled(batches: int = 3, **settings: object) -> ProbeSuite:
    suite = ProbeSuite(TASKS, **settings)  # type: ignore[arg-type]
    for add, (x, targets, utterances) in ((suite.add_fit, planted(1)), (suite.add_score, planted(2))):
        for part in np.array_split(np.arange(len(x)), batches):
            add(x[part], {name: values[part] for name, values in targets.items()}, utterances[part])
    return suite


@pytest.fixture(scope="module")
def ran() -> tuple[ProbeSuite, dict[str, ProbeResult]]:
    suite = filled()
    return suite, {result.task.name: result for result in suite.run()}


def test_planted_channels_are_found(ran: tuple[ProbeSuite, dict[str, ProbeResult]]) -> None:
    _, results = ran
    assert list(results) == [task.name for task in TASKS]
    assert results["vad"].scores["accuracy"] > 0.99 and results["vad"].scores["auroc"] > 0.99
    assert results["voicing"].scores["balanced_accuracy"] > 0.99
    # Three indicator channels, each wrong one time in ten, allow about 0.84 at best (expected).
    assert results["noise_class"].scores["accuracy"] > 0.80
    assert results["noise_class"].scores["utterance_accuracy"] == 1.0
    assert results["snr_db"].scores["r2"] > 0.85 and results["snr_db"].scores["utterance_r2"] > 0.7
    assert results["f0_hz"].scores["r2_octave"] > 0.85 and results["f0_hz"].scores["median_abs_cents"] < 100
    assert results["level_dbfs"].scores["r2"] > 0.4
    assert all(result.converged for result in results.values())


def test_shuffled_labels_and_constant_answers_score_at_chance(ran: tuple[ProbeSuite, dict[str, ProbeResult]]) -> None:
    _, results = ran
    for name in ("vad", "voicing"):
        assert abs(results[name].shuffled["auroc"] - 0.5) < 0.1, name
        assert abs(results[name].shuffled["balanced_accuracy"] - 0.5) < 0.1, name
        assert results[name].chance["auroc"] == 0.5 == results[name].chance["balanced_accuracy"]
    # Labels of whole utterances: few of them, so one shuffle can land well off 1/3, but far from the true score.
    assert results["noise_class"].shuffled["balanced_accuracy"] < 0.6
    assert results["noise_class"].chance["balanced_accuracy"] == pytest.approx(1 / 3)
    for name in ("snr_db", "f0_hz", "level_dbfs"):
        assert -0.2 < results[name].shuffled["r2"] < 0.05, name
        assert -0.2 < results[name].chance["r2"] <= 0, name
    assert results["f0_hz"].chance["r2_octave"] == pytest.approx(0, abs=0.05)


def test_frames_and_constant_channels_are_counted(ran: tuple[ProbeSuite, dict[str, ProbeResult]]) -> None:
    _, results = ran
    _, fit, _ = planted(1)
    _, score, _ = planted(2)
    assert (results["vad"].fit_rows, results["vad"].score_rows) == (1200, 1200)
    assert results["voicing"].fit_rows == int(fit["vad"].sum())
    assert results["f0_hz"].score_rows == int(np.isfinite(score["f0_hz"]).sum())
    assert results["level_dbfs"].fit_rows == int(np.isfinite(fit["level_dbfs"]).sum())
    assert results["vad"].constant_features == 2 and results["snr_db"].constant_features == 2
    # Voiced frames all have channels 0 and 1 on.
    assert results["f0_hz"].constant_features == 4
    confusion = results["noise_class"].confusion
    assert confusion is not None and confusion.sum() == 1200 and results["noise_class"].classes == (0, 1, 2)
    assert confusion.trace() / 1200 == pytest.approx(results["noise_class"].scores["accuracy"], abs=1e-6)


def test_predictions_are_in_the_units_of_the_task(ran: tuple[ProbeSuite, dict[str, ProbeResult]]) -> None:
    suite, _ = ran
    x, targets, _ = planted(2)
    voiced = targets["voicing"]
    assert np.corrcoef(suite.predict("f0_hz", x[voiced]), targets["f0_hz"][voiced])[0, 1] > 0.9
    probability = suite.predict("vad", x)
    assert probability.min() >= 0 and probability.max() <= 1 and ((probability > 0.5) == targets["vad"]).all()
    assert set(suite.predict("noise_class", x)) == {0, 1, 2}
    probe = suite.probe("vad")
    assert probe is not None and np.abs(probe.standard_coef_[0]).argmax() == 0
    with pytest.raises(ValueError, match="no fitted probe for task 'speaker'"):
        suite.predict("speaker", x)


def test_results_do_not_depend_on_batches_and_repeat(ran: tuple[ProbeSuite, dict[str, ProbeResult]]) -> None:
    _, results = ran
    for again in filled(batches=7).run():
        assert again.scores == pytest.approx(results[again.task.name].scores, nan_ok=True)
        assert again.shuffled == pytest.approx(results[again.task.name].shuffled, nan_ok=True)


def test_scored_rows_are_those_behind_the_scores(ran: tuple[ProbeSuite, dict[str, ProbeResult]]) -> None:
    suite, results = ran
    for name, result in results.items():
        scored = suite.scored(name)
        assert len(scored) == result.score_rows == len(scored.prediction) == len(scored.utterances)
        scoring = score_values if result.task.kind == "value" else score_classes
        again = scoring(result.task, scored.target, scored.prediction, scored.utterances)
        assert again == result.scores
        intervals = score_intervals(result.task, scored.target, scored.prediction, scored.utterances, resamples=100)
        assert set(intervals) == set(result.scores) == set(result.chance) == set(result.shuffled)
    assert suite.scored("noise_class").classes.tolist() == [0, 1, 2]
    x, _, _ = planted(2)
    np.testing.assert_allclose(suite.scored("snr_db").prediction, suite.predict("snr_db", x), atol=1e-5)
    np.testing.assert_allclose(suite.scored("vad").prediction[:, 1], suite.predict("vad", x), atol=1e-5)
    with pytest.raises(ValueError, match="no scored rows for task 'speaker'"):
        suite.scored("speaker")


def test_f0_of_every_frame_is_a_task_of_its_own_beside_that_of_voiced_ones() -> None:
    everywhere = ProbeTask("f0_or_zero_hz", "value", unit="Hz", source="f0_hz", fill=0.0)
    voiced = ProbeTask("f0_hz", "value", unit="Hz", where="voicing", transform="log2")
    suite = ProbeSuite([everywhere, voiced])
    suite.add_fit(*planted(1))
    suite.add_score(*planted(2))
    results = {result.task.name: result for result in suite.run()}
    _, targets, _ = planted(2)
    assert results["f0_or_zero_hz"].score_rows == 1200 > results["f0_hz"].score_rows
    scored = suite.scored("f0_or_zero_hz")
    np.testing.assert_allclose(scored.target, np.nan_to_num(targets["f0_hz"]))
    # Voicing is two channels at once, of which a linear probe sees a part.
    assert results["f0_or_zero_hz"].scores["r2"] > 0.3 > 0.05 > results["f0_or_zero_hz"].shuffled["r2"]
    # Drawn towards the 0 Hz of the other frames, voiced ones are mostly too low.
    assert results["f0_or_zero_hz"].scores["gross_error_rate"] > 0.5 > 0.2 > results["f0_hz"].scores["gross_error_rate"]
    assert results["f0_hz"].shuffled["gross_error_rate"] > 0.2
    assert "probes/f0_or_zero_hz/r2" in log_keys(results.values())


def test_limits_on_rows_and_stride_hold() -> None:
    results = {r.task.name: r for r in filled(frame_stride=3, logistic_rows=150, shuffled_control=False).run()}
    assert results["vad"].fit_rows == 150 and results["snr_db"].fit_rows == 400
    assert results["vad"].score_rows == 1200 and results["vad"].shuffled == {}
    assert results["vad"].scores["accuracy"] > 0.9
    assert {r.task.name: r.fit_rows for r in filled(ridge_rows=300, folds=2).run()}["snr_db"] == 300


def test_ranks_merge_to_the_whole() -> None:
    parts = []
    for stream in (0, 1):
        suite = ProbeSuite(TASKS, stream=stream)
        for add, (x, targets, utterances) in ((suite.add_fit, planted(1)), (suite.add_score, planted(2))):
            half = utterances % 2 == stream
            add(x[half], {name: values[half] for name, values in targets.items()}, utterances[half])
        parts.append(suite)
    merged = {result.task.name: result for result in parts[0].merge(parts[1]).run()}
    assert merged["vad"].fit_rows == 1200 and merged["vad"].scores["accuracy"] > 0.99
    assert merged["snr_db"].scores["r2"] > 0.85


@pytest.mark.parametrize("settings", [{}, {"frame_stride": 3, "ridge_rows": 200, "logistic_rows": 150}], ids=str)
def test_ranks_that_know_positions_score_as_one_process(settings: dict[str, int]) -> None:
    ranks = [ProbeSuite(TASKS, **settings) for _ in range(3)]  # type: ignore[arg-type]
    for rank, suite in enumerate(ranks):
        for add, (x, targets, utterances) in ((suite.add_fit, planted(1)), (suite.add_score, planted(2))):
            own = np.flatnonzero(utterances % 3 == rank)
            add(x[own], {name: values[own] for name, values in targets.items()}, utterances[own], own)
    merged = ranks[1].merge(ranks[0]).merge(ranks[2]).run()
    for result, alone in zip(merged, filled(**settings).run(), strict=True):
        assert result.scores == alone.scores and result.shuffled == alone.shuffled
        assert (result.fit_rows, result.score_rows) == (alone.fit_rows, alone.score_rows)


def test_nothing_to_fit_or_to_score_gives_nan_and_is_counted() -> None:
    x, targets, utterances = planted(1)
    targets = targets | {"voicing": np.zeros(len(x)), "vad": np.ones(len(x))}
    suite = ProbeSuite(TASKS)
    suite.add_fit(x, targets, utterances)
    results = {result.task.name: result for result in suite.run()}
    assert all(math.isnan(value) for result in results.values() for value in result.scores.values())
    assert results["f0_hz"].fit_rows == 0 and "no fit rows" in results["f0_hz"].note
    assert "only class 1 in the fit rows" in results["vad"].note
    assert all("no score rows" in result.note for result in results.values())
    assert np.isnan(suite.predict("f0_hz", x)).all() and (suite.predict("vad", x) == 1).all()
    keys = log_keys(results.values())
    assert keys["probes/f0_hz/undefined"] == len(results["f0_hz"].scores) + len(results["f0_hz"].chance) + 1
    assert "probes/f0_hz/r2" not in keys and keys["probes/f0_hz/fit_rows"] == 0
    assert [result.fit_rows for result in ProbeSuite(TASKS).run()] == [0] * len(TASKS)


def test_a_class_missing_from_the_fit_is_scored_and_noted() -> None:
    x, targets, utterances = planted(1)
    suite = ProbeSuite([ProbeTask("noise_class", "category", per_utterance=True)])
    suite.add_fit(
        x, targets | {"noise_class": np.where(targets["noise_class"] == 2, -1, targets["noise_class"])}, utterances
    )
    suite.add_score(*planted(2))
    (result,) = suite.run()
    assert "classes [2] are scored but not in the fit rows" in result.note
    assert 0.4 < result.scores["accuracy"] < 0.75 and result.fit_rows < 1200
    assert result.confusion is not None and result.confusion[:, 2].sum() == 0


def test_one_utterance_takes_the_strongest_penalty_and_says_so() -> None:
    x, targets, _ = planted(1)
    suite = ProbeSuite(TASKS[:1] + TASKS[3:4], ridge_l2=(0.1, 1.0))
    suite.add_fit(x, targets, np.zeros(len(x), dtype=int))
    suite.add_score(*planted(2))
    results = suite.run()
    assert all("one utterance only" in result.note for result in results)
    assert [result.l2 for result in results] == [1.0, 1.0]


def test_float_features_work_too() -> None:
    suite = ProbeSuite([ProbeTask("vad", "binary"), ProbeTask("snr_db", "value")])
    for add, (x, targets, utterances) in ((suite.add_fit, planted(1)), (suite.add_score, planted(2))):
        add(x.astype(np.float32) * 3 - 50, targets, utterances)
    vad, snr = suite.run()
    assert vad.scores["accuracy"] > 0.99 and snr.scores["r2"] > 0.85


def test_report_has_conventional_keys_and_headlines(ran: tuple[ProbeSuite, dict[str, ProbeResult]]) -> None:
    _, results = ran
    keys = log_keys(results.values())
    for key in ("vad/balanced_accuracy_shuffled", "vad/accuracy_chance", "f0_hz/r2", "f0_hz/r2_octave", "snr_db/l2"):
        assert f"probes/{key}" in keys
    assert keys["probes/vad/undefined"] == 0 and keys["probes/vad/converged"] == 1
    assert all(math.isfinite(value) for value in keys.values())
    assert "baseline/vad/accuracy" in log_keys(results.values(), prefix="baseline")
    rows = [(row.task, row.metric) for row in table_rows(results.values())]
    assert rows[:3] == [("vad", "accuracy"), ("vad", "balanced_accuracy"), ("voicing", "accuracy")]
    assert ("noise_class", "accuracy") in rows and ("f0_hz", "r2") in rows
    first = table_rows(results.values())[0]
    assert (first.chance, first.shuffled) == (results["vad"].chance["accuracy"], results["vad"].shuffled["accuracy"])


def test_wrong_use_is_refused() -> None:
    with pytest.raises(ValueError, match="distinct names"):
        ProbeSuite([TASKS[0], TASKS[0]])
    with pytest.raises(ValueError, match="frame_stride must be positive"):
        ProbeSuite(TASKS, frame_stride=0)
    x, targets, utterances = planted(1)
    suite = ProbeSuite(TASKS)
    with pytest.raises(ValueError, match="'f0_hz' is missing"):
        suite.add_fit(x, {name: values for name, values in targets.items() if name != "f0_hz"}, utterances)
    suite.add_fit(x, targets, utterances)
    suite.add_score(x[:, :5], targets, utterances)
    with pytest.raises(ValueError, match="fit and score features differ"):
        suite.run()
