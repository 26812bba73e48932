"""Ticks and seconds: the tempo map of MIDI files and of charts for games follows the beat grid pulse by pulse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drumscribe.errors import NotationError
from drumscribe.notation.played import sounding
from drumscribe.types import Bar, BeatGrid, Meter, Placement

TICKS_PER_QUARTER = 480
_LEAST_LEAD_S = 0.005
_MICROSECONDS = (1, 0xFFFFFF)


@dataclass(frozen=True, slots=True)
class TempoMap:
    """Ticks and seconds of every pulse of the grid, and where bars begin. Build with :meth:`of`.

    Attributes:
        grid: the beats.
        ticks: of each pulse.
        lead: ticks before the first pulse: the recording runs, the chart has not begun.
        bars: tick of each bar line with its meter, those of the lead included.
    """

    grid: BeatGrid
    ticks: NDArray[np.float64]
    lead: int
    bars: tuple[tuple[int, Meter], ...]

    @classmethod
    def of(cls, grid: BeatGrid) -> TempoMap:
        """Lay ticks along a grid. Raises NotationError if it has fewer than two pulses."""
        if len(grid.times) < 2:
            raise NotationError("The beat grid is too short for a tempo map.", "Give a tempo, or a longer recording.")
        return _laid(grid)

    def tick(self, time_s: float) -> float:
        """Tick of a time, between pulses in proportion."""
        return float(np.interp(self.grid.pulse_at(time_s), np.arange(len(self.ticks)), self.ticks)) \
            if self._inside(time_s) else self._outside(time_s)  # fmt: skip

    def _inside(self, time_s: float) -> bool:
        return bool(self.grid.times[0] <= time_s <= self.grid.times[-1])

    def _outside(self, time_s: float) -> float:
        first, last = float(self.grid.times[0]), float(self.grid.times[-1])
        if time_s < first:
            return self.lead * time_s / first if first > 0 else float(self.ticks[0])
        rate = float(self.ticks[-1] - self.ticks[-2]) / (last - float(self.grid.times[-2]))
        return float(self.ticks[-1]) + (time_s - last) * rate

    def meters(self) -> Iterator[tuple[int, Meter]]:
        """Ticks at which the meter changes, with the new one."""
        meter: Meter | None = None
        for tick, found in self.bars:
            if found != meter:
                yield tick, found
            meter = found

    def tempos(self) -> Iterator[tuple[int, int]]:
        """Ticks at which the tempo changes, with microseconds a quarter note; rounding never adds up."""
        clock = 0.0  # seconds that the rounded tempos have taken so far
        spans = [(0, self.lead, float(self.grid.times[0]))] if self.lead else []
        times = self.grid.times - (0.0 if self.lead else self.grid.times[0])
        spans += [(int(a), int(b), float(e)) for a, b, e in zip(self.ticks, self.ticks[1:], times[1:], strict=False)]
        last = 0
        for low, high, end_s in spans:
            if high <= low:
                continue
            quarters = (high - low) / TICKS_PER_QUARTER
            tempo = min(max(round((end_s - clock) * 1e6 / quarters), _MICROSECONDS[0]), _MICROSECONDS[1])
            clock += tempo * quarters / 1e6
            if tempo != last:
                yield low, tempo
                last = tempo

    def written(self, place: Placement, bar: Bar) -> float:
        """Tick of a written place: swung eighths go to the swung place."""
        return self.tick(bar.start_s) + float(sounding(bar, place.onset)) * TICKS_PER_QUARTER


def _laid(grid: BeatGrid) -> TempoMap:
    starts = [i for i, number in enumerate(grid.numbers) if i == 0 or number == 1]
    meters = [grid.meters[min(k, len(grid.meters) - 1)] if grid.meters else Meter() for k in range(len(starts))]
    steps = np.zeros(len(grid.times))
    for k, start in enumerate(starts):
        end = starts[k + 1] if k + 1 < len(starts) else len(grid.times)
        steps[start:end] = float(meters[k].pulse) * TICKS_PER_QUARTER
    first, pulse_s = float(grid.times[0]), float(grid.times[1] - grid.times[0])
    lead_pulses = max(1, round(first / pulse_s)) if first > _LEAST_LEAD_S else 0
    lead = round(lead_pulses * float(meters[0].pulse) * TICKS_PER_QUARTER)
    ticks = lead + np.concatenate([[0.0], np.cumsum(steps[:-1])])
    bars: list[tuple[int, Meter]] = []
    whole, rest = divmod(lead_pulses, meters[0].pulses_per_bar)
    if rest:
        bars.append((0, _part(meters[0], rest)))
    if whole:
        bars.append((round(rest * float(meters[0].pulse) * TICKS_PER_QUARTER), meters[0]))
    for k, start in enumerate(starts):
        end = starts[k + 1] if k + 1 < len(starts) else start
        pulses = end - start
        if k == 0 and 0 < pulses < meters[k].pulses_per_bar:  # a pickup
            bars.append((round(ticks[start]), _part(meters[k], pulses)))
        elif end > start:
            bars.append((round(ticks[start]), meters[k]))
    return TempoMap(grid, ticks, lead, tuple(bars))


def _part(meter: Meter, pulses: int) -> Meter:
    """The meter of a bar of so many pulses of ``meter``."""
    return Meter(pulses * (3 if meter.compound else 1), meter.unit)
