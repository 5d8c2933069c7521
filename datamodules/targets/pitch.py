"""Fundamental frequency and voicing by CREPE, computed once per clean recording and kept on disk."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
import torchcrepe
from numpy.typing import NDArray
from tqdm import tqdm

from datamodules.audio import Archive, AudioReader
from datamodules.corpus import Corpus
from datamodules.mixing import Waveform
from datamodules.scene import Scene
from datamodules.targets.base import Target, TargetArray
from networks.framing import FrameGrid
from storage.whole_files import remove_left_overs, write_whole

CREPE_RATE = 16000  # Hz, of the trained model
FORMAT_VERSION = 1  # part of every cache key: raise it when the tracks of old caches must not be used
LARGEST_GLIDE = 0.25  # octaves between neighbouring frames; beyond, the tracker has jumped
MAX_HELD_TRACKS = 50_000  # in memory: about 5 kB each for recordings of 10 s
REFINE_BINS = 4  # on either side of the path, as in CREPE's own weighted average (Kim et al., 2018)


class PitchTrack(NamedTuple):
    """F0 and periodicity of a recording, each of shape (frame,); the F0 is defined in every frame, voiced or not."""

    f0_hz: NDArray[np.float32]
    periodicity: NDArray[np.float32]


def track_pitch(
    clean: Waveform,
    hop_length: int,
    model: str,
    f0_range_hz: tuple[float, float],
    batch_size: int,
    device: str | None = None,
) -> PitchTrack:
    """Track F0 with CREPE and Viterbi decoding.

    torchcrepe's Viterbi decoder dithers its result by up to 20 cents; here the path is refined by the weighted average
    of the neighbouring bins instead, which is deterministic and closer.

    Args:
        clean: speech at 16 kHz, shape (sample,).
        hop_length: samples between frames; frame ``t`` is centred on sample ``t * hop_length``.
        model: ``tiny`` or ``full``.
        f0_range_hz: lowest and highest F0.
        batch_size: frames per forward pass.
        device: where CREPE runs; None takes CUDA where it can be used.

    Returns:
        Track with ``1 + sample // hop_length`` frames.
    """
    in_worker = torch.utils.data.get_worker_info() is not None  # a forked process cannot use CUDA
    device = device or ("cuda" if torch.cuda.is_available() and not in_worker else "cpu")
    low = int(torchcrepe.convert.frequency_to_bins(torch.tensor(f0_range_hz[0])))
    high = int(torchcrepe.convert.frequency_to_bins(torch.tensor(f0_range_hz[1]), torch.ceil))
    with torch.inference_mode():
        waveform = torch.from_numpy(clean)[None]
        activations = [
            torchcrepe.infer(frames, model, device=device).cpu()
            for frames in torchcrepe.preprocess(waveform, CREPE_RATE, hop_length, batch_size, device)
        ]
        salience = torch.cat(activations).T  # (bin, frame)
        allowed = torch.full_like(salience, -torch.inf)
        allowed[low:high] = salience[low:high]
        path = _best_path(allowed)
        offsets = torch.arange(-REFINE_BINS, REFINE_BINS + 1)[:, None]
        bins = (path[None] + offsets).clamp(0, len(salience) - 1)
        weights = salience.gather(0, bins)
        cents = (weights * _bin_cents(bins)).sum(0) / weights.sum(0).clamp_min(1e-9)
        periodicity = salience.gather(0, path[None])[0]
    return PitchTrack((10.0 * 2.0 ** (cents / 1200.0)).float().numpy(), periodicity.float().numpy())


def _best_path(salience: torch.Tensor) -> torch.Tensor:
    """Return the bin of every frame, shape (frame,), from the salience of shape (bin, frame)."""
    try:
        return torchcrepe.decode.viterbi(salience[None])[0][0]
    except SystemError as error:  # what compiled code makes of Ctrl-C
        if isinstance(error.__cause__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise


def _bin_cents(bins: torch.Tensor) -> torch.Tensor:
    """Return the pitch of CREPE's bins in cents above 10 Hz, without torchcrepe's dither."""
    return torchcrepe.CENTS_PER_BIN * bins + 1997.3794084376191


def describe_settings(model: str, f0_range_hz: tuple[float, float], grid: FrameGrid) -> str:
    """Name everything that changes a track, for tracks that are stored beside their recordings."""
    low, high = f0_range_hz
    return f"crepe-{model} {low:g}-{high:g} Hz rate {grid.sample_rate} hop {grid.hop_length} version {FORMAT_VERSION}"


def encode_track(track: PitchTrack) -> bytes:
    """Return a track as the bytes of an npz file; the same track gives the same bytes."""
    content = io.BytesIO()
    np.savez(content, f0_hz=track.f0_hz, periodicity=track.periodicity)
    return content.getvalue()


def _decode_entry(content: bytes) -> PitchTrack | None:
    """Return the track in the bytes of a cache entry, or None if they are damaged."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            track = PitchTrack(stored["f0_hz"], stored["periodicity"])
    except Exception:  # numpy and zipfile have a dozen exceptions for damaged files, and all mean the same here
        return None
    return track if track.f0_hz.ndim == 1 and track.f0_hz.shape == track.periodicity.shape else None


