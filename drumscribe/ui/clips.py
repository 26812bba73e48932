"""Short sounds to listen to: a hit in its context, a few bars, or a row of hits that sound alike. Pure numpy."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterable

import numpy as np

from drumscribe.types import FloatArray
from drumscribe.ui.envelope import Samples

FADE_S = 0.005


def cut(samples: Samples, sample_rate: int, start_s: float, end_s: float) -> FloatArray:
    """The mono mean of ``samples`` ``(channels, n)`` within a window clipped to the recording, faded at both ends."""
    first = max(0, round(start_s * sample_rate))
    last = min(samples.shape[1], max(first, round(end_s * sample_rate)))
    piece = np.asarray(samples[:, first:last], dtype=np.float32).mean(axis=0, dtype=np.float32)
    fade = min(len(piece) // 2, round(FADE_S * sample_rate))
    if fade:
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        piece[:fade] *= ramp
        piece[-fade:] *= ramp[::-1]
    result: FloatArray = piece
    return result


def montage(
    samples: Samples, sample_rate: int, times_s: Iterable[float], *, length_s: float = 0.3, gap_s: float = 0.12
) -> FloatArray:
    """One after the other, what is heard at each of ``times_s``."""
    pause = np.zeros(round(gap_s * sample_rate), np.float32)
    parts: list[FloatArray] = []
    for time_s in times_s:
        parts += [cut(samples, sample_rate, time_s - 0.03, time_s - 0.03 + length_s), pause]
    return np.concatenate(parts) if parts else pause


def wav(piece: FloatArray, sample_rate: int) -> bytes:
    """16-bit mono WAV, brought to -3 dBFS if quieter than that, so that ghost notes can be heard."""
    peak = float(np.abs(piece).max(initial=0))
    scaled = piece * (0.7 / peak) if 1e-4 < peak < 0.7 or peak > 1 else piece
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes((np.clip(scaled, -1, 1) * 32767).astype("<i2").tobytes())
    return data.getvalue()
