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
from drumscribe.rhythm.legibility import in_meters, terms
from drumscribe.rhythm.patterns import Strokes, divided, downbeat_logit, echoes, features, thirds
from drumscribe.rhythm.statistics import Layer, ReadingModel, load
from drumscribe.types import BeatGrid, Hits, Meter

Times = NDArray[np.float64]

COUNTS = ((1, 1), (2, 1), (1, 2), (2, 2), (1, 3), (2, 3), (3, 2))
"""Into how many parts a tracked beat is divided, and how many of them are a pulse. (2, 2) is the off-beat."""
_KEPT = 12
"""Readings that are kept beside the best."""
_FEWEST = 24
"""Hits from which on they tell anything but the tracked speed."""
_SLOWEST, _FASTEST = 38.0, 300.0
"""Pulses a minute at which music is counted; only what was tracked itself may lie beyond."""
METERS = (Meter(4, 4), Meter(3, 4), Meter(2, 4), Meter(5, 4), Meter(7, 4))
LAGS = (1, 2, 4)
"""Bars after which music is likely to come again."""
_AGAIN = (1, 2, 3, 4, 6, 8)
"""Pulses after which it may: the halves of a bar of 4/4 differ more often than two bars of 2/4 (or 12/8 and 6/8)."""
_ON = 0.2
"""How far, in pulses, the first stroke may be from the pulse that it is on."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A row of pulses and what speaks for it.

    Attributes:
        count: how its pulses are counted, one of ``COUNTS``.
        times: ``(n,)`` pulses in seconds.
        table: ``(n, 13)`` drums on each pulse (:func:`drumscribe.rhythm.patterns.features`).
        parts: ``(n, 36)`` drums in its parts (:func:`drumscribe.rhythm.patterns.divided`).
        logit: ``(n,)`` log-odds that a bar begins at each pulse.
        played: ``(n,)`` whether the pulse lies within what is played.
        begin: index of the pulse that the first stroke is on; -1 where it is on none.
        cues: ``(56,)`` what tells whether it is counted rightly, and in which meter: how it is counted (one of seven),
            tempo (log2 over 110) and its square, strokes (per four pulses), thirds of pulses played, drums in the parts
            of a pulse, beats heard on and between the pulses, how like pulses are to those before.
        legible: ``(5,)`` how well it reads, whatever the meter.
        snare: ``(n,)`` whether a loud snare is on each pulse (:func:`drumscribe.rhythm.legibility.terms`).
    """

    count: tuple[int, int]
    times: Times
    table: Times
    parts: Times
    logit: Times
    played: NDArray[np.bool_]
    begin: int
    cues: Times
    legible: Times
    snare: Times


def rows_of(beats: Times) -> list[tuple[tuple[int, int], Times]]:
    """How tracked beats may be counted: the count, and its pulses."""
    return [
        (count, row) for count in COUNTS for row in split(beats, count)
        if count == (1, 1) or _SLOWEST <= tempo(row) <= _FASTEST
    ]  # fmt: skip


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


def read(times: Times, count: tuple[int, int], evidence: BeatEvidence, strokes: Strokes, model: Layer) -> Reading:
    """Look at one row of pulses."""
    place = BeatGrid(times, np.ones(len(times), np.int64), (), 120.0, "").pulse_at(strokes.times)
    table, parts = features(place, strokes, len(times)), divided(place, strokes, len(times))
    played = _played(times, strokes)
    logit = downbeat_logit(table, evidence.on_pulses(times), model)
    speed = float(np.log2(tempo(times) / 110.0))
    sounding = parts[parts.any(axis=1)]
    drums = sounding.mean(axis=0) if len(sounding) else np.zeros(parts.shape[1])
    density = len(strokes.times) / max(len(sounding), 1) / 4
    kind = [float(count == each) for each in COUNTS]
    numbers = [speed, speed * speed, density, thirds(drums)]
    cues = np.concatenate([kind, numbers, drums, _beats(times, played, evidence), _again(parts, played)])
    reads = terms(tempo(times), place, strokes, table, played)
    return Reading(
        count, times, table, parts, logit, played, _begin(times, strokes), cues, reads["row"], reads["snare"]
    )


def _played(times: Times, strokes: Strokes) -> NDArray[np.bool_]:
    """Pulses from the first stroke to the last; all of them where there are none."""
    if not len(strokes.times):
        return np.ones(len(times), np.bool_)
    slack = 0.25 * float(np.median(np.diff(times)))
    inside = (times > strokes.times[0] - slack) & (times < strokes.times[-1] + slack)
    return inside if inside.sum() >= 2 else np.ones(len(times), np.bool_)


def _begin(times: Times, strokes: Strokes) -> int:
    """Index of the pulse that the first stroke is on; -1 where it is on none, or where there is none."""
    if not len(strokes.times):
        return -1
    nearest = int(np.argmin(np.abs(times - strokes.times[0])))
    off = abs(float(times[nearest] - strokes.times[0]))
    return nearest if off < _ON * float(np.median(np.diff(times))) else -1


def _again(parts: Times, played: NDArray[np.bool_]) -> Times:
    """How like pulses are to those that lie :data:`_AGAIN` before them, in nats, ``(6,)`` around their mean."""
    heard = echoes(parts, _AGAIN)
    means = np.array([heard[lag][played].mean() for lag in _AGAIN])
    return np.asarray(means - means.mean())


def _beats(times: Times, played: NDArray[np.bool_], evidence: BeatEvidence) -> Times:
    """Beats heard on the pulses, and how much more than half-way and a third of the way between them, ``(3,)``."""
    inside, step = times[:-1][played[:-1]], np.diff(times)[played[:-1]]
    if not len(inside):
        return np.zeros(3)
    on, half, third = (float(evidence.loudness(inside + part * step).mean()) for part in (0.0, 0.5, 1 / 3))
    return np.array([on, on - half, on - third])


