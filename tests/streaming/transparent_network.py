"""A small network that changes nothing, with probes of every kind, as files that the command reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from checkpoints.architecture import Architecture
from checkpoints.network_file import StoredNetwork
from networks.framing import FrameGrid
from networks.gate_settings import GateSettings
from probes.deployment import DeployedProbe, ProbeBank
from streaming.enhancer import StreamingEnhancer

ARCHITECTURE = Architecture(
    residual_channels=8, channels=16, stacks=1, dilations=(1, 2), gate=GateSettings(target_utilization=0.5, width=4)
)
OPEN = 30.0  # a spectral mask of sigmoid(30): one in single precision
CLASSES = ("babble", "rain, heavy", "street")


def write_transparent_network(folder: Path) -> Path:
    """Write the network and, beside it, its probes; return the file of the network."""
    rng = np.random.default_rng(0)
    tensors = {}
    for name, shape in ARCHITECTURE.tensor_shapes().items():
        tensors[name] = rng.normal(0, 0.3, shape).astype(np.float32)
        if ".gate." in name and name.endswith("bias"):
            tensors[name] *= 10  # gates that follow the level
        if name.endswith("running_var"):
            tensors[name] = np.full(shape, 1.0, dtype=np.float32)
        if name.endswith("threshold"):
            tensors[name] = np.zeros(shape, dtype=np.float32)
    tensors["backend.weight"] = np.zeros_like(tensors["backend.weight"])
    tensors["backend.bias"] = np.full_like(tensors["backend.bias"], OPEN)
    path = folder / "transparent.safetensors"
    StoredNetwork(ARCHITECTURE, FrameGrid(), tensors).save(path)
    _probes(rng).save(folder / "transparent.probes.safetensors")
    return path


def transparent_enhancer(folder: Path, keep_masks: bool = False) -> StreamingEnhancer:
    return StreamingEnhancer(write_transparent_network(folder), keep_masks=keep_masks)


def _probes(rng: np.random.Generator) -> ProbeBank:
    blocks, channels = ARCHITECTURE.blocks, ARCHITECTURE.channels
    features = np.arange(blocks * channels, dtype=np.int32)

    def weights(outputs: int, scale: float) -> np.ndarray:
        return rng.normal(0, scale, (outputs, features.size)).astype(np.float32)

    def bias(*values: float) -> np.ndarray:
        return np.asarray(values, dtype=np.float32)

    probes = {
        "vad": DeployedProbe("binary", features, weights(1, 1.0), bias(0.1), threshold=0.75),
        "voicing": DeployedProbe("binary", features, weights(1, 1.0), bias(-0.2)),
        "noise_class": DeployedProbe("category", features, weights(3, 0.5), bias(0, 0.2, 0.1), classes=CLASSES),
        "snr_db": DeployedProbe("value", features, weights(1, 2.0), bias(3.0), unit="dB"),
        "mixture_snr_db": DeployedProbe("value", features, weights(1, 0.2), bias(5.0), unit="dB"),
        "f0_hz": DeployedProbe("value", features, weights(1, 0.1), bias(7.0), unit="Hz", transform="log2"),
        "speech_level_dbfs": DeployedProbe("value", features, weights(1, 1.0), bias(-20.0), unit="dBFS"),
        "noise_level_dbfs": DeployedProbe("value", features, weights(1, 1.0), bias(-40.0), unit="dBFS"),
        "loudness": DeployedProbe("value", features, weights(1, 1.0), bias(-23.0), unit="LUFS"),
    }
    return ProbeBank(probes, blocks, channels, 0.016)


def speech_like(seconds: float, sample_rate: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Return tones that come and go below 3.4 kHz, shape (sample, channel), within half of full scale."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * sample_rate))[:, None] / sample_rate
    signal = np.zeros((len(time_s), channels))
    for _ in range(6):
        hz, phase = rng.uniform(100, 3400), rng.uniform(0, 6, channels)
        signal += np.sin(2 * np.pi * hz * time_s + phase) * np.sin(2 * np.pi * rng.uniform(1, 4) * time_s + phase)
    return (0.08 * signal).astype(np.float32)


def bursts(seconds: float, seed: int = 0) -> np.ndarray:
    """Return noise at 16 kHz whose level changes every 62 ms, so that the gates do too; shape (sample,)."""
    rng = np.random.default_rng(seed)
    levels = 10 ** rng.uniform(-4, -0.5, round(16 * seconds))
    return (rng.standard_normal(1000 * len(levels)) * np.repeat(levels, 1000)).astype(np.float32)
