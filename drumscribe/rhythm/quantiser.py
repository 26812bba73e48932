"""From times to note values: a Viterbi search over the subdivisions of the pulses.

Every pulse is divided into equal parts (or swung); all its hits share the division. A division costs what it costs to
read, a hit costs what its distance from its place says, given how tightly that drum is played, and neighbouring pulses
like to be divided alike. Places that a drum takes in other bars, the player's habit of being ahead or behind, the
spread of the timing, and the swing ratio are learnt from the song itself in a few rounds (empirical Bayes).

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
from drumscribe.rhythm.analysis import performed
from drumscribe.rhythm.divisions import STATES, Divisions
from drumscribe.rhythm.layout import Layout
from drumscribe.rhythm.ornaments import Stroke, gather, plain
from drumscribe.rhythm.statistics import load
from drumscribe.types import Bar, BeatGrid, Hits, Meter, Placement, Rhythm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LCM = 840
"""Slots per pulse on which every division (1, 2, 3, 4, 5, 6, 8) has its places."""
_WRITTEN = (1, 2, 3, 4, 6, 8, 5)
"""Divisions in the order in which the first that holds all places of a pulse is taken."""
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
        the same place of the same drum as a stronger one (in ``dropped``).
    """
    first, last = (hits[0].time_s, hits[-1].time_s) if len(hits) else (grid.times[0], grid.times[-2])
    layout = Layout.of(grid, float(first), float(last))
    divisions = Divisions.of(layout, options)
    rhythm = _once(hits, layout, divisions, options)
    for _ in range(_SETTLE):
        exact = performed(Hits(tuple(hit for hit in hits if hit.id not in set(rhythm.dropped))), rhythm)
        again = _once(exact, layout, divisions, options)
        if _same(again, rhythm):
            break
        rhythm = _as_played(again, rhythm)
    return rhythm


def _once(hits: Hits, layout: Layout, divisions: Divisions, options: QuantiseOptions) -> Rhythm:
    finest_s = float(np.median(np.diff(layout.grid.times))) / divisions.finest
    strokes = gather(hits, finest_s) if options.ornaments else plain(hits)
    search = _Search(layout, divisions, strokes)
    habits = search.first_habits()
    path = slots = np.zeros(0, np.int64)
    for _ in range(_ROUNDS):
        path, slots = search.run(habits)
        habits = search.learn(path, slots, habits)
    return _written(layout, strokes, search, path, slots, habits)


def _same(a: Rhythm, b: Rhythm) -> bool:
    def places(rhythm: Rhythm) -> list[tuple[object, ...]]:
        return [(p.hit_id, p.bar, p.onset, p.ornament, p.grace_ids, p.roll_length) for p in rhythm.placements]

    return places(a) == places(b) and a.bars == b.bars and not a.dropped


def _as_played(again: Rhythm, before: Rhythm) -> Rhythm:
    """``again`` was written from exact times: give it the deviations of the hits as played, and the hits left out."""
    moved = {place.hit_id: place.deviation_s for place in before.placements}
    for place in before.placements:
        moved |= dict.fromkeys(place.grace_ids, place.deviation_s)
    placements = tuple(replace(p, deviation_s=p.deviation_s + moved.get(p.hit_id, 0.0)) for p in again.placements)
    return replace(again, placements=placements, dropped=tuple(sorted({*before.dropped, *again.dropped})))


