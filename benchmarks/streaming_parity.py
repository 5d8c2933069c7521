"""How far the engines are from the network in torch: gate decisions that differ, and samples.

    python -m benchmarks.streaming_parity --mixtures 20                                        # generated corpus
    python -m benchmarks.streaming_parity --root /data/corpus --mixtures 60 --checkpoint network.safetensors

Of test mixtures. ``exact`` is the network in torch on spectra of double precision, ``torch`` the same as it is trained
and probed, on spectra of single precision. Bins that hold hardly more than rounding errors differ between the two,
the power law lifts them, and some gates see it. Samples are compared with the masks of ``exact`` forced. Prints
Markdown.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from benchmarks.quantization import items, open_data
from checkpoints import default_network
from checkpoints.network_file import StoredNetwork
from checkpoints.training import read_network
from datamodules.enhancement_data import HELD_OUT_STREAM
from networks.conv_fsenet import ConvFSENet
from networks.framing import MAGNITUDE_FLOOR
from networks.stft import Stft
from streaming.enhancer import StreamingEnhancer
from streaming.folding import fold

ENGINES = ("numba", "onnx")


def torch_network(stored: StoredNetwork) -> ConvFSENet:
    """Return the network in torch, for inference."""
    network = ConvFSENet(**vars(stored.architecture))
    state = {name: torch.from_numpy(np.array(value)) for name, value in stored.tensors.items()}
    network.load_state_dict(state, strict=False)  # norms count batches, which inference does not use
    return network.eval()


def exact_spectrum(noisy: Tensor, stft: Stft) -> Tensor:
    """Return the spectrum in double precision, of (batch, sample)."""
    grid = stft.grid
    window = torch.hann_window(grid.window_length, periodic=True, dtype=torch.float64)
    return torch.stft(
        noisy.double(), grid.window_length, grid.hop_length, window=window, pad_mode="constant", return_complex=True
    )


def estimate(network: ConvFSENet, spectrum: Tensor) -> tuple[Tensor, NDArray[np.bool_]]:
    """Return the enhanced spectrum and the masks (frame, block, channel)."""
    magnitude = ((spectrum.abs() + MAGNITUDE_FLOOR) ** network.compression).float()
    mask, channel_masks = network.estimate(magnitude)
    return mask * spectrum.to(torch.complex64), channel_masks[0].permute(2, 0, 1).bool().numpy()


@torch.inference_mode()
def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="(default: the network of the package)")
    parser.add_argument("--root", type=Path, help="folder of a corpus (default: the generated one)")
    parser.add_argument("--mixtures", type=int, default=60, help="(default: 60)")
    given = parser.parse_args()
    path = given.checkpoint or default_network()
    stored = read_network(path)
    network, stft = torch_network(stored), Stft(stored.grid)
    engines = {name: StreamingEnhancer(path, False, engine=name, keep_masks=True) for name in ENGINES}
    flips: Counter[str] = Counter()
    decisions, deviation = 0, 0.0
    data = open_data(given.root, fold(stored))
    for item in tqdm(items(data, "test", HELD_OUT_STREAM, given.mixtures), total=given.mixtures, unit="mixture"):
        samples = np.asarray(item["noisy"], dtype=np.float32)
        noisy = torch.from_numpy(samples)[None]
        spectrum, exact = estimate(network, exact_spectrum(noisy, stft))
        masks = {"torch": estimate(network, stft.analyze(noisy))[1]}
        for name, enhancer in engines.items():
            enhancer.reset()
            masks[name] = enhancer.feed(samples).channel_masks
        frames = len(masks["numba"])
        decisions += exact[:frames].size
        flips.update({name: int((found[:frames] != exact[:frames]).sum()) for name, found in masks.items()})
        forced = engines["numba"].new_stream().feed(samples, exact[:frames]).samples
        expected = stft.synthesize(spectrum, len(samples))[0, : len(forced)].numpy()
        deviation = max(deviation, float(np.abs(forced - expected).max()))
    print(f"{given.mixtures} mixtures, {decisions} gate decisions\n")
    print("| compared with `exact` | decisions that differ | share |\n|---|---:|---:|")
    for name, count in flips.items():
        print(f"| {name} | {count} | {count / decisions:.1e} |")
    print(f"\nLargest deviation of a sample with equal masks: {deviation:.1e}")


if __name__ == "__main__":
    main()
