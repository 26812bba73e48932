"""Readings of a tracked beat: at which speed it is counted, in which meter, and where the bars begin.

A tracker's beats may be the half, the double, or another simple part of the pulse that is meant. Each such reading is a
row of pulses. Of each reading, each meter, and each first beat, a conditional logit (D. McFadden, *Conditional logit
analysis of qualitative choice behavior*, 1974) tells the chance from what the tracker heard on the pulses and between
them, from what the drums play there, and from how like a bar is to the bar before. Its weights are learnt together, by
``training/rhythm_bars.py``, and work with either kind of evidence alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from drumscribe.rhythm.evidence import BeatEvidence
from drumscribe.rhythm.patterns import Strokes, downbeat_logit, echo, features, pulse_cues
from drumscribe.rhythm.statistics import BarModel, ReadingModel, load
from drumscribe.types import BeatGrid, Hits, Meter

Times = NDArray[np.float64]

COUNTS = ((1, 1), (2, 1), (1, 2), (2, 2))
"""Into how many parts a tracked beat is divided, and how many of them are a pulse. The last is the off-beat."""
_FEWEST = 24
"""Hits from which on they tell anything but the tracked speed."""
_SLOWEST, _FASTEST = 50.0, 260.0
"""Pulses a minute at which music is counted; only what was tracked itself may lie beyond."""
BEGINS = 1.0
"""How much likelier, in nats, a recording's first stroke is where a bar begins than on another pulse. Not learnt: the
excerpts that all else is learnt from begin anywhere."""
METERS = (Meter(4, 4), Meter(3, 4), Meter(2, 4), Meter(5, 4), Meter(7, 4))


@dataclass(frozen=True, slots=True)
class Reading:
    """A row of pulses and what speaks for it.

    Attributes:
        count: how its pulses are counted, one of ``COUNTS``.
        times: ``(n,)`` pulses in seconds.
        table: ``(n, 13)`` drums on each pulse (:func:`drumscribe.rhythm.patterns.features`).
        logit: ``(n,)`` log-odds that a bar begins at each pulse.
        played: ``(n,)`` whether the pulse lies within what is played.
        cues: ``(17,)`` what tells whether it is counted rightly: how it is counted (one of four), drums
            (:func:`drumscribe.rhythm.patterns.pulse_cues`), beats heard on and between the pulses.
    """

    count: tuple[int, int]
    times: Times
    table: Times
    logit: Times
    played: NDArray[np.bool_]
    cues: Times


def split(beats: Times, count: tuple[int, int]) -> list[Times]:
    """The pulses of one of ``COUNTS``, from each beat (or part of one) at which they may begin."""
    parts, pulse = count
    fine = np.interp(np.arange((len(beats) - 1) * parts + 1) / parts, np.arange(len(beats)), beats)
    rows = [fine[first::pulse] for first in range(pulse) if not (first == 0 and parts == pulse > 1)]
    return [row for row in rows if len(row) >= 2]


def extended(times: Times, hits: Hits, margin: int = 8) -> Times:
    """Add pulses at the local rate, so that ``margin`` of them stand before the first hit and after the last."""
    first_s, last_s = (hits[0].time_s, hits[-1].time_s) if len(hits) else (float(times[0]), float(times[-1]))
    steps = np.diff(times)
    head, tail = float(np.median(steps[:8])), float(np.median(steps[-8:]))
    before = margin + max(0, math.ceil((times[0] - first_s) / head))
    after = margin + max(0, math.ceil((last_s - times[-1]) / tail))
    return np.concatenate([
        times[0] - head * np.arange(before, 0, -1), times, times[-1] + tail * np.arange(1, after + 1),
    ])  # fmt: skip


def tempo(times: Times) -> float:
    """Tempo by least squares: the slope of pulse number over time. Frame-rounded times do not bias it."""
    index = np.arange(len(times), dtype=np.float64)
    centred = times - times.mean()
    return float(60.0 * (centred @ (index - index.mean())) / (centred @ centred))


def read(times: Times, count: tuple[int, int], evidence: BeatEvidence, strokes: Strokes, model: BarModel) -> Reading:
    """Look at one row of pulses."""
    table = table_of(times, strokes)
    played = _played(times, strokes)
    logit = downbeat_logit(table, evidence.on_pulses(times), model)
    kind = [float(count == each) for each in COUNTS]
    drums = pulse_cues(table, len(strokes.times), tempo(times))
    return Reading(count, times, table, logit, played, np.concatenate([kind, drums, _beats(times, played, evidence)]))


def table_of(times: Times, strokes: Strokes) -> Times:
    """Drum features of each pulse, ``(n, 13)``."""
    place = BeatGrid(times, np.ones(len(times), np.int64), (), 120.0, "").pulse_at(strokes.times)
    return features(place, strokes, len(times))


def _played(times: Times, strokes: Strokes) -> NDArray[np.bool_]:
    """Pulses from the first stroke to the last; all of them where there are none."""
    if not len(strokes.times):
        return np.ones(len(times), np.bool_)
    slack = 0.25 * float(np.median(np.diff(times)))
    inside = (times > strokes.times[0] - slack) & (times < strokes.times[-1] + slack)
    return inside if inside.sum() >= 2 else np.ones(len(times), np.bool_)


def _beats(times: Times, played: NDArray[np.bool_], evidence: BeatEvidence) -> Times:
    """Beats heard on the pulses, and how much more than half-way and a third of the way between them, ``(3,)``."""
    inside, step = times[:-1][played[:-1]], np.diff(times)[played[:-1]]
    if not len(inside):
        return np.zeros(3)
    on, half, third = (float(evidence.loudness(inside + part * step).mean()) for part in (0.0, 0.5, 1 / 3))
    return np.array([on, on - half, on - third])


def chances(reading: Reading, model: ReadingModel, meters: dict[Meter, float]) -> Times:
    """Unnormalised log-chance of each meter and each first beat, ``(meters, 7)``; ``-inf`` beyond a meter's length.

    Args:
        reading: the pulses.
        model: the weights.
        meters: those that may be, with how common they are, in nats.
    """
    scores = np.full((len(meters), max(7, *(meter.pulses_per_bar for meter in meters))), -np.inf)
    rest, sums, like = sides(reading, list(meters))
    for row, (meter, prior) in enumerate(meters.items()):
        scores[row, : meter.pulses_per_bar] = (
            model.weight * (sums[row, : meter.pulses_per_bar] + model.like * like[row]) + prior
        )
        scores[row, int(reading.played.argmax()) % meter.pulses_per_bar] += BEGINS
    return scores + model.rest * rest + float(reading.cues @ model.cues)


def sides(reading: Reading, meters: list[Meter]) -> tuple[float, Times, Times]:
    """Means over the played pulses: log-chance of no bar line anywhere; what bar lines in each meter, from each beat,
    ``(meters, 7)``, add to it; and how much more alike pulses a bar apart are than others, ``(meters,)``."""
    logit, played = reading.logit, reading.played
    count = int(played.sum())
    rest = -float(np.logaddexp(0.0, logit[played]).sum()) / count
    sums = np.zeros((len(meters), max(7, *(meter.pulses_per_bar for meter in meters))))
    like = np.zeros(len(meters))
    heard = np.where(played, logit, 0.0)
    for row, meter in enumerate(meters):
        length = meter.pulses_per_bar
        for first in range(length):
            sums[row, first] = heard[first::length].sum() / count
        like[row] = echo(reading.table, length)[played].mean()
    return rest, sums, like - usual_echo(reading)


def usual_echo(reading: Reading) -> float:
    """Mean of :func:`drumscribe.rhythm.patterns.echo` over the played pulses and the lengths that a bar may have."""
    return float(np.mean([echo(reading.table, lag)[reading.played].mean() for lag in range(2, 8)]))


def shares(readings: list[Reading], model: ReadingModel, meters: dict[Meter, float]) -> list[Times]:
    """Chance of each reading, meter, and first beat; all together are 1."""
    scores = [chances(reading, model, meters) for reading in readings]
    total = logsumexp([logsumexp(each) for each in scores])
    return [np.exp(each - total) for each in scores]


@dataclass(frozen=True, slots=True)
class Choice:
    """The most likely reading of some beats.

    Attributes:
        times: its pulses, reaching beyond what is played.
        share: chance of it among all readings.
        speeds: chance of each number of pulses to one of ``times``, 1 among them.
    """

    times: Times
    share: float
    speeds: dict[float, float]


def choose(beats: Times, evidence: BeatEvidence, hits: Hits, meter: Meter | None) -> Choice:
    """Choose how ``beats``, as tracked, are counted; as they are where too little is played to tell."""
    if len(hits) < _FEWEST:
        return Choice(extended(beats, hits), 1.0, {1.0: 1.0})
    learnt, strokes = load(), Strokes.of(hits)
    rows = [
        (count, row) for count in COUNTS for row in split(beats, count)
        if count == (1, 1) or _SLOWEST <= tempo(row) <= _FASTEST
    ]  # fmt: skip
    readings = [read(extended(row, hits), count, evidence, strokes, learnt.bars) for count, row in rows]
    chance = [float(each.sum()) for each in shares(readings, learnt.readings, priors(meter))]
    best = int(np.argmax(chance))
    own = Fraction(*rows[best][0])
    speeds: dict[float, float] = {}
    for (count, _), share in zip(rows, chance, strict=True):
        speed = float(Fraction(*count) / own)
        speeds[speed] = speeds.get(speed, 0.0) + share
    return Choice(readings[best].times, chance[best], speeds)


def priors(meter: Meter | None) -> dict[Meter, float]:
    """How common each meter is, in nats; only the one that is known to be, if it is."""
    return {meter: 0.0} if meter else {each: load().readings.meters[str(each)] for each in METERS}
