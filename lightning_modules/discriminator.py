"""The network that predicts PESQ from a clean and an enhanced spectrum."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

# Normalised PESQ of a perfect signal is 1.04 (see lightning_modules.metric_training): a sigmoid up to 1 would saturate
# before it. 1.2 is the bound of MetricGAN+ (Fu et al., 2021).
CEILING = 1.2
WIDENING = (1, 2, 4, 4)  # channels of each layer, in multiples of the first


class MetricDiscriminator(nn.Module):
    """Predicts the normalised PESQ of enhanced speech from compressed magnitudes.

    After the discriminator of CMGAN (Cao et al., 2022): strided convolutions with spectral norm, instance norm and
    PReLU over the clean and the enhanced magnitude as two channels, pooled over frequency and time, then two linear
    layers with spectral norm. Differences: smaller kernels and fewer channels, mean and maximum pooled side by side, no
    dropout (a resumed training continues exactly without it), and a sigmoid with a fixed bound.

    Not causal: it reads whole utterances of any length, in training only.

    Args:
        channels: of the first layer; the deepest has four times as many.
    """

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        widths = [2, *(channels * factor for factor in WIDENING)]
        layers: list[nn.Module] = []
        for narrow, wide in pairwise(widths):
            layers += [
                spectral_norm(nn.Conv2d(narrow, wide, kernel_size=3, stride=2, padding=1, bias=False)),
                nn.InstanceNorm2d(wide, affine=True),
                nn.PReLU(wide),
            ]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Sequential(
            spectral_norm(nn.Linear(2 * widths[-1], widths[-1])),
            nn.PReLU(widths[-1]),
            spectral_norm(nn.Linear(widths[-1], 1)),
        )

    def forward(self, clean: Tensor, enhanced: Tensor) -> Tensor:
        """Predict.

        Args:
            clean: compressed magnitude, shape (batch, frequency, frame), at least 17 frequencies.
            enhanced: the same of the enhanced signal.

        Returns:
            Normalised PESQ between 0 and ``CEILING``, shape (batch,).
        """
        features = self.layers(torch.stack([clean, enhanced], dim=1))  # (batch, channel, frequency / 16, frame / 16)
        pooled = torch.cat([features.mean(dim=(2, 3)), features.amax(dim=(2, 3))], dim=1)
        prediction: Tensor = CEILING * torch.sigmoid(self.head(pooled).squeeze(-1))
        return prediction
