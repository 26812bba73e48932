"""The grid of pulses and bars: beats as tracked, bars from downbeat activations and drum patterns, the user's wishes.

What the user said counts first, then the evidence, then the default (4/4).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drumscribe.options import BeatOptions
from drumscribe.rhythm.bars import Bars, find_bars, ternary
from drumscribe.rhythm.evidence import BeatEvidence
from drumscribe.rhythm.pulses import aligned, candidates, pulses_of, smoothed
from drumscribe.rhythm.readings import choose, extended, tempo
from drumscribe.types import BeatGrid, Hits, Meter

Times = NDArray[np.float64]

_PICKUP = 0.5
"""A first bar whose hits start after this part of it is written as a pickup."""
_EIGHTHS_BPM = 140.0
"""From here on the pulses of seven are written as eighths."""
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
        found = _named(found, times, hits)
    if options.first_downbeat_s is not None:
        found = found.anchored(int(np.argmin(np.abs(times - options.first_downbeat_s))))
    if options.bar_shift:
        found = found.shifted(options.bar_shift)
    times, numbers, meters = _cut(times, found, first_s, last_s)
    return BeatGrid(
        times=times,
        numbers=numbers,
        meters=meters,
        bpm=tempo(times),
        tracker=evidence.tracker if tracked else "user",
        candidates=candidates(times, choice.speeds),
        confidence=1.0 if options.first_downbeat_s is not None else share * found.confidence,
    )


def _named(found: Bars, times: Times, hits: Hits) -> Bars:
    """Time signatures in which a pulse may prove an eighth or a dotted quarter."""
    renamed = {Meter(7, 4): Meter(7, 8)} if tempo(times) >= _EIGHTHS_BPM else {}
    renamed |= _COMPOUND if ternary(times, hits) else {}
    return found.renamed(renamed)


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
