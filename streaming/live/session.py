"""A live session: device, network in a worker thread, recording, and what is to be shown of them."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streaming.enhancer import StreamingEnhancer
from streaming.live.callback import LiveCallback
from streaming.live.devices import AudioDevice
from streaming.live.latency import Latency, stream_waits
from streaming.live.recording import Recording
from streaming.live.state import ChunkMeter, Level, LevelMeter, LiveState, LoadMeter
from streaming.resampling import ResampledStream, StreamPiece

LONGEST = 4096  # samples of the device that are processed at once


@dataclass(frozen=True)
class LiveSettings:
    """How a session runs.

    Attributes:
        spare_s: added to the delay, so that a network that is late by less is not heard.
        fade_s: of the cross-fade when the bypass is switched.
        backlog_s: how far the network may fall behind before input is lost.
        trial_s: signal with which the delay of the resamplers is found.
        switch_interval_s: of Python's threads; the usual 5 ms is a third of a hop.
        record: folder of recordings; None records nothing.
        bypass: begin with the noisy signal.

    Raises:
        ValueError: if a time is out of range.
    """

    spare_s: float = 0.01
    fade_s: float = 0.02
    backlog_s: float = 2.0
    trial_s: float = 5.0
    switch_interval_s: float = 0.0005
    record: Path | None = None
    bypass: bool = False

    def __post_init__(self) -> None:
        for name in ("fade_s", "backlog_s", "trial_s", "switch_interval_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if not self.spare_s >= 0:
            raise ValueError(f"spare_s must not be negative, got {self.spare_s}")


class LiveSession:
    """Plays on a device what the network makes of what the device captures.

    Args:
        device: not started.
        enhancer: its stream is used up.
        settings: how it runs.

    Attributes:
        delay: samples of the device between captured and played.
        failure: what ended processing, if anything did.
    """

    def __init__(self, device: AudioDevice, enhancer: StreamingEnhancer, settings: LiveSettings | None = None) -> None:
        self.device, self.settings = device, settings or LiveSettings()
        self.failure: Exception | None = None
        rate, block = device.sample_rate, device.block
        self._stream = ResampledStream(enhancer, rate, low_delay=True)
        wait, resampling = stream_waits(enhancer, rate, block, self.settings.trial_s)
        spare = round(self.settings.spare_s * rate)
        # The network has until the next call of the device, by which time a block to play must have come out.
        self.delay = block + wait + spare
        self._parts = {"block": block, "algorithm": wait - resampling, "resampling": resampling, "spare": spare}
        self.callback = LiveCallback(
            self.delay, LONGEST, round(self.settings.backlog_s * rate), max(1, round(self.settings.fade_s * rate))
        )
        self.callback.bypass = self.settings.bypass
        self._meters = LevelMeter(rate), LevelMeter(rate)
        self._levels, self._load = (Level(), Level()), LoadMeter()
        self._chunks = ChunkMeter(enhancer.hop_length / enhancer.sample_rate)
        self._position = self._overruns = 0
        self._recording: Recording | None = None
        self._ending, self._message = False, ""
        self._worker = threading.Thread(target=self._work, name="network", daemon=True)
        self._switch_interval = sys.getswitchinterval()

    @property
    def latency(self) -> Latency:
        """From air to ear; final once the session was started."""
        seconds = {name: samples / self.device.sample_rate for name, samples in self._parts.items()}
        return Latency(device=self.device.latency_s, **seconds)

    @property
    def position(self) -> int:
        """Samples of the device that have been processed."""
        return self._position

    @property
    def ended(self) -> bool:
        """Whether the device has ended or processing has failed."""
        return self.device.finished.is_set() or self.failure is not None

    def start(self) -> None:
        """Start the worker, then the device.

        Raises:
            DeviceError: if the device cannot be started.
        """
        if self.settings.record is not None:
            self.toggle_recording()
        sys.setswitchinterval(self.settings.switch_interval_s)
        self._worker.start()
        self.callback.worker = self._worker
        try:
            self.device.start(self.callback, self.delay)
        except Exception:
            recording, self._recording = self._recording, None
            if recording is not None:
                recording.discard()
            self._end_worker()
            raise

    def stop(self) -> None:
        """Stop the device, process what it has captured, complete the recording.

        Raises:
            Exception: what ended the device or the processing, if anything did.
        """
        self.device.failure = self.device.failure or self.failure  # nothing then passes for the whole signal
        try:
            self.device.stop()
        finally:
            self._end_worker()
        failure = self.failure or self.device.failure
        if failure is not None:
            raise failure

    def toggle_bypass(self) -> None:
        """Switch between the enhanced and the noisy signal."""
        self.callback.bypass = not self.callback.bypass

    def toggle_recording(self) -> None:
        """Begin a recording or complete the one that is being written."""
        recording, self._recording = self._recording, None  # the worker takes what it finds with its next block
        if recording is not None:
            recording.close()
            failure = recording.failure
            self._message = f"recorded {recording.paths[0]}" if failure is None else f"recording failed: {failure}"
        elif self.settings.record is None:
            self._message = "to record, give --record DIR"
        else:
            self._recording, self._message = Recording(self.settings.record, self.device.sample_rate), ""

    def state(self) -> LiveState:
        """Return what is to be shown now."""
        callback, recording, blocks = self.callback, self._recording, self._chunks.block_utilization
        median, high = self._load.percentiles()
        return LiveState(
            elapsed_s=self._position / self.device.sample_rate,
            device=self.device.description,
            latency=self.latency,
            noisy=self._levels[0],
            enhanced=self._levels[1],
            readings=self._chunks.readings,
            block_utilization=() if blocks is None else tuple(float(share) for share in blocks),
            utilization=self._chunks.utilization,
            load_median=median,
            load_p99=high,
            late_blocks=callback.late_blocks,
            overruns=self._overruns,
            unusable_samples=callback.unusable_samples,
            input_overflows=callback.input_overflows,
            output_underflows=callback.output_underflows,
            bypass=callback.bypass,
            recording=None if recording is None else recording.name,
            message=self._message if recording is None or recording.failure is None else str(recording.failure),
        )

    def _work(self) -> None:
        try:
            while not self._ending:
                done = self.callback.wake.get()
                self._catch_up()
                if done is not None:
                    done.set()
            self._catch_up()
            self._deliver(self._stream.flush())
        except Exception as error:  # raised by stop(): a thread has nobody to raise to
            self.failure = error

    def _end_worker(self) -> None:
        self._ending = True
        self.callback.wake.put(None)
        self._worker.join()
        sys.setswitchinterval(self._switch_interval)
        if self._recording is not None:
            self.toggle_recording()

    def _catch_up(self) -> None:
        """Process all that was captured."""
        captured = self.callback.captured
        while (waiting := captured.end - self._position) > 0:
            noisy = np.empty(min(waiting, LONGEST), np.float32)
            self._overruns += captured.read_into(self._position, noisy) > 0  # zeros stand for what was lost
            self._position += noisy.size
            started = time.perf_counter()
            piece = self._stream.feed(noisy)
            seconds = time.perf_counter() - started
            self._load.update(seconds, noisy.size / self.device.sample_rate)
            self._deliver(piece)
            self._levels = self._meters[0].update(noisy), self._levels[1]

    def _deliver(self, piece: StreamPiece) -> None:
        """Hand on what came out of the network: to the device, the recording and the view."""
        ring = self.callback.enhanced
        position, enhanced = ring.end, piece.samples
        ring.write(enhanced)
        self._levels = self._levels[0], self._meters[1].update(enhanced)
        for chunk in piece.chunks:
            self._chunks.update(chunk)
        recording = self._recording
        if recording is not None and enhanced.size:
            noisy = np.empty_like(enhanced)
            self.callback.captured.read_into(position, noisy)
            recording.add(noisy, enhanced)
