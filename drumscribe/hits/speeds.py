"""Hearing a recording at several speeds: what the network hears at each is averaged at the original times.

The network leans on the tempo and the pitch of what it was trained on, and on where in a recording its coarse frames
begin; played a little slower and faster, the same stroke meets it in other places. What it hears at one speed only is
doubtful, what it hears at all is sure: the log-odds are averaged (a mean over views of the input as in A. Krizhevsky et
al., *ImageNet classification with deep convolutional neural networks*, 2012).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from drumscribe.mapped import Mono
from drumscribe.types import FloatArray

_T = TypeVar("_T", np.float16, np.float32)
_FRAMES = 2**14  # at once
_LEAST = 1e-4  # probabilities count as no smaller: one run's sure "no" shall not outvote all others
_TAPS = 10  # half the length of resample_poly's filter, in samples of the lower rate


def excerpt(samples: FloatArray | Mono, first: int, count: int, speed: int = 100) -> FloatArray:
    """Part of a recording as it is when played faster or slower, pitch and tempo together.

    Any part is the same as that part of the whole recording resampled, and needs no more memory than it takes.

    Args:
        samples: ``(n,)``, between silence.
        first: where the part begins, in samples of what is played at ``speed``; may be negative.
        count: how many samples of that.
        speed: in per cent: at 106 the part comes from ``1.06 * count`` samples.

    Returns:
        ``(count,)`` float32.
    """
    if speed == 100:
        return _between_silence(samples, first, count)
    shared = math.gcd(speed, 100)
    up, down = 100 // shared, speed // shared
    # cut where samples of both rates fall together, with all that the filter reaches
    margin = math.ceil((_TAPS * max(up, down) / up + 1) / down)
    start = first // up - margin
    stop = -(-(first + count) // up) + margin
    played = resample_poly(_between_silence(samples, start * down, (stop - start) * down), up, down)
    at = first - start * up
    return np.asarray(played[at : at + count], dtype=np.float32)


def _between_silence(samples: FloatArray | Mono, first: int, count: int) -> FloatArray:
    low, high = max(0, first), max(0, min(len(samples), first + count))
    if low == first and high == first + count:
        return samples[low:high]
    out = np.zeros(count, dtype=np.float32)
    if high > low:
        out[low - first : high - first] = samples[low:high]
    return out


def length(samples: int, speed: int) -> int:
    """Samples that ``samples`` samples become at a speed."""
    return -(-samples * 100 // speed)


def at_original_times(curves: NDArray[_T], speed: int, frames: int) -> NDArray[_T]:
    """Curves that were heard at a speed, ``(n, …)``, at the recording's own frames, ``(frames, …)``: linear between."""
    out = np.empty((frames, *curves.shape[1:]), curves.dtype)
    for start in range(0, frames, _FRAMES):  # of an hour's embedding, float32 would be 100 MB
        some = out[start : start + _FRAMES]
        place = np.minimum(np.arange(start, start + len(some)) * (100 / speed), len(curves) - 1)
        before = place.astype(np.int64)
        after = np.minimum(before + 1, len(curves) - 1)
        part = (place - before).astype(np.float32)[:, None]
        some[:] = curves[before] * (1 - part) + curves[after] * part
    return out


def log_odds(probabilities: FloatArray) -> FloatArray:
    """Log-odds of probabilities, of which none counts as surer than 1 in 10,000."""
    p = np.clip(probabilities, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(p / (1 - p)), dtype=np.float32)


def _probabilities(odds: NDArray[np.floating]) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-odds)), dtype=np.float32)


class Mean:
    """The mean of curves' log-odds."""

    def __init__(self) -> None:
        self._sum: FloatArray | None = None
        self._count = 0

    def add(self, probabilities: FloatArray) -> None:
        """One more run, ``(frames, drums)``, 0–1."""
        odds = log_odds(probabilities)
        self._sum, self._count = odds if self._sum is None else self._sum + odds, self._count + 1

    def probabilities(self) -> FloatArray:
        """The mean, as probabilities; there must have been a run."""
        assert self._sum is not None
        return _probabilities(self._sum / self._count)


def recalibrated(probabilities: FloatArray, scale: Sequence[float], shift: Sequence[float]) -> FloatArray:
    """Curves ``(frames, drums)`` with each drum's log-odds scaled and shifted."""
    return _probabilities(np.asarray(scale, np.float32) * log_odds(probabilities) + np.asarray(shift, np.float32))
