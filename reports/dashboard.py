"""What a dashboard shows of a run: sections of panels over the keys that runs log, whatever draws them.

The order tells a story: does it work, does it learn, does it enhance, what do the gates do, what does it cost, what do
the masks know, and what does that look and sound like.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

PanelKind = Literal["line", "scalar", "media", "table"]


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: above it.
        keys: that it shows.
        pattern: regular expression of the keys of a line panel, in place of ``keys``, where their number is open
            (targets, blocks); it matches whole keys.
        kind: of the panel: curves, newest value, pictures and sound, or table.
        log_scale: of the values.
        floor: values further below say no more than this one, and would flatten all others.
        per_row: columns of a media panel.
    """

    title: str
    keys: tuple[str, ...] = ()
    pattern: str | None = None
    kind: PanelKind = "line"
    log_scale: bool = False
    floor: float | None = None
    per_row: int = 1


@dataclass(frozen=True)
class Section:
    """Panels under one heading.

    Attributes:
        name: of the section.
        about: what a reader learns from it, one or two sentences.
        panels: in order.
        is_open: unfolded when the dashboard is opened.
    """

    name: str
    about: str
    panels: tuple[Panel, ...]
    is_open: bool = True


def _media(title: str, *keys: str, per_row: int = 1) -> Panel:
    return Panel(title, keys, kind="media", per_row=per_row)


SECTIONS = (
    Section(
        "overview",
        "Does it enhance, at what cost, and what do its masks know? One mixture in pictures, and the numbers to watch.",
        (
            Panel("SI-SDR gain in dB", ("val/si_sdr_gain_db",)),
            Panel("Share of channels computed", ("gates/utilization",), kind="scalar"),
            Panel("MACs saved, gates paid", ("cost/macs_saved",), kind="scalar"),
            _media("One mixture: spectrograms, masks, what probes read from them", "figures/overview"),
            _media("What the masks know, beside controls", "figures/scores"),
        ),
    ),
    Section(
        "train",
        "Losses should fall and stay together; a part whose gradient vanishes or explodes learns nothing.",
        (
            Panel("Loss", ("train/loss", "val/loss"), log_scale=True),
            Panel("Enhancement loss", ("train/enhancement_loss", "val/enhancement_loss"), log_scale=True),
            Panel("Sparsity loss", ("train/sparsity_loss", "val/sparsity_loss"), log_scale=True),
            Panel("Losses of joint probes", pattern=r"(train|val)/joint_.*_loss"),
            Panel("Gradient norm before clipping", ("train/gradient_norm",), log_scale=True),
            Panel("Gradient norm of the parts", pattern=r"train/gradient_norm/.*", log_scale=True),
            Panel("Steps that were skipped, not finite", ("train/nonfinite_steps",)),
            Panel("Utilization and its target", ("train/utilization", "train/target_utilization")),
            Panel("Temperature of the gates", ("train/temperature",)),
            Panel("Learning rate", pattern=r"lr-.*"),
        ),
    ),
    Section(
        "enhancement",
        "Quality on speakers and noise recordings that the network has not seen, beside that of its input.",
        (
            Panel("SI-SDR in dB", ("val/si_sdr_db", "val/si_sdr_noisy_db")),
            Panel("Gain in SI-SDR, dB", ("val/si_sdr_gain_db",)),
            Panel(
                "Parts of the enhancement loss", pattern=r"(train|val)/(spectral|multi_resolution|si_sdr|metric)_loss"
            ),
        ),
    ),
    Section(
        "gates",
        "Are the gates alive? Constant channels carry no information; decisions near the threshold are fragile.",
        (
            Panel("Utilization", ("gates/utilization", "val/utilization")),
            Panel("Utilization of the blocks", pattern=r"gates/utilization/block\d+"),
            Panel("Channels that never change", ("gates/constant", "gates/always_on", "gates/always_off")),
            Panel("Constant channels of the blocks", pattern=r"gates/constant/block\d+"),
            Panel("Switches per channel and frame", ("gates/switch_rate",)),
            Panel("Switch rate of the blocks", pattern=r"gates/switch_rate/block\d+"),
            Panel("Frames between switches", ("gates/dwell_on_frames", "gates/dwell_off_frames"), log_scale=True),
            Panel("Logit less threshold, percentiles in standard deviations", pattern=r"gates/margin/p\d+"),
            Panel("Decisions close to the threshold", ("gates/near_threshold",)),
            _media("Logits around the threshold, by block", "figures/gate_margins"),
        ),
    ),
    Section(
        "cost",
        "What a frame costs, as a mean and in its cheapest and dearest frames, and what probing and logging add.",
        (
            Panel("MACs saved", ("cost/macs_saved",)),
            Panel(
                "MACs per frame",
                (
                    "cost/macs_per_frame",
                    "cost/macs_per_frame_p05",
                    "cost/macs_per_frame_p95",
                    "cost/macs_per_frame_dense",
                ),
            ),
            Panel(
                "Bytes of weights per frame",
                (
                    "cost/weight_bytes_per_frame",
                    "cost/weight_bytes_per_frame_p05",
                    "cost/weight_bytes_per_frame_p95",
                    "cost/weight_bytes_per_frame_dense",
                ),
            ),
            Panel("Share of an epoch's time: probing", ("cost/probing_share_of_epoch",)),
            Panel("Share of the time: logging", ("cost/logging_share",)),
        ),
        is_open=False,
    ),
    Section(
        "probes",
        "What linear probes read from the masks; compare with chance, shuffled labels and probes that need no network.",
        (
            Panel("Scores with controls and intervals", ("tables/probes",), kind="table"),
            Panel("Balanced accuracy", pattern=r"probes/[^/]+/balanced_accuracy"),
            Panel("R2", pattern=r"probes/[^/]+/r2", floor=-0.3),
            Panel("Accuracy over whole utterances", pattern=r"probes/[^/]+/utterance_accuracy"),
            Panel("Shuffled labels: balanced accuracy", pattern=r"probes/[^/]+/balanced_accuracy_shuffled"),
            Panel("Without the network: balanced accuracy", pattern=r"controls/[^/]+/[^/]+/balanced_accuracy"),
            Panel("Without the network: R2", pattern=r"controls/[^/]+/[^/]+/r2", floor=-0.3),
            _media("Weights of the probes", "figures/coefficients"),
            _media("Map of the masks (t-SNE)", "figures/embedding"),
            _media("Confusion of noise classes", "figures/confusion_noise_class"),
            _media("Calibration", "figures/calibration"),
        ),
    ),
    Section(
        "media",
        "Fixed validation mixtures, the same in every epoch: listen to what is left of the noise, and of the voice.",
        (
            _media("Noisy", "audio/noisy"),
            _media("Enhanced", "audio/enhanced"),
            _media("Clean", "audio/clean"),
            _media("Spectrograms", "figures/spectrograms", per_row=2),
            _media("Channel masks", "figures/channel_masks", per_row=2),
        ),
    ),
)


