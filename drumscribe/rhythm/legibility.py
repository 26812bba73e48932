"""How well drums read when they are counted in one way or another: what a copyist looks at to choose a level and bars.

The same groove can be written in sixteenths at 90 or in eighths at 180. The number of beats a minute does not tell
which is meant, the page does: the backbeat stands on two and four, nothing needs thirty-seconds, and a pulse that
nothing divides is counted too fast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drumscribe.rhythm.patterns import Strokes
from drumscribe.types import BeatGrid, Hits, Meter

Floats = NDArray[np.float64]

TERMS = (
    "backbeat", "snare on three", "snare on one", "finer than sixteenths", "undivided", "slow", "fast",
    "snares between pulses", "two", "three", "odd",
)  # fmt: skip
"""What :func:`terms` measures, in its order."""
_LONGEST = 7
"""Pulses in the longest bar that is tried without being asked for."""
_SNARE = 1
"""Of the kinds of drum in :class:`~drumscribe.rhythm.patterns.Strokes`."""
_LOUD = 0.5
"""A snare softer than this is a ghost note, and no backbeat."""
_LATTICES = ((4, 1 / 16), (3, 1 / 12))
"""Parts of a pulse that are easy to read, and how far from them, in pulses, a stroke is a finer note."""
_LOOSE_S = 0.022
"""Nearer than this a stroke is only played loosely."""
_SLOW, _FAST = 72.0, 185.0
"""Pulses a minute beyond which counting becomes inconvenient, the more the further."""
_VALUES = {
    1 / 8: "thirty-seconds", 1 / 6: "sixteenth triplets", 1 / 4: "sixteenths", 1 / 3: "eighth triplets",
    1 / 2: "eighths", 2 / 3: "quarter triplets", 1: "quarters", 3 / 2: "dotted quarters", 2: "halves", 4: "wholes",
}  # fmt: skip
"""Names of note values, by their length in quarter notes."""
_TOGETHER_S, _ABOUT = 0.04, 0.14
"""Strokes nearer than this are one place; how far a step may be from its value, as a natural logarithm."""


def terms(bpm: float, place: Floats, strokes: Strokes, table: Floats, played: NDArray[np.bool_]) -> dict[str, Floats]:
    """Measure one row of pulses.

    Args:
        bpm: its tempo.
        place: ``(strokes,)`` time of each stroke in pulses.
        strokes: all of them.
        table: ``(n, 13)`` drums on each pulse (:func:`drumscribe.rhythm.patterns.features`); its fourth column is the
            snare on the pulse.
        played: ``(n,)`` which pulses lie within what is played.

    Returns:
        ``row``: ``(5,)`` what no meter changes (finer, undivided, slow, fast, snares between pulses); ``snare``:
        ``(n,)`` 1 where a loud snare is on the pulse, 0 where none, outside of what is played not a number.
    """
    snare = np.where(played, (table[:, 3] >= _LOUD).astype(np.float64), np.nan)
    octaves = np.log2(bpm)
    slow, fast = max(0.0, np.log2(_SLOW) - octaves), max(0.0, octaves - np.log2(_FAST))
    if not len(place):
        return {"row": np.array([0.0, 0.0, slow, fast, 0.0]), "snare": snare}
    count = max(int(played.sum()), 1)
    phase = place - np.floor(place)
    pulse = np.floor(place).astype(np.int64)
    finer = min(_finer(phase, pulse, parts, max(far, _LOOSE_S * bpm / 60)) for parts, far in _LATTICES) / count
    inside = (phase > 0.15) & (phase < 0.88)
    undivided = 1.0 - len(np.unique(pulse[inside])) / count
    full = (strokes.voices == _SNARE) & (strokes.loud >= _LOUD)
    between = float(((phase > 0.15) & (phase < 0.85))[full].mean()) if full.any() else 0.0
    return {"row": np.array([finer, max(0.0, undivided), slow, fast, between]), "snare": snare}


def _finer(phase: Floats, pulse: NDArray[np.int64], parts: int, far: float) -> int:
    """In how many pulses a stroke is off the lattice."""
    off = np.abs(phase * parts - np.rint(phase * parts)) / parts
    return len(np.unique(pulse[off > far]))


def in_meters(row: Floats, snare: Floats, meters: list[Meter]) -> Floats:
    """All :data:`TERMS` for each meter and first beat, ``(meters, 7, 11)``.

    Args:
        row: ``(5,)`` and
        snare: ``(n,)`` from :func:`terms`.
        meters: those that may be.
    """
    found = np.zeros((len(meters), max(_LONGEST, *(meter.pulses_per_bar for meter in meters)), len(TERMS)))
    for m, meter in enumerate(meters):
        length = meter.pulses_per_bar
        share = np.array([_mean(snare[k::length]) for k in range(length)])
        for first in range(length):
            found[m, first, :3] = _backbeat(np.roll(share, -first))
        found[m, :, 3:8] = row
        found[m, :, 8] = length == 2
        found[m, :, 9] = length == 3
        found[m, :, 10] = length > 4
    return found


def _mean(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def _backbeat(share: Floats) -> tuple[float, float, float]:
    """Of a bar's pulses, which part have a loud snare on them: how much is a backbeat, one on three, and on one."""
    if len(share) == 4:
        back = min(share[1], share[3]) - max(share[0], share[2])
        half = share[2] - max(share[0], share[1], share[3])
    elif len(share) == 2:
        back, half = share[1] - share[0], 0.0
    else:
        back, half = float(share[1:].max()) - share[0], 0.0
    return max(0.0, float(back)), max(0.0, float(half)), float(share[0])


def division(times: Floats, hits: Hits, meter: Meter) -> str:
    """Note value in which it goes on: what most often lies between strokes, such as ``"eighths"``; ``""`` for none.

    Args:
        times: ``(n,)`` pulses in seconds.
        hits: strokes.
        meter: tells which note a pulse is.
    """
    grid = BeatGrid(times, np.ones(len(times), np.int64), (), 120.0, "")
    place = grid.pulse_at(np.array([hit.time_s for hit in hits], dtype=np.float64))
    together = _TOGETHER_S / float(np.median(np.diff(times)))
    steps = np.diff(place[np.diff(place, prepend=-np.inf) > together]) * float(meter.pulse)
    far = np.abs(np.log(steps[:, None] / np.array(list(_VALUES))))
    near = far.argmin(axis=1)[far.min(axis=1) < _ABOUT] if len(steps) else np.zeros(0, np.int64)
    counts = dict(zip(_VALUES.values(), np.bincount(near, minlength=len(_VALUES)).tolist(), strict=True))
    long, short = counts["quarter triplets"], counts["eighth triplets"]
    if meter.pulse == 1 and min(long, short) > 0.3 * max(long, short) and long + short > 0.5 * len(near):
        return "swung eighths"  # long and short in turn
    name, most = max(counts.items(), key=lambda each: each[1])
    return name if most else ""
