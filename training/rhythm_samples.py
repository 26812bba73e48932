"""Pieces of material as they may be heard, in all their readings: what ``training/rhythm_bars.py`` learns from.

Each piece is taken with the hits that the hit network found in it, and twice with notes lost and mistaken as hits are.
Synthesised songs are clearer to a tracker than recordings, so that its evidence is weakened, blurred, or left out in
part of the samples.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from itertools import pairwise

import mir_eval
import numpy as np
from numpy.typing import NDArray

from drumscribe.rhythm.evidence import BeatEvidence
from drumscribe.rhythm.patterns import Strokes
from drumscribe.rhythm.pulses import aligned, smoothed
from drumscribe.rhythm.readings import METERS, Reading, extended, likes, read, rows_of, split, tempo
from drumscribe.rhythm.statistics import Layer
from drumscribe.rhythm.tracking import MAX_BPM, MIN_BPM, decode
from drumscribe.types import FloatArray, Hit, Hits
from training.rhythm_material import Notes, Piece
from training.rhythm_stats import mistaken

Floats = NDArray[np.float64]
_TRACKED = {
    False: {(1, 1): 0.68, (2, 1): 0.22, (1, 2): 0.04, (2, 2): 0.03, (3, 2): 0.03},
    True: {(1, 1): 0.36, (3, 2): 0.3, (3, 1): 0.24, (1, 2): 0.06, (2, 1): 0.02, (2, 2): 0.02},
}
"""How often a tracker follows other than the pulses, in parts of two and of three."""
_ODD = 0.1
"""Part of the pieces only read that is made odd."""


@dataclass
class Sample:
    """A piece as it may be heard, in all its readings.

    Attributes:
        piece: where it comes from.
        readings: all of them; their ``logit`` is filled in later, and only the right one keeps its ``parts``.
        like: for each reading, ``(meters, 3)`` likeness of bars.
        heard: for each reading, ``(n, 2)`` of the tracker.
        right: index of the reading whose pulses are the written ones; -1 if there is none.
        labels: of the right reading, ``(n,)`` whether a bar begins at each pulse; -1 beyond the known ones.
    """

    piece: Piece
    readings: list[Reading]
    like: list[Floats]
    heard: list[Floats]
    right: int
    labels: NDArray[np.int64]


def samples(pieces: list[Piece], seed: int) -> list[Sample]:
    """Each piece as played, with a hit model's usual mistakes, and as the hit network heard it; once if only read."""
    made = []
    for piece in pieces:
        random = np.random.default_rng([seed, zlib.crc32(piece.name.encode())])
        if not len(piece.activations):
            played = _odd(piece, random) if random.random() < _ODD else piece
            made.append(_sample(played, _as_if_tracked(played, random), _mistaken(played, random), random, plain=True))
            continue
        beats = decode(BeatEvidence(piece.activations, 100.0, "madmom", np.zeros(0)), MIN_BPM, MAX_BPM)
        if len(beats) >= 4:
            made.append(_sample(piece, beats, _mistaken(piece, random), random, plain=True))
            made.append(_sample(piece, beats, _mistaken(piece, random), random, plain=False))
            heard = _hits(piece.found) if len(piece.found.times) > 24 else _mistaken(piece, random)
            made.append(_sample(piece, beats, heard, random, plain=random.random() < 0.5))
    return made


def _odd(piece: Piece, random: np.random.Generator) -> Piece:
    """A piece in 4/4 without one beat of each bar, or with one twice: hardly anything odd is in the material."""
    starts = np.flatnonzero(piece.starts)
    bars = [int(start) for start, after in pairwise(starts) if after - start == 4]
    if len(bars) < 4 or len(bars) < len(starts) - 1:
        return piece
    order = [(0, 1, 3), (0, 1, 3), (0, 1, 2), (0, 2, 3), (0, 1, 2, 3, 3), (0, 1, 2, 3, 1)][random.integers(6)]
    period = float(np.median(np.diff(piece.pulses)))
    notes = piece.played
    place = np.interp(notes.times, piece.pulses, np.arange(len(piece.pulses))) + 0.12  # a stroke may be early
    times, drums, velocity = [], [], []
    for pulse, old in enumerate(bar + beat for bar in bars for beat in order):
        for i in np.flatnonzero(np.floor(place) == old):
            times.append((pulse + place[i] - 0.12 - old) * period + 1.0)
            drums.append(notes.drums[i])
            velocity.append(notes.velocity[i])
    if len(times) < 24:
        return piece
    by_time = np.argsort(times, kind="stable")
    count = len(bars) * len(order)
    return replace(
        piece, played=Notes.of([(times[i], drums[i], velocity[i]) for i in by_time]),
        pulses=1.0 + period * np.arange(count, dtype=np.float64),
        starts=np.arange(count) % len(order) == 0,
    )  # fmt: skip


