"""Hits that repeat in a recording are detected more surely.

Drum parts repeat. Where the curves around a possible hit look like those around other places of the recording, what
the network heard there tells about this one, too: a kick under a loud bass note in one bar is plain in the next.
The idea is that of non-local means in image denoising (A. Buades et al., 2005), on activations instead of pixels; a
logistic regression, learnt on recordings that the network never heard, weighs both.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from drumscribe.hits.peaks import REACH, Peaks, find_peaks

Weights = tuple[float, float, float, float]
"""Of 1, the peak's own logit, that of its likes times their likeness, their likeness."""
FLOOR = 0.02
"""Peaks below this are left as they are."""
AROUND = 48
"""Frames to each side that are compared."""
STEP = 4
LIKES = 4
"""Places that are asked."""
APART = 24
"""Frames within which two places are the same one."""
FAR = 15000
"""Frames to each side in which likes are looked for: bounds time and memory for long recordings."""
_BLOCK = 256
_PLACES = 2**13  # at once
_TOP = 4.0


def _logit(p: NDArray[np.float32]) -> NDArray[np.float32]:
    p = np.clip(p, 1e-3, 1 - 1e-3)
    return np.asarray(np.log(p / (1 - p)), dtype=np.float32)


def _surroundings(onset: NDArray[np.float32], size: int = 64) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What is heard around every second frame, ``(places, size)``, and the energy of each, ``(places,)``.

    Distances are kept by a random projection (W. Johnson & J. Lindenstrauss, 1984), which costs a fifth.
    """
    offsets = np.arange(-AROUND, AROUND + 1, STEP)
    window = np.exp(-0.25 * (offsets / (0.6 * AROUND)) ** 2).astype(np.float32)
    drums = onset.shape[1]
    blurred = np.zeros((len(onset) + 2 * AROUND, drums), dtype=np.float32)
    inside = blurred[AROUND:-AROUND]
    np.sqrt(onset, out=inside)
    gaussian_filter1d(inside, 1.5, axis=0, output=inside)
    rng = np.random.default_rng(0)
    projection = rng.normal(0, size**-0.5, (len(offsets), drums, size)).astype(np.float32)
    places = len(onset[::2])
    out = np.zeros((places, size), dtype=np.float32)
    for start in range(0, places, _PLACES):
        some = out[start : start + _PLACES]
        for offset, weight, part in zip(offsets, window, projection, strict=True):
            some += weight * blurred[AROUND + offset + 2 * start :][: 2 * len(some) : 2] @ part
    return out, np.einsum("ij,ij->i", out, out)


def _likes(
    frames: NDArray[np.int64], around: NDArray[np.float32], energy: NDArray[np.float32]
) -> Iterator[tuple[slice, NDArray[np.int64], NDArray[np.float32]]]:
    """For blocks of ``frames``: which, their likes' frames, and how far those are off (0: the same, 1: as silence)."""
    for start in range(0, len(frames), _BLOCK):
        block = slice(start, start + _BLOCK)
        mine = frames[block] // 2
        low, high = max(0, int(mine[0]) - FAR // 2), int(mine[-1]) + FAR // 2
        others, other_energy = around[low:high], energy[low:high]
        own = np.maximum(energy[mine], 1e-3)
        off = own[:, None] + other_energy  # 15 MB, so all else is done in place
        off -= 2 * around[mine] @ others.T
        off /= own[:, None]
        for row, place in enumerate((mine - low).tolist()):
            off[row, max(0, place - APART // 2) : place + APART // 2 + 1] = np.inf
        found = np.zeros((len(mine), LIKES), dtype=np.int64)
        apart = np.full((len(mine), LIKES), _TOP, dtype=np.float32)
        rows = np.arange(len(mine))
        for k in range(LIKES):
            best = off.argmin(axis=1)
            found[:, k], apart[:, k] = 2 * (best + low), np.clip(off[rows, best], 0, _TOP)
            for step in range(-LIKES, LIKES + 1):
                off[rows, np.clip(best + step, 0, off.shape[1] - 1)] = np.inf
        yield block, found, apart


def evidence(onset: NDArray[np.float32], peaks: Peaks) -> NDArray[np.float64]:
    """What :data:`Weights` weigh, for each peak.

    Args:
        onset: calibrated curves, ``(frames, drums)``.
        peaks: of them.

    Returns:
        ``(peaks, 4)``: 1, own logit, the likes' mean logit times likeness, likeness (0–1).
    """
    out = np.zeros((len(peaks), 4))
    height = np.clip(peaks.height, 1e-4, 1 - 1e-4)
    out[:, 0], out[:, 1] = 1, np.log(height / (1 - height))
    frames, which = np.unique(peaks.frame, return_inverse=True)
    around, energy = _surroundings(onset)
    highest = maximum_filter1d(onset, 2 * REACH + 1, axis=0, mode="constant")
    mean = np.zeros((len(frames), onset.shape[1]), dtype=np.float32)
    likeness = np.zeros(len(frames))
    for block, found, apart in _likes(frames, around, energy):
        share = np.exp(-3 * apart)
        mean[block] = (share[..., None] * _logit(highest[found])).sum(axis=1) / share.sum(axis=1)[:, None]
        likeness[block] = np.exp(-2 * apart.mean(axis=1))
    out[:, 3] = likeness[which]
    out[:, 2] = mean[which, peaks.column] * out[:, 3]
    return out


def revise(onset: NDArray[np.float32], weights: Weights) -> NDArray[np.float32]:
    """The curves with every peak as sure as it is in the light of its likes.

    Args:
        onset: calibrated curves, ``(frames, drums)``.
        weights: learnt with the network.
    """
    peaks = find_peaks(onset, FLOOR)
    if not len(peaks):
        return onset
    wanted = 1 / (1 + np.exp(-evidence(onset, peaks) @ np.array(weights)))
    # a bump is scaled as a whole: its logarithm stays a parabola, so its place stays and its height is what is wanted
    gain = (wanted / np.maximum(peaks.height, FLOOR)).astype(np.float32)
    scale = np.ones_like(onset)
    for step in (-2, 2, -1, 1, 0):  # a frame between two peaks goes with the nearer one
        frames = peaks.frame + step
        inside = (frames >= 0) & (frames < len(onset))
        scale[frames[inside], peaks.column[inside]] = gain[inside]
    scale *= onset
    return np.minimum(scale, 1, out=scale)
