"""Meter and bar lines over given pulses: a Viterbi search over (meter, position in the bar).

Three things speak for a bar: downbeat activations of the tracker, what the drums do around a downbeat (learnt from
grooves and songs), and that a bar is like the bar before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drumscribe.rhythm.patterns import downbeat_logit, features, likeness
from drumscribe.rhythm.pulses import halved
from drumscribe.rhythm.statistics import load
from drumscribe.types import BeatGrid, Hits, Meter

Times = NDArray[np.float64]

_PRIOR = {Meter(4, 4): 0.0, Meter(3, 4): -2.5, Meter(2, 4): -8.0, Meter(5, 4): -6.0, Meter(7, 4): -8.0}
"""How common meters are, in nats, each time a meter begins."""
_CHANGE = 6.0
"""Cost of another meter than in the bar before, in nats."""
_TRACKER, _DRUMS, _LIKE = 0.5, 0.8, 1.2
"""Weights of the three kinds of evidence: all are correlated from bar to bar, so none counts in full."""


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


def find_bars(times: Times, downbeat_odds: Times, hits: Hits, meter: Meter | None, *, eighths: bool = False) -> Bars:
    """Choose meters and bar lines.

    Args:
        times: ``(n,)`` pulses, well beyond the hits on both sides.
        downbeat_odds: ``(n,)`` log-odds by the tracker; zeros where it does not know.
        hits: all hits.
        meter: fixes the meter and leaves only the phase to be found.
        eighths: pulses may be eighths, so that six of them may be a bar.
    """
    count = len(times)
    table = pulse_table(times, hits)
    model = load().bars
    usual = float(downbeat_odds[downbeat_odds != 0].mean()) if downbeat_odds.any() else 0.0
    tracker = np.where(downbeat_odds != 0, downbeat_odds - usual, 0.0)
    logit = _TRACKER * tracker + _DRUMS * (downbeat_logit(table, model) + 1.1) - 1.1
    priors = {meter: 0.0} if meter else _PRIOR | ({Meter(6, 4): -6.0} if eighths else {})
    like = {m.pulses_per_bar: likeness(table, m.pulses_per_bar) for m in priors}
    gain = _bar_gain(like)
    chain = _viterbi(logit, gain, priors)
    confidence = _confidence(logit, chain[0][1] if chain else Meter(), chain[0][0] if chain else 0, hits, times)
    return Bars.chained(chain, count, confidence)


def pulse_table(times: Times, hits: Hits) -> Times:
    """Drum features of each pulse (:func:`drumscribe.rhythm.patterns.features`)."""
    if not len(hits):
        return features(np.zeros(0), [], np.zeros(0), len(times))
    grid = BeatGrid(times, np.ones(len(times), np.int64), (), 120.0, "")
    place = grid.pulse_at(np.array([hit.time_s for hit in hits]))
    velocity = np.array([hit.velocity for hit in hits], dtype=np.float64)
    return features(place, [hit.drum for hit in hits], velocity, len(times))


def _bar_gain(like: dict[int, Times]) -> dict[int, Times]:
    """For each length of bar: sums from 0 to each pulse of how much more alike pulses that far apart are than most."""
    usual = np.mean([values.mean() for values in like.values()]) if len(like) > 1 else 0.0
    return {lag: np.concatenate([[0.0], np.cumsum(values - usual)]) for lag, values in like.items()}


def _viterbi(logit: Times, gain: dict[int, Times], priors: dict[Meter, float]) -> list[tuple[int, Meter]]:
    """Best chain of bars, ``[(first pulse, meter)]``; the song may begin and end inside a bar."""
    count = len(logit)
    down = [*(-np.logaddexp(0, -logit)).tolist(), 0.0]
    other = np.concatenate([[0.0], np.cumsum(-np.logaddexp(0, logit))]).tolist()
    names = list(priors)
    lengths = [meter.pulses_per_bar for meter in names]
    sums = [(_LIKE * gain[length]).tolist() for length in lengths]
    score: list[list[float]] = []
    back: list[list[int]] = []
    for i in range(count + max(lengths)):
        row, came = [], []
        end = min(i, count)
        for m, length in enumerate(lengths):
            start = i - length
            if start < 0 or start >= count:
                # before the first bar line, pulses belong to an incomplete bar
                row.append(other[end] + priors[names[m]] if i < length else -np.inf)
                came.append(-1)
                continue
            before = score[start]
            best, at = before[m], m
            for k, value in enumerate(before):
                if k != m and value - _CHANGE + priors[names[m]] > best:
                    best, at = value - _CHANGE + priors[names[m]], k
            bar = down[start] + other[end] - other[start + 1] + sums[m][end] - sums[m][start]
            row.append(best + bar)
            came.append(at)
        score.append(row)
        back.append(came)
    ends = [(score[i][m], i, m) for i in range(count, count + max(lengths)) for m in range(len(names))
            if back[i][m] >= 0]  # fmt: skip
    _, i, m = max(ends) if ends else (0.0, 0, 0)
    chain: list[tuple[int, Meter]] = []
    while i - lengths[m] >= 0 and back[i][m] >= 0:
        start = i - lengths[m]
        chain.append((start, names[m]))
        i, m = start, back[i][m]
    chain.reverse()
    return chain


def _confidence(logit: Times, meter: Meter, phase: int, hits: Hits, times: Times) -> float:
    """How far the chosen phase leads the next best, per bar: near 1/2 where they are level."""
    length = meter.pulses_per_bar
    if not len(hits) and not logit.any():
        return 0.0
    totals = np.array([logit[p::length].mean() for p in range(length)])
    lead = totals[phase % length] - np.max(np.delete(totals, phase % length)) if length > 1 else 1.0
    return float(1.0 / (1.0 + np.exp(-1.2 * lead)))


def sevens(times: Times, hits: Hits) -> bool:
    """Whether what is played comes again after seven half pulses rather than after any even number of them."""
    if len(hits) < 24:
        return False
    table = pulse_table(halved(times), hits)
    like = {lag: likeness(table, lag) for lag in (4, 6, 7, 8, 10)}
    means = {lag: float(values[values > 0].mean()) if values.any() else 0.0 for lag, values in like.items()}
    return means.pop(7) > max(means.values()) + 0.08


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