def _as_if_tracked(piece: Piece, random: np.random.Generator) -> Floats:
    """Beats as a tracker would give them: at another speed, or on the off-beat, about as often as madmom's."""
    table = _TRACKED[_ternary(piece)]
    count = list(table)[random.choice(len(table), p=list(table.values()))]
    if not MIN_BPM < tempo(piece.pulses) * count[0] / count[1] < MAX_BPM:
        inside = [each for each in table if MIN_BPM < tempo(piece.pulses) * each[0] / each[1] < MAX_BPM]
        count = inside[0] if inside else (1, 1)
    rows = split(piece.pulses, count)
    beats = rows[random.integers(len(rows))]
    return np.asarray(np.round(np.sort(beats + random.normal(0, 0.006, len(beats))), 2), dtype=np.float64)


def _ternary(piece: Piece) -> bool:
    """Whether pulses are mostly divided by three."""
    phase = np.interp(piece.played.times, piece.pulses, np.arange(len(piece.pulses))) % 1.0
    third = ((np.abs(phase - 1 / 3) < 0.06) | (np.abs(phase - 2 / 3) < 0.06)).sum()
    return bool(third > 0.6 * ((phase > 0.12) & (phase < 0.88)).sum())


def _sample(piece: Piece, beats: Floats, hits: Hits, random: np.random.Generator, *, plain: bool) -> Sample:
    activations = piece.activations if plain else _weakened(piece.activations, random)
    evidence = BeatEvidence(activations, 100.0, "madmom", beats)
    if not plain and random.random() < 0.25:
        evidence = BeatEvidence(np.zeros((0, 1), np.float32), 100.0, "librosa", beats)
    strokes = Strokes.of(hits)
    blank = Layer(np.zeros((239, 1)), np.zeros(1), np.zeros(1), np.zeros(()))
    rows = rows_of(aligned(smoothed(beats), hits))
    readings = [read(extended(times, hits), count, evidence, strokes, blank) for count, times in rows]
    like = [likes(reading, list(METERS)) for reading in readings]
    heard = [evidence.on_pulses(reading.times) for reading in readings]
    fits = [_agreement(piece.pulses, reading.times) for reading in readings]
    right = int(np.argmax(fits)) if max(fits) > 0.85 else -1
    labels = np.zeros(0, np.int64)
    if right >= 0:
        times = readings[right].times
        nearest = np.abs(times[:, None] - piece.pulses[None]).argmin(axis=1)
        off = np.abs(piece.pulses[nearest] - times)
        labels = np.where(off < 0.09, piece.starts[nearest].astype(np.int64), -1)
    small = [replace(each, table=each.table.astype(np.float32), parts=np.zeros((0, 0))) for each in readings]
    if right >= 0:
        small[right] = replace(small[right], parts=readings[right].parts.astype(np.float32))
    return Sample(piece, small, like, heard, right, labels)


def _mistaken(piece: Piece, random: np.random.Generator) -> Hits:
    notes = piece.played
    drums, velocity, keep = mistaken(notes.drums, notes.velocity, random)
    times = notes.times + random.normal(0, 0.004, len(notes.times))
    return _hits(Notes.of(sorted((float(times[i]), drums[i], float(velocity[i])) for i in np.flatnonzero(keep))))


def _hits(notes: Notes) -> Hits:
    found = zip(notes.times, notes.drums, notes.velocity, strict=True)
    return Hits.of(Hit(i, max(0.0, float(t)), drum, 1.0, int(v)) for i, (t, drum, v) in enumerate(found))


def _weakened(activations: FloatArray, random: np.random.Generator) -> FloatArray:
    """As a less clear recording would be heard: downbeats confused with beats, all of it weaker."""
    mixed = float(random.beta(1, 3)) * 0.6
    beat, down = activations.T
    total = (beat + down) ** float(random.uniform(1.0, 1.4))
    share = down / np.maximum(beat + down, 1e-6)
    # the share of downbeats wanders over a second or so, and is drawn to what is usual
    wander = np.interp(np.arange(len(share)), np.arange(0, len(share) + 50, 50),
                       random.normal(0, 0.8, len(range(0, len(share) + 50, 50))))  # fmt: skip
    logit = np.log(share + 0.01) - np.log(1.01 - share) + wander
    share = (1 - mixed) / (1 + np.exp(-logit)) + mixed * 0.3
    return np.stack([total * (1 - share), total * share], axis=1).astype(np.float32)


def _agreement(truth: Floats, found: Floats) -> float:
    found = found[(found > truth[0] - 0.07) & (found < truth[-1] + 0.07)]
    return float(mir_eval.beat.f_measure(truth, found)) if len(found) else 0.0
