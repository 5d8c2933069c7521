"""Estimators that cannot be used are left out, with the reason."""

from __future__ import annotations

import pickle
import sys

import pytest
import torch

from estimators import CrepeEstimator, PyinEstimator, SileroDetector, WebRtcDetector, WorldEstimator, usable
from estimators.base import kept_threads


@pytest.mark.parametrize(
    ("estimator", "package"),
    [(SileroDetector(), "silero_vad"), (WorldEstimator(), "pyworld"), (PyinEstimator(), "librosa")],
    ids=["silero", "world", "pyin"],
)
def test_a_missing_package_is_named_and_the_others_stay(
    monkeypatch: pytest.MonkeyPatch, estimator: SileroDetector | WorldEstimator | PyinEstimator, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # what Python itself does for a module that must not be imported
    detector = WebRtcDetector()
    kept, left_out = usable((estimator, detector))
    assert kept == [detector]
    assert list(left_out) == [estimator.name]
    assert package in left_out[estimator.name] and "extra 'estimators'" in left_out[estimator.name]


def test_what_the_project_needs_anyway_is_available() -> None:
    assert usable((WebRtcDetector(), CrepeEstimator()))[1] == {}


def test_names_must_differ() -> None:
    assert len(usable((WebRtcDetector(0), WebRtcDetector(1)))[0]) == 2
    with pytest.raises(ValueError, match=r"'webrtc_2' more than once"):
        usable((WebRtcDetector(2), WebRtcDetector(2)))


def test_an_estimator_goes_to_another_process_as_its_settings() -> None:
    estimator = WorldEstimator(f0_range_hz=(70.0, 400.0), method="dio")
    assert pickle.loads(pickle.dumps(estimator)) == estimator


def test_threads_are_restored_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError), kept_threads():
        torch.set_num_threads(before + 1)
        raise RuntimeError
    assert torch.get_num_threads() == before
