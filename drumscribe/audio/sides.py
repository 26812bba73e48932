"""Left and right that cancel when they are added, as hit network and beat tracker add them.

A plug wired the wrong way inverts a side; a converter or a second recorder makes one late. What both sides share, which
is mostly the drums, is then missing from the sum, wholly or at some frequencies. Both faults show in how the sides
correlate (C. Knapp and G. Carter, *The generalized correlation method for estimation of time delay*, 1976) and are
mended here, so that all that follows hears the drums.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drumscribe.mapped import BLOCK, blocks, let_go
from drumscribe.types import FloatArray

LATEST = 1102
"""Samples that a side may be late: 25 ms; more is an echo."""
_EXCERPT, _EXCERPTS = 2**17, 6
_SAME, _CLEARLY = 0.3, 0.2
"""Correlation from which the sides hold the same sound, and how far it is above that of no lag. Ten records that are in
order have 0 to 1 at no lag, and up to 0.13 at any other."""
_LATE = 13  # samples: less, 0.3 ms, is how microphones stand


def correlation(samples: FloatArray) -> NDArray[np.float64]:
    """How left and right correlate, from -1 to 1, for lags of the right from -:data:`LATEST` to :data:`LATEST` samples.

    Treble counts as much as bass (differences of samples are correlated); the recording is heard at six places.
    """
    total = np.zeros(2 * LATEST + 1)
    energy = np.zeros(2)
    last = max(0, samples.shape[1] - _EXCERPT)
    for start in np.unique(np.linspace(0, last, _EXCERPTS).astype(int)):
        left, right = np.diff(samples[:, start : start + _EXCERPT].astype(np.float64))
        size = 1 << (len(left) + LATEST).bit_length()  # of 2 x 131,071, a prime, it would take 1.5 s
        both = np.fft.irfft(np.conj(np.fft.rfft(left, size)) * np.fft.rfft(right, size), size)
        total += np.concatenate([both[-LATEST:], both[: LATEST + 1]])
        energy += [left @ left, right @ right]
    return np.asarray(total / max(1e-12, float(np.sqrt(energy[0] * energy[1]))))


def mend(samples: FloatArray) -> str:
    """Turn and move a side in place where left and right are the same sound, but inverted or late.

    Args:
        samples: ``(channels, n)``; other than two channels are left alone.

    Returns:
        A sentence that says what was done, or ``""``.
    """
    if len(samples) != 2 or samples.shape[1] <= 2 * LATEST:
        return ""
    alike = correlation(samples)
    best = int(np.abs(alike).argmax())
    late, inverted = best - LATEST, alike[best] < 0
    if abs(late) < _LATE:
        late = 0
    clearly = abs(alike[best]) - max(0.0, float(alike[LATEST])) > _CLEARLY
    if abs(alike[best]) < _SAME or not (inverted or late) or not clearly:
        return ""
    if inverted:
        for block in blocks(samples, written=True):
            np.negative(block[1], out=block[1])
    if late:
        side, by = (samples[1], late) if late > 0 else (samples[0], -late)
        for start in range(0, len(side) - by, BLOCK):
            end = min(start + BLOCK, len(side) - by)
            side[start:end] = side[start + by : end + by]
            let_go(side[start:end], written=True)
        side[-by:] = 0
    name = "right" if late >= 0 else "left"
    faults = ["the right side is inverted"] if inverted else []
    if late:
        faults.append(f"the {name} side is {abs(late) / 44.1:.1f} ms late")
    return f"Left and right cancelled each other, since {' and '.join(faults)}: this was mended for listening."
