"""What was heard at each place of each bar, how alike bars are, and which of them are one group.

Places are twelfths of a pulse: fine enough to tell sixteenths from triplets, coarse enough for a hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from drumscribe.kit import LABELS
from drumscribe.types import BeatGrid, Hit, Rhythm

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PLACES = 12
"""In a pulse."""
_COLUMN = {label: k for k, label in enumerate(LABELS)}
_SHARP = 6.0
"""Bars count with this power of their likeness: the most alike tell most."""
ALIKE = 0.85
"""Part of their notes that bars of one group have in common."""
Content = dict[tuple[Fraction, str], float]
"""What stands in a bar: place and drum, with the confidence that it is right."""
_CORE = {"kick": 2.0, "snare": 2.0, "cross_stick": 2.0}
"""What tells grooves apart counts more than other notes."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of every possible stroke, where it stands and what other bars say.

    Attributes:
        bar, place, drum: ``(n,)`` index of its bar, of its place in it, of its drum in ``LABELS``.
        chance: ``(n,)`` its confidence.
        others: ``(n,)`` mean confidence at the same place of other bars, the most alike counting most.
        alike: ``(n,)`` how many bars this mean rests on.
        here: ``(n, 14)`` highest confidence of every drum at its place.
    """

    bar: Ints
    place: Ints
    drum: Ints
    chance: Floats
    others: Floats
    alike: Floats
    here: Floats


def gathered(hits: Sequence[Hit], grid: BeatGrid) -> Evidence:
    """Look at every possible stroke in its bar; only bars with as many pulses are compared."""
    starts = np.flatnonzero(grid.numbers == 1)
    pulse = grid.pulse_at(np.array([hit.time_s for hit in hits], dtype=np.float64))
    tick = np.clip(np.rint(pulse * PLACES).astype(np.int64), 0, (len(grid.times) - 1) * PLACES - 1)
    bar = np.searchsorted(starts, tick // PLACES, side="right") - 1
    drum = np.array([_COLUMN[hit.drum] for hit in hits], dtype=np.int64)
    chance = np.array([hit.confidence for hit in hits], dtype=np.float64)
    table = np.zeros((len(grid.times) * PLACES, len(LABELS)))
    np.maximum.at(table, (tick, drum), chance)
    near = table.copy()  # a stroke may fall on the next place
    near[1:] = np.maximum(near[1:], table[:-1])
    near[:-1] = np.maximum(near[:-1], table[1:])
    others, alike = chance.copy(), np.zeros(len(hits))
    lengths = np.diff(np.append(starts, len(grid.times) - 1))
    for length in set(lengths.tolist()) - {0}:
        own = np.flatnonzero(lengths == length)
        index = starts[own][:, None] * PLACES + np.arange(length * PLACES)
        mean, count = _of_others(near[index])
        inside = np.isin(bar, own)
        row = np.searchsorted(own, bar[inside])
        at = tick[inside] - starts[bar[inside]] * PLACES
        others[inside], alike[inside] = mean[row, at, drum[inside]], count[row]
    place = tick - np.where(bar >= 0, starts[np.maximum(bar, 0)], 0) * PLACES
    return Evidence(bar, place, drum, chance, others, alike, near[tick])


def _of_others(bars: Floats) -> tuple[Floats, Floats]:
    """Of ``(bars, places, drums)``: means over the other bars by likeness, and how many bars these rest on."""
    flat = bars.reshape(len(bars), -1)
    weight = np.zeros((len(bars), len(bars)))
    for b, row in enumerate(flat):
        both = np.minimum(flat, row).sum(axis=1)
        weight[b] = (both / np.maximum(np.maximum(flat, row).sum(axis=1), 1e-9)) ** _SHARP
    np.fill_diagonal(weight, 0.0)
    total = weight.sum(axis=1)
    mean = np.einsum("ab,bpd->apd", weight, bars) / np.maximum(total, 1e-9)[:, None, None]
    # as many as count fully: bars that are hardly alike are no witnesses
    return mean, total


def contents(rhythm: Rhythm) -> list[Content]:
    """What stands in each bar."""
    found: list[Content] = [{} for _ in rhythm.bars]
    for place in rhythm.placements:
        found[place.bar][place.onset, place.drum] = place.confidence
    return found


def grouped(rhythm: Rhythm) -> tuple[int, ...]:
    """Number of the group of each bar, from 0; -1 for empty bars, and a bar like no other is alone in its group.

    A bar joins the group of its meter to whose first bar it is most alike (:func:`likeness`), if that is at least
    :data:`ALIKE`.
    """
    columns: dict[tuple[object, str], int] = {}
    spots = [(place.bar, columns.setdefault((place.onset, place.drum), len(columns))) for place in rhythm.placements]
    there = np.zeros((len(rhythm.bars), len(columns)), bool)
    sure = np.zeros(there.shape)
    for spot, place in zip(spots, rhythm.placements, strict=True):
        there[spot], sure[spot] = True, place.confidence
    sure *= np.array([_CORE.get(drum, 1.0) for _, drum in columns])
    groups: list[int] = []
    leaders: list[int] = []  # the first bar of each group
    for index, bar in enumerate(rhythm.bars):
        if not there[index].any():
            groups.append(-1)
            continue
        both = sure[leaders] + sure[index]
        shared = np.where(there[leaders] & there[index], both / 2, 0.0).sum(axis=1)
        apart = np.where(there[leaders] ^ there[index], both, 0.0).sum(axis=1)
        shares = shared / np.maximum(shared + apart, 1e-12)
        shapes = [(rhythm.bars[leader].meter, rhythm.bars[leader].length) for leader in leaders]
        shares[[shape != (bar.meter, bar.length) for shape in shapes]] = 0.0
        best = int(np.argmax(shares)) if leaders else -1
        if best >= 0 and shares[best] >= ALIKE:
            groups.append(best)
        else:
            groups.append(len(leaders))
            leaders.append(index)
    return tuple(groups)


def likeness(one: Content, other: Content) -> float:
    """Jaccard index of two bars, 0-1: strokes count with their confidence, kick and snare twice. Two empty ones: 1."""
    shared = sum(_CORE.get(note[1], 1.0) * (one[note] + other[note]) / 2 for note in one.keys() & other.keys())
    apart = sum(
        _CORE.get(note[1], 1.0) * (one.get(note, 0.0) + other.get(note, 0.0)) for note in one.keys() ^ other.keys()
    )
    return shared / (shared + apart) if shared + apart else 1.0
