"""Hearing a recording at several speeds: what the network hears at each is averaged at the original times.

The network leans on the tempo and the pitch of what it was trained on, and on where in a recording its coarse frames
begin; played a little slower and faster, the same stroke meets it in other places. What it hears at one speed only is
doubtful, what it hears at all is sure: the log-odds are averaged (a mean over views of the input as in A. Krizhevsky et
al., *ImageNet classification with deep convolutional neural networks*, 2012).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from drumscribe.mapped import Mono
from drumscribe.types import FloatArray

_T = TypeVar("_T", np.float16, np.float32)
_FRAMES = 2**14  # at once
_LEAST = 1e-4  # probabilities count as no smaller: one run's sure "no" shall not outvote all others
_TAPS = 10  # half the length of the filter, in samples of the lower rate


def excerpt(samples: FloatArray | Mono, first: int, count: int, speed: int = 100, *, origin: int = 0) -> FloatArray:
    """Part of a recording as it is when played faster or slower, pitch and tempo together.

    Any part is the same as that part of the whole recording resampled, and needs no more memory than it takes.

    Args:
        samples: ``(n,)``, between silence.
        first: where the part begins, in samples of what is played at ``speed`` from the origin; may be negative.
        count: how many samples of that.
        speed: in per cent: at 106 the part comes from ``1.06 * count`` samples.
        origin: the sample of the recording that is sample 0 of what is played.

    Returns:
        ``(count,)`` float32.
    """
    if speed == 100:
        return _between_silence(samples, origin + first, count)
    shared = math.gcd(speed, 100)
    up, down = 100 // shared, speed // shared
    weights = _polyphase(up, down)
    reach = (len(weights) - down) // 2
    start, stop = first // up, -(-(first + count) // up)  # cut where samples of both rates fall together
    heard = _between_silence(samples, origin + start * down - reach, (stop - start) * down + 2 * reach)
    played = sliding_window_view(heard, len(weights))[::down] @ weights
    at = first - start * up
    return played.reshape(-1)[at : at + count]


@lru_cache(maxsize=16)
def _polyphase(up: int, down: int) -> FloatArray:
    """Weights of ``down`` samples, and of those around them, in the ``up`` samples that they become, ``(n, up)``.

    The filter is that of ``scipy.signal.resample_poly`` (a sinc under a Kaiser window), whose module takes 0.7 s and
    60 MB to import.
    """
    slower = max(up, down)
    half = _TAPS * slower
    taps = np.sinc(np.arange(-half, half + 1) / slower) * np.kaiser(2 * half + 1, 5.0)
    taps *= up / taps.sum()
    reach = half // up + 1
    place = half + np.arange(up) * down - np.arange(-reach, down + reach)[:, None] * up
    return np.where(abs(place - half) <= half, taps[np.clip(place, 0, 2 * half)], 0).astype(np.float32)


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


def at_original_times(curves: NDArray[_T], speed: int, frames: int, firsts: tuple[int, int] = (0, 0)) -> NDArray[_T]:
    """Curves that were heard at a speed, ``(n, …)``, at the recording's own frames, ``(frames, …)``.

    Between frames lies a cubic (E. Catmull and R. Rom, *A class of local interpolating splines*, 1974).

    ``firsts`` are the numbers of the first frame of the curves, and of the recording's, counted from the origin.
    """
    own, first = firsts
    out = np.empty((frames, *curves.shape[1:]), curves.dtype)
    last = len(curves) - 1
    for start in range(0, frames, _FRAMES):  # of an hour's embedding, float32 would be 100 MB
        some = out[start : start + _FRAMES]
        place = np.clip(np.arange(first + start, first + start + len(some)) * (100 / speed) - own, 0, last)
        at = place.astype(np.int64)
        part = (place - at).astype(np.float32)[:, None]
        before, here, after, beyond = (curves[np.clip(at + step, 0, last)] for step in (-1, 0, 1, 2))
        bend = 2 * before - 5 * here + 4 * after - beyond + part * (3 * (here - after) + beyond - before)
        some[:] = here + 0.5 * part * (after - before + part * bend)
    return out


def peaks_at_original_times(
    curves: FloatArray, speed: int, frames: int, firsts: tuple[int, int] = (0, 0)
) -> FloatArray:
    """:func:`at_original_times` of probabilities with peaks: their logarithm is what lies on a cubic.

    The network is taught Gaussian bumps, whose logarithm is a parabola, and a cubic keeps it: so a peak between two
    frames keeps its height. A line between probabilities takes up to a fifth of it.
    """
    logs = at_original_times(np.log(np.maximum(curves, np.float32(_LEAST))), speed, frames, firsts)
    peaks: FloatArray = np.exp(np.minimum(logs, 0, out=logs), out=logs)
    return peaks


def log_odds(probabilities: FloatArray) -> FloatArray:
    """Log-odds of probabilities, of which none counts as surer than 1 in 10,000."""
    odds = np.asarray(np.clip(probabilities, _LEAST, 1 - _LEAST), dtype=np.float32)
    odds /= 1 - odds
    return np.log(odds, out=odds)


def _probabilities(odds: NDArray[np.floating]) -> FloatArray:
    chance = np.asarray(-odds, dtype=np.float32)
    np.exp(chance, out=chance)
    chance += 1
    return np.divide(1, chance, out=chance)


class Mean:
    """The mean of curves' log-odds."""

    def __init__(self) -> None:
        self._sum: FloatArray | None = None
        self._count = 0

    def add(self, probabilities: FloatArray) -> None:
        """One more run, ``(frames, drums)``, 0–1."""
        odds = log_odds(probabilities)
        if self._sum is None:
            self._sum = odds
        else:
            self._sum += odds
        self._count += 1

    def probabilities(self) -> FloatArray:
        """The mean, as probabilities; there must have been a run."""
        assert self._sum is not None
        return _probabilities(self._sum / self._count)


def recalibrated(probabilities: FloatArray, scale: Sequence[float], shift: Sequence[float]) -> FloatArray:
    """Curves ``(frames, drums)`` with each drum's log-odds scaled and shifted."""
    return _probabilities(np.asarray(scale, np.float32) * log_odds(probabilities) + np.asarray(shift, np.float32))
