"""Other programs that a streaming enhancer with probes stands in for, on the same audio; those that are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from networks.framing import FrameGrid

Audio = NDArray[np.float32]


class Peer(NamedTuple):
    """A program to be timed.

    Attributes:
        name: with what it does.
        run: works through a signal, shape (sample,), once.
    """

    name: str
    run: Callable[[Audio], object]


def installed_peers(grid: FrameGrid) -> Iterator[Peer]:
    """Yield the peers that can be imported, loaded and on one thread; all at 16 kHz."""
    yield Peer("STFT and inverse, scipy.fft frame by frame", _scipy_transform(grid))
    if find_spec("webrtc_noise_gain"):
        yield Peer("webrtc-noise-gain (noise suppression)", _webrtc_noise_gain())
    if find_spec("silero_vad"):
        yield Peer("silero-vad, stream (voice activity)", _silero())
    if find_spec("pyworld"):
        yield Peer("pyworld DIO and StoneMask, whole file (F0)", _pyworld(grid))
    if find_spec("torchcrepe"):
        yield Peer("torchcrepe tiny, whole file (F0)", _crepe(grid))


def _scipy_transform(grid: FrameGrid) -> Callable[[Audio], object]:
    from scipy.fft import irfft, rfft

    window = np.hanning(grid.window_length + 1)[:-1].astype(np.float32)

    def run(audio: Audio) -> object:
        overlap = np.zeros(grid.window_length, dtype=np.float32)
        for start in range(0, len(audio) - grid.window_length + 1, grid.hop_length):
            spectrum = rfft(audio[start : start + grid.window_length] * window)
            overlap += irfft(spectrum) * window
            overlap[: -grid.hop_length] = overlap[grid.hop_length :]
            overlap[-grid.hop_length :] = 0
        return overlap

    return run


def _webrtc_noise_gain() -> Callable[[Audio], object]:
    from webrtc_noise_gain import AudioProcessor

    def run(audio: Audio) -> object:
        processor = AudioProcessor(0, 3)  # no gain control, third of four levels of suppression
        pieces = (audio * 32767).astype("<i2").tobytes()
        return [processor.Process10ms(pieces[start : start + 320]).audio for start in range(0, len(pieces) - 319, 320)]

    return run


def _silero() -> Callable[[Audio], object]:
    import torch
    from silero_vad import load_silero_vad

    model = load_silero_vad(onnx=True)

    def run(audio: Audio) -> object:
        model.reset_states()
        windows = torch.from_numpy(audio[: len(audio) // 512 * 512]).split(512)
        return [float(model(window, 16000)) for window in windows]

    return run


def _pyworld(grid: FrameGrid) -> Callable[[Audio], object]:
    import pyworld

    period_ms = 1000 * grid.hop_length / grid.sample_rate

    def run(audio: Audio) -> object:
        double = audio.astype(np.float64)
        f0, time = pyworld.dio(double, grid.sample_rate, frame_period=period_ms)
        return pyworld.stonemask(double, f0, time, grid.sample_rate)

    return run


def _crepe(grid: FrameGrid) -> Callable[[Audio], object]:
    import torch
    import torchcrepe

    def run(audio: Audio) -> object:
        with torch.inference_mode():
            return torchcrepe.predict(
                torch.from_numpy(audio)[None], grid.sample_rate, grid.hop_length, 60.0, 500.0, "tiny", batch_size=64
            )

    return run
