"""What training on very much audio takes, from a few speeds: each row says whether it is measured or assumed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HOUR_S = 3600.0


@dataclass(frozen=True)
class Speeds:
    """What an estimate is made of.

    Attributes:
        step: mixture seconds that one process trains on in a second, on a core of the CPU.
        efficiency: of two processes, throughput over twice that of one.
        device: mixture seconds that one GPU trains on in a second.
        device_efficiency: of many GPUs, throughput over that of as many single ones.
        data: mixture seconds that one core makes in a second, targets included.
        pitch: seconds of speech whose F0 one core computes in a second.
        mib_per_hour: of stored recordings.
    """

    step: float
    efficiency: float
    device: float
    device_efficiency: float
    data: float
    pitch: float
    mib_per_hour: float


@dataclass(frozen=True)
class Plan:
    """A training.

    Attributes:
        hours: of clean speech; a pass makes as many hours of mixtures.
        segment_s: of a mixture.
        batch_size: mixtures of one process in a step.
        devices: GPUs that train.
    """

    hours: float
    segment_s: float
    batch_size: int
    devices: int


def steps_per_pass(plan: Plan) -> int:
    """Return the optimiser steps of one pass.

    Example:
        >>> steps_per_pass(Plan(hours=1000, segment_s=4.0, batch_size=12, devices=8))
        9375
    """
    return -(-round(plan.hours * HOUR_S / plan.segment_s) // (plan.batch_size * plan.devices))


def gpu_speed(tflops: float, macs_per_second: float) -> float:
    """Return the mixture seconds that a GPU trains on in a second, at a sustained rate of arithmetic.

    A step costs three times the forward pass (it, the gradients of its inputs and those of its weights), and a MAC is
    two operations. All channels are computed in training.

    Args:
        tflops: sustained, in 1e12 operations a second.
        macs_per_second: of the dense network, for a second of audio.

    Example:
        >>> round(gpu_speed(1.0, 41.4e6))
        4026
    """
    return tflops * 1e12 / (6.0 * macs_per_second)


def estimate_rows(plan: Plan, speeds: Speeds) -> list[tuple[str, str, str]]:
    """Return what a plan takes: quantity, figure, and where it comes from."""
    device_hours = plan.hours / (speeds.device * speeds.device_efficiency)
    cores = plan.devices * speeds.device * speeds.device_efficiency / speeds.data
    return [
        ("steps of a pass", f"{steps_per_pass(plan):,}", f"{plan.devices} x {plan.batch_size} x {plan.segment_s:g} s"),
        ("core hours of a pass on CPUs", _hours(plan.hours / speeds.step / speeds.efficiency), "measured here"),
        ("GPU hours of a pass", _hours(device_hours), "assumed speed and efficiency"),
        ("wall hours of a pass", _hours(device_hours / plan.devices), f"{plan.devices} GPUs, assumed"),
        ("core hours of a pass for mixtures", _hours(plan.hours / speeds.data), "measured, docs/throughput.md"),
        ("cores that make mixtures beside the GPUs", f"{cores:,.0f}", "measured over assumed"),
        ("core hours for F0, once", _hours(plan.hours / speeds.pitch), "measured, CREPE tiny"),
        ("speech, FLAC", _size(plan.hours * speeds.mib_per_hour), "measured per hour"),
    ]


def estimate_table(plans: Sequence[Plan], speeds: Speeds) -> str:
    """Lay out several plans side by side as Markdown."""
    columns = [estimate_rows(plan, speeds) for plan in plans]
    lines = ["| | " + " | ".join(f"{plan.hours:,.0f} hours" for plan in plans) + " | from |"]
    lines.append("|---|" + "---|" * (len(plans) + 1))
    for rows in zip(*columns, strict=True):
        sources = list(dict.fromkeys(row[2] for row in rows))
        lines.append(f"| {rows[0][0]} | " + " | ".join(row[1] for row in rows) + f" | {'; '.join(sources)} |")
    return "\n".join(lines)


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


def _size(mib: float) -> str:
    """Return a size in a readable unit.

    Example:
        >>> _size(512.0), _size(65_000.0), _size(6_500_000.0)
        ('512 MiB', '63 GiB', '6.2 TiB')
    """
    for unit, factor in (("TiB", 1024**2), ("GiB", 1024)):
        if mib >= factor:
            return f"{mib / factor:.0f} {unit}" if mib >= 10 * factor else f"{mib / factor:.1f} {unit}"
    return f"{mib:.0f} MiB"
