r"""What a hop costs in real time: engines, shares of active channels, probes, and programs that they stand in for.

    python -m benchmarks.streaming                                            # the network of the package
    python -m benchmarks.streaming --network dense=runs/sweep/dense/version_0/checkpoints/last.ckpt \
        --network gated_25=... --audio noisy.wav --rounds 15 --json streaming.json --plot streaming.png

Microseconds per hop on one thread, medians over rounds. In a round everything has its turn on the same hops; ratios are
taken within a round, so that a busy machine slows both sides. ``network`` is the network alone, called with
magnitudes; ``hop`` is all that a user waits for: one call of ``StreamingEnhancer.feed`` with one hop; ``file`` is one
call with the whole signal. Without --network, shares of the channels of the only network are timed, the same ones in
every frame. Peers get the whole signal. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from benchmarks.streaming_cases import (
    Audio,
    Case,
    file_case,
    hop_case,
    network_case,
    onnx_network_case,
    peer_case,
    recorded_magnitudes,
    transform_case,
)
from benchmarks.streaming_figure import draw_times
from benchmarks.streaming_peers import installed_peers
from datamodules.synthetic_speech import draw_voice, synthesize_utterance
from streaming.enhancer import StreamingEnhancer

FORCED_SHARES = (1.0, 0.5, 0.25, 0.125)
HOP_US = 16000.0  # real time, for the default grid


@dataclass(frozen=True)
class Network:
    """A network to be timed.

    Attributes:
        name: in the table.
        path: its file or checkpoint; None takes that of the package.
    """

    name: str
    path: Path | None


def generated_audio(seconds: float) -> Audio:
    """Return generated speech in white noise of 5 dB SNR."""
    rng = np.random.default_rng(0)
    speech = synthesize_utterance(draw_voice("F", rng), int(16000 * seconds), 16000, rng).waveform
    return (speech + rng.normal(0, 10 ** (-5 / 20) * speech.std(), speech.shape)).astype(np.float32)


def read_audio(path: Path | None, seconds: float) -> Audio:
    """Read the first channel of a file of 16 kHz, or generate speech in noise."""
    if path is None:
        return generated_audio(seconds)
    audio, rate = soundfile.read(path, frames=int(16000 * seconds), dtype="float32", always_2d=True)
    if rate != 16000:
        raise SystemExit(f"{path}: expected 16000 Hz, got {rate}")
    return np.ascontiguousarray(audio[:, 0])


def cases_of(networks: Sequence[Network], audio: Audio) -> Iterator[Case]:
    """Yield what is timed, networks loaded and compiled."""
    for position, network in enumerate(networks):
        enhancer = StreamingEnhancer(network.path, False)
        if position == 0:
            yield transform_case(enhancer, audio)
        yield network_case(f"network: {network.name}", enhancer, audio)
        yield hop_case(f"hop: {network.name}", enhancer, audio)
        yield file_case(f"file: {network.name}", enhancer, audio)
        probed = StreamingEnhancer(network.path)
        if probed.schema:
            outputs = sum(len(spec.classes) or 1 for spec in probed.schema)
            yield network_case(f"network: {network.name}, {outputs} outputs of probes", probed, audio)
            yield hop_case(f"hop: {network.name}, {outputs} outputs of probes", probed, audio)
        onnx = StreamingEnhancer(network.path, False, engine="onnx")
        yield onnx_network_case(f"network: {network.name}, ONNX Runtime", onnx, recorded_magnitudes(enhancer, audio))
        yield hop_case(f"hop: {network.name}, ONNX Runtime", onnx, audio)
    if len(networks) == 1:
        for share in FORCED_SHARES:
            enhancer = StreamingEnhancer(networks[0].path, False)
            yield network_case(f"network: {share:.1%} of the channels, gates not asked", enhancer, audio, share)
    for peer in installed_peers(StreamingEnhancer(networks[0].path, False).grid):
        yield peer_case(peer, audio)


def measure(cases: Sequence[Case], rounds: int) -> None:
    """Time everything in every round, in another order each time."""
    rng = np.random.default_rng(0)
    for _ in tqdm(range(rounds), desc="rounds", unit="round"):
        for index in rng.permutation(len(cases)):
            cases[index].times_us.append(1e6 * cases[index].run())


def ratio(slow: Case, fast: Case) -> tuple[float, float, float]:
    """Return median, least and largest ratio of two cases within a round."""
    ratios = [one / other for one, other in zip(slow.times_us, fast.times_us, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def print_report(cases: Sequence[Case], audio: Audio) -> None:
    """Print both tables as Markdown."""
    processor = platform.processor() or platform.machine()
    print(f"{processor}, {len(audio) / 16000:.1f} s of audio, {len(cases[0].times_us)} rounds\n")
    print("| | active channels | us per hop, median | least | largest | real-time factor |")
    print("|---|---:|---:|---:|---:|---:|")
    for case in cases:
        share = "-" if case.share is None else f"{case.share:.1%}"
        median = statistics.median(case.times_us)
        print(
            f"| {case.name} | {share} | {median:.1f} | {min(case.times_us):.1f} | {max(case.times_us):.1f} | "
            f"{median / HOP_US:.5f} |"
        )
    print("\n| ratio | median | least | largest |\n|---|---:|---:|---:|")
    for slow, fast in compared(cases):
        median, least, largest = ratio(slow, fast)
        print(f"| {slow.name} / {fast.name} | {median:.2f} | {least:.2f} | {largest:.2f} |")


def compared(cases: Sequence[Case]) -> Iterator[tuple[Case, Case]]:
    """Yield the pairs whose ratio says something: own and ONNX's dense network over every own network."""
    for kind in ("network", "hop"):
        own = [case for case in cases if case.name.startswith(f"{kind}: ") and "ONNX" not in case.name]
        theirs = [case for case in cases if case.name.startswith(f"{kind}: ") and "ONNX" in case.name]
        for reference in (*theirs[:1], *own[:1]):
            yield from ((reference, case) for case in own if case is not reference)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--network",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="the first one is the reference; no FILE: that of the package",
    )
    parser.add_argument("--audio", type=Path, help="16 kHz (default: generated speech in noise)")
    parser.add_argument("--seconds", type=float, default=8.0, help="of audio (default: 8)")
    parser.add_argument("--rounds", type=int, default=15, help="at least 9 for a median that holds (default: 15)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all times")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="medians as a figure")
    given = parser.parse_args()
    pairs = [text.partition("=") for text in given.network]
    networks = [Network(name, Path(path) if path else None) for name, _, path in pairs] or [Network("package", None)]
    audio = read_audio(given.audio, given.seconds)
    with threadpool_limits(limits=1):
        cases = list(cases_of(networks, audio))
        measure(cases, given.rounds)
    print_report(cases, audio)
    if given.json:
        rows: list[dict[str, Any]] = [
            {"name": case.name, "share": case.share, "us_per_hop": case.times_us} for case in cases
        ]
        given.json.write_text(json.dumps(rows, indent=1))
    if given.plot:
        draw_times(cases).savefig(given.plot, dpi=150)


if __name__ == "__main__":
    main()
