"""Which strokes are ghosts and which are accents: contrast with what the same drum does around them.

A velocity by itself says little (players and networks differ in level), so each stroke is compared with the strokes of
its drum in the bars around it. Ghost notes are a snare drum matter (Weinberg 1994); marking more than a third of the
strokes as accents would mark nothing, so then none is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from drumscribe.kit import DRUMS
from drumscribe.types import Placement

GHOST_RATIO = 0.55
"""A snare stroke is a ghost below this part of the strong snare strokes around it ..."""
GHOST_CEILING = 64
"""... and below this velocity in any case."""
ACCENT_RATIO = {"snare": 1.3, "tom": 1.3, "hihat": 1.45, "cymbal": 1.45}
"""An accent is this much above the median of the drum's plain strokes; kick and crashes speak for themselves."""
ACCENT_FLOOR = 96
ACCENT_SHARE = 0.34
CONTEXT_BARS = 4
"""Bars to each side that count as around."""

_NO_ACCENT = frozenset({"crash", "splash", "china", "pedal_hihat", "ride_bell"})


@dataclass(frozen=True, slots=True)
class Marks:
    """Ids of the hits that are written as ghosts and as accents."""

    ghosts: frozenset[int] = frozenset()
    accents: frozenset[int] = frozenset()


def find_marks(placements: Sequence[Placement]) -> Marks:
    """Classify every stroke by its context; ``placements`` are ordered by bar."""
    by_drum: dict[str, list[Placement]] = {}
    for place in placements:
        by_drum.setdefault(place.drum, []).append(place)
    ghosts = _ghosts(by_drum.get("snare", []))
    accents: set[int] = set()
    for label, strokes in by_drum.items():
        ratio = ACCENT_RATIO.get(DRUMS[label].family)
        if ratio is not None and label not in _NO_ACCENT:
            accents |= _accents([stroke for stroke in strokes if stroke.hit_id not in ghosts], ratio)
    return Marks(frozenset(ghosts), frozenset(accents))


def _windows(strokes: Sequence[Placement], reach: int) -> dict[int, Sequence[Placement]]:
    """Strokes within ``reach`` bars, for each bar that has strokes."""
    bars = [stroke.bar for stroke in strokes]
    return {bar: strokes[bisect_left(bars, bar - reach) : bisect_right(bars, bar + reach)] for bar in set(bars)}


def _ghosts(strokes: Sequence[Placement]) -> set[int]:
    limits: dict[int, float] = {}
    for bar, around in _windows(strokes, 2 * CONTEXT_BARS).items():
        levels = sorted(stroke.velocity for stroke in around)
        strong = levels[int(0.8 * (len(levels) - 1) + 0.5)]
        limits[bar] = min(GHOST_RATIO * strong, GHOST_CEILING)
    return {stroke.hit_id for stroke in strokes if stroke.velocity <= limits[stroke.bar] and not stroke.ornament}


def _accents(strokes: Sequence[Placement], ratio: float) -> set[int]:
    found: set[int] = set()
    for bar, around in _windows(strokes, CONTEXT_BARS).items():
        limit = max(ACCENT_FLOOR, ratio * median(stroke.velocity for stroke in around))
        if sum(stroke.velocity >= limit for stroke in around) <= ACCENT_SHARE * len(around):
            found |= {stroke.hit_id for stroke in around if stroke.bar == bar and stroke.velocity >= limit}
    return found
