"""Drawing the speech of a mixture: excerpts of one speaker, joined with pauses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.audio import AudioReader, draw_recording
from datamodules.augmentation.speed import change_speed
from datamodules.corpus import CorpusError, SpeechRecord
from datamodules.mixing import Waveform, active_speech_power, power_db
from datamodules.mixing_settings import MixingSettings
from networks.framing import FrameGrid

FADE_S = 0.008  # at the cuts of an excerpt: no click, shorter than a frame
SNAP_S = 0.2  # a cut moves at most this far to the quietest hop
MAX_DRAWS = 20  # of speech that turns out silent
SILENCE_DBFS = -70.0


@dataclass(frozen=True)
class Excerpt:
    """A piece of a clean recording inside a mixture; all positions are in samples and multiples of the hop.

    Attributes:
        path: the recording.
        source_start: first sample in the recording.
        start: first sample in the mixture.
        length: number of samples in the mixture.
        speed: sample ``start + m`` of the mixture was sample ``source_start + speed * m`` of the recording.
    """

    path: Path
    source_start: int
    start: int
    length: int
    speed: float = 1.0


def _hop_powers(recording: Waveform, grid: FrameGrid) -> NDArray[np.float64]:
    """Return the energy of every whole hop of a recording, shape (hop,)."""
    hops = recording[: grid.floor_to_hop(len(recording))].reshape(-1, grid.hop_length)
    return np.einsum("hs,hs->h", hops, hops, dtype=np.float64)


def _snap(powers: NDArray[np.float64], hop: int, reach: int) -> int:
    """Move a cut to the quietest hop within reach."""
    low = max(hop - reach, 0)
    window = powers[low : hop + reach + 1]
    return low + int(window.argmin()) if window.size else hop


def _draw_span(
    powers: NDArray[np.float64], grid: FrameGrid, settings: MixingSettings, rng: np.random.Generator
) -> tuple[int, int]:
    """Return start and length of an excerpt in whole hops of the recording, cut where it is quiet."""
    wanted = max(1, grid.seconds_to_samples(rng.uniform(*settings.excerpt_s)) // grid.hop_length)
    if wanted >= len(powers):
        return 0, len(powers)
    first = int(rng.integers(len(powers) - wanted + 1))
    reach = min(grid.seconds_to_samples(SNAP_S) // grid.hop_length, wanted // 4)
    start = _snap(powers, first, reach)
    stop = _snap(powers, first + wanted, reach)
    return start, max(stop - start, 1)


def _stretched_span(powers: NDArray[np.float64], start: int, slot: int, speed: Fraction, reach: int) -> tuple[int, int]:
    """Return start and length of what fills a slot of the mixture at another speed, in whole hops of the recording.

    Where the recording ends too early the excerpt begins earlier. Its end moves back to a quiet hop, never forward: it
    must fit into the slot.
    """
    needed = min(ceil(slot * speed), len(powers))
    start = min(start, len(powers) - needed)
    earliest = max(start + needed - reach, start + 1)
    stops = powers[earliest : start + needed + 1]  # the first hop that is left out
    stop = earliest + int(stops.argmin()) if stops.size else start + needed
    return start, stop - start


def _fade(piece: Waveform, fade_length: int) -> None:
    """Fade in and out, in place; very short pieces are left as they are."""
    if len(piece) > 2 * fade_length:
        ramp = np.linspace(0.0, 1.0, fade_length, dtype=np.float32)
        piece[:fade_length] *= ramp
        piece[-fade_length:] *= ramp[::-1]


def _cut(
    recording: Waveform, powers: NDArray[np.float64], start: int, slot: int, speed: Fraction, grid: FrameGrid
) -> tuple[Waveform, int]:
    """Cut what fills a slot of the mixture.

    Args:
        recording: shape (sample,).
        powers: of its hops.
        start: first hop in the recording.
        slot: hops of the mixture that may be filled.
        speed: of the excerpt.
        grid: sample-to-frame alignment.

    Returns:
        The piece, a whole number of hops long, and its first hop in the recording.
    """
    hop = grid.hop_length
    if speed == 1:
        return recording[start * hop : (start + slot) * hop].copy(), start
    reach = min(grid.seconds_to_samples(SNAP_S) // hop, slot // 4)
    start, length = _stretched_span(powers, start, slot, speed, reach)
    piece = change_speed(recording[start * hop : (start + length) * hop], speed)
    return piece[: min(grid.floor_to_hop(len(piece)), slot * hop)], start


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
    recording is known per frame of the mixture. All excerpts have one speed; it changes what is heard in them, not
    where they are.

    Args:
        records: recordings of one speaker.
        reader: reads them.
        grid: sample-to-frame alignment.
        settings: lengths of excerpts and pauses, speed perturbation.
        num_samples: length of the result.
        rng: source of randomness.

    Returns:
        Waveform of shape (sample,), and the excerpts.

    Raises:
        CorpusError: if only silence could be drawn, or a recording is damaged and ``reader`` does not skip it.
    """
    speed = settings.speed.draw(rng) if settings.speed is not None else Fraction(1)
    for _ in range(MAX_DRAWS):
        clean, excerpts = _join(records, reader, grid, settings, num_samples, speed, rng)
        if power_db(active_speech_power(clean, grid.hop_length)) > SILENCE_DBFS:
            return clean, excerpts
    raise CorpusError(f"{records[0].path}: only silence was found in the recordings of '{records[0].speaker}'")


def _join(
    records: Sequence[SpeechRecord],
    reader: AudioReader,
    grid: FrameGrid,
    settings: MixingSettings,
    num_samples: int,
    speed: Fraction,
    rng: np.random.Generator,
) -> tuple[Waveform, tuple[Excerpt, ...]]:
    """Draw excerpts and pauses until the mixture is full."""
    hop = grid.hop_length
    clean = np.zeros(num_samples, dtype=np.float32)
    excerpts: list[Excerpt] = []
    position = grid.floor_to_hop(grid.seconds_to_samples(rng.uniform(*settings.pause_s)))
    while position + hop <= num_samples:
        record, recording = draw_recording(records, reader, rng, f"speaker '{records[0].speaker}'")
        if len(recording) < hop:
            raise CorpusError(f"{record.path}: shorter than one hop of {hop} samples")
        powers = _hop_powers(recording, grid)
        start, slot = _draw_span(powers, grid, settings, rng)
        slot = min(slot, (num_samples - position) // hop)
        piece, start = _cut(recording, powers, start, slot, speed, grid)
        _fade(piece, grid.seconds_to_samples(FADE_S))
        if len(piece):  # nothing is left of one hop that is played faster
            clean[position : position + len(piece)] = piece
            excerpts.append(Excerpt(record.path, start * hop, position, len(piece), float(speed)))
        position += slot * hop + grid.floor_to_hop(grid.seconds_to_samples(rng.uniform(*settings.pause_s)))
    return clean, tuple(excerpts)
