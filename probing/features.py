"""The sets of features that probes are compared on, from one pass through the network."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from networks.conv_fsenet import ConvFSENet
from networks.stft import Stft
from probes.features import frame_rows, log_energy_features, log_magnitude_features, mask_features

MASKS, UNTRAINED = "masks", "untrained_masks"
FEATURE_SETS = (MASKS, "gate_logits", "masked_activations", "frontend", "log_magnitude", "log_energy", UNTRAINED)
SPECTRAL = ("log_magnitude", "log_energy")  # need no network


class FeatureExtractor:
    """Computes all sets of features of noisy waveforms.

    Args:
        network: gated, trained.
        untrained: of the same architecture, with random weights; None leaves its masks out.
        stft: analysis of the waveforms.
    """

    def __init__(self, network: ConvFSENet, untrained: ConvFSENet | None, stft: Stft) -> None:
        self.network = network.eval()
        self.untrained = None if untrained is None else untrained.eval()
        self.stft = stft

    @torch.inference_mode()
    def __call__(self, noisy: Tensor, wanted: tuple[str, ...] = FEATURE_SETS) -> dict[str, NDArray[Any]]:
        """Compute features.

        Args:
            noisy: shape (batch, sample).
            wanted: names out of ``FEATURE_SETS``.

        Returns:
            Name to shape (batch * frame, feature), rows utterance by utterance: bool for masks, float32 otherwise.
        """
        spectrum = self.stft.analyze(noisy)
        rows: dict[str, NDArray[Any]] = {}
        if any(name not in (*SPECTRAL, UNTRAINED) for name in wanted):
            trace = self.network.trace(spectrum)
            rows[MASKS] = mask_features(trace.channel_masks)
            rows["gate_logits"] = frame_rows(trace.gate_logits.flatten(1, 2))
            rows["masked_activations"] = frame_rows(trace.masked_activations.flatten(1, 2))
            rows["frontend"] = frame_rows(trace.frontend)
        if UNTRAINED in wanted and self.untrained is not None:
            rows[UNTRAINED] = mask_features(self.untrained(spectrum).channel_masks)
        rows["log_magnitude"] = log_magnitude_features(spectrum)
        rows["log_energy"] = log_energy_features(spectrum)
        return {name: rows[name] for name in wanted if name in rows}


@torch.no_grad()
def untrained_twin(network: ConvFSENet, like: ConvFSENet, stft: Stft, noisy: Tensor) -> ConvFSENet:
    """Prepare a network with random weights as a control: its normalisation knows the signals, nothing else does.

    Args:
        network: freshly built.
        like: the trained network; thresholds and target are taken from it.
        stft: analysis of the waveforms.
        noisy: mixtures that its running statistics are taken from, shape (batch, sample).

    Returns:
        The network, in evaluation mode.
    """
    for gate, trained in zip(network.gates, like.gates, strict=True):
        gate.threshold.copy_(trained.threshold)
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm1d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the batches
    network.train()
    spectrum = stft.analyze(noisy)
    for batch in torch.split(spectrum, max(1, len(spectrum) // 4)):
        network(batch)
    return network.eval()
