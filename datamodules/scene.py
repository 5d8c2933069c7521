"""Drawing a scene: speech, noise and the room they are in, mixed at a drawn SNR and level.

The order of operations, and what the target is after each, is in ``docs/mixing.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datamodules.audio import AudioReader, draw_recording
from datamodules.augmentation.bandwidth import limit_band
from datamodules.augmentation.base import Layers
from datamodules.augmentation.clipping import clip_peaks
from datamodules.augmentation.equalization import equalize_layers
from datamodules.augmentation.reverberation import (
    Reverberation,
    SplitResponse,
    reverberate,
    reverberate_noise,
    split_response,
)
from datamodules.background import draw_further_noises, draw_noise, draw_noise_at_speed
from datamodules.corpus import CorpusError, NoiseRecord, RoomResponse, SpeechRecord
from datamodules.excerpts import Excerpt, draw_speech
from datamodules.mixing import Mixture, measured_snr_db, noise_at_snr, scale_to_level
from datamodules.mixing_settings import MixingSettings
from networks.framing import FrameGrid

__all__ = ["Excerpt", "MixingSettings", "Scene", "SceneSources", "draw_scene"]


@dataclass(frozen=True)
class Scene:
    """A mixture with all that is known about it: what targets are computed from.

    Attributes:
        grid: sample-to-frame alignment.
        mixture: noisy, clean and noise waveforms, each (sample,).
        excerpts: where the speech comes from.
        snr_db: of the mixture: power of the active clean speech over mean power of all that is not target.
        speech: any record of the speaker (speaker and sex are the same in all).
        noise: the noise recording that names the class.
        further_noise: recordings added below it.
    """

    grid: FrameGrid
    mixture: Mixture
    excerpts: tuple[Excerpt, ...]
    snr_db: float
    speech: SpeechRecord
    noise: NoiseRecord
    further_noise: tuple[NoiseRecord, ...] = ()

    @property
    def num_frames(self) -> int:
        """Frames of the mixture."""
        return self.grid.num_frames(len(self.mixture.noisy))


@dataclass(frozen=True)
class SceneSources:
    """Recordings of a split that augmentations draw from.

    Attributes:
        categories: recordings of every noise category.
        responses: room responses.
    """

    categories: Sequence[Sequence[NoiseRecord]] = ()
    responses: Sequence[RoomResponse] = ()


def draw_scene(
    speech: Sequence[SpeechRecord],
    noise: Sequence[NoiseRecord],
    reader: AudioReader,
    grid: FrameGrid,
    settings: MixingSettings,
    rng: np.random.Generator,
    sources: SceneSources | None = None,
) -> Scene:
    """Draw one mixture.

    Args:
        speech: recordings of one speaker.
        noise: recordings of one category.
        reader: reads them.
        grid: sample-to-frame alignment.
        settings: ranges of everything that is drawn, and augmentations.
        rng: the only source of randomness; augmentations use generators derived from its seed.
        sources: what augmentations draw from; needed by additional noise and reverberation.

    Raises:
        CorpusError: if there is nothing but silence or damaged recordings to draw from.
    """
    sources = sources or SceneSources()
    num_samples = grid.floor_to_hop(grid.seconds_to_samples(settings.segment_s))
    clean, excerpts = draw_speech(speech, reader, grid, settings, num_samples, rng)
    record, background = draw_noise(noise, reader, grid, num_samples, rng)
    snr_db = float(rng.uniform(*settings.snr_db))
    level_dbfs = float(rng.uniform(*settings.level_dbfs))

    if settings.noise_speed and (child := settings.noise_speed.decide(rng)):
        background = draw_noise_at_speed(record, reader, grid, num_samples, settings.noise_speed, child)
    further: tuple[NoiseRecord, ...] = ()
    if settings.additional_noise and (child := settings.additional_noise.decide(rng)):
        background, further = draw_further_noises(
            record, background, sources.categories, reader, grid, settings.additional_noise, child
        )
    layers = _filter(Layers(clean, None, background), settings, sources.responses, reader, grid, rng)
    mixture, exact = _mix(layers, snr_db, level_dbfs, settings, grid, rng)
    if not exact:
        snr_db = measured_snr_db(mixture, grid.hop_length)
    return Scene(grid, mixture, excerpts, snr_db, speech[0], record, further)


def _filter(
    layers: Layers,
    settings: MixingSettings,
    responses: Sequence[RoomResponse],
    reader: AudioReader,
    grid: FrameGrid,
    rng: np.random.Generator,
) -> Layers:
    """Apply what happens between a source and the microphone, all of it linear."""
    if settings.equalization and (child := settings.equalization.decide(rng)):
        layers = equalize_layers(layers, settings.equalization, grid.sample_rate, child)
    if settings.reverberation and (child := settings.reverberation.decide(rng)):
        layers = _reverberate(layers, settings.reverberation, responses, reader, grid, child)
    if settings.band_limit and (child := settings.band_limit.decide(rng)):
        layers = limit_band(layers, settings.band_limit.draw(child), grid.sample_rate)
    return layers


def _reverberate(
    layers: Layers,
    settings: Reverberation,
    responses: Sequence[RoomResponse],
    reader: AudioReader,
    grid: FrameGrid,
    rng: np.random.Generator,
) -> Layers:
    """Put the speech into a drawn room, and the noise if drawn, at another place."""
    used, response = _draw_response(responses, settings, reader, grid, rng)
    target, late = reverberate(layers.target, response)
    noise = layers.noise
    if rng.random() < settings.noise_probability:
        others = [response for response in responses if response.path != used.path]
        noise = reverberate_noise(noise, _draw_response(others, settings, reader, grid, rng)[1])
    return Layers(target, late, noise)


def _draw_response(
    responses: Sequence[RoomResponse],
    settings: Reverberation,
    reader: AudioReader,
    grid: FrameGrid,
    rng: np.random.Generator,
) -> tuple[RoomResponse, SplitResponse]:
    """Draw a room response and split it into early and late."""
    if not responses:
        raise CorpusError(
            "data.mixing.reverberation.probability is above 0, but the split has no room responses, or with "
            "noise_probability above 0 only one; expected rir.csv to list them"
        )
    record, samples = draw_recording(responses, reader, rng, "the room responses of the split")
    if not samples.any():
        raise CorpusError(f"{record.path}: the room response is silent")
    return record, split_response(samples, grid.seconds_to_samples(settings.early_ms / 1000))


def _mix(
    layers: Layers,
    snr_db: float,
    level_dbfs: float,
    settings: MixingSettings,
    grid: FrameGrid,
    rng: np.random.Generator,
) -> tuple[Mixture, bool]:
    """Sum the layers at an SNR and a level.

    The SNR is that of target and background; late reverberation and clipping come on top of the noise.

    Returns:
        The mixture, and whether its SNR is still the one that was asked for.
    """
    noise = noise_at_snr(layers.target, layers.noise, snr_db, grid.hop_length)
    exact = layers.late is None
    if layers.late is not None:
        noise = noise + layers.late
    if settings.clipping and (child := settings.clipping.decide(rng)):
        overdrive_db = float(child.uniform(*settings.clipping.overdrive_db))
        noise = clip_peaks(layers.target + noise, overdrive_db) - layers.target
        exact = False
    return scale_to_level(layers.target, noise, level_dbfs), exact
