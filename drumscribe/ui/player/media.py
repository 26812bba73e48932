"""What the browser is sent of a recording: compressed pieces that decode by themselves, and an envelope to draw.

Pure: no streamlit here.

>>> import numpy as np
>>> whole = encode(np.zeros((2, 44_100 * 20), np.float32), 44_100)
>>> [start for start, _, _ in spans(whole)]
[0.0, 14.88]
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator

import av
import numpy as np
from numpy.typing import NDArray

from drumscribe.types import FloatArray
from drumscribe.ui.envelope import Samples

SEGMENT_S = 15.0
"""What one piece stands for; each is decoded when playing comes near it."""
OVERLAP_S = 0.12
"""Extra audio at both ends of a piece, in which a decoder settles and joins are faded."""
BIN = 128
"""Samples per value of :func:`envelope`: 2.9 ms, enough to tell the strokes of a flam apart."""

_RATE = 48000  # Opus knows no 44,100 Hz
_BITS_PER_S = {1: 80_000, 2: 128_000}
_FIRST_PAGE = 0x02  # flag of an Ogg page that begins a stream (RFC 3533)


def encode(samples: Samples, sample_rate: int) -> bytes:
    """Compress ``(channels, n)`` float samples, one or two channels, to Ogg Opus: one Ogg stream per piece, chained.

    Peaks beyond full scale are clipped, as any player would.
    """
    total = samples.shape[1]
    step, overlap = round(SEGMENT_S * sample_rate), round(OVERLAP_S * sample_rate)
    pieces = (
        samples[:, max(0, start - overlap) : min(total, start + step + overlap)]
        for start in range(0, max(total, 1), step)
    )
    return b"".join(opus(np.asarray(piece), sample_rate) for piece in pieces)


def spans(data: bytes) -> list[tuple[float, int, int]]:
    """For each piece of :func:`encode`'s result: the time where its audio begins, its first and one-past-last byte."""
    starts = list(_streams(data))
    return [
        (round(max(0.0, index * SEGMENT_S - OVERLAP_S), 3), first, last)
        for index, (first, last) in enumerate(itertools.pairwise([*starts, len(data)]))
    ]


def _streams(data: bytes) -> Iterator[int]:
    # Walk from page to page by their segment tables, since "OggS" may also occur in the audio itself.
    at = 0
    while at + 27 <= len(data) and data[at : at + 4] == b"OggS":
        if data[at + 5] & _FIRST_PAGE:
            yield at
        segments = data[at + 26]
        at += 27 + segments + sum(data[at + 27 : at + 27 + segments])


def opus(samples: FloatArray, sample_rate: int) -> bytes:
    """One Ogg Opus stream of ``(channels, n)`` samples."""
    layout = "mono" if samples.shape[0] == 1 else "stereo"
    out = io.BytesIO()
    with av.open(out, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=_RATE, options={"compression_level": "5"})
        stream.layout = layout
        stream.bit_rate = _BITS_PER_S[samples.shape[0]]
        resampler = av.AudioResampler(format="flt", layout=layout, rate=_RATE)
        sound = np.ascontiguousarray(samples.clip(-1, 1), np.float32)
        if not sound.shape[1]:
            sound = np.zeros((samples.shape[0], 480), np.float32)  # a stream without packets is none
        frame = av.AudioFrame.from_ndarray(sound, "fltp", layout)
        frame.sample_rate = sample_rate
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return out.getvalue()


def envelope(samples: Samples) -> NDArray[np.uint8]:
    """Largest magnitude of every :data:`BIN` samples over all channels, 0-255 of full scale; shape ``(bins,)``."""
    total, block = samples.shape[1], BIN * 8192
    parts = [np.zeros(0, np.float32)]
    for start in range(0, total, block):
        loudest = np.abs(samples[:, start : min(total, start + block)]).max(axis=0)
        loudest = np.pad(loudest, (0, -len(loudest) % BIN))
        parts.append(loudest.reshape(-1, BIN).max(axis=1))
    peaks = np.concatenate(parts)
    return np.asarray((peaks.clip(0, 1) * 255).round(), dtype=np.uint8)
