"""Mixtures to look at and listen to: sound, overview, and what is true of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from lightning_modules.enhancement import EnhancementModule
from probes.evaluation import posterior_of, predicted_values
from probes.features import mask_features
from probes.logistic import LogisticProbe
from probes.reservoir import FrameReservoir
from probing.data import StudyData
from reports.overview import Overview, draw_overview
from storage.whole_files import replacing

FULL_SCALE_PEAK = 0.99  # louder examples are turned down, all three by the same factor


@torch.inference_mode()
def examples(data: StudyData, module: EnhancementModule, out: Path) -> list[dict[str, Any]]:
    """Write sound and overview of the first scored mixtures.

    Args:
        data: of the study.
        module: the trained network.
        out: folder of the report.

    Returns:
        One entry per mixture: title, paths relative to ``out``, and what is true of it.
    """
    listed = []
    score = data.collected["score"]
    for index, signals in enumerate(score.signals[: data.settings.examples]):
        mixture = score.mixtures[index]
        enhancement = module(torch.from_numpy(signals.noisy)[None])
        enhanced = enhancement.waveform[0].numpy()
        features = mask_features(enhancement.channel_masks)
        overview = Overview(
            signals.noisy,
            signals.clean,
            enhanced,
            enhancement.channel_masks[0].bool().numpy(),
            signals.targets,
            predictions(data, features),
        )
        name = f"example_{index + 1}"
        picture = out / "figures" / f"{name}.png"
        figure = draw_overview(overview, data.grid)
        with replacing(picture) as part:
            figure.savefig(part, dpi=110, format="png")
        entry = {
            "title": f"{mixture.noise_class} noise at {mixture.snr_db:.1f} dB",
            "overview": str(picture.relative_to(out)),
            "truths": f"speaker {mixture.speaker}, noise recording {mixture.noise}",
        }
        peak = max(float(np.abs(wave).max()) for wave in (signals.noisy, signals.clean, enhanced))
        gain = min(1.0, FULL_SCALE_PEAK / max(peak, 1e-9))
        for kind, wave in {"noisy": signals.noisy, "enhanced": enhanced, "clean": signals.clean}.items():
            path = out / "audio" / f"{name}_{kind}.wav"
            with replacing(path) as part:
                soundfile.write(part, gain * wave, data.grid.sample_rate, subtype="PCM_16", format="WAV")
            entry[kind] = str(path.relative_to(out))
        listed.append(entry)
    return listed


def predictions(data: StudyData, features: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """Predict every task for the frames of one mixture, as an overview shows them."""
    reservoir = FrameReservoir(None)
    reservoir.add(features, {}, np.zeros(len(features), dtype=np.int64))
    rows = reservoir.rows()
    found = {}
    for name, item in data.mask_fits.items():
        if item.probe is None:
            continue
        if isinstance(item.probe, LogisticProbe):
            posterior = posterior_of(item.probe, rows, item.probe.classes_)
            binary = item.task.kind == "binary" and posterior.shape[1] == 2
            found[name] = posterior[:, 1] if binary else item.probe.classes_[posterior.argmax(axis=1)]
        else:
            found[name] = item.task.decode(predicted_values(item.probe, rows))
    return found
