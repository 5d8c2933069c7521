"""DNSMOS P.835 and P.808: opinion scores that a network estimates from the rated signal alone.

Reddy et al., 2021 (arXiv 2010.15258) and 2022 (arXiv 2110.01763), through torchmetrics, which looks for the published
models in one fixed folder. It would download them if they were missing; here they must be there before.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import torch
from torch import Tensor

DNSMOS_MEASURES = ("dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "dnsmos_p808")
MODEL_FOLDER = "~/.torchmetrics/DNSMOS/DNSMOS"  # fixed in torchmetrics
MODEL_FILES = ("sig_bak_ovr.onnx", "model_v8.onnx")  # P.835 and P.808
MODEL_URL = "https://github.com/microsoft/DNS-Challenge/tree/master/DNSMOS/DNSMOS"


def missing_model() -> str | None:
    """Say which model file is missing, where it belongs and where it is published, or return None."""
    folder = Path(MODEL_FOLDER).expanduser()
    missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
    if not missing:
        return None
    return f"{' and '.join(missing)} not found in {folder}; published at {MODEL_URL}"


def rate_dnsmos(degraded: Tensor, sample_rate: int) -> dict[str, float]:
    """Return the four scores, about 1 to 5.

    The models hear 9.01 s, and a longer signal in windows that start every second; torchmetrics doubles a shorter one
    until it is long enough, as the authors' script does. Windows of a doubled signal come again: four of the seven that
    a signal of 4 s gets are different. Each is rated once here, and counts as often as it came.

    Args:
        degraded: shape (sample,).
        sample_rate: Hz.

    Raises:
        FileNotFoundError: if a model is missing.
    """
    reason = missing_model()
    if reason is not None:
        raise FileNotFoundError(reason)
    from torchmetrics.functional.audio.dnsmos import INPUT_LENGTH, SAMPLING_RATE
    from torchmetrics.functional.audio.dnsmos import deep_noise_suppression_mean_opinion_score as opinion_score

    if sample_rate == SAMPLING_RATE and 0 < len(degraded) < int(INPUT_LENGTH * SAMPLING_RATE):
        windows, counts = doubled_windows(degraded, INPUT_LENGTH, SAMPLING_RATE)
        scores = counts @ opinion_score(windows, sample_rate, personalized=False, num_threads=1) / counts.sum()
    else:
        scores = opinion_score(degraded, sample_rate, personalized=False, num_threads=1)
    p808, sig, bak, ovrl = scores.tolist()
    return {"dnsmos_sig": sig, "dnsmos_bak": bak, "dnsmos_ovrl": ovrl, "dnsmos_p808": p808}


def doubled_windows(signal: Tensor, window_s: float, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Cut a signal that is shorter than a window, doubled until it is longer, into windows that start every second.

    Args:
        signal: shape (sample,).
        window_s: length of a window.
        sample_rate: Hz.

    Returns:
        The windows that differ, shape (window, sample), and how often each comes, float64, shape (window,).

    Example:
        >>> windows, counts = doubled_windows(torch.arange(4.0), window_s=9.01, sample_rate=1)
        >>> windows[:, 0].tolist(), counts.tolist()
        ([0.0, 1.0, 2.0, 3.0], [2.0, 2.0, 2.0, 1.0])
    """
    length = int(window_s * sample_rate)
    doubled = signal
    while len(doubled) < length:
        doubled = doubled.repeat(2)
    last = int(len(doubled) // sample_rate - window_s)  # whole seconds that are left behind the first window
    starts = Counter(second * sample_rate % len(signal) for second in range(last + 1))
    windows = torch.stack([doubled.roll(-start)[:length] for start in starts])
    return windows, torch.tensor(list(starts.values()), dtype=torch.float64)