def shown_keys(panel: Panel, keys: Collection[str]) -> list[str]:
    """Return those of the logged keys that a panel shows.

    Example:
        >>> shown_keys(Panel("R2", pattern="probes/[^/]+/r2"), ["probes/f0_hz/r2", "probes/f0_hz/r2_chance"])
        ['probes/f0_hz/r2']
    """
    if panel.pattern is not None:
        return [key for key in keys if re.fullmatch(panel.pattern, key)]
    return [key for key in panel.keys if key in keys]


def sections_for(keys: Collection[str], sections: tuple[Section, ...] = SECTIONS) -> tuple[Section, ...]:
    """Leave out what runs do not log: keys, panels without any, sections without panels.

    Args:
        keys: that runs log.
        sections: of a dashboard.

    Example:
        >>> [section.name for section in sections_for({"train/loss", "val/si_sdr_gain_db"})]
        ['overview', 'train', 'enhancement']
    """
    kept = []
    for section in sections:
        panels = tuple(
            panel if panel.pattern is not None else replace(panel, keys=tuple(shown_keys(panel, keys)))
            for panel in section.panels
            if shown_keys(panel, keys)
        )
        if panels:
            kept.append(replace(section, panels=panels))
    return tuple(kept)


def media_files(run_dir: Path, key: str) -> dict[str, Path]:
    """Return the files of a medium in the folder of a run, by caption.

    Args:
        run_dir: of the run.
        key: as it was logged; its files are named after it (``callbacks/media_log.py``).
    """
    place = run_dir / key
    found = {}
    for path in sorted(place.parent.glob(f"{place.name}*.*")):
        rest = path.stem.removeprefix(place.name)
        if not rest or rest.startswith("_"):
            found[rest.removeprefix("_")] = path
    return found


def logged_keys(run_dir: Path) -> set[str]:
    """Return what a run has logged, from the files in its folder.

    Args:
        run_dir: with ``metrics.csv``, and media under their keys.

    Raises:
        FileNotFoundError: if there is no ``metrics.csv``.
    """
    if not (run_dir / "metrics.csv").is_file():
        raise FileNotFoundError(f"{run_dir}: expected the folder of a run, runs/NAME/version_N, with metrics.csv in it")
    with (run_dir / "metrics.csv").open(newline="", encoding="utf-8") as file:
        found = set(next(csv.reader(file), ()))
    media = [panel for section in SECTIONS for panel in section.panels if panel.kind in ("media", "table")]
    return found | {key for panel in media for key in panel.keys if media_files(run_dir, key)}