def read_track(track: PitchTrack, frames: NDArray[np.float64]) -> PitchTrack:
    """Read a track between its frames, linearly; next to a jump of the F0, from the nearer frame.

    Args:
        track: of a recording.
        frames: where to read it, in frames of the recording, from 0 to that of the last frame.

    Returns:
        Track with as many frames as asked for; at whole frames it is that of the recording.
    """
    before = np.floor(frames).astype(np.intp)
    after = np.minimum(before + 1, len(track.f0_hz) - 1)
    weight = frames - before
    jumps = np.abs(np.log2(track.f0_hz[after] / track.f0_hz[before])) > LARGEST_GLIDE
    f0_weight = np.where(jumps, np.round(weight), weight)
    f0_hz = track.f0_hz[before] * (1 - f0_weight) + track.f0_hz[after] * f0_weight
    periodicity = track.periodicity[before] * (1 - weight) + track.periodicity[after] * weight
    return PitchTrack(f0_hz.astype(np.float32), periodicity.astype(np.float32))


class PitchCache:
    """Pitch tracks on disk, under a hash of the recording's bytes and of every setting that changes them.

    An entry is written to a temporary name and renamed, so a killed process leaves none half-written and many
    processes may write at once; an entry that cannot be read is computed again.

    Args:
        folder: where entries are kept.
        model: ``tiny`` or ``full``.
        f0_range_hz: lowest and highest F0.
        batch_size: frames per forward pass.

    Attributes:
        archive: holds the recordings, and their tracks where these were stored with the same settings; None for files.
    """

    def __init__(self, folder: Path, model: str, f0_range_hz: tuple[float, float], batch_size: int) -> None:
        self.folder = folder
        self.model = model
        self.f0_range_hz = f0_range_hz
        self.batch_size = batch_size
        self.archive: Archive | None = None
        self._tracks: OrderedDict[Path, PitchTrack] = OrderedDict()

    def entry(self, recording: Path, grid: FrameGrid) -> Path:
        """Return the file that holds the track of a recording."""
        digest = hashlib.sha256(recording.read_bytes() if self.archive is None else self.archive.read(recording))
        digest.update(
            repr((FORMAT_VERSION, self.model, tuple(self.f0_range_hz), grid.sample_rate, grid.hop_length)).encode()
        )
        return self.folder / f"{digest.hexdigest()[:32]}.npz"

    def load(self, recording: Path, grid: FrameGrid) -> PitchTrack | None:
        """Return the track of a recording, or None if there is no valid entry."""
        if recording not in self._tracks:
            content = self._stored(recording, grid)
            track = _decode_entry(content) if content is not None else None
            if track is None:
                return None
            self._tracks[recording] = track
            if len(self._tracks) > MAX_HELD_TRACKS:
                self._tracks.popitem(last=False)
        return self._tracks[recording]

    def _stored(self, recording: Path, grid: FrameGrid) -> bytes | None:
        """Return the bytes of a track from the archive or the folder."""
        if self.archive is not None:
            content = self.archive.read_track(recording, describe_settings(self.model, self.f0_range_hz, grid))
            if content is not None:
                return content
        path = self.entry(recording, grid)
        try:
            return path.read_bytes()
        except OSError:
            return None

    def compute(self, recording: Path, reader: AudioReader, grid: FrameGrid) -> None:
        """Compute and store the track of a recording."""
        track = track_pitch(reader.read(recording), grid.hop_length, self.model, self.f0_range_hz, self.batch_size)
        write_whole(self.entry(recording, grid), encode_track(track))


