"""Meter and bar lines over given pulses: a Viterbi search over (meter, position in the bar)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drumscribe.types import Hits, Meter

Times = NDArray[np.float64]

_METERS = {Meter(4, 4): 0.86, Meter(3, 4): 0.08, Meter(2, 4): 0.03, Meter(5, 4): 0.015}
"""Meters that are looked for, with how common they are."""
_CHANGE = 6.0
"""Cost of another meter than in the bar before, in nats."""
_WEIGHTS = {"kick": 0.9, "snare": -1.6, "crash": 2.2, "china": 1.5, "splash": 0.8, "cross_stick": -1.0}


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

    def shifted(self, pulses: int) -> Bars:
        """Every bar line moved by ``pulses``; the ends are filled with bars of the neighbouring meter."""
        starts = sorted(self.meters)
        chain = [(start + pulses, self.meters[start]) for start in starts]
        return _laid(chain, len(self.numbers), self.confidence)


def find_bars(times: Times, downbeat_odds: Times, hits: Hits, meter: Meter | None) -> Bars:
    """Choose meters and bar lines. ``meter`` fixes the meter and leaves only the phase to find."""
    logit = downbeat_odds * 0.5 - 0.8 + _drum_evidence(times, hits)
    log_down, log_other = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
    meters = {meter: 1.0} if meter else _METERS
    path, margin = _viterbi(log_down, log_other, meters)
    confidence = float(1 / (1 + np.exp(-margin / 8)))
    return _laid(path, len(times), confidence)


def fixed_bars(count: int, bars: Bars, anchor: int) -> Bars:
    """The same meters in turn, but with a bar beginning at pulse ``anchor``."""
    starts = np.array(sorted(bars.meters))
    shift = int(anchor - starts[np.argmin(np.abs(starts - anchor))])
    return Bars(bars.numbers, bars.meters, 1.0).shifted(shift) if shift else Bars(bars.numbers, bars.meters, 1.0)


def _drum_evidence(times: Times, hits: Hits) -> Times:
    evidence = np.zeros(len(times))
    seen: set[tuple[int, str]] = set()
    step = float(np.median(np.diff(times)))
    for hit in hits:
        pulse = int(np.argmin(np.abs(times - hit.time_s)))
        weight = _WEIGHTS.get(hit.drum)
        if weight is not None and abs(times[pulse] - hit.time_s) < 0.2 * step and (pulse, hit.drum) not in seen:
            seen.add((pulse, hit.drum))
            evidence[pulse] += weight * (hit.velocity > 40)
    return evidence


def _viterbi(log_down: Times, log_other: Times, meters: dict[Meter, float]) -> tuple[list[tuple[int, Meter]], float]:
    """Best chain of bars as ``[(first pulse, meter)]``, and its lead over the best with other bar lines."""
    names = list(meters)
    lengths = [meter.pulses_per_bar for meter in names]
    count = len(log_down)
    rest = np.concatenate([[0.0], np.cumsum(log_other)])
    # best[i, m]: best score of pulses before i, where a bar ends at i and was of meter m
    best = np.full((count + 1, len(names)), -np.inf)
    back: dict[tuple[int, int], int] = {}
    prior = np.log(np.array([meters[name] for name in names]))
    for i in range(count + 1):
        for m, length in enumerate(lengths):
            start = i - length
            if start < 0:
                if i < length:  # an incomplete bar before the first bar line
                    best[i, m] = max(best[i, m], rest[i] + prior[m] - (0.0 if i == 0 else 0.1))
                    back[i, m] = -1
                continue
            change = np.where(np.arange(len(names)) == m, 0.0, _CHANGE - prior[m])
            came = best[start] - change
            p = int(np.argmax(came))
            score = came[p] + log_down[start] + rest[i] - rest[start + 1]
            if score > best[i, m]:
                best[i, m] = score
                back[i, m] = p
    ends = []
    for m, length in enumerate(lengths):
        for i in range(max(0, count - length + 1), count + 1):
            tail = log_down[i] + rest[count] - rest[i + 1] if i < count else 0.0
            ends.append((best[i, m] + tail, i, m))
    ends.sort(reverse=True)
    _, i, m = ends[0]
    chain: list[tuple[int, Meter]] = [(i, names[m])] if i < count else []
    while (previous := back.get((i, m), -1)) >= 0:
        i -= lengths[m]
        chain.append((i, names[m]))
        m = previous
    chain.reverse()
    starts = {start % lengths[m] for start, _ in chain[:1]}
    others = [score for score, i, other in ends if i % lengths[other] not in starts]
    margin = ends[0][0] - others[0] if others else 0.0
    return chain, margin


def _laid(chain: list[tuple[int, Meter]], count: int, confidence: float) -> Bars:
    """Number the pulses of a chain of bars, continued over both ends."""
    chain = [(start, meter) for start, meter in chain if start < count]
    if not chain:
        chain = [(0, Meter())]
    first, meter = chain[0]
    while first > 0:
        first -= meter.pulses_per_bar
        chain.insert(0, (first, meter))
    while chain[-1][0] + chain[-1][1].pulses_per_bar < count:
        chain.append((chain[-1][0] + chain[-1][1].pulses_per_bar, chain[-1][1]))
    numbers = np.zeros(count, dtype=np.int64)
    meters: dict[int, Meter] = {}
    for k, (start, meter) in enumerate(chain):
        end = chain[k + 1][0] if k + 1 < len(chain) else start + meter.pulses_per_bar
        index = np.arange(max(start, 0), min(end, count))
        numbers[index] = index - start + 1
        if 0 <= start < count:
            meters[start] = meter
    return Bars(numbers, meters, confidence)
