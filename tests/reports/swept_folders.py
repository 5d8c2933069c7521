"""Folders of a sweep as tests leave them, with scores that are made up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from reports.quality import QualitySettings, summarize, write_report
from reports.quality_intervals import Bootstrap
from reports.quality_scores import UtteranceScores, make_table

DENSE_MACS, FIXED, GATES, PER_CHANNEL = 662_528, 65_792, 55_296, 259
RESAMPLES = 200


def write_tested(
    out: Path,
    name: str,
    arguments: Mapping[str, Any],
    scores: Mapping[str, Any],
    utilization: float = 1.0,
    macs_per_frame: float = DENSE_MACS,
    version: int = 1,
) -> Path:
    """Write what a training and a test leave behind.

    Args:
        out: folder of the sweep.
        name: of the network.
        arguments: that it is built with.
        scores: measure with its system to values, shape (utterance,).
        utilization: of every utterance.
        macs_per_frame: of every utterance.
        version: number of the test's folder.

    Returns:
        The test's folder.
    """
    count = len(next(iter(scores.values())))
    identity = {"speaker": "s", "speech": "speech.flac", "noise_class": "fan", "noise": "fan.flac"}
    rows = [
        UtteranceScores(
            number,
            **identity,
            snr_db=float(number % 20 - 5),
            utilization=utilization,
            macs_per_frame=macs_per_frame,
            scores={measure: float(values[number]) for measure, values in scores.items()},
        )
        for number in range(count)
    ]
    measures = [measure for measure in scores if not measure.endswith("_noisy")]
    folder, settings = out / name / f"version_{version}", QualitySettings(Bootstrap(RESAMPLES))
    table = make_table(measures, rows)
    write_report(folder / "quality", table, summarize(table, settings), settings, {})
    metrics = {"cost/macs_per_frame_dense": float(DENSE_MACS)}
    (folder / "summary.json").write_text(json.dumps({"stage": "test", "parameters": 700_000, "metrics": metrics}))
    network = {"init_args": {"channels": 256, **arguments}}
    config = {"model": {"network": network}, "data": {"grid": {"sample_rate": 16000, "hop_length": 256}}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def write_sweep(out: Path, utterances: int = 60, seed: int = 0) -> None:
    """Write a dense, gated, narrow, random and static network, better where they cost more."""
    generator = np.random.default_rng(seed)
    noisy_db, noisy_pesq = generator.uniform(-5, 15, utterances), generator.uniform(1.1, 1.8, utterances)
    pruned = {
        f"gated_{share:.0%}": ({"gated": True, "gate": {"decision": "frame"}}, share) for share in (0.5, 0.25, 0.125)
    }
    pruned["random_25"] = {"gated": True, "gate": {"decision": "random"}}, 0.25
    pruned["static_mask_25"] = {"gated": True, "gate": {"decision": "static"}}, 0.25
    costs = {
        name: (arguments, share, FIXED + 9 * 256 * share * PER_CHANNEL) for name, (arguments, share) in pruned.items()
    }
    costs |= {
        name: (arguments, share, macs + GATES) for name, (arguments, share, macs) in costs.items() if "gated" in name
    }
    narrow = {f"static_{channels}": channels for channels in (152, 88, 56)}
    costs |= {
        name: ({"gated": False, "channels": channels}, 1.0, FIXED + 9 * channels * PER_CHANNEL)
        for name, channels in narrow.items()
    }
    costs["dense"] = {"gated": False}, 1.0, float(DENSE_MACS)
    worse = {"static_": 0.1, "random_25": 0.35, "static_mask_25": 0.12}
    for name, (arguments, share, macs) in costs.items():
        loss = next((value for start, value in reversed(worse.items()) if name.startswith(start)), 0.0)
        gain = 0.45 * (macs / DENSE_MACS) ** 0.4 - loss / 2
        scores = {
            "pesq_wb_noisy": noisy_pesq,
            "pesq_wb": noisy_pesq + gain + generator.normal(0, 0.05, utterances),
            "si_sdr_db_noisy": noisy_db,
            "si_sdr_db": noisy_db + 12 * gain + generator.normal(0, 0.5, utterances),
        }
        write_tested(out, name, arguments, scores, share, macs)
