"""What the hit network hears: two log-mel spectrograms of the same frames, 100 frames a second.

The long window separates low drums by pitch, the short one places strokes in time. Training and serving both call
:func:`log_mel`, so that they cannot drift apart.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from drumscribe.hits.speeds import excerpt
from drumscribe.mapped import Mono

FloatArray = NDArray[np.float32]

SAMPLE_RATE = 44100
FPS = 100
HOP = SAMPLE_RATE // FPS
FFT = 2048
WINDOWS = (2048, 768)
"""Lengths of the Hann windows, both centred on ``frame * HOP``; the shorter is zero-padded to :data:`FFT`."""
BANDS = 96
LOW_HZ, HIGH_HZ = 27.5, 16000.0
_BLOCK = 2048  # frames that are read at once
_AT_ONCE = 64  # frames whose spectra stay in the processor's cache
TARGET_RMS = 0.1
"""Level that a recording is brought to before the spectrogram is taken."""


def _mel(hz: FloatArray | float) -> NDArray[np.float64]:
    return np.asarray(2595 * np.log10(1 + np.asarray(hz, dtype=np.float64) / 700))


@lru_cache(maxsize=1)
def filter_bank() -> FloatArray:
    """Triangular mel filters of height 1, shape ``(FFT // 2 + 1, BANDS)`` (S. Stevens and J. Volkmann's scale)."""
    edges = np.linspace(_mel(LOW_HZ), _mel(HIGH_HZ), BANDS + 2)
    bins = _mel(np.fft.rfftfreq(FFT, 1 / SAMPLE_RATE).astype(np.float32))[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


@lru_cache(maxsize=1)
def band_centres() -> FloatArray:
    """Centre frequency of each band in hertz, shape ``(BANDS,)``."""
    edges = np.linspace(_mel(LOW_HZ), _mel(HIGH_HZ), BANDS + 2)[1:-1]
    return (700 * (10 ** (edges / 2595) - 1)).astype(np.float32)


@lru_cache(maxsize=2)
def _window(length: int) -> FloatArray:
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)
    return hann.astype(np.float32)


def frame_count(samples: int) -> int:
    """Frames that cover ``samples`` samples; frame ``i`` is centred on sample ``i * HOP``."""
    return samples // HOP + 1


def mel_magnitudes(padded: FloatArray, frames: int) -> FloatArray:
    """Mel magnitudes of consecutive frames.

    Args:
        padded: ``(..., n)`` samples with ``FFT // 2`` samples of context before the centre of the first frame and
            after that of the last: ``n >= (frames - 1) * HOP + FFT``.
        frames: how many.

    Returns:
        ``(..., frames, BANDS, len(WINDOWS))`` float32.
    """
    bank = filter_bank()
    used = int(np.flatnonzero(bank.any(axis=1))[-1]) + 1  # bins; those above HIGH_HZ count for nothing
    views = np.lib.stride_tricks.sliding_window_view(padded, FFT, axis=-1)[..., ::HOP, :][..., :frames, :]
    out = np.empty((*views.shape[:-1], BANDS, len(WINDOWS)), dtype=np.float32)
    for first in range(0, frames, _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        for channel, length in enumerate(WINDOWS):
            start = (FFT - length) // 2
            spectrum = fft.rfft(views[..., some, start : start + length] * _window(length), FFT, axis=-1)
            out[..., some, :, channel] = np.abs(spectrum[..., :used]) @ bank[:used]
    return out


def compress(magnitudes: FloatArray) -> FloatArray:
    """Logarithmic compression, ``log(1 + 10 x)``."""
    compressed: FloatArray = np.log1p(10 * magnitudes)
    return compressed


def log_mel(
    samples: FloatArray | Mono, first: int, frames: int, *, gain: float = 1.0, speed: int = 100, origin: int = 0
) -> FloatArray:
    """Features of frames ``first … first + frames - 1`` of a recording; beyond its ends there is silence.

    Args:
        samples: ``(n,)`` mono float32 at 44.1 kHz.
        first: index of the first frame, counted from that on the origin; may be negative.
        frames: how many.
        gain: factor on the samples.
        speed: in per cent, at which the recording is played, see :func:`drumscribe.hits.speeds.excerpt`.
        origin: sample on which frame 0 is centred.

    Returns:
        ``(frames, BANDS, len(WINDOWS))`` float32.
    """
    heard = excerpt(samples, first * HOP - FFT // 2, (frames - 1) * HOP + FFT, speed, origin=origin)
    return compress(mel_magnitudes(heard * np.float32(gain), frames))


def level(samples: FloatArray | Mono, origin: int = 0) -> float:
    """Gain that brings a recording to :data:`TARGET_RMS`, measured over its frames that are not silent.

    One of the frames begins at ``origin``.
    """
    first = origin % HOP
    n = (len(samples) - first) // HOP
    if n <= 0:
        return 1.0
    powers = []
    for start in range(first, first + n * HOP, _BLOCK * HOP):  # without a copy of the recording
        by_frame = samples[start : min(start + _BLOCK * HOP, first + n * HOP)].reshape(-1, HOP)
        powers.append(np.einsum("ij,ij->i", by_frame, by_frame) / HOP)
    power = np.concatenate(powers)
    loud = power[power > 1e-3 * power.max(initial=0)]
    return float(TARGET_RMS / np.sqrt(loud.mean())) if len(loud) and loud.mean() > 0 else 1.0
