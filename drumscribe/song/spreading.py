"""One correction for many bars: what an edit did in its bar, done in others; and bars made equal to one."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from drumscribe.song import edits
from drumscribe.song.edits import Edit
from drumscribe.song.gestures import Places
from drumscribe.types import Hit, Hits, Rhythm

_NEAR_S = 0.12
"""How far from its place on the grid a stroke may have been played."""


_GRACE_S = 0.045
"""Longest time from a grace stroke to its main stroke."""


def bar_of(edit: Edit, rhythm: Rhythm) -> int | None:
    """The one bar that an edit was made in; ``None`` if it was made in several, or in none."""
    if not rhythm.bars:
        return None
    places = Places(rhythm.bars, rhythm.placements)
    bars = {places.of(hit)[0] for hit in (*edit.removed, *edit.added)}
    return bars.pop() if len(bars) == 1 else None


def repeated(edit: Edit, hits: Hits, rhythm: Rhythm, bars: Iterable[int]) -> Edit:
    """What ``edit``, which has been made, did in its bar, in ``bars`` as well: one edit.

    A stroke that went goes there, too, if it is there; one that came comes, unless it is there already; one that
    changed drum, place, or velocity changes so. Raises EditError.
    """
    places = Places(rhythm.bars, rhythm.placements)
    after = {hit.id: hit for hit in edit.added}
    before = {hit.id: hit for hit in edit.removed}
    old: dict[int, Hit] = {}
    new: list[Hit] = []
    next_id = edits.free_id(hits)
    wanted = [bar for bar in dict.fromkeys(bars) if 0 <= bar < len(rhythm.bars)]
    for bar in wanted:
        for was in edit.removed:
            there = _struck(hits, places, bar, places.nearest(was.time_s)[1], was.drum)
            if there is None:
                continue
            old[there.id] = there
            now = after.get(was.id)
            if now is not None:
                moved = places.of(now)[1] != places.nearest(was.time_s)[1]
                time_s = places.time_s(bar, places.of(now)[1]) if moved else there.time_s
                velocity = now.velocity if now.velocity != was.velocity else there.velocity
                new.append(Hit(there.id, time_s, now.drum, 1.0, velocity, "user"))
        for now in edit.added:
            free_s = None if now.id in before else _free(now, hits, places, bar)
            if free_s is not None:
                new.append(Hit(next_id, free_s, now.drum, 1.0, now.velocity, "user"))
                next_id += 1
    return edits.changed(f"{edit.label}: {_bars(wanted)} alike", hits, list(old.values()), new)


def equal(bar: int, hits: Hits, rhythm: Rhythm, bars: Iterable[int]) -> Edit:
    """Make ``bars`` equal to ``bar``: one edit. Strokes that are in both stay as they were played."""
    places = Places(rhythm.bars, rhythm.placements)
    contents: dict[int, dict[tuple[Fraction, str], Hit]] = {}
    for hit in hits:
        here, onset = places.of(hit)
        contents.setdefault(here, {}).setdefault((onset, hit.drum), hit)
    model = contents.get(bar, {})
    old: list[Hit] = []
    new: list[Hit] = []
    next_id = edits.free_id(hits)
    wanted = [one for one in dict.fromkeys(bars) if one != bar and 0 <= one < len(rhythm.bars)]
    for one in wanted:
        there = contents.get(one, {})
        old += [hit for place, hit in there.items() if place not in model]
        for (onset, drum), hit in model.items():
            if (onset, drum) not in there:
                new.append(Hit(next_id, places.time_s(one, onset), drum, 1.0, hit.velocity, "user"))
                next_id += 1
    return edits.changed(f"Make {_bars(wanted)} like bar {rhythm.bars[bar].number}", hits, old, new)


def _free(now: Hit, hits: Hits, places: Places, bar: int) -> float | None:
    """When a stroke that came elsewhere would come in ``bar``; ``None`` where there is one already."""
    after = hits.between(now.time_s + edits.MIN_GAP_S, now.time_s + _GRACE_S)
    main = next((hit for hit in after if hit.drum == now.drum), None)
    if main is None:
        onset = places.of(now)[1]
        return places.time_s(bar, onset) if _struck(hits, places, bar, onset, now.drum) is None else None
    # a grace stroke: it leads to the same stroke there
    there = _struck(hits, places, bar, places.of(main)[1], main.drum)
    if there is None or any(hit.drum == now.drum for hit in hits.between(there.time_s - _GRACE_S, there.time_s)):
        return None
    return max(0.0, there.time_s - (main.time_s - now.time_s))


def _struck(hits: Hits, places: Places, bar: int, onset: Fraction, drum: str) -> Hit | None:
    """The stroke of ``drum`` that stands at a place."""
    time_s = places.time_s(bar, onset)
    near = [hit for hit in hits.between(time_s - _NEAR_S, time_s + _NEAR_S)
            if hit.drum == drum and places.of(hit) == (bar, onset)]  # fmt: skip
    return min(near, key=lambda hit: abs(hit.time_s - time_s), default=None)


def _bars(bars: list[int]) -> str:
    return "1 bar" if len(bars) == 1 else f"{len(bars)} bars"
