"""Drawing a scene: which speech, which pauses, which noise, at which SNR and level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.audio import AudioReader
from datamodules.corpus import CorpusError, NoiseRecord, SpeechRecord
from datamodules.mixing import Mixture, Waveform, active_speech_power, mix, power_db
from networks.framing import FrameGrid

FADE_S = 0.008  # at the cuts of an excerpt: no click, shorter than a frame
SNAP_S = 0.2  # a cut moves at most this far to the quietest hop
LOOP_FADE_S = 0.05  # where a short noise recording is repeated
MAX_DRAWS = 20  # of an excerpt that turns out silent
SILENCE_DBFS = -70.0


@dataclass(frozen=True)
class MixingSettings:
    """How mixtures are drawn; every pair is the range of a uniform distribution.

    Args:
        segment_s: length of a mixture in seconds, rounded down to whole hops.
        snr_db: active speech power over noise power.
        level_dbfs: level of the mixture.
        excerpt_s: length of a piece of speech between two pauses.
        pause_s: length of a pause.

    Raises:
        ValueError: if a range is reversed, a length is not positive, or the shortest pause fills the mixture.
    """

    segment_s: float = 4.0
    snr_db: tuple[float, float] = (-5.0, 15.0)
    level_dbfs: tuple[float, float] = (-35.0, -18.0)
    excerpt_s: tuple[float, float] = (1.0, 3.0)
    pause_s: tuple[float, float] = (0.2, 1.2)

    def __post_init__(self) -> None:
        for name in ("snr_db", "level_dbfs", "excerpt_s", "pause_s"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"data.mixing.{name}: the first value must not exceed the second, got [{low}, {high}]")
        if self.segment_s <= 0 or self.excerpt_s[0] <= 0 or self.pause_s[0] < 0:
            raise ValueError("data.mixing: segment_s and excerpt_s must be positive and pause_s not negative")
        if self.pause_s[0] >= self.segment_s:
            raise ValueError(
                f"data.mixing.pause_s: the shortest pause must be shorter than segment_s ({self.segment_s} s), "
                f"got {list(self.pause_s)}; no speech would fit"
            )


@dataclass(frozen=True)
class Excerpt:
    """A piece of a clean recording inside a mixture; all values are in samples and multiples of the hop.

    Attributes:
        path: the recording.
        source_start: first sample in the recording.
        start: first sample in the mixture.
        length: number of samples.
    """

    path: Path
    source_start: int
    start: int
    length: int


@dataclass(frozen=True)
class Scene:
    """A mixture with all that is known about it: what targets are computed from.

    Attributes:
        grid: sample-to-frame alignment.
        mixture: noisy, clean and noise waveforms, each (sample,).
        excerpts: where the speech comes from.
        snr_db: of the mixture, over active speech.
        speech: any record of the speaker (speaker and sex are the same in all).
        noise: the noise recording.
    """

    grid: FrameGrid
    mixture: Mixture
    excerpts: tuple[Excerpt, ...]
    snr_db: float
    speech: SpeechRecord
    noise: NoiseRecord

    @property
    def num_frames(self) -> int:
        """Frames of the mixture."""
        return self.grid.num_frames(len(self.mixture.noisy))


def _snap(powers: NDArray[np.float64], hop: int, reach: int) -> int:
    """Move a cut to the quietest hop within reach."""
    low = max(hop - reach, 0)
    window = powers[low : hop + reach + 1]
    return low + int(window.argmin()) if window.size else hop


def _draw_excerpt(
    recording: Waveform, grid: FrameGrid, settings: MixingSettings, rng: np.random.Generator
) -> tuple[int, int]:
    """Return start and length of an excerpt in whole hops of the recording, cut where it is quiet."""
    hop = grid.hop_length
    hops = recording[: grid.floor_to_hop(len(recording))].reshape(-1, hop)
    powers = np.einsum("hs,hs->h", hops, hops, dtype=np.float64)
    wanted = max(1, grid.seconds_to_samples(rng.uniform(*settings.excerpt_s)) // hop)
    if wanted >= len(powers):
        return 0, len(powers)
    first = int(rng.integers(len(powers) - wanted + 1))
    reach = min(grid.seconds_to_samples(SNAP_S) // hop, wanted // 4)
    start = _snap(powers, first, reach)
    stop = _snap(powers, first + wanted, reach)
    return start, max(stop - start, 1)


def draw_speech(
    records: Sequence[SpeechRecord],
    reader: AudioReader,
    grid: FrameGrid,
    settings: MixingSettings,
    num_samples: int,
    rng: np.random.Generator,
) -> tuple[Waveform, tuple[Excerpt, ...]]:
    """Join excerpts of one speaker with pauses.

    Excerpts start on whole hops both in the recording and in the result, so that anything known per frame of the
    recording is known per frame of the mixture.

    Args:
        records: recordings of one speaker.
        reader: reads them.
        grid: sample-to-frame alignment.
        settings: lengths of excerpts and pauses.
        num_samples: length of the result.
        rng: source of randomness.

    Returns:
        Waveform of shape (sample,), and the excerpts.

    Raises:
        CorpusError: if only silence could be drawn.
    """
    hop = grid.hop_length
    fade_length = grid.seconds_to_samples(FADE_S)
    fade = np.linspace(0.0, 1.0, fade_length, dtype=np.float32)
    for _ in range(MAX_DRAWS):
        clean = np.zeros(num_samples, dtype=np.float32)
        excerpts: list[Excerpt] = []
        position = grid.floor_to_hop(grid.seconds_to_samples(rng.uniform(*settings.pause_s)))
        while position + hop <= num_samples:
            record = records[int(rng.integers(len(records)))]
            recording = reader.read(record.path)
            if len(recording) < hop:
                raise CorpusError(f"{record.path}: shorter than one hop of {hop} samples")
            start, length = _draw_excerpt(recording, grid, settings, rng)
            length = min(length, (num_samples - position) // hop)
            piece = recording[start * hop : (start + length) * hop].copy()
            if len(piece) > 2 * fade_length:
                piece[:fade_length] *= fade
                piece[-fade_length:] *= fade[::-1]
            clean[position : position + len(piece)] = piece
            excerpts.append(Excerpt(record.path, start * hop, position, len(piece)))
            position += len(piece) + grid.floor_to_hop(grid.seconds_to_samples(rng.uniform(*settings.pause_s)))
        if power_db(active_speech_power(clean, hop)) > SILENCE_DBFS:
            return clean, tuple(excerpts)
    raise CorpusError(f"{records[0].path}: only silence was found in the recordings of '{records[0].speaker}'")


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
    record: NoiseRecord, reader: AudioReader, grid: FrameGrid, num_samples: int, rng: np.random.Generator
) -> Waveform:
    """Cut a random excerpt of a noise recording that is not silent, repeating short recordings.

    Raises:
        CorpusError: if only silence could be drawn.
    """
    recording = reader.read(record.path)
    if len(recording) < num_samples:
        start = int(rng.integers(len(recording)))
        recording = _loop(recording, num_samples, grid.seconds_to_samples(LOOP_FADE_S), start)
    for _ in range(MAX_DRAWS):
        start = int(rng.integers(len(recording) - num_samples + 1))
        noise = recording[start : start + num_samples]
        if power_db(float(np.mean(noise**2))) > SILENCE_DBFS:
            return noise
    raise CorpusError(f"{record.path}: only silence was found")


def draw_scene(
    speech: Sequence[SpeechRecord],
    noise: Sequence[NoiseRecord],
    reader: AudioReader,
    grid: FrameGrid,
    settings: MixingSettings,
    rng: np.random.Generator,
) -> Scene:
    """Draw one mixture.

    Args:
        speech: recordings of one speaker.
        noise: recordings of one category.
        reader: reads them.
        grid: sample-to-frame alignment.
        settings: ranges of everything that is drawn.
        rng: the only source of randomness.
    """
    num_samples = grid.floor_to_hop(grid.seconds_to_samples(settings.segment_s))
    clean, excerpts = draw_speech(speech, reader, grid, settings, num_samples, rng)
    noise_record = noise[int(rng.integers(len(noise)))]
    background = draw_noise(noise_record, reader, grid, num_samples, rng)
    snr_db = float(rng.uniform(*settings.snr_db))
    mixture = mix(clean, background, snr_db, float(rng.uniform(*settings.level_dbfs)), grid.hop_length)
    return Scene(grid, mixture, excerpts, snr_db, speech[0], noise_record)
