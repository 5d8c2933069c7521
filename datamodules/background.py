"""Drawing the noise of a mixture: an excerpt of one recording, short ones repeated, and further noises under it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from datamodules.audio import AllDamagedError, AudioReader, draw_recording
from datamodules.augmentation.additional_noise import AdditionalNoise, add_below
from datamodules.augmentation.speed import NoiseSpeed, change_speed
from datamodules.corpus import CorpusError, NoiseRecord
from datamodules.mixing import Waveform, power_db
from networks.framing import FrameGrid

LOOP_FADE_S = 0.05  # where a short noise recording is repeated
MAX_DRAWS = 20  # of an excerpt that turns out silent
SILENCE_DBFS = -70.0


def _loop(recording: Waveform, num_samples: int, fade_length: int, start: int) -> Waveform:
    """Repeat a short recording with cross-fades until it is long enough, beginning at ``start``."""
    fade_length = min(fade_length, len(recording) // 4)
    period = recording[: len(recording) - fade_length].copy()
    if fade_length > 0:
        ramp = np.linspace(0.0, 1.0, fade_length, dtype=np.float32)
        # equal-power: head and tail of a recording are not correlated
        period[:fade_length] = period[:fade_length] * np.sqrt(ramp) + recording[-fade_length:] * np.sqrt(1 - ramp)
    # The start is moved in the seamless period: moved in the recording, its end would meet its beginning unfaded.
    return np.tile(np.roll(period, -start), -(-num_samples // len(period)))


def draw_noise(
    records: Sequence[NoiseRecord], reader: AudioReader, grid: FrameGrid, num_samples: int, rng: np.random.Generator
) -> tuple[NoiseRecord, Waveform]:
    """Draw a noise recording and cut a random excerpt that is not silent, repeating short recordings.

    Args:
        records: recordings of one category.
        reader: reads them.
        grid: sample-to-frame alignment.
        num_samples: length of the excerpt.
        rng: source of randomness.

    Returns:
        The recording that was drawn, and the excerpt, shape (sample,).

    Raises:
        CorpusError: if only silence could be drawn, or a recording is damaged and ``reader`` does not skip it.
    """
    record, recording = draw_recording(records, reader, rng, f"noise category '{records[0].category}'")
    recording = recording[slice(*(round(share * len(recording)) for share in record.part))]
    if len(recording) < num_samples:
        start = int(rng.integers(len(recording)))
        recording = _loop(recording, num_samples, grid.seconds_to_samples(LOOP_FADE_S), start)
    for _ in range(MAX_DRAWS):
        start = int(rng.integers(len(recording) - num_samples + 1))
        noise = recording[start : start + num_samples]
        if power_db(float(np.mean(noise**2))) > SILENCE_DBFS:
            return record, noise
    raise CorpusError(f"{record.path}: only silence was found")


def draw_noise_at_speed(
    record: NoiseRecord,
    reader: AudioReader,
    grid: FrameGrid,
    num_samples: int,
    settings: NoiseSpeed,
    rng: np.random.Generator,
) -> Waveform:
    """Cut another excerpt of a recording, played faster or slower.

    Args:
        record: the recording of the main noise.
        reader: reads it.
        grid: sample-to-frame alignment.
        num_samples: length of the result.
        settings: speeds to draw from.
        rng: generator of this augmentation.

    Returns:
        Shape (sample,).

    Raises:
        CorpusError: if only silence could be drawn.
    """
    speed = settings.choose(rng)
    _, noise = draw_noise([record], reader, grid, math.ceil(num_samples * speed), rng)
    return change_speed(noise, speed)[:num_samples]


def _draw_other(
    categories: Sequence[Sequence[NoiseRecord]],
    reader: AudioReader,
    grid: FrameGrid,
    num_samples: int,
    rng: np.random.Generator,
) -> tuple[NoiseRecord, Waveform]:
    """Draw a category and one of its recordings; another category where only damaged ones are left."""
    left = list(categories)
    while True:
        drawn = int(rng.integers(len(left)))
        try:
            return draw_noise(left[drawn], reader, grid, num_samples, rng)
        except AllDamagedError:  # of this category only the main noise may be usable
            if len(left) == 1:
                raise
            left.pop(drawn)


def draw_further_noises(
    main: NoiseRecord,
    noise: Waveform,
    categories: Sequence[Sequence[NoiseRecord]],
    reader: AudioReader,
    grid: FrameGrid,
    settings: AdditionalNoise,
    rng: np.random.Generator,
) -> tuple[Waveform, tuple[NoiseRecord, ...]]:
    """Add further noises to the main one: a category is drawn uniformly, then one of its recordings.

    Args:
        main: the recording of the main noise; it is not drawn again.
        noise: the main noise, shape (sample,).
        categories: recordings of every noise category of the split.
        reader: reads them.
        grid: sample-to-frame alignment.
        settings: how many, and how far below the main noise.
        rng: generator of this augmentation.

    Returns:
        Sum of all noises, (sample,), and the recordings that were added.

    Raises:
        CorpusError: if the split has no other recording.
    """
    others = [[record for record in category if record.path != main.path] for category in categories]
    others = [category for category in others if category]
    if not others:
        raise CorpusError(
            f"data.mixing.additional_noise.probability is above 0, but {main.path} is the only noise recording of the "
            f"split '{main.split}'; expected at least two"
        )
    total, added = noise, []
    for _ in range(int(rng.integers(settings.count[0], settings.count[1] + 1))):
        record, further = _draw_other(others, reader, grid, len(noise), rng)
        total = add_below(noise, further, float(rng.uniform(*settings.relative_db)), total)
        added.append(record)
    return total, tuple(added)
