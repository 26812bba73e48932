"""The search for the cheapest reading: a Viterbi path over the divisions of all pulses, given a player's habits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drumscribe.rhythm.divisions import SLOTS, STATES, Divisions
from drumscribe.rhythm.layout import Layout
from drumscribe.rhythm.statistics import load

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NEAR = np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2)
"""Weights, by distance in pulses, of the strokes that tell how far all drums are off together."""
_ODD, _FAR = 7.0, 0.02
"""Cost in nats of a stroke that may not have been one, off its place: at all, and for each standard deviation."""
_SWING = (0.57, 0.66, 0.74)
"""Place of a swung off-beat in its pulse: earliest, usual, latest."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What a song tells about its player; re-estimated each round."""

    offset_s: Floats  # per drum index: mean lateness
    drift_s: Floats  # per pulse: what all drums share there
    spread: float  # factor on the usual spread of timing
    swing: float  # place of the off-beat eighth in a swung pulse
    places: Ints  # sorted keys of (drum, pulse of the bar, slot)
    share: Floats  # for each key: part of the bars in which it is played


class Search:
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

    def first_habits(self) -> Habits:
        """What is taken to hold before anything was learnt: a player on time, of usual spread and swing."""
        empty = np.zeros(0, np.int64)
        return Habits(np.zeros(len(self.names)), np.zeros(self.pulses), 1.0, _SWING[1], empty, np.zeros(0))

    def run(self, habits: Habits) -> tuple[Ints, Ints]:
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
                slots[s] = self.pulse * SLOTS + chosen
                clash[s] = self.pulse[(self.next_same >= 0) & (slots[s] == slots[s][self.next_same])]
            slots[s] = slots[known]
            np.add.at(cost[:, s], self.pulse, paid[known])
            np.add.at(cost[:, s], clash[known], self.divisions.clash)
        within, across = (moves[np.ix_(allowed, allowed)] for moves in (self.divisions.within, self.divisions.across))
        path = allowed[_viterbi(cost[:, allowed], within, across, self.bar_line)]
        return path, slots[path[self.pulse], np.arange(len(self.times))] if len(self.times) else slots[0]

    def _fit(self, s: int, places: Floats, phase_s: Floats, habits: Habits) -> tuple[Ints, Floats]:
        """For state ``s``: the slot (0–840) that each hit takes, and what it costs there."""
        state = STATES[s]
        written = np.array(state.slots, dtype=np.int64)
        weight = np.array(state.weights)
        upper = np.clip(np.searchsorted(places, phase_s / np.maximum(self.step_s, 1e-9)), 1, len(places) - 1)
        options, costs = [], []
        sigma = self.sigma * habits.spread
        for k in (upper - 1, upper):
            off = (phase_s - places[k] * self.step_s) / sigma
            cost = -np.logaddexp(np.log(self.real) - 0.5 * off * off, np.log1p(-self.real) - _ODD - _FAR * np.abs(off))
            cost += weight[k]
            cost -= self._habit(written[k], habits)
            options.append(written[k])
            costs.append(cost)
        take = costs[1] < costs[0]
        return np.where(take, options[1], options[0]), np.where(take, costs[1], costs[0])

    def _key(self, slot: Ints) -> Ints:
        pulse = self.pulse + slot // SLOTS
        number = self.number[np.minimum(pulse, self.pulses)]
        return np.asarray((self.drum * 64 + number) * SLOTS + slot % SLOTS, dtype=np.int64)

    def _habit(self, slot: Ints, habits: Habits) -> Floats:
        """Bonus in nats for a place that the drum takes in other bars too."""
        if not len(habits.places):
            return np.zeros(len(slot))
        key = self._key(slot)
        at = np.minimum(np.searchsorted(habits.places, key), len(habits.places) - 1)
        share = np.where(habits.places[at] == key, habits.share[at], 0.0)
        return np.asarray(np.log1p(8.0 * share), dtype=np.float64)

    def learn(self, path: Ints, slots: Ints, before: Habits) -> Habits:
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
        swung = self._swung(path, slots)
        phase = (self.place - self.pulse)[swung]
        swing = float(np.clip((_SWING[1] * 6 + phase.sum()) / (6 + len(phase)), _SWING[0], _SWING[2]))
        keys, counts = np.unique(self._key(slots - self.pulse * SLOTS), return_counts=True)
        share = np.maximum(counts - 1, 0) / self.bars
        return Habits(offset, drift, max(0.35, spread), swing, keys, share)

    def deviation(self, path: Ints, slots: Ints, habits: Habits) -> Floats:
        """Played minus written time of each hit, in seconds; a swung place counts as written where it is swung."""
        return np.asarray(self.times - self._time_of(path, slots, habits.swing), dtype=np.float64)

    def written_s(self, path: Ints, slots: Ints) -> Floats:
        """Time of each hit's written place, in seconds; swung off-beats at the mean of the played ones.

        That mean is taken without a prior and to the slot: hits that were moved there give the same mean again.
        """
        swung = self._swung(path, slots)
        swing = _SWING[1]
        if swung.any():
            swing = float(np.clip((self.place - self.pulse)[swung].mean(), _SWING[0], _SWING[2]))
        return self._time_of(path, slots, round(swing * SLOTS) / SLOTS)

    def _time_of(self, path: Ints, slots: Ints, swing: float) -> Floats:
        place = np.where(self._swung(path, slots), slots // SLOTS + swing, slots / SLOTS)
        return self.layout.grid.time_at(place)

    def _swung(self, path: Ints, slots: Ints) -> NDArray[np.bool_]:
        """Which hits stand on a swung off-beat."""
        late_off_beats = np.array([state.swing for state in STATES])[path[self.pulse]]
        return np.asarray(late_off_beats & (slots % SLOTS == SLOTS // 2), dtype=np.bool_)


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
