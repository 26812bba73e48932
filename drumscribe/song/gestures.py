"""What the hand does in the score or the lanes, as edits: pure functions from hits and bars to an :class:`Edit`.

Places are those of the grid that a bar was written on: ``(bar, onset)``, onset in quarter notes from the bar line, as
written (swung eighths stand at 1/2). Hits that nobody quantised yet, because an action just before brought them, stand
at the nearest place.

>>> from drumscribe.types import Bar, Hit, Hits, Meter, Rhythm
>>> bar = Bar(0, 1, Meter(), Meter().quarter_length, 0.0, 2.0, 120.0, (2, 2, 2, 2))
>>> rhythm = Rhythm((bar,), (), 120.0)
>>> made = meaning(Action(1, "add", drum="snare", bar=0, onset=1.0), Hits(), rhythm)
>>> made.edit.label, made.edit.added[0].time_s
('Add snare drum', 0.5)
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from statistics import median
from typing import Any, Literal

import msgspec

from drumscribe.errors import EditError
from drumscribe.kit import BY_HEIGHT, DRUMS
from drumscribe.song import edits
from drumscribe.song.edits import Edit
from drumscribe.types import Bar, Hit, Hits, Placement, Rhythm

Kind = Literal["add", "delete", "relabel", "step", "nudge", "move", "ghost", "accent", "flam", "paste", "undo", "redo"]
FLAM_S = 0.03
"""A grace stroke comes so long before its main stroke."""
GRACE, SOFT, LOUD = 0.5, 0.35, 1.55
"""Velocity of a grace stroke, a ghost, and an accent, as parts of the plain stroke's."""
LOUD_FLOOR = 112
"""No accent is softer: the score writes none that is (:mod:`drumscribe.notation.marks`)."""
GRACED = frozenset({"snare", "high_tom", "mid_tom", "floor_tom", "cross_stick"})
"""Drums that flams are written for."""
NEAR_S = 8.0
"""How far around a stroke the plain strokes of its drum are looked for."""


@dataclass(frozen=True, slots=True)
class Note:
    """A copied note: quarter notes from the first copied bar's line, drum, velocity."""

    onset: float
    drum: str
    velocity: int


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that was done.

    Attributes:
        id: counts up within one player.
        kind: what was done; ``"undo"`` and ``"redo"`` are not for :func:`meaning`.
        hits: to which hits; a negative number is one of ``names`` of an action before.
        drum: of ``"add"`` and ``"relabel"``.
        by: steps of the drums or of the grid; seconds for ``"move"``.
        bar: index of the bar that is added or pasted to.
        onset: quarter notes from its line.
        notes: what is pasted.
        bars: pasted so many whole bars: what was in them goes.
        names: negative numbers by which later actions call the hits that come.
    """

    id: int
    kind: Kind
    hits: tuple[int, ...] = ()
    drum: str = ""
    by: float = 0.0
    bar: int = 0
    onset: float = 0.0
    notes: tuple[Note, ...] = ()
    bars: int = 0
    names: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an action comes to: ``made`` gives the id of the hit behind each of the action's names."""

    edit: Edit
    made: dict[int, int] = field(default_factory=dict)


def read(message: Any) -> tuple[Action, ...]:
    """Actions as a browser sends them. Raises EditError."""
    try:
        return msgspec.convert(message, tuple[Action, ...])
    except msgspec.ValidationError as error:
        raise EditError(f"The browser sent an edit that cannot be read: {error}.", "Reload the page.") from error


def meaning(action: Action, hits: Hits, rhythm: Rhythm, names: Mapping[int, int] | None = None) -> Meaning:
    """What ``action`` comes to. Raises EditError if it cannot be done.

    Args:
        hits: as they are now.
        rhythm: the bars, with the places of as many of the hits as were quantised.
        names: ids of the hits that earlier actions brought.
    """
    known = hits.by_id()
    ids = [hit_id for hit_id in ((names or {}).get(one, one) for one in action.hits) if hit_id in known]
    spots = Places(rhythm.bars, rhythm.placements)
    match action.kind:
        case "add":
            return _add(action, hits, spots)
        case "paste":
            return _paste(action, hits, spots)
        case "delete":
            return Meaning(edits.delete(hits, ids))
        case "relabel":
            return Meaning(edits.relabel(hits, ids, action.drum))
        case "step":
            return Meaning(_step(hits, ids, round(action.by)))
        case "nudge":
            return Meaning(_nudge(hits, ids, round(action.by), spots))
        case "move":
            return Meaning(edits.move(hits, ids, max(action.by, -min((known[one].time_s for one in ids), default=0.0))))
        case "ghost" | "accent":
            return Meaning(_level(hits, ids, action.kind))
        case "flam":
            return Meaning(_flam(hits, ids, rhythm))
    raise EditError(f"{action.kind} is not an edit of hits.", "Use the buttons of the page.")


