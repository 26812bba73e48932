"""What a beat tracker heard, kept so that tempo, meter, and bars can be decided again at no cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drumscribe.types import FloatArray


@dataclass(frozen=True, slots=True)
class BeatEvidence:
    """Frame-wise activations and the beats decoded from them without any wish of the user.

    Attributes:
        activations: ``(frames, k)`` float32. madmom: ``k = 2``, probability of a beat that is no downbeat, and of a
            downbeat. librosa: ``k = 1``, onset strength. strokes: ``k = 1``, probability of a beat.
        fps: frames per second (100).
        tracker: ``"madmom"``, ``"librosa"``, ``"strokes"`` (:mod:`drumscribe.rhythm.strokes`), or ``"user"``.
        beats: ``(n,)`` float64, beat times in seconds, increasing.
        start_s: time of the first frame (:class:`~drumscribe.types.Activations`).
    """

    activations: FloatArray
    fps: float
    tracker: str
    beats: NDArray[np.float64]
    start_s: float = 0.0

    @classmethod
    def empty(cls, tracker: str = "user") -> BeatEvidence:
        """Evidence of nothing: the grid is then made from the hits alone."""
        return cls(np.zeros((0, 1), np.float32), 100.0, tracker, np.zeros(0))

    def downbeat_odds(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-odds that the beats at ``times`` are downbeats rather than other beats; zeros where not known."""
        if self.activations.shape[1] < 2 or not len(self.activations):
            return np.zeros(len(times))
        beat, down, known = self._around(times)
        return np.asarray(np.where(known, np.log(down + 0.01) - np.log(beat + 0.01), 0.0))

    def loudness(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-probability, within 30 ms, of a beat of either kind at ``times``; zeros where not known."""
        if self.activations.shape[1] < 2 or not len(self.activations):
            return np.zeros(len(times))
        beat, down, known = self._around(times)
        return np.asarray(np.where(known, np.log(beat + down + 0.01), 0.0))

    def on_pulses(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """What was heard on pulses at ``times``: downbeat odds and loudness, ``(n, 2)``, each around its mean."""
        rows = np.stack([self.downbeat_odds(times), self.loudness(times)], axis=1)
        known = rows.any(axis=1)
        if known.any():
            rows[known] -= rows[known].mean(axis=0)
        return rows

    def _around(self, times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Highest activations within 30 ms, and whether there are any: a beat may stand a frame or two off its peak."""
        frames = np.rint((np.asarray(times) - self.start_s) * self.fps).astype(int)
        around = np.clip(frames[:, None] + np.arange(-3, 4), 0, len(self.activations) - 1)
        beat, down = np.moveaxis(self.activations[around].astype(np.float64).max(axis=1), 1, 0)
        return beat, down, (frames >= 0) & (frames < len(self.activations))
