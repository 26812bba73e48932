"""Beats from strokes alone: for MIDI played without a click, where there is nothing to listen to.

Whether notes sit on a grid is told by how much their places in the beat agree (circular statistics: K. V. Mardia and
P. E. Jupp, *Directional Statistics*, 2000). Where they do not, the strokes are made into a curve of how likely each
frame is a beat, and the beat is followed through it as through the curve of a network (:mod:`~drumscribe.rhythm.dbn`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drumscribe.rhythm import dbn
from drumscribe.rhythm.evidence import BeatEvidence
from drumscribe.rhythm.tracking import FPS, MAX_BPM, MIN_BPM
from drumscribe.types import BeatGrid, FloatArray, Hits

Floats = NDArray[np.float64]

TRACKER = "strokes"
"""What a grid names as its tracker where its beats were found so."""
_FEWEST = 24
"""Strokes from which on they can tell."""
_PARTS = (2, 3, 4, 6)
"""Equal parts of a pulse on which notes may sit, written straight."""
_AGREE = 0.17
"""Mean cosine of the places in such a part from which on notes sit on it. Of 44 performances of GMD's validation split
43 reach it on their own click, and one when they are stretched and made to drift against it."""
_SPAN = 96
"""Strokes that are judged together: a take may begin on the grid and leave it."""
_SALIENCE = {
    "kick": 0.55, "snare": 0.5, "crash": 0.6, "china": 0.6, "splash": 0.4, "cross_stick": 0.4, "floor_tom": 0.35,
    "mid_tom": 0.3, "high_tom": 0.3, "ride": 0.22, "ride_bell": 0.25, "closed_hihat": 0.22, "open_hihat": 0.2,
    "pedal_hihat": 0.25,
}  # fmt: skip
"""How likely a loud stroke of each drum stands on a beat."""
_BLUR = np.array([0.35, 1.0, 0.35])
_FLOOR = 0.01


def on_grid(hits: Hits, grid: BeatGrid) -> bool:
    """Whether strokes sit on a grid: most stretches of them do, in some division. Too few to tell do."""
    if len(hits) < _FEWEST:
        return True
    phase = grid.pulse_at(np.array([hit.time_s for hit in hits], dtype=np.float64)) % 1.0
    stretches = np.array_split(phase, max(1, len(phase) // _SPAN))
    return float(np.median([_agreement(stretch) for stretch in stretches])) >= _AGREE


def _agreement(phase: Floats) -> float:
    """Greatest mean cosine over the divisions; swung notes agree in three or six."""
    return max(float(np.cos(2.0 * np.pi * parts * phase).mean()) for parts in _PARTS)


def beats_of(hits: Hits, duration_s: float) -> BeatEvidence:
    """Follow the beat through the strokes.

    Args:
        hits: in order of time.
        duration_s: length in seconds.

    Returns:
        Evidence with one column, how likely each frame is a beat; without beats where there are fewer than 24 strokes.
    """
    curve = _curve(hits, duration_s)
    beats = dbn.follow(curve, FPS, MIN_BPM, MAX_BPM) if len(hits) >= _FEWEST else np.zeros(0)
    return BeatEvidence(curve[:, None], float(FPS), TRACKER, beats)


def _curve(hits: Hits, duration_s: float) -> FloatArray:
    frames = max(1, int(np.ceil(max(duration_s, hits[-1].time_s if len(hits) else 0.0) * FPS)) + 2)
    silent = np.zeros(frames)  # log-chance that none of the strokes is a beat
    for hit in hits:
        chance = _SALIENCE[hit.drum] * (0.25 + 0.75 * min(hit.velocity / 100.0, 1.0))
        at = round(hit.time_s * FPS)
        for k, part in enumerate(_BLUR, start=at - len(_BLUR) // 2):
            if 0 <= k < frames:
                silent[k] += np.log1p(-chance * part)
    curve: FloatArray = np.clip(1.0 - np.exp(silent), _FLOOR, 0.97).astype(np.float32)
    return curve
