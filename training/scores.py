"""Counting: hits found, missed, and false, per drum."""

from __future__ import annotations

from dataclasses import dataclass

import mir_eval
import numpy as np
from numpy.typing import NDArray

from drumscribe.hits.peaks import find_peaks
from drumscribe.kit import LABELS


@dataclass(slots=True)
class Tally:
    """Counts per drum, each ``(drums,)``."""

    right: NDArray[np.int64]
    found: NDArray[np.int64]
    there: NDArray[np.int64]

    @classmethod
    def empty(cls) -> Tally:
        """Nothing counted yet."""
        zero = np.zeros(len(LABELS), dtype=np.int64)
        return cls(zero, zero.copy(), zero.copy())

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.right + other.right, self.found + other.found, self.there + other.there)

    def per_drum(self) -> NDArray[np.float64]:
        """F-measure of each drum; NaN where it was neither there nor found."""
        both = (self.found + self.there).astype(np.float64)
        return np.where(both > 0, 2 * self.right / np.maximum(both, 1), np.nan)

    def micro(self) -> float:
        """F-measure over all drums' counts together."""
        return float(2 * self.right.sum() / max(1, self.found.sum() + self.there.sum()))


def tally(
    curves: NDArray[np.float32],
    truth: list[tuple[float, int]],
    thresholds: NDArray[np.float64],
    *,
    fps: float,
    window_s: float = 0.05,
) -> Tally:
    """Match the peaks of ``curves`` ``(frames, drums)`` with true hits (seconds, column) of the same drum."""
    peaks = find_peaks(curves, float(thresholds.min()))
    keep = peaks.height >= thresholds[peaks.column]
    total = Tally.empty()
    for column in range(len(LABELS)):
        mine = np.sort(peaks.position[keep & (peaks.column == column)] / fps)
        theirs = np.array(sorted(t for t, c in truth if c == column))
        pairs = mir_eval.util.match_events(theirs, mine, window_s) if len(mine) and len(theirs) else []
        total.right[column], total.found[column], total.there[column] = len(pairs), len(mine), len(theirs)
    return total
