"""From a written rhythm to strokes and beats in time: how a chart is played that has no recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate

import numpy as np

from drumscribe.choices import Swing
from drumscribe.errors import ProjectError
from drumscribe.types import Bar, BeatGrid, Hit, Hits, Meter, Placement, Rhythm

GRACE_S = 0.03
"""How long before its main stroke a grace note is played."""
LONGEST_S = 4 * 3600.0
"""A chart of a longer time is a damaged one, and would fill the memory."""
_GHOST = 36
_ACCENTED = 1.35
_EVEN_S = 0.5
_ROLL = 12
"""Strokes of a roll in a quarter note."""
_AFTER_ROLL = Fraction(1, 8)
"""Quarter notes from its last stroke to its end, so that a stroke there is one of its own."""


def too_long() -> ProjectError:
    """The error for a chart of more than :data:`LONGEST_S`."""
    return ProjectError(f"The chart lasts more than {LONGEST_S / 3600:.0f} hours.", "Cut it to one song.")


def as_marked(velocity: int, *, ghost: bool, accent: bool) -> int:
    """How hard a stroke is played that is only marked: as much softer or louder as a mark stands for."""
    return min(velocity, _GHOST) if ghost else min(127, round(velocity * _ACCENTED)) if accent else velocity


def sounding(bar: Bar, onset: Fraction) -> Fraction:
    """Where a written place of a bar sounds, in quarter notes: swung eighths are written straight.

    Only a beat that has no finer notes is swung; triplets and sixteenths of a swung bar are played as they stand.
    """
    number, inside = divmod(onset, bar.meter.pulse)
    parts = bar.subdivisions[int(number)] if number < len(bar.subdivisions) else 2
    if bar.swing and parts <= 2 and inside == bar.meter.pulse / 2:
        inside = bar.meter.pulse * Fraction(2, 3)
    return number * bar.meter.pulse + inside


def time_of(bar: Bar, onset: Fraction) -> float:
    """When a written place of a bar sounds."""
    return bar.start_s + float(sounding(bar, onset) / bar.length) * (bar.end_s - bar.start_s)


def hits_of(rhythm: Rhythm) -> Hits:
    """The strokes of a chart at their written times; a roll becomes strokes too fast to be written one by one."""
    found: list[Hit] = []

    def strike(time_s: float, place: Placement, velocity: int) -> None:
        found.append(Hit(len(found), max(0.0, time_s), place.drum, 1.0, velocity, "user"))

    for place in rhythm.placements:
        bar = rhythm.bars[place.bar]
        at = time_of(bar, place.onset)
        strike(at, place, place.velocity)
        if place.ornament == "roll":
            strokes = max(4, round(place.roll_length * _ROLL))
            step = (place.roll_length - _AFTER_ROLL) / (strokes - 1)
            for number in range(1, strokes):
                strike(time_of(bar, place.onset + number * step), place, place.velocity)
            continue
        for number in range(1, len(place.grace_ids) + 1):
            strike(at - GRACE_S * number, place, max(1, place.velocity // 2))
    return Hits.of(found)


def swing_of(rhythm: Rhythm) -> Swing:
    """Whether the eighths of a chart are swung; ``"auto"`` where some are and some are not."""
    swung = {bar.swing for bar in rhythm.bars}
    return "auto" if len(swung) != 1 else "on" if swung.pop() else "off"


def together(parts: Sequence[Hits]) -> Hits:
    """The hits of several parts, as one drummer plays them: what two parts have at once is struck once, the harder."""
    if len(parts) == 1:
        return parts[0]
    found: dict[tuple[float, str], Hit] = {}
    for hit in (hit for hits in parts for hit in hits):
        place = (round(hit.time_s, 3), hit.drum)
        if place not in found or found[place].velocity < hit.velocity:
            found[place] = hit
    return Hits.of(replace(hit, id=number) for number, hit in enumerate(found.values()))


def grid_of(rhythm: Rhythm) -> BeatGrid:
    """The pulses of a rhythm's bars.

    The halves of a bar that a repeat cuts in two are one bar again; one that is longer than its meter is cut into bars
    of it, and what is left over, like any short bar but a pickup, has the meter of its length.
    """
    times: list[float] = []
    numbers: list[int] = []
    meters: list[Meter] = []
    for bars in _joined(rhythm.bars):
        meter, at = bars[0].meter, Fraction(0)
        edges = [Fraction(0), *accumulate(bar.length for bar in bars)]
        clock = [bars[0].start_s, *(bar.end_s for bar in bars)]
        pickup = bars[0].index == 0 and edges[-1] < meter.quarter_length
        while at < edges[-1]:
            length = min(edges[-1] - at, meter.quarter_length)
            own = meter if pickup or length == meter.quarter_length else _meter_of(length, meter.unit)
            pulses = max(1, round(length / own.pulse))
            places = [float(at + length * number / pulses) for number in range(pulses)]
            times += list(np.interp(places, [float(edge) for edge in edges], clock))
            first = own.pulses_per_bar - pulses + 1 if pickup else 1
            numbers += range(first, first + pulses)
            meters.append(own)
            at += length
    times.append(rhythm.bars[-1].end_s)
    numbers.append(1)
    return BeatGrid(np.array(times), np.array(numbers), tuple(meters), rhythm.bpm, "user", (), 1.0)


def _joined(bars: Sequence[Bar]) -> list[list[Bar]]:
    """Bars, with two short ones after each other that are one together as a pair."""
    found: list[list[Bar]] = []
    for bar in bars:
        before = found[-1] if found else []
        whole = bar.meter.quarter_length
        pair = len(before) == 1 and before[0].index > 0 and before[0].meter == bar.meter
        if pair and before[0].length < whole and before[0].length + bar.length == whole:
            before.append(bar)
        else:
            found.append([bar])
    return found


def _meter_of(length: Fraction, unit: int) -> Meter:
    """The meter of a bar of so many quarter notes, of ``unit`` if it can be; to the nearest sixteenth at least."""
    units = [one for one in (unit, 4, 8) if (length * one / 4).denominator == 1]
    chosen = units[0] if units else 16
    return Meter(min(32, max(1, round(length * chosen / 4))), chosen)


def even_grid(hits: Hits) -> BeatGrid:
    """Bars of 4/4 at 120 BPM over hits that come without any. Raises ProjectError if those last too long."""
    if len(hits) and hits[-1].time_s > LONGEST_S:
        raise too_long()
    bars = int(hits[-1].time_s / (4 * _EVEN_S)) + 1 if len(hits) else 1
    pulses = np.arange(4 * bars + 1)
    times = np.asarray(pulses * _EVEN_S, dtype=np.float64)
    return BeatGrid(times, pulses % 4 + 1, (Meter(),) * bars, 60 / _EVEN_S, "user", (), 1.0)
