"""Flams, drags, and rolls: strokes too close together to be notes of their own.

A flam's or drag's grace strokes are softer than the main stroke that they lead to (Percussive Arts Society,
*International Drum Rudiments*); a roll is a run of equal strokes finer than the finest grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drumscribe.types import Hit, Ornament

_GRACED = frozenset({"snare", "high_tom", "mid_tom", "floor_tom", "cross_stick"})
"""Drums that ornaments are written for; two strokes on others this close are one stroke seen twice."""
FLAM_S = 0.045
"""Longest time from a flam's grace stroke to its main stroke."""
DRAG_S = 0.075
"""Longest time between strokes of a drag."""
_SOFTER = 0.85
"""A grace stroke has at most this part of the main stroke's velocity, unless it is too close for anything else."""
_UNPLAYABLE_S = 0.028
"""Strokes closer than this are never two notes."""
_ROLL = 4
"""Strokes in the shortest roll."""


@dataclass(frozen=True, slots=True)
class Strokes:
    """Hits that get places in the score, and those taken into their ornaments; hits are named by their index.

    Attributes:
        main: ``(strokes,)`` in the order that was given.
        ornaments: kind and grace strokes (of a roll: later strokes) of those main strokes that have one.
    """

    main: NDArray[np.int64]
    ornaments: dict[int, tuple[Ornament, tuple[int, ...]]]


def gather(hits: tuple[Hit, ...], times: NDArray[np.float64], order: NDArray[np.int64], finest_s: float) -> Strokes:
    """Fold grace strokes and rolls into their main strokes.

    Args:
        hits: all hits.
        times: where each is taken to stand, in seconds.
        order: indices of the hits to look at, in order of these times.
        finest_s: length of the finest note that may be written, in seconds: faster runs are rolls.
    """
    reach = max(DRAG_S, 0.8 * finest_s)
    drums = np.array([hits[i].drum for i in order.tolist()])
    ornaments: dict[int, tuple[Ornament, tuple[int, ...]]] = {}
    for drum in _GRACED & set(drums.tolist()):
        own = order[drums == drum]
        # strokes further apart have nothing to do with each other
        cuts = np.concatenate([[0], np.flatnonzero(np.diff(times[own]) > reach) + 1, [len(own)]])
        for run in np.flatnonzero(np.diff(cuts) > 1).tolist():
            close = own[cuts[run] : cuts[run + 1]].tolist()
            found = [_Moved(i, float(times[i]), hits[i].velocity) for i in close]
            ornaments |= {main: (kind, graces) for main, kind, graces in _gather_drum(found, finest_s) if graces}
    taken = [grace for _, graces in ornaments.values() for grace in graces]
    return Strokes(order[~np.isin(order, taken)], ornaments)


@dataclass(frozen=True, slots=True)
class _Moved:
    """A hit where it is taken to stand."""

    index: int
    time_s: float
    velocity: int


def _gather_drum(hits: list[_Moved], finest_s: float) -> list[tuple[int, Ornament, tuple[int, ...]]]:
    kinds: tuple[Ornament, ...] = ("", "flam", "drag")
    strokes: list[tuple[int, Ornament, tuple[int, ...]]] = []
    i = 0
    while i < len(hits):
        end = _roll_end(hits, i, finest_s)
        if end - i >= _ROLL:
            strokes.append((hits[i].index, "roll", tuple(hit.index for hit in hits[i + 1 : end])))
            i = end
            continue
        graces = _graces(hits, i)
        strokes.append((hits[i + graces].index, kinds[graces], tuple(hit.index for hit in hits[i : i + graces])))
        i += graces + 1
    return strokes


def _roll_end(hits: list[_Moved], first: int, finest_s: float) -> int:
    """Index after the last of a run of strokes, each closer to the next than 0.8 of the finest note."""
    end, closest = first + 1, round(0.8 * finest_s, 6)
    while end < len(hits) and _gap_s(hits[end - 1], hits[end]) < closest:
        end += 1
    return end


def _graces(hits: list[_Moved], first: int) -> int:
    """How many strokes from ``first`` are graces of the one after them: 0, 1, or 2."""
    if first + 2 < len(hits):
        a, b, main = hits[first : first + 3]
        close = _gap_s(a, b) <= DRAG_S and _gap_s(b, main) <= DRAG_S
        if close and _gap_s(a, main) <= 1.6 * DRAG_S and max(a.velocity, b.velocity) <= 0.7 * main.velocity:
            return 2
    if first + 1 < len(hits):
        grace, main = hits[first], hits[first + 1]
        gap = _gap_s(grace, main)
        if gap <= _UNPLAYABLE_S or (gap <= FLAM_S and grace.velocity <= _SOFTER * main.velocity):
            return 1
    return 0


def _gap_s(first: _Moved, second: _Moved) -> float:
    """Seconds from one to the other; to the microsecond, so that moving both by the same does not change it."""
    return round(second.time_s - first.time_s, 6)