def chances(reading: Reading, model: ReadingModel, meters: list[Meter], like: Times | None = None) -> Times:
    """Unnormalised log-chance of each meter and each first beat, ``(meters, 7)``; ``-inf`` beyond a meter's length.

    Args:
        reading: the pulses.
        model: the weights.
        meters: those that may be.
        like: :func:`likes` of it, where known already.
    """
    scores = np.full((len(meters), max(7, *(meter.pulses_per_bar for meter in meters))), -np.inf)
    (rest, sums), usual = sides(reading, meters), common(reading, model, meters)
    like = likes(reading, meters) if like is None else like
    for row, meter in enumerate(meters):
        scores[row, : meter.pulses_per_bar] = (
            model.weight * (sums[row, : meter.pulses_per_bar] + like[row] @ model.like) + usual[row]
        )
        if reading.begin >= 0:
            scores[row, reading.begin % meter.pulses_per_bar] += model.begins
    return scores + model.rest * rest + in_meters(reading.legible, reading.snare, meters) @ model.legible


def common(reading: Reading, model: ReadingModel, meters: list[Meter]) -> Times:
    """How likely this reading is in each meter, bar lines aside, in nats, ``(meters,)``; one that only a user would
    name is taken for the one of :data:`METERS` with as many pulses, or for 4/4."""
    column = {meter.pulses_per_bar: index for index, meter in enumerate(METERS)}
    return np.asarray(model.cues(reading.cues)[[column.get(meter.pulses_per_bar, 0) for meter in meters]])


def sides(reading: Reading, meters: list[Meter]) -> tuple[float, Times]:
    """Means over the played pulses: log-chance of no bar line anywhere, and what bar lines in each meter, from each
    beat, ``(meters, 7)``, add to it."""
    logit, played = reading.logit, reading.played
    count = int(played.sum())
    rest = -float(np.logaddexp(0.0, logit[played]).sum()) / count
    sums = np.zeros((len(meters), max(7, *(meter.pulses_per_bar for meter in meters))))
    heard = np.where(played, logit, 0.0)
    for row, meter in enumerate(meters):
        length = meter.pulses_per_bar
        for first in range(length):
            sums[row, first] = heard[first::length].sum() / count
    return rest, sums


def likes(reading: Reading, meters: list[Meter]) -> Times:
    """:func:`alike`, as means over the played pulses, ``(meters, 3)``."""
    return np.asarray(alike(reading, meters)[:, :, reading.played].mean(axis=2))


def alike(reading: Reading, meters: list[Meter]) -> Times:
    """How much more each pulse is like those one, two, and four bars before it, ``(meters, 3, n)`` in nats, than it is
    with bars of other lengths (two to seven pulses), as a mean over the played ones."""
    lengths, usual = [meter.pulses_per_bar for meter in meters], range(2, 8)
    heard = echoes(reading.parts, {bars * length for bars in LAGS for length in (*usual, *lengths)})
    means = [np.mean([heard[bars * length][reading.played].mean() for length in usual]) for bars in LAGS]
    return np.array([[heard[bars * n] - mean for bars, mean in zip(LAGS, means, strict=True)] for n in lengths])


def shares(readings: list[Reading], model: ReadingModel, meters: list[Meter]) -> list[Times]:
    """Chance of each reading, meter, and first beat; all together are 1."""
    scores = [chances(reading, model, meters) for reading in readings]
    total = logsumexp([logsumexp(each) for each in scores])
    return [np.exp(each - total) for each in scores]


@dataclass(frozen=True, slots=True)
class Choice:
    """The most likely reading of some beats.

    Attributes:
        times: its pulses, reaching beyond what is played.
        count: how they are counted, one of ``COUNTS``.
        share: chance of it among all readings.
        speeds: chance of each number of pulses to one of ``times``, 1 among them.
        readings: pulses, meter, index of a first beat, and chance of the readings from which to choose, each in each
            meter once, the likeliest first.
    """

    times: Times
    count: tuple[int, int]
    share: float
    speeds: dict[float, float]
    readings: tuple[tuple[Times, Meter, int, float], ...] = ()


def choose(beats: Times, evidence: BeatEvidence, hits: Hits) -> Choice:
    """Choose how ``beats``, as tracked, are counted; as they are where too little is played to tell."""
    if len(hits) < _FEWEST:
        return Choice(extended(beats, hits), (1, 1), 1.0, {1.0: 1.0})
    learnt, strokes = load(), Strokes.of(hits)
    rows = rows_of(beats)
    readings = [read(extended(row, hits), count, evidence, strokes, learnt.bars) for count, row in rows]
    share_of = shares(readings, learnt.readings, list(METERS))
    chance = [float(each.sum()) for each in share_of]
    best = int(np.argmax(chance))
    own = Fraction(*rows[best][0])
    speeds: dict[float, float] = {}
    for (count, _), share in zip(rows, chance, strict=True):
        speed = float(Fraction(*count) / own)
        speeds[speed] = speeds.get(speed, 0.0) + share
    ranked = [
        (reading.times, meter, int(share[m].argmax()), float(share[m].sum()))
        for reading, share in zip(readings, share_of, strict=True) for m, meter in enumerate(METERS)
    ]  # fmt: skip
    ranked.sort(key=lambda each: -each[3])
    return Choice(readings[best].times, rows[best][0], chance[best], speeds, tuple(ranked[:_KEPT]))
