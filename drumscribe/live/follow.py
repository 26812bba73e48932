"""Following a drummer's beat: bars while they are played, from a tempo to begin with.

A second-order phase-locked loop over the hits that fall near a pulse (as in A. Robertson and M. Plumbley, *B-Keeper*,
2007): each pulls the next pulse a little towards itself, and the tempo less so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from drumscribe.types import BeatGrid, Hit, Hits, Meter

PULL, BEND = 0.25, 0.04
"""Share of a deviation by which phase and tempo follow."""
NEAR = 0.16
"""Hits further from a pulse than this share of it say nothing about the beat."""
_STRONG = {"kick", "snare"}
ASTRAY = 4
"""So many strong hits in a row beside the pulses, always by as much, are where the pulses are."""


class Follower:
    """Beats and bars from hits as they come; the first hit is the first downbeat.

    A knock against the microphone may be that first hit: see :data:`ASTRAY`.

    Args:
        bpm: pulses a minute to begin with.
        meter: of all bars.
    """

    def __init__(self, bpm: float, meter: Meter) -> None:
        self._meter = meter
        self._step = 60 / bpm
        self._slowest, self._fastest = self._step * 1.25, self._step * 0.8
        self._times: list[float] = []  # of pulses up to the next one to come
        self._astray: list[tuple[float, float]] = []  # time of strong hits beside the pulses, and by how much

    @property
    def bpm(self) -> float:
        """Tempo now."""
        return 60 / self._step

    def hear(self, hits: Iterable[Hit]) -> None:
        """Take hits in order of time."""
        for hit in hits:
            if not self._times:
                self._times = [hit.time_s, hit.time_s + self._step]
                continue
            self.reach(hit.time_s - NEAR * self._step)
            nearest = min(
                range(max(0, len(self._times) - 2), len(self._times)), key=lambda i: abs(self._times[i] - hit.time_s)
            )
            error = hit.time_s - self._times[nearest]
            strong = hit.drum in _STRONG
            if abs(error) > NEAR * self._step:
                if strong:
                    self._miss(hit.time_s, error)
                continue
            if strong:
                self._astray = []
            weight = 1.0 if strong else 0.5
            self._step = min(self._slowest, max(self._fastest, self._step + BEND * weight * error))
            moved = self._times[nearest] + PULL * weight * error
            self._times[nearest] = moved
            if nearest == len(self._times) - 2:
                self._times[-1] = moved + self._step

    def _miss(self, time_s: float, error: float) -> None:
        self._astray = [*self._astray, (time_s, error)][-ASTRAY:]
        half = self._step / 2
        apart = max(abs((one - error + half) % self._step - half) for _, one in self._astray)
        if len(self._astray) < ASTRAY or apart > NEAR * self._step:
            return
        first = self._astray[0][0]
        if first < self._times[0] + self._meter.pulses_per_bar * self._step:  # nothing before it was music
            self._times = [first, first + self._step]
            self.reach(time_s)
        else:
            self._times[-2:] = [at + error for at in self._times[-2:]]
        self._astray = []

    def reach(self, time_s: float) -> None:
        """Let pulses pass until the next one is after ``time_s``."""
        while self._times and self._times[-1] <= time_s:
            self._times.append(self._times[-1] + self._step)

    def bars_done(self, time_s: float) -> int:
        """Whole bars before ``time_s``."""
        if not self._times:
            return 0
        self.reach(time_s)
        return (int(np.searchsorted(self._times, time_s, side="right")) - 1) // self._meter.pulses_per_bar

    def grid(self, first_bar: int, bars: int) -> BeatGrid:
        """Beats of some bars, which must have begun."""
        per_bar = self._meter.pulses_per_bar
        last = (first_bar + bars) * per_bar
        while len(self._times) <= last:
            self._times.append(self._times[-1] + self._step)
        times = np.array(self._times[first_bar * per_bar : last + 1])
        numbers = np.arange(len(times)) % per_bar + 1
        return BeatGrid(times, numbers, (self._meter,) * bars, self.bpm, "user", confidence=1.0)

    def window(self, hits: Hits, first_bar: int, bars: int) -> tuple[Hits, BeatGrid]:
        """Hits and beats of some bars, ready for the quantiser; early hits of the first stroke belong to it."""
        grid = self.grid(first_bar, bars)
        early = self._step / 8
        inside = hits.between(float(grid.times[0]) - early, float(grid.times[-1]) - early)
        return Hits.of(replace(hit, time_s=max(hit.time_s, float(grid.times[0]))) for hit in inside), grid