class Places:
    """Where hits stand in the bars, and when each place of the bars' grid sounds."""

    def __init__(self, bars: Sequence[Bar], placements: Iterable[Placement] = ()) -> None:
        self.bars = bars
        self._written = {place.hit_id: (place.bar, place.onset) for place in placements}
        self._starts = [bar.start_s for bar in bars]

    def inside(self, hits: Hits, first: int, end: int) -> list[Hit]:
        """Those of ``hits`` that stand in the bars from ``first`` to before ``end``."""
        if not 0 <= first < end <= len(self.bars):
            return []
        early, late = self.bars[max(0, first - 1)], self.bars[min(end, len(self.bars) - 1)]
        around = hits.between(0.0 if first == 0 else early.start_s, math.inf if end >= len(self.bars) else late.end_s)
        return [hit for hit in around if first <= self.of(hit)[0] < end]

    def of(self, hit: Hit) -> tuple[int, Fraction]:
        """Bar and onset of a hit: as written, where it still is what was written."""
        bar, onset = self._written.get(hit.id, (-1, Fraction(0)))
        if bar >= 0 and abs(self.time_s(bar, onset) - hit.time_s) < 0.6 * self._step_s(bar):
            return bar, onset
        return self.nearest(hit.time_s)

    def nearest(self, time_s: float) -> tuple[int, Fraction]:
        """The place nearest to a time. Raises EditError where there are no bars."""
        if not self.bars:
            raise EditError("There are no bars to write into.", "Transcribe a recording with a beat.")
        index = max(0, bisect_right(self._starts, time_s) - 1)
        found = [(abs(sounds_s - time_s), (index, onset)) for onset, sounds_s in grid(self.bars[index])]
        if index + 1 < len(self.bars):
            found.append((abs(self._starts[index + 1] - time_s), (index + 1, Fraction(0))))
        return min(found)[1]

    def time_s(self, bar: int, onset: Fraction) -> float:
        """When a place sounds."""
        return _sounds_s(self.bars[bar], onset)

    def moved(self, place: tuple[int, Fraction], by: int) -> tuple[int, Fraction]:
        """The place ``by`` steps of the grid further on, within the song."""
        bar, onset = place
        for _ in range(abs(by)):
            here = slots(self.bars[bar])
            if by > 0:
                later = [slot for slot in here if slot > onset]
                if not later and bar + 1 == len(self.bars):
                    break
                bar, onset = (bar, later[0]) if later else (bar + 1, Fraction(0))
            else:
                earlier = [slot for slot in here if slot < onset]
                if not earlier and bar == 0:
                    break
                bar, onset = (bar, earlier[-1]) if earlier else (bar - 1, slots(self.bars[bar - 1])[-1])
        return bar, onset

    def _step_s(self, bar: int) -> float:
        found = self.bars[bar]
        return (found.end_s - found.start_s) / max(1, len(slots(found)))


def slots(bar: Bar) -> tuple[Fraction, ...]:
    """Onsets of a bar's grid: as each pulse was divided, at least into four (a pulse in threes stays so)."""
    return _slots(bar.meter.pulse, bar.length, bar.subdivisions or (1,))


def grid(bar: Bar) -> list[tuple[Fraction, float]]:
    """The same, and when each of them sounds."""
    shares = _shares(bar.meter.pulse, bar.length, bar.subdivisions or (1,), bar.swing)
    return [(onset, max(0.0, bar.start_s + share * (bar.end_s - bar.start_s))) for onset, share in shares]


