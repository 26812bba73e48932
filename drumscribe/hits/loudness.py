"""How hard each stroke was struck, by its sound against the same drum's other strokes in the recording.

The network hears a few seconds at a time, so it knows how loud a drum is against its surroundings, not how loud this
stroke is among all of them. The power of the attack does: in bands, each against the mean of the drum's sure strokes.
A linear regression, learnt on recordings of kits that were held out from training (:mod:`training.loudness`), puts
a drum's strokes in order; the velocities that they get in this order are those that the network heard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from drumscribe.hits.card import PLAIN_THRESHOLD
from drumscribe.hits.features import BANDS, FFT, SAMPLE_RATE, WINDOWS, filter_bank
from drumscribe.hits.peaks import Peaks, find_peaks
from drumscribe.hits.speeds import excerpt
from drumscribe.mapped import Mono
from drumscribe.types import FloatArray

Array = NDArray[np.float64]

FLOOR = 0.05
"""Peaks below this confidence are left as they are (:data:`drumscribe.hits.decode.FLOOR`)."""
EDGES = (0, 4, 8, 16, 32, 48, 64, 80, BANDS)
"""Of the network's mel bands, those that count as one: up to 90, 180, 400, 1,000, 1,900, 3,700, 7,500 and 16,000 Hz."""
CENTRES_S = (0.023, 0.007)
"""How long after the stroke each of the network's windows stands: its first 46 ms, and its attack."""
FEATURES = 1 + len(WINDOWS) * (len(EDGES) - 1)
FEWEST = 4
"""Sure strokes of a drum below which there is nothing to compare with."""
_QUIET = 0.3  # part of a band's mean power that is added to it: what is as soft as that is the rest of the band
_AT_ONCE = 32  # strokes whose spectra stay in the processor's cache


@lru_cache(maxsize=1)
def _bank() -> FloatArray:
    """Filters of the joined bands, ``(bins, bands)``."""
    return np.add.reduceat(filter_bank(), EDGES[:-1], axis=1)


def powers(samples: FloatArray | Mono, strokes: NDArray[np.int64]) -> Array:
    """Power of what begins at each of these samples, ``(strokes, windows * bands)``.

    Args:
        samples: ``(n,)`` at 44.1 kHz, between silence.
        strokes: where.
    """
    bands = len(EDGES) - 1
    out = np.zeros((len(strokes), len(WINDOWS) * bands))
    before = max(length // 2 - round(centre * SAMPLE_RATE) for length, centre in zip(WINDOWS, CENTRES_S, strict=True))
    for start in range(0, len(strokes), _AT_ONCE):
        at = strokes[start : start + _AT_ONCE] - before
        heard = np.stack([excerpt(samples, int(first), FFT + before) for first in at])
        if isinstance(samples, Mono):
            samples.let_go()
        for number, (length, centre) in enumerate(zip(WINDOWS, CENTRES_S, strict=True)):
            first = before + round(centre * SAMPLE_RATE) - length // 2
            window = np.hanning(length + 1)[:-1].astype(np.float32)
            spectrum = fft.rfft(heard[:, first : first + length] * window, FFT, axis=1)
            power = spectrum.real**2 + spectrum.imag**2
            out[start : start + len(at), number * bands : (number + 1) * bands] = power @ _bank()
    return out


def evidence(onset: FloatArray, velocity: FloatArray, samples: FloatArray | Mono, start_s: float
             ) -> tuple[Peaks, NDArray[np.bool_], Array]:  # fmt: skip
    """What is weighed for each peak.

    Args:
        onset: calibrated curves, ``(frames, drums)``, 100 frames a second.
        velocity: of the network, likewise, 0–1.
        samples: ``(n,)`` mono at 44.1 kHz.
        start_s: time of the first frame.

    Returns:
        The peaks, which of them are sure, and ``(peaks, FEATURES)``: log-odds of the network's velocity, logarithms of
        the powers, all of them against the mean of the drum's sure peaks. 0 where there are fewer than :data:`FEWEST`.
    """
    peaks = find_peaks(onset, FLOOR)
    surely = peaks.height >= PLAIN_THRESHOLD
    out = np.zeros((len(peaks), FEATURES))
    if surely.sum() < FEWEST:
        return peaks, surely, out
    # strokes of several drums within a millisecond share what is heard; counted from the first frame, see anchor.py
    strokes, which = np.unique(np.rint(10 * peaks.position).astype(np.int64), return_inverse=True)
    power = powers(samples, round(start_s * SAMPLE_RATE) + strokes * SAMPLE_RATE // 1000)
    power += _QUIET * power[which[surely]].mean(axis=0) + 1e-12
    own = np.clip(velocity[peaks.frame, peaks.column].astype(float), 0.004, 0.996)
    heard = np.column_stack([np.log(own / (1 - own)), np.log(power)[which]])
    for column in np.unique(peaks.column[surely]):
        mine = peaks.column == column
        known = mine & surely
        if known.sum() >= FEWEST:
            out[mine] = heard[mine] - heard[known].mean(axis=0)
    return peaks, surely, out


def revise(
    velocity: FloatArray, onset: FloatArray, samples: FloatArray | Mono, start_s: float,
    weights: Mapping[int, Sequence[float]],
) -> FloatArray:  # fmt: skip
    """The network's velocities, with a drum's sure peaks in the order that :func:`evidence` gives.

    How wide velocities are spread is the network's affair: it knows soft passages from hard ones. Doubtful peaks get
    the velocity that a sure one in their place would have.

    Args:
        velocity, onset, samples, start_s: as for :func:`evidence`.
        weights: by column; drums without them stay as they are.
    """
    peaks, surely, heard = evidence(onset, velocity, samples, start_s)
    out = velocity.copy()
    for column, learnt in weights.items():
        mine = np.flatnonzero(peaks.column == column)
        known = mine[surely[mine]]
        if len(known) < FEWEST:
            continue
        order = heard @ np.array(learnt)
        loud = np.interp(order[mine], np.sort(order[known]), np.sort(velocity[peaks.frame[known], column]))
        for step in (-1, 1, 0):  # a peak may lie a frame off once curves are rounded
            out[np.clip(peaks.frame[mine] + step, 0, len(out) - 1), column] = loud
    return out
