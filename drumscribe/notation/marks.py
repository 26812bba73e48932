"""Which strokes are ghosts and which are accents: contrast with what the same drum does around them.

A velocity by itself says little (players and networks differ in level), so each stroke is compared with the strokes of
its drum in the bars around it. Ghost notes are a snare drum matter (Weinberg 1994): the quieter of two groups of
strokes that stand clearly apart (N. Otsu, *A threshold selection method from gray-level histograms*, 1979). Marking
more than a third of the strokes as accents would mark nothing, so then none is. A stroke near a limit is written as
the same place is in the bars around: players repeat themselves, and a mark that comes and goes is hard to read.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from statistics import median

from drumscribe.kit import DRUMS
from drumscribe.types import Placement

GHOST_RATIO = 0.6
"""Ghosts are a group of snare strokes whose mean is below this part of the next louder group's."""
GHOST_CEILING = 72
"""No stroke louder than this is a ghost."""
APART = 0.6
"""Part of the variance that the groups must explain: one soft stroke among uneven ones is not a group."""
PLAIN_FLOOR = 50
"""Where the louder group is softer than this, all is played softly and nothing is a ghost."""
ACCENT_RATIO = {"snare": 1.3, "tom": 1.3, "hihat": 1.45, "cymbal": 1.45}
"""An accent is this much above the median of the drum's plain strokes; kick and crashes speak for themselves."""
ACCENT_FLOOR = 96
ACCENT_SHARE = 0.34
FULL_STROKES = 3
"""Full strokes at a place in the bars around from which on a soft one there is a weak backbeat and no ghost."""
CONTEXT_BARS = 4
"""Bars to each side that count as around."""
DOUBT = 0.15
"""A velocity within this part of a limit decides nothing by itself."""

_NO_ACCENT = frozenset({"crash", "splash", "china", "pedal_hihat", "ride_bell"})
_NONE = 1000.0
"""A limit that no velocity reaches."""


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
    struck = _hands(placements)
    for label, strokes in by_drum.items():
        family = DRUMS[label].family
        if family not in ACCENT_RATIO or label in _NO_ACCENT:
            continue
        plain = [stroke for stroke in strokes if stroke.hit_id not in ghosts]
        found = _accents(plain, ACCENT_RATIO[family])
        if family in ("hihat", "cymbal"):  # the sign over a chord is read as the drum's
            found = {stroke.hit_id for stroke in plain
                     if stroke.hit_id in found and struck[stroke.bar, stroke.onset] == 1}  # fmt: skip
        accents |= found
    return Marks(frozenset(ghosts), frozenset(accents))


def _hands(placements: Sequence[Placement]) -> dict[tuple[int, Fraction], int]:
    """How many hand drums are struck at each place."""
    struck: dict[tuple[int, Fraction], int] = {}
    for place in placements:
        if DRUMS[place.drum].voice == "hands":
            struck[place.bar, place.onset] = struck.get((place.bar, place.onset), 0) + 1
    return struck


def _windows(strokes: Sequence[Placement], reach: int) -> dict[int, Sequence[Placement]]:
    """Strokes within ``reach`` bars, for each bar that has strokes."""
    bars = [stroke.bar for stroke in strokes]
    return {bar: strokes[bisect_left(bars, bar - reach) : bisect_right(bars, bar + reach)] for bar in set(bars)}


def _ghosts(strokes: Sequence[Placement]) -> set[int]:
    reach = 2 * CONTEXT_BARS
    limits = {
        bar: _ghost_limit(sorted(stroke.velocity for stroke in around))
        for bar, around in _windows(strokes, reach).items()
    }
    louder = _louder(strokes, limits, reach)
    strong = {stroke.bar for stroke, loud in zip(strokes, louder, strict=True) if loud}
    places: dict[Fraction, list[int]] = {}
    for stroke, loud in zip(strokes, louder, strict=True):
        if loud:
            places.setdefault(stroke.onset, []).append(stroke.bar)

    def backbeat(stroke: Placement) -> bool:
        """Whether sound and place disagree: most bars around have a full stroke there.

        Of a stroke that the user set (its confidence is 1) the sound is what was asked for.
        """
        if stroke.confidence == 1:
            return False
        near = [bar for bar in places.get(stroke.onset, ()) if abs(bar - stroke.bar) <= CONTEXT_BARS]
        around = sum(abs(bar - stroke.bar) <= CONTEXT_BARS for bar in strong)
        return len(near) >= FULL_STROKES and 2 * len(near) > around

    return {stroke.hit_id for stroke, loud in zip(strokes, louder, strict=True)
            if not loud and stroke.velocity <= GHOST_CEILING and not stroke.ornament and not backbeat(stroke)
            and (stroke.bar in strong or {stroke.bar - 1, stroke.bar + 1} <= strong)}  # fmt: skip


