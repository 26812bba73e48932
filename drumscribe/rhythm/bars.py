"""Meter and bar lines over given pulses: Viterbi searches over (meter, position in the bar), in one meter or several.

Three things count for a bar line: downbeat activations of the tracker, what the drums do around a downbeat (learnt from
grooves and songs), and that a bar is like the bar before.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drumscribe.rhythm.evidence import BeatEvidence
from drumscribe.rhythm.legibility import in_meters
from drumscribe.rhythm.patterns import USUAL, Strokes
from drumscribe.rhythm.readings import METERS, Reading, alike, common, read, shares
from drumscribe.rhythm.statistics import ReadingModel, load
from drumscribe.types import BeatGrid, Hits, Meter

Times = NDArray[np.float64]
_HALF, _WHOLE = Meter(2, 4), Meter(4, 4)
Chain = list[tuple[int, Meter]]
"""The first pulse and the meter of each bar."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars over pulses.

    Attributes:
        numbers: ``(n,)`` position of each pulse in its bar, from 1.
        meters: for the index of each pulse that begins a bar, its meter.
        confidence: 0–1 that the bar lines stand right.
    """

    numbers: NDArray[np.int64]
    meters: dict[int, Meter]
    confidence: float

    @classmethod
    def chained(cls, chain: list[tuple[int, Meter]], count: int, confidence: float) -> Bars:
        """Number ``count`` pulses by ``[(first pulse, meter)]``, continued over both ends."""
        chain = sorted((start, meter) for start, meter in chain if start < count) or [(0, Meter())]
        first, meter = chain[0]
        while first > 0:
            first -= meter.pulses_per_bar
            chain.insert(0, (first, meter))
        while chain[-1][0] + chain[-1][1].pulses_per_bar < count:
            chain.append((chain[-1][0] + chain[-1][1].pulses_per_bar, chain[-1][1]))
        numbers = np.zeros(count, dtype=np.int64)
        meters: dict[int, Meter] = {}
        ends = [start for start, _ in chain[1:]] + [count]
        for (start, meter), end in zip(chain, ends, strict=True):
            index = np.arange(max(start, 0), min(end, count))
            numbers[index] = index - start + 1
            if start >= 0:
                meters[start] = meter
        return cls(numbers, meters, confidence)

    def shifted(self, pulses: int) -> Bars:
        """Every bar line moved by ``pulses``; the ends are filled with bars of the neighbouring meter."""
        chain = [(start + pulses, meter) for start, meter in self.meters.items()]
        return Bars.chained(chain, len(self.numbers), self.confidence)

    def anchored(self, pulse: int) -> Bars:
        """The same meters in turn, with a bar that begins at ``pulse``."""
        starts = np.array(sorted(self.meters))
        return self.shifted(pulse - int(starts[np.argmin(np.abs(starts - pulse))]))

    def renamed(self, names: dict[Meter, Meter]) -> Bars:
        """The same bars under other time signatures."""
        return replace(self, meters={start: names.get(meter, meter) for start, meter in self.meters.items()})


def find_bars(
    times: Times, evidence: BeatEvidence, hits: Hits, meter: Meter | None, count: tuple[int, int] = (1, 1)
) -> Bars:
    """Choose meters and bar lines.

    Args:
        times: ``(n,)`` pulses, well beyond the hits on both sides.
        evidence: what the tracker heard.
        hits: all hits.
        meter: fixes the meter and leaves only the phase to be found.
        count: how the pulses were counted from tracked beats (:data:`drumscribe.rhythm.readings.COUNTS`).
    """
    learnt = load().readings
    reading = read(times, count, evidence, Strokes.of(hits), load().bars)
    meters = [meter] if meter else list(METERS)
    chain = likeliest(reading, learnt, meters)
    return Bars.chained(chain, len(times), _confidence(reading, chain, meters))


def likeliest(reading: Reading, model: ReadingModel, meters: list[Meter]) -> Chain:
    """The best bars over a reading, ``[(first pulse, meter)]``; the song may begin and end inside a bar.

    Few songs change their meter, but those that do may do it often: what changes must gain enough in all. What misleads
    in one bar misleads in all, so that a long song must gain more than a short one.
    """
    steady, gain, changing = chains(reading, model, meters)
    return changing if gain > model.changes else steady


def evened(chain: Chain) -> Chain:
    """Two bars of 2/4 for one of 4/4, or one for two, are no change of meter: such bars get the meter of the most."""
    pulses = Counter[Meter]()
    for _, meter in chain:
        pulses[meter] += meter.pulses_per_bar
    if pulses[_HALF] > pulses[_WHOLE]:
        parts = [
            [(start, _HALF), (start + 2, _HALF)] if meter == _WHOLE else [(start, meter)] for start, meter in chain
        ]
        return [bar for part in parts for bar in part]
    even: Chain = []
    for start, meter in chain:
        if meter == _HALF and even and even[-1] == (start - 2, _HALF):
            even[-1] = (start - 2, _WHOLE)
        else:
            even.append((start, meter))
    return even


def chains(reading: Reading, model: ReadingModel, meters: list[Meter]) -> tuple[Chain, float, Chain]:
    """The best bars in one meter, and the best in any, with what these gain as a mean over the played pulses.

    Over a song in one meter this is the choice of :func:`drumscribe.rhythm.readings.chances`. How likely a meter is for
    a song says nothing of single bars in another one; each of these costs the same.
    """
    logit = np.where(reading.played, reading.logit, USUAL)  # nothing outside calls for another meter
    first, again = {}, {}
    legible = in_meters(reading.legible, reading.snare, meters) @ model.legible
    for each, more, reads in zip(meters, alike(reading, meters), legible, strict=True):
        # to begin with a bar speaks for all bars of that phase: a single odd bar at the beginning must not pay
        phase = (np.arange(len(reading.times)) - reading.begin) % each.pulses_per_bar == 0
        each_bar = each.pulses_per_bar / model.weight
        first[each] = np.where(phase & reading.played & (reading.begin >= 0), model.begins * each_bar, 0.0)
        at = np.arange(len(reading.times)) % each.pulses_per_bar
        first[each] += np.where(reading.played, reads[at] * each_bar, 0.0)
        again[each] = np.concatenate([[0.0], np.cumsum(np.where(reading.played, model.like @ more, 0.0))])
    count = int(reading.played.sum())
    usual = common(reading, model, meters) / model.weight * count
    best = [_viterbi(logit, {each: again[each]}, first) for each in meters]
    main = int(np.argmax([score + more for (score, _), more in zip(best, usual, strict=True)]))
    others = {each: row if each == meters[main] else row - model.change for each, row in first.items()}
    score, found = _viterbi(logit, again, others)
    changing = evened(found)
    if changing != found:  # what was gained by other names for the same bars is no gain
        score += _worth(changing, logit, again, others) - _worth(found, logit, again, others)
    return best[main][1], (score - best[main][0]) / count, changing


def _worth(chain: Chain, logit: Times, again: dict[Meter, Times], first: dict[Meter, Times]) -> float:
    """What the bars of a chain are worth in :func:`_viterbi`."""
    other, total = np.concatenate([[0.0], np.cumsum(-np.logaddexp(0, logit))]), 0.0
    for start, meter in chain:
        end = min(start + meter.pulses_per_bar, len(logit))
        total += first[meter][start] - np.logaddexp(0, -logit[start]) + other[end] - other[start + 1]
        total += again[meter][end] - again[meter][start]
    return float(total)


def _confidence(reading: Reading, chain: list[tuple[int, Meter]], meters: list[Meter]) -> float:
    """Chance that the bars stand where they were put, as a mean over them: that of meter and first beat all through."""
    if not len(chain) or not (reading.table.any() or reading.logit.std() > 0):
        return 0.0
    (share,) = shares([reading], load().readings, meters)
    return float(np.mean([share[meters.index(meter), start % meter.pulses_per_bar] for start, meter in chain]))


def _viterbi(logit: Times, again: dict[Meter, Times], first: dict[Meter, Times]) -> tuple[float, Chain]:
    """Best chain of bars and its score.

    ``again`` sums, from 0 to each pulse, what speaks for each meter as bars are alike; ``first`` holds what speaks for
    bars of it that begin at each pulse, beside ``logit``.
    """
    count = len(logit)
    down = [(first[m] - np.logaddexp(0, -logit)).tolist() for m in again]
    other = np.concatenate([[0.0], np.cumsum(-np.logaddexp(0, logit))]).tolist()
    names = list(again)
    lengths = [meter.pulses_per_bar for meter in names]
    sums = [again[m].tolist() for m in names]
    score: list[list[float]] = []
    back: list[list[int]] = []
    for i in range(count + max(lengths)):
        row, came = [], []
        end = min(i, count)
        for m, length in enumerate(lengths):
            start = i - length
            if start < 0 or start >= count:
                # before the first bar line, pulses belong to an incomplete bar
                row.append(other[end] if i < length else -np.inf)
                came.append(-1)
                continue
            before = score[start]
            best = max(before)
            bar = down[m][start] + other[end] - other[start + 1] + sums[m][end] - sums[m][start]
            row.append(best + bar)
            came.append(before.index(best))
        score.append(row)
        back.append(came)
    ends = [(score[i][m], i, m) for i in range(count, count + max(lengths)) for m in range(len(names))
            if back[i][m] >= 0]  # fmt: skip
    total, i, m = max(ends) if ends else (0.0, 0, 0)
    chain: list[tuple[int, Meter]] = []
    while i - lengths[m] >= 0 and back[i][m] >= 0:
        start = i - lengths[m]
        chain.append((start, names[m]))
        i, m = start, back[i][m]
    chain.reverse()
    return total, chain


def ternary(times: Times, hits: Hits) -> bool:
    """Whether the time-keeping hand (hats, rides; all drums where it rests) divides most pulses by three."""
    hands = ("closed_hihat", "open_hihat", "ride", "ride_bell")
    own = [hit.time_s for hit in hits if hit.drum in hands]
    if len(own) < 0.3 * len(hits):
        own = [hit.time_s for hit in hits]
    if len(own) < 12:
        return False
    grid = BeatGrid(times, np.ones(len(times), np.int64), (), 120.0, "")
    place = grid.pulse_at(np.array(own))
    pulse, phase = np.floor(place), place - np.floor(place)

    def held(low: float, high: float) -> int:
        return len(np.unique(pulse[(phase > low) & (phase < high)]))

    divided = len(np.unique(pulse[(phase > 0.15) & (phase < 0.85)]))
    return held(0.28, 0.39) > 0.6 * divided and held(0.43, 0.57) < 0.2 * divided
