"""Waveforms small enough to draw: min/max envelopes at several resolutions, and spectrogram windows. Pure numpy.

>>> import numpy as np
>>> shape = Envelope.of(np.sin(np.linspace(0, 600, 44_100, dtype=np.float32))[None], 44_100)
>>> times, low, high = shape.window(0.25, 0.75, bins=100)
>>> len(times), bool((low <= high).all()), round(float(high.max()), 2)
(100, True, 1.0)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drumscribe.types import FloatArray

BASE = 256
"""Samples in a block of the finest kept level; windows finer than that are read from the samples themselves."""
FACTOR = 4
_CHUNK = BASE * 4096


class Samples(Protocol):
    """What waveforms are made from: an array ``(channels, n)``, or anything that gives slices like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(channels, n)``."""

    def __getitem__(self, key: tuple[slice, slice], /) -> FloatArray: ...


@dataclass(frozen=True, slots=True)
class Envelope:
    """Minimum and maximum of a recording over blocks of ``BASE * FACTOR**k`` samples.

    Attributes:
        samples: ``(channels, n)`` as given; kept by reference (it may be a memory map).
        sample_rate: of ``samples``.
        levels: per level ``(2, blocks)`` float32: row 0 minima, row 1 maxima of the mean of the channels.
    """

    samples: Samples
    sample_rate: int
    levels: tuple[FloatArray, ...]

    @classmethod
    def of(cls, samples: Samples, sample_rate: int) -> Envelope:
        """Measure ``samples``; reads them once, in chunks."""
        parts = [_extremes(_mono(samples, at, at + _CHUNK), BASE) for at in range(0, samples.shape[1], _CHUNK)]
        levels = [np.concatenate(parts, axis=1) if parts else np.zeros((2, 0), np.float32)]
        while levels[-1].shape[1] > 2048:
            low, high = levels[-1]
            levels.append(np.stack([_extremes(low, FACTOR)[0], _extremes(high, FACTOR)[1]]))
        return cls(samples, sample_rate, tuple(levels))

    def window(
        self, start_s: float, end_s: float, *, bins: int = 1500
    ) -> tuple[NDArray[np.float64], FloatArray, FloatArray]:
        """About ``bins`` bins (not more) over ``[start_s, end_s)``: times of their starts, minima, maxima."""
        first = max(0, round(start_s * self.sample_rate))
        last = min(self.samples.shape[1], round(end_s * self.sample_rate))
        if last <= first:
            return np.zeros(0), np.zeros(0, np.float32), np.zeros(0, np.float32)
        wanted = (last - first) / bins
        size = BASE
        if wanted < BASE:
            size = max(1, math.ceil(wanted))
            extremes = _extremes(_mono(self.samples, first, last), size)
        else:
            level = min(len(self.levels) - 1, int(np.log(wanted / BASE) / np.log(FACTOR)))
            block = BASE * FACTOR**level
            kept = self.levels[level][:, first // block : -(-last // block)]
            group = math.ceil(wanted / block)
            size, first = block * group, first // block * block
            extremes = np.stack([_extremes(kept[0], group)[0], _extremes(kept[1], group)[1]])
        times = (first + size * np.arange(extremes.shape[1])) / self.sample_rate
        return times, extremes[0], extremes[1]


def _mono(samples: Samples, first: int, last: int) -> FloatArray:
    mixed: FloatArray = np.asarray(samples[:, first:last]).mean(axis=0, dtype=np.float32)
    return mixed


def _extremes(values: FloatArray, size: int) -> FloatArray:
    """Minima and maxima over runs of ``size`` values (the last may be shorter), shape ``(2, runs)``."""
    if size == 1 or not len(values):
        return np.stack([values, values])
    starts = np.arange(0, len(values), size)
    found: FloatArray = np.stack([np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)])
    return found


def spectrogram(
    samples: Samples, sample_rate: int, start_s: float, end_s: float, *, columns: int = 600, bands: int = 96
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
    """Log-frequency power of a window, for looking at; the whole window is read at once.

    Args:
        samples: the recording.
        columns: at most this many moments are analysed (Hann window of 2048 samples each).
        bands: from 40 Hz to 16 kHz, evenly spaced in log frequency.

    Returns:
        Times of the columns, centre frequencies of the bands, and ``(bands, columns)`` levels, 0–255 for -80–0 dB.
    """
    size = 2048
    first = max(0, round(start_s * sample_rate))
    last = min(samples.shape[1], round(end_s * sample_rate))
    if last - first < 2:
        return np.zeros(0), np.zeros(0), np.zeros((bands, 0), np.uint8)
    centres = np.unique(np.linspace(first, last - 1, columns).astype(int))
    window = np.hanning(size).astype(np.float32)
    before, after = max(0, first - size // 2), min(samples.shape[1], last + size // 2)
    around = _mono(samples, before, after)
    around = np.pad(around, (before - first + size // 2, last + size // 2 - after))
    pieces = np.lib.stride_tricks.sliding_window_view(around, size)[centres - first]
    power = (np.abs(np.fft.rfft(pieces * window, axis=1)) ** 2).T.astype(np.float32)
    weights, frequencies = _bands(sample_rate, size, bands)
    levels = 10 * np.log10(weights @ power + 1e-10)
    scaled = np.clip((levels - levels.max() + 80) / 80, 0, 1) * 255
    return centres / sample_rate, frequencies, scaled.astype(np.uint8)


@lru_cache(maxsize=4)
def _bands(sample_rate: int, size: int, bands: int) -> tuple[FloatArray, NDArray[np.float64]]:
    """Triangles over FFT bins; where bands are narrower than a bin, the nearest bin."""
    edges = np.geomspace(40, min(16_000, sample_rate / 2), bands + 2)
    bins = np.fft.rfftfreq(size, 1 / sample_rate)
    weights = np.zeros((bands, len(bins)), np.float32)
    for number in range(bands):
        low, centre, high = edges[number : number + 3]
        weights[number] = np.clip(np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)), 0, None)
        if not weights[number].any():
            weights[number, np.argmin(np.abs(bins - centre))] = 1
    return weights / weights.sum(axis=1, keepdims=True), edges[1:-1]