class _Search:
    """The search with all that does not change from round to round."""

    def __init__(self, layout: Layout, divisions: Divisions, strokes: list[Stroke]) -> None:
        grid = layout.grid
        self.layout, self.divisions = layout, divisions
        self.times = np.array([stroke.hit.time_s for stroke in strokes])
        names = sorted({stroke.hit.drum for stroke in strokes})
        self.names = names
        self.drum = np.array([names.index(stroke.hit.drum) for stroke in strokes], dtype=np.int64)
        self.sigma = np.array([load().of(name).spread_s for name in names])[self.drum] if names else np.zeros(0)
        self.pulses = len(grid.times) - 1
        self.place = grid.pulse_at(self.times)
        self.pulse = np.clip(np.floor(self.place).astype(np.int64), 0, self.pulses - 1)
        self.step_s = np.diff(grid.times)[self.pulse] if len(strokes) else np.zeros(0)
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
        phase_s = (self.place - self.pulse) * self.step_s
        if len(self.times):
            phase_s = phase_s - habits.offset_s[self.drum] - habits.drift_s[self.pulse]
        for s, state in enumerate(STATES):
            chosen, paid = self._fit(s, state.places(habits.swing), phase_s, habits)
            slots[s] = self.pulse * _LCM + chosen
            np.add.at(cost[:, s], self.pulse, paid)
            clash = np.flatnonzero((self.next_same >= 0) & (slots[s] == slots[s][self.next_same]))
            np.add.at(cost[:, s], self.pulse[clash], self.divisions.clash)
        path = _viterbi(cost, self.divisions.within, self.divisions.across, self.bar_line)
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
            cost = -np.logaddexp(np.log(0.98) - 0.5 * off * off, np.log(0.02) - 4.0 - 0.02 * np.abs(off)) + weight[k]
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
    count = len(cost)
    back = np.zeros(cost.shape, np.int64)
    best = cost[0]
    states = np.arange(cost.shape[1])
    for i in range(1, count):
        through = best[:, None] + (across if bar_line[i] else within)
        back[i] = through.argmin(axis=0)
        best = through[back[i], states] + cost[i]
    path = np.zeros(count, np.int64)
    path[-1] = best.argmin()
    for i in range(count - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    return path


@lru_cache(maxsize=4096)
def _onset(slots: int, meter: Meter) -> Fraction:
    """Quarter notes from the bar line to a place given in 1/840 pulses."""
    return Fraction(slots, _LCM) * meter.pulse


@lru_cache(maxsize=1024)
def _parts(places: frozenset[int]) -> int:
    """The fewest equal parts of a pulse that hold all places."""
    return next(n for n in _WRITTEN if all(place * n % _LCM == 0 for place in places))


def _written(
    layout: Layout, strokes: list[Stroke], search: _Search, path: Ints, slots: Ints, habits: _Habits
) -> Rhythm:
    grid = layout.grid
    deviation = search.deviation(path, slots, habits) if strokes else np.zeros(0)
    keep, dropped = _strongest(strokes, slots)
    bar_of = layout.bar_of
    used: list[set[int]] = [set() for _ in range(search.pulses)]
    placements = []
    for i in keep:
        stroke, slot = strokes[i], int(slots[i])
        pulse, rest = divmod(slot, _LCM)
        bar = int(bar_of[pulse])
        meter = layout.meters[bar]
        onset = _onset(slot - int(layout.starts[bar]) * _LCM, meter)
        used[pulse].add(rest)
        hit = stroke.hit
        placements.append(
            Placement(
                hit_id=hit.id, bar=bar, onset=onset, drum=hit.drum, velocity=hit.velocity, confidence=hit.confidence,
                deviation_s=float(deviation[i]), ornament=stroke.ornament, grace_ids=tuple(g.id for g in stroke.graces),
            )
        )  # fmt: skip
    placements = _rolls(placements, strokes, layout)
    placements.sort(key=lambda p: (p.bar, float(p.onset), p.drum))
    parts = [_parts(frozenset(places)) for places in used]
    swung = np.array([STATES[s].feel for s in path], dtype=bool)
    bars = []
    last = max(layout.own, placements[-1].bar + 1) if placements else layout.own
    for b, meter in enumerate(layout.meters[:last]):
        low, high = int(layout.starts[b]), int(layout.starts[b + 1])
        length = layout.length(b)
        seconds = float(grid.times[high] - grid.times[low])
        bars.append(
            Bar(
                index=b, number=b if layout.pickup else b + 1, meter=meter, length=length,
                start_s=float(grid.times[low]), end_s=float(grid.times[high]),
                quarter_bpm=60.0 * float(length) / seconds,
                subdivisions=tuple(parts[low:high]), swing=bool(swung[low:high].any()),
            )
        )  # fmt: skip
    return Rhythm(tuple(bars), tuple(placements), grid.bpm, any(bar.swing for bar in bars), tuple(dropped))


def _strongest(strokes: list[Stroke], slots: Ints) -> tuple[list[int], list[int]]:
    """Of strokes on one place of one drum keep the strongest. Return kept indices and ids of the others."""
    best: dict[tuple[int, str], int] = {}
    dropped: list[int] = []
    for i, stroke in enumerate(strokes):
        key = (int(slots[i]), stroke.hit.drum)
        other = best.get(key)
        if other is None:
            best[key] = i
            continue
        weigh = (stroke.hit.origin == "user", stroke.hit.velocity * stroke.hit.confidence)
        against = strokes[other].hit
        win, lose = (
            (i, other) if weigh > (against.origin == "user", against.velocity * against.confidence) else (other, i)
        )
        best[key] = win
        dropped += [strokes[lose].hit.id, *(grace.id for grace in strokes[lose].graces)]
    return sorted(best.values()), sorted(dropped)


def _rolls(placements: list[Placement], strokes: list[Stroke], layout: Layout) -> list[Placement]:
    """Give each roll its written length: to the end of its strokes, in eighths, at most to the bar line."""
    ends = {stroke.hit.id: stroke.graces[-1].time_s for stroke in strokes if stroke.ornament == "roll"}
    if not ends:
        return placements
    done = []
    for placement in placements:
        if placement.hit_id in ends:
            bar = placement.bar
            pulse = float(layout.grid.pulse_at(ends[placement.hit_id])) - int(layout.starts[bar])
            quarters = pulse * float(layout.meters[bar].pulse) - float(placement.onset)
            length = Fraction(max(1, round(quarters * 2 + 0.25)), 2)
            placement = replace(placement, roll_length=min(length, layout.length(bar) - placement.onset))
        done.append(placement)
    return done
