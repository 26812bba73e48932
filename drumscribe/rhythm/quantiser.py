"""From times to note values: a Viterbi search over the subdivisions of the pulses.

Every pulse is divided into equal parts (or swung); all its hits share the division. A division costs what it costs to
read, a hit costs the more, the further it is from its place (given how tightly that drum is played), and a change of
division from one pulse to the next costs, too. Places that a drum takes in other bars, the player's habit of being
ahead or behind, the spread of the timing, and the swing ratio are learnt from the song itself in a few rounds
(empirical Bayes).

What is written, played exactly, is written the same again. One search does not promise that: moved to their places,
hits may tell of other habits, and hits that were left out no longer count. So the search is repeated from what was
written until that stays as it is.

The frame is that of A. T. Cemgil and B. Kappen, *Monte Carlo methods for tempo tracking and rhythm quantization*,
JAIR 18, 2003, and H. Takeda et al., *Rhythm and tempo analysis toward automatic music transcription*, ICASSP 2007.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from drumscribe.options import QuantiseOptions
from drumscribe.rhythm.divisions import SLOTS, STATES, Divisions
from drumscribe.rhythm.hats import HAND, TICKS, settle
from drumscribe.rhythm.layout import Layout
from drumscribe.rhythm.ornaments import Strokes, gather
from drumscribe.rhythm.search import Search
from drumscribe.types import Bar, BeatGrid, Hit, Hits, Meter, Ornament, Placement, Rhythm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_WRITTEN = (1, 2, 3, 4, 6, 8, 5)
"""Divisions in the order in which the first that holds all places of a pulse is taken."""
_NO_ROLL = Fraction(0)
_ROUNDS = 3
_REPEATS = 40
"""Most times that a result is read again; two are usual."""
_EXACT_S = 2.0**-20
"""Nearer to its place than this (a microsecond), a hit is on it: what is left is rounding."""


def quantise(hits: Hits, grid: BeatGrid, options: QuantiseOptions) -> Rhythm:
    """Write every hit into a bar.

    Quantising again what :func:`~drumscribe.rhythm.performed` makes of the result, without the dropped hits, gives the
    same bars and placements.

    Args:
        hits: in order of time; none gives a rhythm of empty bars.
        grid: pulses and bars; bars are added where hits lie outside.
        options: finest grid, triplets, quintuplets, swing, ornaments.

    Returns:
        One placement per hit, apart from grace strokes (in their main stroke's ``grace_ids``) and hits that fell on
        the same place of the same drum as a stronger one, that no drummer plays there (see
        :mod:`~drumscribe.rhythm.hats`), or, rarely, that cannot be told from an ornament's (in ``dropped``).
    """
    played = np.array([hit.time_s for hit in hits], dtype=np.float64)
    stands = [_Stand(played, np.arange(len(hits)))]
    found: list[_Solution] = []  # found[k] is read from stands[k], and moves the hits to stands[k + 1]
    for _ in range(_REPEATS):
        found.append(_read(hits.items, played, stands[-1], grid, options))
        after = _Stand.of(played, found[-1])
        back = next((k for k, stand in enumerate(stands) if stand.same(after)), None)
        if back is None:
            stands.append(after)
            continue
        circle = [_written(hits.items, one) for one in found[back:]]  # nearly always one; else they lead to each other
        torn = _torn(circle)
        if not torn:
            return min(circle, key=_plainness)
        among = [i for i in after.among.tolist() if hits[i].id not in torn]
        stands, found = [_Stand(after.times, np.array(among, dtype=np.int64))], []
    return _written(hits.items, found[-1] if found else _read(hits.items, played, stands[-1], grid, options))


def _torn(circle: list[Rhythm]) -> set[int]:
    """Hits that some readings take into an ornament and others do not, as each reading moves them out of its own."""
    mains = [{place.hit_id for place in rhythm.placements} for rhythm in circle]
    owners = [{grace: place.hit_id for place in rhythm.placements for grace in place.grace_ids} for rhythm in circle]
    now_and_then = set[int]().union(*mains) & set[int]().union(*owners)
    return now_and_then or {i for owner in owners for i in owner if any(owner[i] != other.get(i) for other in owners)}


def _plainness(rhythm: Rhythm) -> tuple[object, ...]:
    """Orders readings: few parts first, then by what is written."""
    parts = sum(sum(bar.subdivisions) for bar in rhythm.bars)
    return parts, [(place.bar, place.onset, place.drum, place.hit_id) for place in rhythm.placements]


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where hits are taken to stand. Hits are named by their index."""

    times: Floats  # (hits,) in seconds
    among: Ints  # sorted; those that are not left out

    @classmethod
    def of(cls, played: Floats, found: _Solution) -> _Stand:
        """As :func:`drumscribe.rhythm.performed` moves the hits."""
        late = np.zeros(len(played))
        heard = np.zeros(len(played), bool)
        main = found.main[found.stays]
        late[main] = np.minimum(found.late[found.stays], played[main])
        heard[main] = True
        for i in main.tolist() if found.ornaments else ():
            if i in found.ornaments:
                graces = list(found.ornaments[i][1])
                late[graces], heard[graces] = late[i], True
        return cls(np.maximum(0.0, played - late), np.flatnonzero(heard))

    def same(self, other: _Stand) -> bool:
        """Whether the same hits stand at the same times."""
        if not np.array_equal(self.among, other.among):
            return False
        return bool(np.all(np.abs(self.times[self.among] - other.times[self.among]) < _EXACT_S))


@dataclass(frozen=True, slots=True)
class _Solution:
    """Places of one search. Hits are named by their index."""

    layout: Layout
    main: Ints  # strokes in order of place, then of drum
    slots: Ints  # of each stroke, in 1/840 pulses
    late: Floats  # of each stroke: seconds played after its written place
    stays: Flags  # which of them a drummer would have played there
    swapped: Flags  # which of them are the hand's and not the foot's
    ornaments: dict[int, tuple[Ornament, tuple[int, ...]]]
    rolls: dict[int, Fraction]  # written length in quarter notes
    swing: list[bool]  # per bar


def _read(hits: tuple[Hit, ...], played: Floats, stand: _Stand, grid: BeatGrid, options: QuantiseOptions) -> _Solution:
    """One search from where the hits stand."""
    there = stand.times[stand.among]
    first, last = (there.min(), there.max()) if len(there) else (grid.times[0], grid.times[-2])
    layout = Layout.of(grid, float(first), float(last))
    at = layout.grid.time_at(np.round(layout.grid.pulse_at(stand.times) * SLOTS) / SLOTS)
    at = np.where(np.abs(at - stand.times) < _EXACT_S, at, stand.times)
    return _solve(hits, played, _Stand(at, stand.among), layout, Divisions.of(layout, options), options)


def _solve(
    hits: tuple[Hit, ...], played: Floats, stand: _Stand, layout: Layout, divisions: Divisions, options: QuantiseOptions
) -> _Solution:
    """Find the places of the hits."""
    times = stand.times
    names = sorted({hit.drum for hit in hits})
    number = {name: i for i, name in enumerate(names)}
    drums = np.array([number[hit.drum] for hit in hits], dtype=np.int64)
    order = np.lexsort((np.array([hit.id for hit in hits]), drums, times))
    order = order[np.isin(order, stand.among)]
    finest_s = float(np.median(np.diff(layout.grid.times))) / divisions.finest
    strokes = gather(hits, times, order, finest_s) if options.ornaments else Strokes(order, {})
    sure = np.array([hit.confidence for hit in hits], dtype=np.float64)
    search = Search(layout, divisions, times[strokes.main], names, drums[strokes.main], sure[strokes.main])
    path, slots = _searched(search)
    keep = _strongest(hits, strokes, slots, search.drum)
    keep = keep[np.lexsort((search.drum[keep], slots[keep]))]
    main, slots_kept = strokes.main[keep], slots[keep]
    late = played[main] - search.written_s(path, slots)[keep]
    ornaments = {i: strokes.ornaments[i] for i in main.tolist() if i in strokes.ornaments}
    rolls = {
        i: _roll_length(float(times[ornaments[i][1][-1]]), slot, layout)
        for i, slot in zip(main.tolist(), slots_kept.tolist(), strict=True)
        if i in ornaments and ornaments[i][0] == "roll"
    }
    feel = np.array([state.feel for state in STATES])[path]
    swing = np.logical_or.reduceat(feel, layout.starts[:-1]).tolist()
    stays, swapped = _settled(hits, main, slots_kept, layout)
    return _Solution(layout, main, slots_kept, late, stays, swapped, ornaments, rolls, swing)


def _searched(search: Search) -> tuple[Ints, Ints]:
    """State of each pulse and slot of each hit, after some rounds of learning the player's habits."""
    habits = search.first_habits()
    path, slots = search.run(habits)
    for _ in range(_ROUNDS - 1):
        known, before = habits, (path, slots)
        habits = search.learn(path, slots, habits)
        path, slots = search.run(habits)
        same = np.array_equal(path, before[0]) and np.array_equal(slots, before[1])
        if same and habits.swing == known.swing:
            break  # the next round would learn the same
    return path, slots


def _settled(hits: tuple[Hit, ...], main: Ints, slots: Ints, layout: Layout) -> tuple[Flags, Flags]:
    """What :func:`~drumscribe.rhythm.hats.settle` says of the strokes."""
    to_ticks = np.array([int(TICKS * meter.pulse / SLOTS) for meter in layout.meters], dtype=np.int64)
    lengths = np.diff(layout.starts) * SLOTS * to_ticks
    bar = layout.bar_of[slots // SLOTS]
    onset = (slots - layout.starts[bar] * SLOTS) * to_ticks[bar]
    strokes = [hits[i] for i in main.tolist()]
    named = np.array([hit.origin == "user" for hit in strokes], dtype=np.bool_)
    return settle(np.cumsum(lengths) - lengths, bar, onset, [hit.drum for hit in strokes], named)


@lru_cache(maxsize=1024)
def _parts(places: frozenset[int]) -> int:
    """The fewest equal parts of a pulse that hold all places."""
    return next(n for n in _WRITTEN if all(place * n % SLOTS == 0 for place in places))


def _written(hits: tuple[Hit, ...], found: _Solution) -> Rhythm:
    layout, grid = found.layout, found.layout.grid
    bar_of, starts = layout.bar_of.tolist(), layout.starts.tolist()
    tables: dict[Meter, dict[int, Fraction]] = {meter: {} for meter in layout.meters}
    onsets = [tables[meter] for meter in layout.meters]
    used: list[set[int]] = [set() for _ in bar_of]
    placements = []
    bar = -1
    rows = zip(*(part.tolist() for part in (found.main, found.slots, found.late, found.stays, found.swapped)),
               strict=True)  # fmt: skip
    for i, slot, late, stays, swapped in rows:
        pulse, rest = divmod(slot, SLOTS)
        bar = bar_of[pulse]
        place = slot - starts[bar] * SLOTS
        onset = onsets[bar].get(place)
        if onset is None:
            onset = onsets[bar][place] = Fraction(place, SLOTS) * layout.meters[bar].pulse
        used[pulse].add(rest)
        if not stays:
            continue
        hit = hits[i]
        ornament, graces = found.ornaments.get(i, ("", ()))
        placements.append(
            Placement(
                hit_id=hit.id, bar=bar, onset=onset, drum=HAND if swapped else hit.drum, velocity=hit.velocity,
                confidence=hit.confidence, deviation_s=late, ornament=ornament,
                grace_ids=tuple(hits[g].id for g in graces), roll_length=found.rolls.get(i, _NO_ROLL),
            )
        )  # fmt: skip
    parts = [_parts(frozenset(places)) for places in used]
    bars = []
    last = max(layout.own, bar + 1)  # where the last stroke stands
    for b, meter in enumerate(layout.meters[:last]):
        low, high = starts[b], starts[b + 1]
        length = layout.length(b)
        seconds = float(grid.times[high] - grid.times[low])
        bars.append(
            Bar(
                index=b, number=b if layout.pickup else b + 1, meter=meter, length=length,
                start_s=float(grid.times[low]), end_s=float(grid.times[high]),
                quarter_bpm=60.0 * float(length) / seconds,
                subdivisions=tuple(parts[low:high]), swing=found.swing[b],
            )
        )  # fmt: skip
    if found.swapped.any():
        placements.sort(key=lambda place: (place.bar, place.onset, place.drum))
    heard = {hit_id for place in placements for hit_id in (place.hit_id, *place.grace_ids)}
    dropped = tuple(sorted(hit.id for hit in hits if hit.id not in heard))
    return Rhythm(tuple(bars), tuple(placements), grid.bpm, any(bar.swing for bar in bars), dropped)


def _strongest(hits: tuple[Hit, ...], strokes: Strokes, slots: Ints, drum: Ints) -> Ints:
    """Which strokes to keep: of those on one place of one drum the strongest."""
    _, place, count = np.unique(slots * 64 + drum, return_inverse=True, return_counts=True)
    best: dict[int, int] = {}
    lost = []
    for k in np.flatnonzero(count[place] > 1).tolist():
        win, lose = k, best.setdefault(int(place[k]), k)
        if win == lose:
            continue
        a, b = hits[strokes.main[win]], hits[strokes.main[lose]]
        if (a.origin == "user", a.velocity * a.confidence) <= (b.origin == "user", b.velocity * b.confidence):
            win, lose = lose, win
        best[int(place[k])] = win
        lost.append(lose)
    return np.setdiff1d(np.arange(len(slots)), lost)


def _roll_length(end_s: float, slot: int, layout: Layout) -> Fraction:
    """Written length of a roll: to the end of its strokes, in eighths, at most to the bar line."""
    bar = int(layout.bar_of[slot // SLOTS])
    meter = layout.meters[bar]
    onset = Fraction(slot - int(layout.starts[bar]) * SLOTS, SLOTS) * meter.pulse
    pulse = float(layout.grid.pulse_at(end_s)) - int(layout.starts[bar])
    quarters = pulse * float(meter.pulse) - float(onset)
    return min(Fraction(max(1, int(quarters * 2 + 0.75 + 1e-6)), 2), layout.length(bar) - onset)
