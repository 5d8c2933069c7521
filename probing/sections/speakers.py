"""Do masks tell speakers apart, though nothing was trained or fitted to do so?"""

from __future__ import annotations

from typing import Any

from probes.verification import verify_speakers
from probing.collection import strided_rows
from probing.data import StudyData
from probing.features import MASKS, SPECTRAL, UNTRAINED
from reports.probing.rows import VerificationEntry

COMPARED = (MASKS, UNTRAINED, *SPECTRAL)


def speakers(data: StudyData) -> dict[str, list[Any]]:
    """Verify speakers by mean features of utterances, raw and relative to the fit utterances."""
    settings = data.settings
    entries = []
    for features in COMPARED:
        found = verify_speakers(
            strided_rows(data.collected["score"].rows[features], settings.frame_stride),
            data.fit_rows(features),
            resamples=settings.intervals.resamples,
            confidence=settings.intervals.confidence,
            seed=settings.intervals.seed,
        )
        entries += [
            VerificationEntry(f"{features} ({kind})", one.eer, one.low, one.high, one.trials, one.speakers)
            for kind, one in found.items()
        ]
    return {"verification": entries}
