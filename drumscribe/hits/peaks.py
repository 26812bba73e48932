"""Local maxima of activation curves, placed between frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REACH = 2
"""A peak is the highest value among this many frames to each side: strokes of one drum are at least 25 ms apart."""
_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class Peaks:
    """Peaks in order of time.

    Attributes:
        frame: ``(n,)`` frame of each peak.
        column: ``(n,)`` its drum.
        position: ``(n,)`` place of the maximum in frames, between frames.
        height: ``(n,)`` height there, 0–1.
    """

    frame: NDArray[np.int64]
    column: NDArray[np.int64]
    position: NDArray[np.float64]
    height: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.frame)


def find_peaks(curves: NDArray[np.float32], floor: float) -> Peaks:
    """Find every local maximum of at least ``floor``.

    The network is taught Gaussian bumps, whose logarithm is a parabola: the parabola through three log-values gives
    place and height of the maximum (J. O. Smith, *Spectral Audio Signal Processing*, 2011, quadratic interpolation).

    Args:
        curves: ``(frames, drums)``, 0–1.
        floor: smallest height.

    >>> bump = np.exp(-0.5 * ((np.arange(9) - 4.3) / 0.75) ** 2).astype(np.float32)[:, None]
    >>> round(float(find_peaks(bump, 0.1).position[0]), 2)
    4.3
    """
    frames = len(curves)
    if not frames:
        empty = np.zeros(0)
        return Peaks(empty.astype(np.int64), empty.astype(np.int64), empty, empty)
    padded = np.pad(curves, ((REACH, REACH), (0, 0)), constant_values=-1.0)
    top = curves >= floor
    for shift in range(1, REACH + 1):
        # of equal neighbours the first counts
        top &= curves > padded[REACH - shift : REACH - shift + frames]
        top &= curves >= padded[REACH + shift : REACH + shift + frames]
    frame, column = np.nonzero(top)
    left, centre, right = (
        np.log(np.maximum(curves[np.clip(frame + step, 0, frames - 1), column], _FLOOR).astype(np.float64))
        for step in (-1, 0, 1)
    )
    bend = left - 2 * centre + right
    offset = np.where(bend < -1e-9, 0.5 * (left - right) / np.where(bend < -1e-9, bend, -1.0), 0.0)
    offset = np.clip(offset, -0.5, 0.5)
    height = np.exp(centre - 0.25 * (left - right) * offset)
    return Peaks(frame, column, np.maximum(0.0, frame + offset), np.clip(height, 0.0, 1.0))
