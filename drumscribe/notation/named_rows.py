"""Rows of times and names, as annotation programs keep them, into hits and beats."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from drumscribe.errors import ProjectError
from drumscribe.kit import DRUMS
from drumscribe.notation.names import drum_named
from drumscribe.types import BeatGrid, Hit, Hits, Meter

_VELOCITY = 80
_MOST = 200_000


def hits_of_rows(rows: Sequence[tuple[str, str, str]]) -> tuple[Hits, tuple[str, ...]]:
    """Hits of rows (seconds, name, velocity or ``""``), with a sentence on names that are no drums.

    Raises ProjectError if there are too many.
    """
    if len(rows) > _MOST:
        raise ProjectError(f"There are more than {_MOST} rows.", "Cut the file to one song.")
    found: list[Hit] = []
    unknown: Counter[str] = Counter()
    for time_s, name, loud in rows:
        label = name.strip() if name.strip() in DRUMS else drum_named(name)
        at, velocity = float(time_s), float(loud) if loud else _VELOCITY
        if label is None:
            unknown[name.strip()[:40]] += 1
        elif math.isfinite(at) and at >= 0:
            found.append(Hit(len(found), at, label, 1.0, min(127, max(1, round(velocity))), "user"))
    told = ", ".join(f"“{name}” ({count})" for name, count in unknown.most_common(8))
    return Hits.of(found), (f"Names that are no drums were left out: {told}.",) if unknown else ()


def counted_grid(beats: Sequence[tuple[float, int]]) -> BeatGrid | None:
    """The grid of beats (seconds, place in the bar from 1); ``None`` where they do not count whole bars."""
    beats = sorted(beats)
    firsts = [index for index, (_, number) in enumerate(beats) if number == 1]
    times = np.array([time_s for time_s, _ in beats], dtype=np.float64)
    if len(firsts) < 2 or firsts[0] != 0 or not np.isfinite(times).all() or not (np.diff(times) > 0).all():
        return None
    meters = []
    for first, after in pairwise(firsts):
        if [number for _, number in beats[first:after]] != list(range(1, after - first + 1)) or after - first > 32:
            return None
        meters.append(Meter(after - first, 4))
    last = firsts[-1] + 1
    bpm = 60 / float(np.polyfit(np.arange(last), times[:last], 1)[0])
    numbers = np.array([number for _, number in beats[:last]])
    return BeatGrid(times[:last], numbers, tuple(meters), bpm, "user", (), 1.0)
