"""From a written rhythm to strokes and beats in time: how a chart is played that has no recording."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from drumscribe.types import Bar, BeatGrid, Hit, Hits, Meter, Placement, Rhythm

GRACE_S = 0.03
"""How long before its main stroke a grace note is played."""
_EVEN_S = 0.5


def time_of(bar: Bar, onset: Fraction) -> float:
    """When a written place of a bar sounds: swung eighths are written straight."""
    pulse, inside = divmod(onset, bar.meter.pulse)
    if bar.swing and inside == bar.meter.pulse / 2:
        inside = bar.meter.pulse * Fraction(2, 3)
    return bar.start_s + float((pulse * bar.meter.pulse + inside) / bar.length) * (bar.end_s - bar.start_s)


def hits_of(rhythm: Rhythm) -> Hits:
    """The strokes of a chart at their written times; a roll becomes strokes of thirty-seconds."""
    found: list[Hit] = []

    def strike(time_s: float, place: Placement, velocity: int) -> None:
        found.append(Hit(len(found), max(0.0, time_s), place.drum, 1.0, velocity, "user"))

    for place in rhythm.placements:
        bar = rhythm.bars[place.bar]
        at = time_of(bar, place.onset)
        strike(at, place, place.velocity)
        if place.ornament == "roll":
            for number in range(1, int(place.roll_length * 8)):
                strike(time_of(bar, place.onset + Fraction(number, 8)), place, place.velocity)
            continue
        for number in range(1, len(place.grace_ids) + 1):
            strike(at - GRACE_S * number, place, max(1, place.velocity // 2))
    return Hits.of(found)


def grid_of(rhythm: Rhythm) -> BeatGrid:
    """The pulses of a rhythm's bars."""
    times: list[float] = []
    numbers: list[int] = []
    meters: list[Meter] = []
    for bar in rhythm.bars:
        pulses = max(1, round(bar.length / bar.meter.pulse))
        times += list(np.linspace(bar.start_s, bar.end_s, pulses + 1)[:-1])
        numbers += list(range(bar.meter.pulses_per_bar - pulses + 1, bar.meter.pulses_per_bar + 1))
        meters.append(bar.meter)
    times.append(rhythm.bars[-1].end_s)
    numbers.append(1)
    return BeatGrid(np.array(times), np.array(numbers), tuple(meters), rhythm.bpm, "user", (), 1.0)


def even_grid(hits: Hits) -> BeatGrid:
    """Bars of 4/4 at 120 BPM over hits that come without any."""
    bars = int(hits[-1].time_s / (4 * _EVEN_S)) + 1 if len(hits) else 1
    pulses = np.arange(4 * bars + 1)
    times = np.asarray(pulses * _EVEN_S, dtype=np.float64)
    return BeatGrid(times, pulses % 4 + 1, (Meter(),) * bars, 60 / _EVEN_S, "user", (), 1.0)