# Most bars of a song are divided alike, and fractions are slow.
@lru_cache(maxsize=1024)
def _shares(
    pulse: Fraction, length: Fraction, parts: tuple[int, ...], swing: bool
) -> tuple[tuple[Fraction, float], ...]:
    return tuple((onset, _share(pulse, length, onset, swing)) for onset in _slots(pulse, length, parts))


@lru_cache(maxsize=1024)
def _slots(pulse: Fraction, length: Fraction, parts: tuple[int, ...]) -> tuple[Fraction, ...]:
    found = []
    for number, divided in enumerate(parts):
        count = divided if divided > 2 else 4
        found += [pulse * (number + Fraction(part, count)) for part in range(count)]
    return tuple(onset for onset in found if onset < length)


def _sounds_s(bar: Bar, onset: Fraction) -> float:
    share = _share(bar.meter.pulse, bar.length, onset, bar.swing)
    return max(0.0, bar.start_s + share * (bar.end_s - bar.start_s))


@lru_cache(maxsize=8192)
def _share(pulse: Fraction, length: Fraction, onset: Fraction, swing: bool) -> float:
    """Where in its bar an onset sounds, as a part of the bar."""
    number, inside = divmod(onset, pulse)
    if swing and pulse == 1:  # a swung second eighth comes at two thirds of the beat
        inside = inside * Fraction(4, 3) if inside <= Fraction(1, 2) else Fraction(1, 3) + inside * Fraction(2, 3)
    return float((number * pulse + inside) / length)


def _add(action: Action, hits: Hits, spots: Places) -> Meaning:
    if not 0 <= action.bar < len(spots.bars):
        raise EditError("There is no such bar.", "Click into a bar of the score.")
    onset = min(slots(spots.bars[action.bar]), key=lambda slot: abs(slot - action.onset))
    time_s = spots.time_s(action.bar, onset)
    there = _same(hits, spots, action.drum, (action.bar, onset), time_s)
    if there:
        return Meaning(Edit("Add"), dict(zip(action.names, (there[0].id,), strict=False)))
    edit = edits.add(hits, time_s, action.drum, _plain(hits, action.drum, time_s))
    return Meaning(edit, dict(zip(action.names, (hit.id for hit in edit.added), strict=False)))


def _same(hits: Hits, spots: Places, drum: str, place: tuple[int, Fraction], time_s: float) -> list[Hit]:
    """Hits of ``drum`` that stand at ``place`` already."""
    around = hits.between(time_s - 0.12, time_s + 0.12)
    return [hit for hit in around if hit.drum == drum and spots.of(hit) == place]


def _step(hits: Hits, ids: Iterable[int], by: int) -> Edit:
    by_id = hits.by_id()
    old = [by_id[one] for one in ids]
    new = []
    for hit in old:
        near = hits.between(hit.time_s - edits.MIN_GAP_S, hit.time_s + edits.MIN_GAP_S)
        struck = {one.drum for one in near} - {hit.drum}
        free = [drum for drum in BY_HEIGHT if drum not in struck]  # a stroke that is there already is passed by
        place = min(len(free) - 1, max(0, free.index(hit.drum) + by))
        new.append(replace(hit, drum=free[place], confidence=1.0, origin="user"))
    return edits.changed(f"Make {_notes(old)} another drum", hits, old, new)


def _nudge(hits: Hits, ids: Iterable[int], by: int, spots: Places) -> Edit:
    by_id = hits.by_id()
    old = [by_id[one] for one in ids]
    new = []
    for hit in old:
        time_s = spots.time_s(*spots.moved(spots.of(hit), by))
        new.append(replace(hit, time_s=time_s, confidence=1.0, origin="user"))
    return edits.changed(f"Move {_notes(old)}", hits, old, new)


def _level(hits: Hits, ids: list[int], kind: Literal["ghost", "accent"]) -> Edit:
    """Make strokes ghosts or accents; where all of them are already, plain strokes."""
    by_id = hits.by_id()
    old = [by_id[one] for one in ids]
    levels = {hit.id: _plain(hits, hit.drum, hit.time_s, without=frozenset(ids)) for hit in old}
    soft = kind == "ghost"
    wanted = {
        hit.id: _velocity(SOFT * levels[hit.id] if soft else max(LOUD_FLOOR, LOUD * levels[hit.id])) for hit in old
    }
    already = all(hit.velocity <= wanted[hit.id] if soft else hit.velocity >= wanted[hit.id] for hit in old)
    to = levels if already else wanted
    new = [replace(hit, velocity=_velocity(to[hit.id]), confidence=1.0, origin="user") for hit in old]
    name = "a plain stroke" if already else "a ghost note" if soft else "an accent"
    return edits.changed(f"Make {_notes(old)} {name}", hits, old, new)