def _ghost_limit(levels: list[int]) -> float:
    """Limit between ghosts and the strokes above them; 0 where no group of ``levels`` (sorted) is quiet enough.

    Where Otsu's threshold parts backbeats from plain strokes, the quiet ones are parted once more.
    """
    for _ in range(2):
        total, count = list(accumulate(levels, initial=0)), len(levels)
        best, cut = 0.0, 0
        for k in range(1, count):
            apart = (total[count] - total[k]) / (count - k) - total[k] / k
            if k * (count - k) * apart * apart > best:
                best, cut = k * (count - k) * apart * apart, k
        if not cut:
            return 0.0
        soft, strong = total[cut] / cut, (total[count] - total[cut]) / (count - cut)
        if strong < PLAIN_FLOOR:
            return 0.0
        spread = count * sum(level * level for level in levels) - total[count] ** 2
        if soft <= GHOST_RATIO * strong and best >= APART * spread:
            return min((soft + strong) / 2, GHOST_CEILING + 1)
        levels = levels[:cut]
    return 0.0


def _louder(strokes: Sequence[Placement], limits: dict[int, float], reach: int) -> list[bool]:
    """Whether each stroke is above its bar's limit; one near it goes with the same place within ``reach`` bars."""
    sides = [stroke.velocity >= limits[stroke.bar] for stroke in strokes]
    doubtful = []
    votes: dict[Fraction, list[tuple[int, int]]] = {}
    for i, stroke in enumerate(strokes):
        if abs(stroke.velocity - limits[stroke.bar]) <= DOUBT * limits[stroke.bar]:
            doubtful.append(i)
        else:
            votes.setdefault(stroke.onset, []).append((stroke.bar, 1 if sides[i] else -1))
    for i in doubtful:
        found = sum(vote for bar, vote in votes.get(strokes[i].onset, ()) if abs(bar - strokes[i].bar) <= reach)
        sides[i] = found > 0 if found else sides[i]
    return sides


def _accents(strokes: Sequence[Placement], ratio: float) -> set[int]:
    limits: dict[int, float] = {}
    for bar, around in _windows(strokes, CONTEXT_BARS).items():
        limit = max(ACCENT_FLOOR, ratio * median(stroke.velocity for stroke in around))
        loud = sum(stroke.velocity >= limit for stroke in around)
        limits[bar] = limit if loud <= ACCENT_SHARE * len(around) else _NONE
    loud_ones = [stroke for stroke, loud in zip(strokes, _louder(strokes, limits, CONTEXT_BARS), strict=True) if loud]
    return {stroke.hit_id for stroke in loud_ones} - _backbeats(strokes, loud_ones)


def _backbeats(strokes: Sequence[Placement], loud: Sequence[Placement]) -> set[int]:
    """Strokes that stand alone in their beat and are as loud there in most bars: that is the groove and no accent."""
    taken: dict[int, list[Fraction]] = {}
    places: dict[Fraction, list[int]] = {}
    for stroke in strokes:
        taken.setdefault(stroke.bar, []).append(stroke.onset)
    for stroke in loud:
        places.setdefault(stroke.onset, []).append(stroke.bar)
    found = set()
    for stroke in loud:
        alone = sum(abs(onset - stroke.onset) < 1 for onset in taken[stroke.bar]) == 1
        around = [bar for bar in taken if abs(bar - stroke.bar) <= CONTEXT_BARS]
        as_loud = sum(abs(bar - stroke.bar) <= CONTEXT_BARS for bar in places[stroke.onset])
        if alone and as_loud > 1 and 2 * as_loud >= len(around):
            found.add(stroke.hit_id)
    return found
