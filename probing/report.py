"""The page of a study: what is said above and between its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from probing.state import StudyIdentity, StudyState
from reports.environment import last_parts, software_text, without_place
from reports.probing.__main__ import write_report
from reports.probing.meta import MACS, PESQ, TARGET_UTILIZATION, Example, ReportMeta, write_meta
from reports.probing.rows import QualityEntry
from reports.probing.tables import read_table


def write_study_report(identity: StudyIdentity, state: StudyState, out: Path, others: Sequence[Path] = ()) -> Path:
    """Draw the figures of a study and write its page.

    Args:
        identity: what the study is of.
        state: what its sections told.
        out: folder of the study.
        others: folders of studies to draw beside it.

    Returns:
        The page.
    """
    told = state.all_told()
    meta = ReportMeta(
        title=f"What the masks of {Path(identity.checkpoint).name} know",
        checkpoint=f"{last_parts(identity.checkpoint, 4)} (SHA-256 {identity.sha256})",
        config=" ".join([last_parts(identity.config, 4), *map(without_place, identity.arguments)]),
        created=f"{datetime.now(UTC).isoformat(timespec='seconds')}, {software_text()}",
        numbers=_numbers(told, state, out),
        notes=_notes(identity.settings, told),
        examples=tuple(Example(**example) for example in told.get("examples", [])),
    )
    write_meta(out, meta)
    return write_report(out, others)


def _numbers(told: Mapping[str, Any], state: StudyState, out: Path) -> dict[str, float | str]:
    """Return the numbers above the figures, by label."""
    cost: Mapping[str, float] = told.get("numbers", {})
    labels = {
        TARGET_UTILIZATION: "target_utilization",
        "utilization": "utilization",
        MACS: "macs_per_second",
        "MACs saved": "macs_saved",
        "constant channels": "constant_channels",
        "parameters": "parameters",
    }
    numbers: dict[str, float | str] = {label: cost[name] for label, name in labels.items() if name in cost}
    quality = out / "quality.csv"
    for row in read_table(quality, QualityEntry) if quality.is_file() else []:
        if row.measure == "pesq_wb":
            numbers[PESQ] = row.enhanced
        numbers[f"{row.measure}, noisy and enhanced"] = (
            f"{row.noisy:.3f} and {row.enhanced:.3f} ({row.gain:+.3f}, interval {row.low:+.3f} to {row.high:+.3f}, "
            f"{row.utterances} mixtures)"
        )
    numbers["seconds"] = ", ".join(f"{name} {seconds:.0f}" for name, seconds in state.seconds.items())
    return numbers


def _notes(settings: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, str]:
    """Return what a reader of the figures must know, by section of the page."""
    mixtures = settings["mixtures"]
    known = (
        f"Probes are fitted on {mixtures['fit']} mixtures of training speakers and of the first "
        f"{settings['fit_noise_share']:.0%} of every training noise recording, and scored on {mixtures['score']} "
        f"mixtures of speakers and noise recordings of the {settings['split']} split, which neither network nor probes "
        f"have heard; 'known noise' is scored on {mixtures['known']} mixtures of unseen speakers and the rest of the "
        "training noise recordings, which the network has heard in training and the probes have not."
    )
    left_out = "; ".join(f"{name}: {reason}" for name, reason in told.get("estimators_left_out", {}).items())
    cost = (
        "Targets come from WebRTC's detector and from CREPE on clean speech, which favours these two tools on noisy "
        "speech; probes are fitted to these targets, which the other tools do not know. "
        + (f"Left out: {left_out}." if left_out else "")
    )
    return {"know": known, "cost": cost}
