r"""What weights of 8 bits cost in quality, and what they save.

    python -m benchmarks.quantization CHECKPOINT --root /data/corpus --mixtures 60
    python -m benchmarks.quantization CHECKPOINT --mixtures 12                        # on the generated corpus

Test mixtures through the ONNX graphs that ``dyncp export`` writes, run by ONNX Runtime on one thread: float32, and
dynamic and static quantization with the gates in float32 or in 8 bits as well. Static ranges come from mixtures of the
training split. Differences are those of the same mixtures, with the standard error of their mean. Times are medians of
rounds in which every graph has its turn, one frame per call, in processor time. Prints Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from checkpoints.training import read_network
from datamodules.enhancement_data import HELD_OUT_STREAM, PROBE_STREAM, EnhancementDataModule
from datamodules.mixing_settings import MixingSettings
from datamodules.rating.measures import missing_package, rate_pesq, rate_si_sdr
from datamodules.sampler import ItemKey
from datamodules.synthetic import SyntheticCorpus
from networks.framing import MAGNITUDE_FLOOR
from networks.stft import Stft
from streaming.folding import fold
from streaming.network import FoldedNetwork
from streaming.onnx.graph import FrameGraph, frame_graph, scan_over_frames
from streaming.onnx.quantization import quantize
from streaming.onnx.session import StreamRunner

CALIBRATION_MIXTURES = 6
ROUNDS, FRAMES_PER_ROUND = 31, 20


@dataclass
class Variant:
    """A graph and what was measured of it.

    Attributes:
        runner: runs it.
        megabytes: of the file.
        si_sdr_db: of every mixture.
        pesq_wb: of every mixture; NaN where PESQ rates nothing.
        flips: share of gate decisions that differ from float32, of every mixture.
        microseconds: per frame, of every round.
    """

    runner: StreamRunner
    megabytes: float
    si_sdr_db: list[float] = field(default_factory=list)
    pesq_wb: list[float] = field(default_factory=list)
    flips: list[float] = field(default_factory=list)
    microseconds: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, help="of a training (.ckpt), or a network file (.safetensors)")
    parser.add_argument("--root", type=Path, help="corpus folder (default: a generated corpus)")
    parser.add_argument("--mixtures", type=int, default=60, help="test mixtures (default: 60)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = fold(read_network(options.checkpoint))
    data = open_data(options.root, network)
    transform = Stft(network.grid)
    spectra = [
        spectrum_of(item["noisy"], transform) for item in items(data, "train", PROBE_STREAM, CALIBRATION_MIXTURES)
    ]
    variants = make_variants(network, [magnitude_of(spectrum, network) for spectrum in spectra])
    for item in tqdm(items(data, "test", HELD_OUT_STREAM, options.mixtures), total=options.mixtures, leave=False):
        rate(variants, item, network, transform)
    measure_time(variants, magnitude_of(spectra[0], network))
    print(table(variants))


def open_data(root: Path | None, network: FoldedNetwork) -> EnhancementDataModule:
    """Read a corpus, or generate one."""
    data = EnhancementDataModule(
        root=str(root or ".cache/generated/quantization"),
        grid=network.grid,
        targets=[],
        mixing=MixingSettings(pause_s=(0.15, 0.9)),
        synthetic=None if root else SyntheticCorpus(),
        num_workers=0,
    )
    data.read_without_trainer("test")
    return data


def items(data: EnhancementDataModule, split: str, stream: int, count: int) -> Iterator[dict[str, Any]]:
    """Yield mixtures of a split, the same ones in every call."""
    dataset = data.dataset(split, stream)
    for index in range(count):
        yield dataset[ItemKey(index, 0)]


def spectrum_of(noisy: Tensor, transform: Stft) -> Tensor:
    """Return the spectrum, shape (frequency, frame)."""
    return transform.analyze(torch.as_tensor(noisy)[None])[0]


def magnitude_of(spectrum: Tensor, network: FoldedNetwork) -> NDArray[np.float32]:
    """Return what the network reads, shape (frame, frequency)."""
    compressed = (spectrum.abs() + MAGNITUDE_FLOOR) ** network.compression
    return np.ascontiguousarray(compressed.T.numpy())


def make_variants(network: FoldedNetwork, calibration: list[NDArray[np.float32]]) -> dict[str, Variant]:
    """Build all graphs."""
    graphs = {"float32": frame_graph(network)}
    graphs["dynamic"] = quantize(network, "dynamic")
    graphs["static"] = quantize(network, "static", calibration)
    if graphs["float32"].gated:
        graphs["dynamic, gates too"] = quantize(network, "dynamic", float_gates=False)
        graphs["static, gates too"] = quantize(network, "static", calibration, float_gates=False)
    return {name: make_variant(graph) for name, graph in graphs.items()}


def make_variant(graph: FrameGraph) -> Variant:
    """Load a graph."""
    model = scan_over_frames(graph, {}).SerializeToString()
    return Variant(StreamRunner(model), len(model) / 1e6)


def rate(variants: dict[str, Variant], item: dict[str, Any], network: FoldedNetwork, transform: Stft) -> None:
    """Enhance one mixture with every graph and score it."""
    clean, spectrum = torch.as_tensor(item["clean"]), spectrum_of(item["noisy"], transform)
    magnitude, sample_rate = magnitude_of(spectrum, network), network.grid.sample_rate
    reference: NDArray[np.bool_] | None = None
    for variant in variants.values():
        variant.runner.reset()
        found = variant.runner.run(magnitude)
        enhanced = transform.synthesize((spectrum * torch.from_numpy(found.spectral_mask).T)[None], clean.shape[-1])[0]
        variant.si_sdr_db.append(rate_si_sdr(enhanced, clean, sample_rate))
        if missing_package("pesq_wb") is None:
            variant.pesq_wb.append(rate_pesq(enhanced, clean, sample_rate))
        if found.channel_masks is not None:
            reference = found.channel_masks if reference is None else reference
            variant.flips.append(float((found.channel_masks != reference).mean()))


def measure_time(variants: dict[str, Variant], magnitude: NDArray[np.float32]) -> None:
    """Time single frames."""
    frames = magnitude[:FRAMES_PER_ROUND, None]
    for _ in range(ROUNDS):
        for variant in variants.values():
            start = time.process_time()
            for frame in frames:
                variant.runner.run(frame)
            variant.microseconds.append((time.process_time() - start) / len(frames) * 1e6)


def table(variants: dict[str, Variant]) -> str:
    """Return the results as Markdown."""
    reference = variants["float32"]
    lines = [
        "| weights | file | SI-SDR | change | PESQ | change | decisions that differ | one frame |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, variant in variants.items():
        cells = [name, f"{variant.megabytes:.2f} MB"]
        for scores, base, digits in (
            (variant.si_sdr_db, reference.si_sdr_db, 2),
            (variant.pesq_wb, reference.pesq_wb, 3),
        ):
            cells += [f"{np.nanmean(scores):.{digits}f}" if scores else "", change(scores, base, digits)]
        differing = variant.flips and variant is not reference
        cells.append(f"{100 * statistics.mean(variant.flips):.2f} %" if differing else "")
        cells.append(f"{statistics.median(variant.microseconds):.0f} µs")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def change(scores: list[float], base: list[float], digits: int) -> str:
    """Return the mean difference of the same mixtures with its standard error; nothing for the base itself."""
    if scores is base or not scores:
        return ""
    differences = np.array(scores) - np.array(base)
    differences = differences[np.isfinite(differences)]
    error = differences.std(ddof=1) / np.sqrt(differences.size) if differences.size > 1 else float("nan")
    return f"{differences.mean():+.{digits}f} ± {error:.{digits}f}"


if __name__ == "__main__":
    main()
