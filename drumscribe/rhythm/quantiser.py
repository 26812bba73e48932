"""From times to note values: a Viterbi search over the subdivisions of the pulses.

Every pulse is divided into equal parts (or swung); all its hits share the division. A division costs what it costs to
read, a hit costs the more, the further it is from its place (given how tightly that drum is played), and a change of
division from one pulse to the next costs, too. Places that a drum takes in other bars, the player's habit of being
ahead or behind, the spread of the timing, and the swing ratio are learnt from the song itself in a few rounds
(empirical Bayes).

The frame is that of A. T. Cemgil and B. Kappen, *Monte Carlo methods for tempo tracking and rhythm quantization*,
JAIR 18, 2003, and H. Takeda et al., *Rhythm and tempo analysis toward automatic music transcription*, ICASSP 2007.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from drumscribe.options import QuantiseOptions
from drumscribe.rhythm.divisions import STATES, Divisions
from drumscribe.rhythm.hats import settle
from drumscribe.rhythm.layout import Layout
from drumscribe.rhythm.ornaments import Strokes, gather
from drumscribe.rhythm.statistics import load
from drumscribe.types import Bar, BeatGrid, Hit, Hits, Meter, Ornament, Placement, Rhythm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LCM = 840
"""Slots per pulse on which every division (1, 2, 3, 4, 5, 6, 8) has its places."""
_WRITTEN = (1, 2, 3, 4, 6, 8, 5)
"""Divisions in the order in which the first that holds all places of a pulse is taken."""
_NO_ROLL = Fraction(0)
_ROUNDS = 3
_NEAR = np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2)
"""Weights, by distance in pulses, of the strokes that tell how far all drums are off together."""
_SETTLE = 4
"""Times that a result is written again from its own exact times, at most, until it stays as it is."""


@dataclass(frozen=True, slots=True)
class _Habits:
    """What a song tells about its player; re-estimated each round."""

    offset_s: Floats  # per drum index: mean lateness
    drift_s: Floats  # per pulse: what all drums share there
    spread: float  # factor on the usual spread of timing
    swing: float  # place of the off-beat eighth in a swung pulse
    places: Ints  # sorted keys of (drum, pulse of the bar, slot)
    share: Floats  # for each key: part of the bars in which it is played


def quantise(hits: Hits, grid: BeatGrid, options: QuantiseOptions) -> Rhythm:
    """Write every hit into a bar.

    Args:
        hits: in order of time; none gives a rhythm of empty bars.
        grid: pulses and bars; bars are added where hits lie outside.
        options: finest grid, triplets, quintuplets, swing, ornaments.

    Returns:
        One placement per hit, apart from grace strokes (in their main stroke's ``grace_ids``) and hits that fell on
        the same place of the same drum as a stronger one, or that no drummer plays there (in ``dropped``; see
        :mod:`~drumscribe.rhythm.hats`).
    """
    first, last = (hits[0].time_s, hits[-1].time_s) if len(hits) else (grid.times[0], grid.times[-2])
    layout = Layout.of(grid, float(first), float(last))
    divisions = Divisions.of(layout, options)
    played = np.array([hit.time_s for hit in hits], dtype=np.float64)
    found = _solve(hits.items, played, np.arange(len(hits)), layout, divisions, options)
    for _ in range(_SETTLE):
        exact = np.maximum(0.0, played - found.late)
        again = _solve(hits.items, exact, np.setdiff1d(np.arange(len(hits)), found.dropped), layout, divisions, options)
        if not again.dropped and again.marks() == found.marks():
            break
        found = again.on_top_of(found)
    return _written(layout, hits.items, found)


@dataclass(frozen=True, slots=True)
class _Solution:
    """Where everything stands. Hits are named by their index."""

    main: list[int]  # strokes in order of place, then of drum
    slots: list[int]  # of each stroke, in 1/840 pulses
    ornaments: dict[int, tuple[Ornament, tuple[int, ...]]]
    rolls: dict[int, Fraction]  # written length in quarter notes
    late: Floats  # (hits,) seconds after the written place; a grace stroke's is that of its main stroke
    swing: list[bool]  # per bar
    dropped: list[int]

    def marks(self) -> tuple[object, ...]:
        """All that is written."""
        return self.main, self.slots, self.ornaments, self.rolls, self.swing

    def on_top_of(self, before: _Solution) -> _Solution:
        """As seen from the hits as played, where this one was found from the places of ``before``."""
        late = self.late.copy()
        for i in self.main:
            late[[i, *self.ornaments.get(i, ("", ()))[1]]] += before.late[i]
        return replace(self, late=late, dropped=[*before.dropped, *self.dropped])


def _solve(
    hits: tuple[Hit, ...], times: Floats, among: Ints, layout: Layout, divisions: Divisions, options: QuantiseOptions
) -> _Solution:
    """Find the places of the hits ``among`` all, taken to stand at ``times``."""
    names = sorted({hit.drum for hit in hits})
    number = {name: i for i, name in enumerate(names)}
    drums = np.array([number[hit.drum] for hit in hits], dtype=np.int64)
    order = np.lexsort((np.array([hit.id for hit in hits]), drums, times))
    order = order[np.isin(order, among)]
    finest_s = float(np.median(np.diff(layout.grid.times))) / divisions.finest
    strokes = gather(hits, times, order, finest_s) if options.ornaments else Strokes(order, {})
    sure = np.array([hit.confidence for hit in hits], dtype=np.float64)
    search = _Search(layout, divisions, times[strokes.main], names, drums[strokes.main], sure[strokes.main])
    habits = search.first_habits()
    path = slots = np.zeros(0, np.int64)
    for _ in range(_ROUNDS):
        path, slots = search.run(habits)
        habits = search.learn(path, slots, habits)
    late = np.zeros(len(hits))
    if len(strokes.main):
        late[strokes.main] = search.deviation(path, slots, habits)
    keep, dropped = _strongest(hits, strokes, slots, search.drum)
    keep = keep[np.lexsort((search.drum[keep], slots[keep]))]
    main = strokes.main[keep].tolist()
    ornaments = {i: strokes.ornaments[i] for i in main if i in strokes.ornaments}
    for i, (_, graces) in ornaments.items():
        late[list(graces)] = late[i]
    rolls = {
        i: _roll_length(float(times[ornaments[i][1][-1]]), slot, layout)
        for i, slot in zip(main, slots[keep].tolist(), strict=True)
        if i in ornaments and ornaments[i][0] == "roll"
    }
    feel = np.array([state.feel for state in STATES])[path]
    swing = np.logical_or.reduceat(feel, layout.starts[:-1]).tolist()
    return _Solution(main, slots[keep].tolist(), ornaments, rolls, late, swing, dropped)


class _Search:
    """The search with all that does not change from round to round."""

    def __init__(
        self, layout: Layout, divisions: Divisions, times: Floats, names: list[str], drum: Ints, confidence: Floats
    ) -> None:
        grid = layout.grid
        # a stroke that may not have been one must not make its pulse harder to read
        self.real = 0.98 * np.clip(confidence, 0.1, 1.0)
        self.layout, self.divisions = layout, divisions
        self.times, self.names, self.drum = times, names, drum
        self.sigma = np.array([load().of(name).spread_s for name in names], dtype=np.float64)[drum]
        self.pulses = len(grid.times) - 1
        self.place = grid.pulse_at(self.times)
        self.pulse = np.clip(np.floor(self.place).astype(np.int64), 0, self.pulses - 1)
        self.step_s = np.diff(grid.times)[self.pulse] if len(times) else np.zeros(0)
        bar = layout.bar_of
        self.number = np.concatenate([grid.numbers[:-1] - 1, [0]])
        self.bar_line = np.concatenate([[False], np.diff(bar) > 0])
        self.bars = max(1, len(layout.meters))
        self.next_same = _next_of_same_drum(self.drum)

    def first_habits(self) -> _Habits:
        empty = np.zeros(0, np.int64)
        return _Habits(np.zeros(len(self.names)), np.zeros(self.pulses), 1.0, 0.66, empty, np.zeros(0))

    def run(self, habits: _Habits) -> tuple[Ints, Ints]:
        """Return the state of each pulse, ``(pulses,)``, and the slot of each hit, ``(hits,)`` in 1/840 pulses."""
        cost = self.divisions.reading.copy()
        slots = np.zeros((len(STATES), len(self.times)), np.int64)
        paid: dict[int, Floats] = {}
        clash: dict[int, Ints] = {}
        phase_s = (self.place - self.pulse) * self.step_s
        if len(self.times):
            phase_s = phase_s - habits.offset_s[self.drum] - habits.drift_s[self.pulse]
        alike: dict[tuple[int, bool], int] = {}  # a division costs the same whether or not the passage is swung
        allowed = np.flatnonzero(np.isfinite(cost).any(axis=0))
        for s in allowed.tolist():
            state = STATES[s]
            known = alike.setdefault((state.parts, state.swing), s)
            if known == s:
                chosen, paid[s] = self._fit(s, state.places(habits.swing), phase_s, habits)
                slots[s] = self.pulse * _LCM + chosen
                clash[s] = self.pulse[(self.next_same >= 0) & (slots[s] == slots[s][self.next_same])]
            slots[s] = slots[known]
            np.add.at(cost[:, s], self.pulse, paid[known])
            np.add.at(cost[:, s], clash[known], self.divisions.clash)
        within, across = (moves[np.ix_(allowed, allowed)] for moves in (self.divisions.within, self.divisions.across))
        path = allowed[_viterbi(cost[:, allowed], within, across, self.bar_line)]
        return path, slots[path[self.pulse], np.arange(len(self.times))] if len(self.times) else slots[0]

    def _fit(self, s: int, places: Floats, phase_s: Floats, habits: _Habits) -> tuple[Ints, Floats]:
        """For state ``s``: the slot (0–840) that each hit takes, and what it costs there."""
        state = STATES[s]
        written = np.array(state.slots, dtype=np.int64)
        weight = np.array(state.weights)
        upper = np.clip(np.searchsorted(places, phase_s / np.maximum(self.step_s, 1e-9)), 1, len(places) - 1)
        options, costs = [], []
        sigma = self.sigma * habits.spread
        for k in (upper - 1, upper):
            off = (phase_s - places[k] * self.step_s) / sigma
            cost = -np.logaddexp(np.log(self.real) - 0.5 * off * off, np.log1p(-self.real) - 4.0 - 0.02 * np.abs(off))
            cost += weight[k]
            cost -= self._habit(written[k], habits)
            options.append(written[k])
            costs.append(cost)
        take = costs[1] < costs[0]
        return np.where(take, options[1], options[0]), np.where(take, costs[1], costs[0])

    def _key(self, slot: Ints) -> Ints:
        pulse = self.pulse + slot // _LCM
        number = self.number[np.minimum(pulse, self.pulses)]
        return np.asarray((self.drum * 64 + number) * _LCM + slot % _LCM, dtype=np.int64)

    def _habit(self, slot: Ints, habits: _Habits) -> Floats:
        """Bonus in nats for a place that the drum takes in other bars too."""
        if not len(habits.places):
            return np.zeros(len(slot))
        key = self._key(slot)
        at = np.minimum(np.searchsorted(habits.places, key), len(habits.places) - 1)
        share = np.where(habits.places[at] == key, habits.share[at], 0.0)
        return np.asarray(np.log1p(8.0 * share), dtype=np.float64)

    def learn(self, path: Ints, slots: Ints, before: _Habits) -> _Habits:
        """Estimate the habits again from a solution, each held to its usual value by a prior."""
        if not len(self.times):
            return before
        off = self.deviation(path, slots, before)
        steady = np.abs(off) < 0.06
        shared, count = np.zeros(self.pulses), np.zeros(self.pulses)
        np.add.at(shared, self.pulse[steady], off[steady])
        np.add.at(count, self.pulse[steady], 1.0)
        drift = np.convolve(shared, _NEAR, "same") / (np.convolve(count, _NEAR, "same") + 3.0)
        drift = drift[: self.pulses] if self.pulses >= len(_NEAR) else np.zeros(self.pulses)
        rest = off - drift[self.pulse]
        total = np.bincount(self.drum[steady], rest[steady], len(self.names))
        offset = total / (np.bincount(self.drum[steady], minlength=len(self.names)) + 8.0)
        rest = np.clip((rest - offset[self.drum]) / self.sigma, -3, 3)
        spread = float(np.sqrt((12.0 + (rest**2).sum()) / (12.0 + len(rest))))
        swing = before.swing
        swung = np.isin(path[self.pulse], [s for s, state in enumerate(STATES) if state.swing])
        swung &= slots % _LCM == _LCM // 2
        if swung.any():
            phase = (self.place - self.pulse)[swung]
            swing = float(np.clip((0.66 * 6 + phase.sum()) / (6 + swung.sum()), 0.57, 0.74))
        keys, counts = np.unique(self._key(slots - self.pulse * _LCM), return_counts=True)
        share = np.maximum(counts - 1, 0) / self.bars
        return _Habits(offset, drift, max(0.35, spread), swing, keys, share)

    def deviation(self, path: Ints, slots: Ints, habits: _Habits) -> Floats:
        """Played minus written time of each hit, in seconds; a swung place counts as written where it is swung."""
        swung = np.isin(path[self.pulse], [s for s, state in enumerate(STATES) if state.swing])
        place = slots / _LCM
        place = np.where(swung & (slots % _LCM == _LCM // 2), slots // _LCM + habits.swing, place)
        return np.asarray(self.times - self.layout.grid.time_at(place), dtype=np.float64)


def _next_of_same_drum(drum: Ints) -> Ints:
    """Index of the next hit of the same drum, -1 at the last."""
    following = np.full(len(drum), -1, np.int64)
    for d in np.unique(drum):
        own = np.flatnonzero(drum == d)
        following[own[:-1]] = own[1:]
    return following


def _viterbi(cost: Floats, within: Floats, across: Floats, bar_line: NDArray[np.bool_]) -> Ints:
    """Cheapest path through ``cost`` ``(pulses, states)`` with moves that cost less at bar lines."""
    best = cost.copy()
    through = np.empty_like(within)
    for before, row, new_bar in zip(best[:-1, :, None], best[1:], bar_line[1:].tolist(), strict=False):
        np.add(before, across if new_bar else within, out=through)
        row += np.minimum.reduce(through, axis=0)
    moves = np.stack([within, across])[bar_line[1:].astype(np.int64)]
    back = (best[:-1, :, None] + moves).argmin(axis=1).tolist()
    path = [int(best[-1].argmin())]
    for came_from in reversed(back):
        path.append(came_from[path[-1]])
    return np.array(path[::-1], dtype=np.int64)


@lru_cache(maxsize=1024)
def _parts(places: frozenset[int]) -> int:
    """The fewest equal parts of a pulse that hold all places."""
    return next(n for n in _WRITTEN if all(place * n % _LCM == 0 for place in places))


def _written(layout: Layout, hits: tuple[Hit, ...], found: _Solution) -> Rhythm:
    grid = layout.grid
    bar_of, starts = layout.bar_of.tolist(), layout.starts.tolist()
    tables: dict[Meter, dict[int, Fraction]] = {meter: {} for meter in layout.meters}
    onsets = [tables[meter] for meter in layout.meters]
    used: list[set[int]] = [set() for _ in bar_of]
    late = found.late.tolist()
    placements = []
    for i, slot in zip(found.main, found.slots, strict=True):
        pulse, rest = divmod(slot, _LCM)
        bar = bar_of[pulse]
        place = slot - starts[bar] * _LCM
        onset = onsets[bar].get(place)
        if onset is None:
            onset = onsets[bar][place] = Fraction(place, _LCM) * layout.meters[bar].pulse
        used[pulse].add(rest)
        hit = hits[i]
        ornament, graces = found.ornaments.get(i, ("", ()))
        placements.append(
            Placement(
                hit_id=hit.id, bar=bar, onset=onset, drum=hit.drum, velocity=hit.velocity, confidence=hit.confidence,
                deviation_s=late[i], ornament=ornament, grace_ids=tuple(hits[g].id for g in graces),
                roll_length=found.rolls.get(i, _NO_ROLL),
            )
        )  # fmt: skip
    parts = [_parts(frozenset(places)) for places in used]
    bars = []
    last = max(layout.own, placements[-1].bar + 1) if placements else layout.own
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
    named = {hit.id for hit in hits if hit.origin == "user"}
    placements, doubled = settle(placements, bars, named)
    dropped = tuple(sorted([*(hits[i].id for i in found.dropped), *doubled]))
    return Rhythm(tuple(bars), tuple(placements), grid.bpm, any(bar.swing for bar in bars), dropped)


def _strongest(hits: tuple[Hit, ...], strokes: Strokes, slots: Ints, drum: Ints) -> tuple[Ints, list[int]]:
    """Of strokes on one place of one drum keep the strongest. Return which to keep, and the hits of the others."""
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
    dropped: list[int] = []
    for i in strokes.main[lost].tolist() if lost else []:
        dropped += [i, *strokes.ornaments.get(i, ("", ()))[1]]
    return np.setdiff1d(np.arange(len(slots)), lost), dropped


def _roll_length(end_s: float, slot: int, layout: Layout) -> Fraction:
    """Written length of a roll: to the end of its strokes, in eighths, at most to the bar line."""
    bar = int(layout.bar_of[slot // _LCM])
    meter = layout.meters[bar]
    onset = Fraction(slot - int(layout.starts[bar]) * _LCM, _LCM) * meter.pulse
    pulse = float(layout.grid.pulse_at(end_s)) - int(layout.starts[bar])
    quarters = pulse * float(meter.pulse) - float(onset)
    return min(Fraction(max(1, round(quarters * 2 + 0.25)), 2), layout.length(bar) - onset)
