"""Flams, drags, and rolls: strokes too close together to be notes of their own.

A flam's or drag's grace strokes are softer than the main stroke that they lead to (Percussive Arts Society,
*International Drum Rudiments*); a roll is a run of equal strokes finer than the finest grid.
"""

from __future__ import annotations

from dataclasses import dataclass

from drumscribe.types import Hit, Hits, Ornament

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
class Stroke:
    """A hit that gets a place in the score, with the hits taken into its ornament."""

    hit: Hit
    ornament: Ornament = ""
    graces: tuple[Hit, ...] = ()


def plain(hits: Hits) -> list[Stroke]:
    """Every hit for itself."""
    return [Stroke(hit) for hit in hits]


def gather(hits: Hits, finest_s: float) -> list[Stroke]:
    """Fold grace strokes and rolls into their main strokes. Order of time is kept.

    Args:
        hits: all hits.
        finest_s: length of the finest note that may be written, in seconds: faster runs are rolls.
    """
    by_drum: dict[str, list[Hit]] = {}
    for hit in hits:
        by_drum.setdefault(hit.drum, []).append(hit)
    strokes: list[Stroke] = []
    for drum, own in by_drum.items():
        strokes += _gather_drum(own, finest_s) if drum in _GRACED and len(own) > 1 else [Stroke(hit) for hit in own]
    return sorted(strokes, key=lambda stroke: (stroke.hit.time_s, stroke.hit.drum, stroke.hit.id))


def _gather_drum(hits: list[Hit], finest_s: float) -> list[Stroke]:
    strokes: list[Stroke] = []
    i = 0
    while i < len(hits):
        end = _roll_end(hits, i, finest_s)
        if end - i >= _ROLL:
            strokes.append(Stroke(hits[i], "roll", tuple(hits[i + 1 : end])))
            i = end
            continue
        graces = _graces(hits, i)
        strokes.append(Stroke(hits[i + graces], ("", "flam", "drag")[graces], tuple(hits[i : i + graces])))
        i += graces + 1
    return strokes


def _roll_end(hits: list[Hit], first: int, finest_s: float) -> int:
    """Index after the last of a run of strokes, each closer to the next than 0.8 of the finest note."""
    end = first + 1
    while end < len(hits) and hits[end].time_s - hits[end - 1].time_s < 0.8 * finest_s:
        end += 1
    return end


def _graces(hits: list[Hit], first: int) -> int:
    """How many strokes from ``first`` are graces of the one after them: 0, 1, or 2."""
    if first + 2 < len(hits):
        a, b, main = hits[first : first + 3]
        close = b.time_s - a.time_s <= DRAG_S and main.time_s - b.time_s <= DRAG_S
        if close and main.time_s - a.time_s <= 1.6 * DRAG_S and max(a.velocity, b.velocity) <= 0.7 * main.velocity:
            return 2
    if first + 1 < len(hits):
        grace, main = hits[first], hits[first + 1]
        gap = main.time_s - grace.time_s
        if gap <= _UNPLAYABLE_S or (gap <= FLAM_S and grace.velocity <= _SOFTER * main.velocity):
            return 1
    return 0
