"""The fixed mixtures that are heard: those of a study of the same settings, without what its probes are fitted on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from datamodules.enhancement_data import EnhancementDataModule
from datamodules.targets import Labels, Levels, Pitch, VoiceActivity
from networks.framing import FrameGrid
from probing.mixtures import MixtureCounts, Part, study_loaders
from reproduction.settings import ReproductionSettings

# Known ones first: the processes that make the others start before the threads that wait for ratings.
PARTS: tuple[Part, ...] = ("known", "score")
BATCH = 12  # mixtures that a process makes at a time; what they are does not depend on it


def corpus_data(root: Path, settings: ReproductionSettings, grid: FrameGrid) -> EnhancementDataModule:
    """Describe the mixtures of a corpus folder, with every target but quality, which is rated later.

    Args:
        root: folder of the corpus.
        settings: of the reproduction.
        grid: of the network.

    Raises:
        ValueError: if a value is out of range.
    """
    given = settings.targets
    pitch = Pitch(settings.pitch_cache, given.pitch_model, given.f0_range_hz, given.periodicity_threshold)
    targets = [VoiceActivity(given.vad_aggressiveness), pitch, Levels(given.snr_range_db, given.floor_dbfs), Labels()]
    return EnhancementDataModule(
        str(root),
        grid,
        targets,
        settings.mixing.plain(),
        batch_size=BATCH,
        num_workers=settings.num_workers,
        seed=settings.seed,
    )


def loaders(data: EnhancementDataModule, settings: ReproductionSettings) -> dict[Part, DataLoader[dict[str, Any]]]:
    """Check the corpus, compute the pitch tracks that are missing, and return loaders of the mixtures by part.

    Raises:
        CorpusError: if the corpus cannot be used.
    """
    counts = MixtureCounts(score=settings.mixtures.score, known=settings.mixtures.known)
    return study_loaders(data, settings.split, counts, settings.fit_noise_share, PARTS)
