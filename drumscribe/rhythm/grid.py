"""The grid of pulses and bars: beats as tracked, bars from downbeat activations and drum patterns, the user's wishes.

What the user said counts first, then the evidence, then the default (4/4).
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from drumscribe.options import BeatOptions
from drumscribe.rhythm.bars import Bars, find_bars, ternary
from drumscribe.rhythm.evidence import BeatEvidence
from drumscribe.rhythm.legibility import division
from drumscribe.rhythm.pulses import aligned, candidates, pulses_of, smoothed
from drumscribe.rhythm.readings import Choice, choose, extended, tempo
from drumscribe.types import Alternative, BeatGrid, Hits, Meter

Times = NDArray[np.float64]

_PICKUP = 0.5
"""A first bar whose hits start after this part of it is written as a pickup."""
_EIGHTHS_BPM = 140.0
"""From here on the pulses of seven are written as eighths."""
_WORTH_OFFERING, _ALWAYS, _MOST_OFFERED = 0.01, 2, 4
"""Chance from which on another reading is offered, how many are whatever their chance, and how many at most."""
_SAME = 0.03
"""How far two tempi may be apart, as a natural logarithm, to be one."""
_COMPOUND = {Meter(2, 4): Meter(6, 8), Meter(3, 4): Meter(9, 8), Meter(4, 4): Meter(12, 8)}


def beat_grid(evidence: BeatEvidence, hits: Hits, options: BeatOptions, duration_s: float) -> BeatGrid:
    """Lay the bars under the hits.

    Args:
        evidence: from :func:`drumscribe.rhythm.track`, or :meth:`BeatEvidence.empty`.
        hits: the hits as edited; their pattern tells where bars begin, and the grid covers all of them.
        options: ``bpm`` (pulses a minute), ``meter``, ``first_downbeat_s``, ``bar_shift``: each overrules what was
            found, in that order, and what was not given follows.
        duration_s: length of the recording; the grid need not reach its end where nothing is played.
    """
    wish = Meter.parse(options.meter) if options.meter else None
    times = pulses_of(evidence, hits, options.bpm, wish, duration_s)
    tracked = len(evidence.beats) >= 2
    if tracked:
        times = aligned(smoothed(times), hits)
    # a wish for a meter leaves the speed as it was found: who changes one of the two wants the other kept
    choice = choose(times, evidence, hits)
    share, count = 1.0, (1, 1)
    if tracked and options.bpm is None and (wish is None or wish.unit == 4):
        times, share, count = choice.times, choice.share, choice.count
    if options.first_downbeat_s is not None:
        times = _through(times, options.first_downbeat_s)
    first_s, last_s = (hits[0].time_s, hits[-1].time_s) if len(hits) else (float(times[0]), float(times[-1]))
    times = extended(times, hits, margin=wish.pulses_per_bar if wish else 8)
    found = find_bars(times, evidence, hits, wish, count)
    if wish is None and options.bpm is None:
        found = found.renamed(_names(times, hits))
    if options.first_downbeat_s is not None:
        found = found.anchored(int(np.argmin(np.abs(times - options.first_downbeat_s))))
    if options.bar_shift:
        found = found.shifted(options.bar_shift)
    times, numbers, meters = _cut(times, found, first_s, last_s)
    usual = Counter(meters).most_common(1)[0][0]
    return BeatGrid(
        times=times,
        numbers=numbers,
        meters=meters,
        bpm=tempo(times),
        tracker=evidence.tracker if tracked else "user",
        candidates=candidates(times, choice.speeds),
        confidence=1.0 if options.first_downbeat_s is not None else share * found.confidence,
        alternatives=_alternatives(choice, hits, tempo(times), usual),
        division=division(times, hits, usual),
    )


def _alternatives(choice: Choice, hits: Hits, bpm: float, meter: Meter) -> tuple[Alternative, ...]:
    """Readings worth offering beside the one in force; an off-beat is no other page, and is left out."""
    found: list[Alternative] = []
    for times, plain, first, chance in choice.readings:
        named = _names(times, hits).get(plain, plain)
        pulses = tempo(times)
        taken = [(bpm, meter), *((other.bpm, other.meter) for other in found)]
        if (chance < _WORTH_OFFERING and len(found) >= _ALWAYS) or not 20 <= pulses <= 400:
            continue
        if any(abs(np.log(pulses / speed)) < _SAME and name == named for speed, name in taken):
            continue
        lines = times[first :: plain.pulses_per_bar]
        begin = max(0.0, hits[0].time_s - 0.12 * 60.0 / pulses)
        line = float(lines[min(len(lines) - 1, int(np.searchsorted(lines, begin)))])
        found.append(Alternative(pulses, named, line, chance, division(times, hits, named)))
    return tuple(found[:_MOST_OFFERED])


def _names(times: Times, hits: Hits) -> dict[Meter, Meter]:
    """Time signatures in which a pulse may prove an eighth or a dotted quarter."""
    renamed = {Meter(7, 4): Meter(7, 8)} if tempo(times) >= _EIGHTHS_BPM else {}
    return renamed | (_COMPOUND if ternary(times, hits) else {})


def _through(times: Times, moment_s: float) -> Times:
    """Move the pulses so that one stands at ``moment_s``; only where the nearest is off by more than 30 ms."""
    nearest = times[np.argmin(np.abs(times - moment_s))]
    off = moment_s - nearest
    if times[0] <= moment_s <= times[-1]:
        return times + off if abs(off) > 0.03 else times
    period = times[1] - times[0] if moment_s < times[0] else times[-1] - times[-2]
    off -= round(off / period) * period
    return times + off if abs(off) > 0.03 else times


def _cut(times: Times, bars: Bars, first_s: float, last_s: float) -> tuple[Times, NDArray[np.int64], tuple[Meter, ...]]:
    """Keep the bars that hold hits, and a pickup where the piece begins late in its first bar."""
    starts = np.flatnonzero(bars.numbers == 1)
    slack = 0.12 * float(np.median(np.diff(times)))  # a hit just before a bar line belongs to it
    low = starts[max(0, int(np.searchsorted(times[starts], first_s + slack, side="right")) - 1)]
    above = starts[times[starts] > last_s + slack]
    high = int(above[0]) if len(above) else int(starts[-1])
    high = max(high, int(starts[np.searchsorted(starts, low) + 1]))
    kept = starts[(starts >= low) & (starts < high)]
    meters = [bars.meters[i] for i in kept]
    played_from = int(np.searchsorted(times, first_s + slack, side="right")) - 1
    if len(kept) > 1 and played_from - low >= _PICKUP * meters[0].pulses_per_bar:
        low = played_from
    return times[low : high + 1], bars.numbers[low : high + 1], tuple(meters)
