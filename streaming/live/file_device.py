"""A device backed by files: what it captures is read, what it plays is written, in real time or as fast as it goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from streaming.live.devices import NO_FLAGS, AudioCallback, DeviceError


class GrowingFile:
    """A mono audio file that is written under a temporary name and gets its own when it is complete.

    WAV files hold 32-bit floats, so that nothing is clipped or rounded; other formats what soundfile takes by default.

    Args:
        path: final name; its ending says which format. Its folder is made if it is not there.
        sample_rate: Hz.

    Raises:
        DeviceError: if the format is unknown or the file cannot be made.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        kind = audio_format(path)
        self._path, self._temporary = path, path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            subtype = "FLOAT" if kind == "WAV" else None
            self._file = soundfile.SoundFile(self._temporary, "w", sample_rate, 1, subtype, format=kind)
        except (OSError, ValueError, soundfile.LibsndfileError) as error:
            if self._temporary.is_file():
                self._temporary.unlink()
            raise DeviceError(f"{path}: cannot be written at {sample_rate} Hz ({error})") from error

    def write(self, samples: NDArray[np.float32]) -> None:
        """Append samples, shape (sample,).

        Raises:
            DeviceError: if they cannot be written, for example on a full disk.
        """
        try:
            self._file.write(samples)
        except (OSError, soundfile.LibsndfileError, AssertionError) as error:  # what soundfile says of a short write
            raise DeviceError(f"{self._path}: cannot be written ({error or 'is the disk full?'})") from error

    def complete(self) -> None:
        """Close the file and give it its name."""
        self._file.close()
        self._temporary.replace(self._path)

    def discard(self) -> None:
        """Leave nothing."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def audio_format(path: Path) -> str:
    """Return soundfile's name of the format that a file's ending stands for.

    Raises:
        DeviceError: if there is none.

    Example:
        >>> audio_format(Path("clean.flac"))
        'FLAC'
    """
    kind = path.suffix.removeprefix(".").upper()
    if kind not in soundfile.available_formats():
        raise DeviceError(
            f"{path}: expected an ending that names an audio format (wav, flac, ogg), got '{path.suffix}'"
        )
    return kind


class FileDevice:
    """Reads a file block by block and writes what it is given to play, aligned with the input and equally long.

    After the end of the input it goes on with silence until the delay has passed. Several channels are averaged.

    Args:
        source: any format that soundfile reads.
        sink: file to write, under a temporary name until the device stops without a failure; None discards.
        block: samples per call; None takes ``block_s``.
        block_s: seconds per call, if ``block`` is None.
        fast: no pauses; each block waits until the one before is processed, so that nothing is ever late.
        seconds: of the source at most.

    Raises:
        DeviceError: if a file cannot be opened or the source is empty.
    """

    def __init__(
        self,
        source: Path,
        sink: Path | None = None,
        *,
        block: int | None = None,
        block_s: float = 0.016,
        fast: bool = False,
        seconds: float | None = None,
    ) -> None:
        if sink is not None:
            audio_format(sink)
        try:
            self._source = soundfile.SoundFile(source)
        except (OSError, soundfile.LibsndfileError, TypeError) as error:  # TypeError: formats without a header
            raise DeviceError(f"{source}: cannot be read as audio ({error})") from error
        if not self._source.frames:
            self._source.close()
            raise DeviceError(f"{source}: holds no samples")
        self.sample_rate = int(self._source.samplerate)
        self.block = round(block_s * self.sample_rate) if block is None else block
        self.description = f"{source} -> {sink or 'none'}"
        self.finished = threading.Event()
        self.failure: Exception | None = None
        self._fast, self._sink_path = fast, sink
        limit = self._source.frames if seconds is None else round(seconds * self.sample_rate)
        self._frames = min(self._source.frames, limit)
        self._sink: GrowingFile | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def latency_s(self) -> float:
        """None: the files are aligned."""
        return 0.0

    def start(self, callback: AudioCallback, delay: int) -> None:
        """Make the file and begin to call, from a thread of its own.

        Raises:
            DeviceError: if the file cannot be made.
        """
        if self._sink_path is not None:
            self._sink = GrowingFile(self._sink_path, self.sample_rate)
        self._thread = threading.Thread(target=self._run, args=(callback, delay), name="file device", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop calling, and give the written file its name; after a failure nothing is left of it."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._source.close()
        if self._sink is not None:
            sink, self._sink = self._sink, None
            if self.failure is None:
                sink.complete()
            else:
                sink.discard()

    def _run(self, callback: AudioCallback, delay: int) -> None:
        try:
            self._pass_on(callback, delay)
        except Exception as error:  # to be raised where the session ends: a thread has nobody to raise to
            self.failure = error
        finally:
            self.finished.set()

    def _pass_on(self, callback: AudioCallback, delay: int) -> None:
        played, skip, left = np.zeros(self.block, np.float32), delay, self._frames
        due = time.monotonic()
        for captured in self._blocks(self._frames + delay):
            if self._stopping.is_set():
                return
            callback(captured, played, NO_FLAGS)
            late = min(skip, self.block)
            skip -= late
            part = played[late : late + left]
            left -= part.size
            if self._sink is not None:
                self._sink.write(part)
            if self._fast:
                callback.settle()
                continue
            due += self.block / self.sample_rate
            self._stopping.wait(max(0.0, due - time.monotonic()))

    def _blocks(self, total: int) -> Iterator[NDArray[np.float32]]:
        """Yield at least ``total`` samples: those of the source, then zeros; the array is used again.

        Raises:
            DeviceError: if the source is damaged.
        """
        block, left = np.zeros(self.block, np.float32), self._frames
        for _ in range(-(-total // self.block)):
            try:
                read = self._source.read(min(self.block, left), dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                where_s = (self._frames - left) / self.sample_rate
                raise DeviceError(f"{self._source.name}: cannot be decoded after {where_s:.3f} s ({error})") from error
            left -= len(read)
            np.mean(read, axis=1, out=block[: len(read)])
            block[len(read) :] = 0.0
            yield block