def _flam(hits: Hits, ids: Iterable[int], rhythm: Rhythm) -> Edit:
    """Give strokes a grace stroke; take it away where all have one."""
    by_id = hits.by_id()
    old = [by_id[one] for one in ids if by_id[one].drum in GRACED]
    if not old:
        raise EditError("A flam is written for snare drum and toms only.", "Select a stroke of one of those.")
    graces = {place.hit_id: place.grace_ids for place in rhythm.placements if place.ornament == "flam"}
    near = {hit.id: _graces(hits, hit, graces) for hit in old}
    if all(near.values()):
        going = [grace for one in near.values() for grace in one]
        return replace(edits.delete(hits, [hit.id for hit in going]), label=f"Make {_notes(old)} no flam")
    first = edits.free_id(hits)
    new = [
        Hit(first + number, max(0.0, hit.time_s - FLAM_S), hit.drum, 1.0, _velocity(GRACE * hit.velocity), "user")
        for number, hit in enumerate(hit for hit in old if not near[hit.id])
    ]
    return edits.changed(f"Make {_notes(old)} a flam", hits, [], new)


def _graces(hits: Hits, hit: Hit, written: Mapping[int, tuple[int, ...]]) -> list[Hit]:
    before = hits.between(hit.time_s - 1.6 * FLAM_S, hit.time_s)
    known = written.get(hit.id, ())
    return [one for one in before if one.drum == hit.drum and (one.id in known or one.velocity < hit.velocity)]


def _paste(action: Action, hits: Hits, spots: Places) -> Meaning:
    """Put copied notes into the bars from ``bar`` on; whole bars take the place of what was there."""
    if not action.notes and not action.bars:
        raise EditError("Nothing was copied.", "Select notes and copy them first.")
    if not 0 <= action.bar < len(spots.bars):
        raise EditError("There is no such bar.", "Select a note of the bar to paste into.")
    old: dict[int, Hit] = {}
    if action.bars:
        last = min(len(spots.bars), action.bar + action.bars)
        old = {hit.id: hit for hit in spots.inside(hits, action.bar, last)}
    first = edits.free_id(hits)
    new: list[Hit] = []
    made: dict[int, int] = {}
    for number, note in enumerate(action.notes):
        place = _from(spots, action.bar, Fraction(note.onset).limit_denominator(96))
        if place is None:
            continue  # past the end of the song
        time_s = spots.time_s(*place)
        old |= {hit.id: hit for hit in _same(hits, spots, note.drum, place, time_s)}
        new.append(Hit(first + number, time_s, note.drum, 1.0, _velocity(note.velocity), "user"))
        if number < len(action.names):
            made[action.names[number]] = first + number
    return Meaning(edits.changed(f"Paste {_notes(new)}", hits, list(old.values()), new), made)


def _from(spots: Places, bar: int, onset: Fraction) -> tuple[int, Fraction] | None:
    """The place ``onset`` quarter notes after the line of ``bar``."""
    while bar < len(spots.bars) and onset >= spots.bars[bar].length:
        onset -= spots.bars[bar].length
        bar += 1
    return (bar, onset) if bar < len(spots.bars) else None


def _plain(hits: Hits, drum: str, time_s: float, without: frozenset[int] = frozenset()) -> int:
    """Velocity of a plain stroke of ``drum`` around a time: the louder half's middle, since ghosts are none."""
    around = [hit.velocity for hit in hits.between(time_s - NEAR_S, time_s + NEAR_S)
              if hit.drum == drum and hit.id not in without]  # fmt: skip
    if not around:
        return 90
    middle = median(around)
    return round(median([velocity for velocity in around if velocity >= middle]))


def _velocity(value: float) -> int:
    return min(127, max(1, round(value)))


def _notes(hits: list[Hit]) -> str:
    if len({hit.drum for hit in hits}) == 1 and len(hits) == 1:
        return DRUMS[hits[0].drum].name.lower()
    return f"{len(hits)} notes"
