"""Bars of a grid as arrays: which bar and which pulse of it stands at each pulse index."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from drumscribe.errors import RhythmError
from drumscribe.types import BeatGrid, Meter

_EXACT_S = 1e-6
"""Less is rounding: it must not add a bar."""
_MOST_PULSES = 20_000
"""So many may be added at an end: more would fill the memory."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Bars over the pulses of a grid.

    Attributes:
        grid: pulses, from a bar line (or the start of a pickup) to a bar line.
        starts: ``(bars + 1,)`` index of each bar's first pulse, and of the pulse after the last bar.
        meters: ``(bars,)``.
        pickup: whether bar 0 is a pickup.
        own: bars up to the end of the grid; those after are there in case that a last hit needs them.
    """

    grid: BeatGrid
    starts: NDArray[np.int64]
    meters: tuple[Meter, ...]
    pickup: bool
    own: int

    @classmethod
    def of(cls, grid: BeatGrid, first_s: float, last_s: float) -> Layout:
        """Lay out ``grid``, with whole bars added at its ends where hits lie, or may be written, outside.

        Raises RhythmError where so many bars are missing that the grid is not that of the hits.
        """
        starts = np.flatnonzero(grid.numbers == 1)
        meters = list(grid.meters)
        pickup = bool(len(grid.numbers) and grid.numbers[0] != 1)
        times, numbers = grid.times, grid.numbers
        closed = len(starts) > 0 and starts[-1] == len(times) - 1
        if not closed:  # a grid that ends inside a bar: go on to its bar line
            last = meters[-1] if meters else Meter()
            missing = last.pulses_per_bar - int(numbers[-1]) + 1
            times = np.concatenate([times, times[-1] + (times[-1] - times[-2]) * np.arange(1, missing + 1)])
            numbers = np.concatenate([numbers, np.arange(numbers[-1] + 1, numbers[-1] + missing), [1]])
        step = times[1] - times[0]
        away = max((times[0] - first_s) / step, (last_s - times[-1]) / (times[-1] - times[-2]))
        if away > _MOST_PULSES:
            raise RhythmError("Hits lie hours away from the beats.", "Correct their times, or the grid.")
        while first_s < times[0] - 0.25 * step - _EXACT_S:
            if pickup:  # a pickup that turns out to be longer becomes a whole bar
                count = int(numbers[0]) - 1
                pickup = False
            else:
                count = meters[0].pulses_per_bar
                meters.insert(0, meters[0])
            times = np.concatenate([times[0] + step * np.arange(-count, 0), times])
            numbers = np.concatenate([np.arange(1, count + 1), numbers])
        step = times[-1] - times[-2]
        own = len(meters)
        while last_s > times[-1] - step - _EXACT_S:  # the bar line may be its place
            count = meters[-1].pulses_per_bar
            times = np.concatenate([times, times[-1] + step * np.arange(1, count + 1)])
            numbers = np.concatenate([numbers, np.arange(2, count + 1), [1]])
            meters.append(meters[-1])
        starts = np.flatnonzero(numbers == 1)
        if pickup:
            starts = np.concatenate([[0], starts])
        wide = BeatGrid(times, numbers, tuple(meters), grid.bpm, grid.tracker, grid.candidates, grid.confidence)
        return cls(wide, starts, tuple(meters), pickup, own)

    @property
    def bar_of(self) -> NDArray[np.int64]:
        """Bar of each pulse, ``(pulses,)`` without the closing bar line."""
        return np.repeat(np.arange(len(self.meters)), np.diff(self.starts))

    def length(self, bar: int) -> Fraction:
        """Quarter notes in a bar."""
        return int(self.starts[bar + 1] - self.starts[bar]) * self.meters[bar].pulse