class Pitch(Target):
    """Targets ``f0_hz`` (NaN where unvoiced) and ``voicing``, per frame.

    A frame is voiced if CREPE's periodicity exceeds the threshold and ``vad`` is 1. The track is that of the dry
    recording, so reverberation does not move it; speech played at another speed has its F0 scaled and its track read
    at the scaled time.

    Args:
        cache_dir: folder of the pitch tracks.
        model: ``tiny`` or ``full`` (about 25 times slower).
        f0_range_hz: lowest and highest F0.
        periodicity_threshold: in (0, 1).
        batch_size: frames per forward pass of CREPE.

    Raises:
        ValueError: if a value is out of range.
    """

    names = ("f0_hz", "voicing")
    requires = ("vad",)

    def __init__(
        self,
        cache_dir: str = ".cache/pitch",
        model: Literal["tiny", "full"] = "tiny",
        f0_range_hz: tuple[float, float] = (60.0, 500.0),
        periodicity_threshold: float = 0.5,
        batch_size: int = 64,
    ) -> None:
        if not 0 < periodicity_threshold < 1:
            raise ValueError(f"Pitch.periodicity_threshold must lie in (0, 1), got {periodicity_threshold}")
        if not 0 < f0_range_hz[0] < f0_range_hz[1]:
            raise ValueError(f"Pitch.f0_range_hz must be positive and rising, got {list(f0_range_hz)}")
        self.periodicity_threshold = periodicity_threshold
        self.cache = PitchCache(Path(cache_dir), model, f0_range_hz, batch_size)
        self._reader: AudioReader | None = None

    def attach(self, reader: AudioReader) -> None:
        """Read recordings and tracks from the reader's archive, if it has one."""
        self._reader = reader
        self.cache.archive = reader.archive

    def prepare(self, corpus: Corpus, splits: Sequence[str], reader: AudioReader, grid: FrameGrid) -> None:
        """Track every clean recording of the splits that the cache lacks, with progress; may be stopped and resumed.

        Recordings in an archive are left alone, since an archive may be larger than the disk: their tracks are stored
        in it, or computed where they are first needed.
        """
        if grid.sample_rate != CREPE_RATE:
            raise ValueError(f"Pitch needs data.grid.sample_rate {CREPE_RATE} Hz, got {grid.sample_rate}")
        self.attach(reader)
        recordings = [record.path for split in splits for record in corpus.speech_of(split)]
        if reader.archive is not None:
            settings = describe_settings(self.cache.model, self.cache.f0_range_hz, grid)
            if not all(reader.archive.has_track(path, settings) for path in recordings):
                warnings.warn(
                    f"Pitch: shards without pitch tracks of '{settings}'; each is computed where it is first needed, "
                    "which is slow. Write the shards with --pitch to store them",
                    stacklevel=2,
                )
            return
        remove_left_overs(self.cache.folder)
        missing = [path for path in recordings if self.cache.load(path, grid) is None]
        for path in tqdm(missing, desc=f"CREPE ({self.cache.model})", unit="file", disable=not missing):
            if reader.read_or_skip(path) is not None:
                self.cache.compute(path, reader, grid)

    def compute(self, scene: Scene, corpus: Corpus, done: Mapping[str, TargetArray]) -> dict[str, TargetArray]:
        """Return ``f0_hz`` and ``voicing``, each of shape (frame,)."""
        hop = scene.grid.hop_length
        f0_hz = np.full(scene.num_frames, np.nan, dtype=np.float32)
        periodicity = np.zeros(scene.num_frames, dtype=np.float32)
        for excerpt in scene.excerpts:
            track = self.cache.load(excerpt.path, scene.grid)
            if track is None and self._reader is not None and self._reader.archive is not None:
                self.cache.compute(excerpt.path, self._reader, scene.grid)
                track = self.cache.load(excerpt.path, scene.grid)
            if track is None:
                raise RuntimeError(
                    f"{excerpt.path}: no pitch track in {self.cache.folder}; call prepare_data of the datamodule first"
                )
            start, length = excerpt.start // hop, excerpt.length // hop
            frames = excerpt.source_start // hop + np.arange(length, dtype=np.float64) * excerpt.speed
            played = read_track(track, frames[frames <= len(track.f0_hz) - 1])
            stop = start + len(played.f0_hz)
            f0_hz[start:stop] = played.f0_hz * excerpt.speed
            periodicity[start:stop] = played.periodicity
        voiced = (periodicity > self.periodicity_threshold) & (done["vad"] > 0)
        f0_hz[~voiced] = np.nan
        return {"f0_hz": f0_hz, "voicing": voiced.astype(np.float32)}
