"""From what was heard to what was played, stroke by stroke: the joint chance of each, and a dial from "as heard" to "as
a chart".

A logistic regression (one a kind of drum) joins how surely a stroke was heard, what the most alike bars have at its
place, and what else sounds there: rivals for the same sound, a crash over the hat, a kick or a snare that a hat may be
the shadow of. It was learnt from what the hit network makes of synthesised songs, drums alone and in mixes
(``training/rhythm_reader.py``). The idea that repetition decides what hearing alone cannot is that of R. Ishizuka,
R. Nishikimi, K. Yoshii, *Global structure-aware drum transcription based on self-attention mechanisms*, Signals 2(3),
2021.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from drumscribe.kit import LABELS
from drumscribe.rhythm.likeness import Evidence, gathered
from drumscribe.rhythm.strokes import on_grid
from drumscribe.types import BeatGrid, Change, Hit, Hits

Floats = NDArray[np.float64]

KINDS = (("kick",), ("snare", "cross_stick"), ("closed_hihat",), ("pedal_hihat",), ("open_hihat",),
         ("high_tom", "mid_tom", "floor_tom"), ("crash", "splash", "china"), ("ride", "ride_bell"))  # fmt: skip
"""Drums that are judged alike."""
_KIND = {label: k for k, labels in enumerate(KINDS) for label in labels}
_COLUMN = {label: k for k, label in enumerate(LABELS)}
_RIVALS = {label: [_COLUMN[other] for other in group if other != label]
           for group in (("closed_hihat", "open_hihat", "pedal_hihat"), ("snare", "cross_stick"),
                         ("ride", "ride_bell", "closed_hihat"), ("crash", "splash", "china", "open_hihat"),
                         ("high_tom", "mid_tom", "floor_tom"))
           for label in group}  # fmt: skip
FEATURES = ("one", "heard", "others", "others, if many", "rivals", "crash", "kick or snare")
_FEWEST_HITS, _FEWEST_BARS = 24, 4
"""Below these nothing is read into what was heard."""
_FIRM = 1.5
"""How much more the other bars weigh at the end of the dial."""
_MANY = 3.0
"""Bars, as alike as can be, from which on they are witnesses at the end of the dial."""
_PLAIN = 0.9
"""What was heard as surely stays, whatever the other bars have: it was played so."""
_TOGETHER_S = 0.03

TOO_FEW = "Too few strokes or bars to compare: written as heard."
RUBATO = "The strokes do not keep to the beat: written as heard."


@dataclass(frozen=True, slots=True)
class AsRead:
    """Hits as a chart has them.

    Attributes:
        hits: what is to be written.
        changes: every stroke added, removed, or renamed, in order of time.
        note: why nothing was changed where nothing could be, or ``""``.
    """

    hits: Hits
    changes: tuple[Change, ...] = ()
    note: str = ""


def kind_of(drum: str) -> int:
    """Index in :data:`KINDS`."""
    return _KIND[drum]


def read_hits(
    hits: Hits,
    spare: Sequence[Hit],
    grid: BeatGrid,
    amount: float,
    kept: AbstractSet[int] = frozenset(),
    *,
    weights: Floats | None = None,
) -> AsRead:
    """Decide for each stroke whether it was played.

    Args:
        hits: as heard; those of a user, and those plainly heard, stay.
        spare: further candidates, each with an id that no hit has.
        grid: beats and bars.
        amount: 0 changes nothing; at 0.5 the likelier is written; towards 1 the most alike bars weigh ever more.
        kept: ids of hits and candidates that are left as they were heard.
        weights: ``(8, 7)``; the packaged ones by default.
    """
    if amount <= 0:
        return AsRead(hits)
    if len(hits) < _FEWEST_HITS or int((grid.numbers == 1).sum()) <= _FEWEST_BARS:
        return AsRead(hits, note=TOO_FEW)
    if not on_grid(hits, grid):
        return AsRead(hits, note=RUBATO)
    low, high = hits[0].time_s - _TOGETHER_S, hits[-1].time_s + _TOGETHER_S
    ids = hits.by_id()
    pool = [*hits, *(hit for hit in spare if low <= hit.time_s <= high and hit.id not in ids)]
    chance = joint(pool, grid, amount, load() if weights is None else weights)
    firm = min(amount, 0.5)  # below half of the dial, only what is sure is changed
    heard = len(hits)
    gone = [
        k for k in range(heard)
        if chance[k] < firm and pool[k].confidence < _PLAIN and pool[k].origin != "user" and pool[k].id not in kept
    ]  # fmt: skip
    new = [k for k in range(heard, len(pool)) if chance[k] > 1.0 - firm and pool[k].id not in kept]
    return _changed(hits, pool, chance, gone, new)


def joint(pool: Sequence[Hit], grid: BeatGrid, amount: float, weights: Floats) -> Floats:
    """Chance that each possible stroke was played, ``(n,)``, from all that speaks for it."""
    evidence = gathered(pool, grid)
    rows = features(pool, evidence)
    score = (rows * weights[[_KIND[hit.drum] for hit in pool]]).sum(axis=1)
    if amount > 0.5:
        witnesses = np.minimum(evidence.alike / _MANY, 1.0)
        score = score + (2.0 * amount - 1.0) * _FIRM * witnesses * logit(evidence.others)
    return np.asarray(1.0 / (1.0 + np.exp(-score)))


def features(pool: Sequence[Hit], evidence: Evidence) -> Floats:
    """``(n, 7)`` of :data:`FEATURES`."""
    rows = np.ones((len(pool), len(FEATURES)))
    rows[:, 1] = logit(evidence.chance)
    rows[:, 2] = np.where(evidence.alike > 0, logit(evidence.others), 0.0)
    rows[:, 3] = rows[:, 2] * np.minimum(evidence.alike, 4.0) / 4.0
    for k, hit in enumerate(pool):
        here = evidence.here[k]
        rows[k, 4] = here[_RIVALS[hit.drum]].max() if hit.drum in _RIVALS else 0.0
        rows[k, 5] = here[_COLUMN["crash"]]
        rows[k, 6] = max(here[_COLUMN["kick"]], here[_COLUMN["snare"]])
    return rows


def logit(chance: Floats) -> Floats:
    """Log-odds, within ±3.9."""
    inside = np.clip(chance, 0.02, 0.98)
    return np.asarray(np.log(inside / (1.0 - inside)))


def _changed(hits: Hits, pool: Sequence[Hit], chance: Floats, gone: list[int], new: list[int]) -> AsRead:
    """Put the changes into the hits. One that goes where a rival comes was renamed."""
    after = hits.by_id()
    changes: list[Change] = []
    fresh = _one_each(pool, chance, new)
    coming = _Places(pool[j] for j in fresh)
    for k in gone:
        hit = pool[k]
        near = {other.id for other in coming.like(hit)}
        rivals = [j for j in fresh if pool[j].id in near] if near else []
        if rivals:
            other = max(rivals, key=lambda j: chance[j])
            fresh.remove(other)
            after[hit.id] = replace(hit, drum=pool[other].drum)
            named, sure = pool[other].drum, float(chance[other])
            changes.append(Change("renamed", hit.id, hit.time_s, named, hit.drum, hit.confidence, sure))
        else:
            del after[hit.id]
            changes.append(Change("removed", hit.id, hit.time_s, "", hit.drum, hit.confidence, float(chance[k])))
    there = _Places(after.values())
    for j in fresh:
        hit = pool[j]
        if there.like(hit):
            continue
        there.add(hit)
        after[hit.id] = hit
        changes.append(Change("added", hit.id, hit.time_s, hit.drum, "", hit.confidence, float(chance[j])))
    changes.sort(key=lambda change: (change.time_s, change.hit_id))
    return AsRead(Hits.of(after.values()), tuple(changes))


def _one_each(pool: Sequence[Hit], chance: Floats, new: list[int]) -> list[int]:
    """Of new strokes that would be one sound, the likeliest."""
    kept: list[int] = []
    there = _Places()
    for k in sorted(new, key=lambda k: -chance[k]):
        if not there.like(pool[k]):
            there.add(pool[k])
            kept.append(k)
    return kept


class _Places:
    """Strokes by when they are, so that each is compared with its neighbours only."""

    def __init__(self, hits: Iterable[Hit] = ()) -> None:
        self._cells: dict[int, list[Hit]] = {}
        for hit in hits:
            self.add(hit)

    def add(self, hit: Hit) -> None:
        self._cells.setdefault(self._cell(hit), []).append(hit)

    def like(self, hit: Hit) -> list[Hit]:
        """Those that would be one sound with ``hit``."""
        cell = self._cell(hit)
        around = chain.from_iterable(self._cells.get(k, ()) for k in (cell - 1, cell, cell + 1))
        return [other for other in around if _one_sound(other, hit)]

    def _cell(self, hit: Hit) -> int:
        return int(hit.time_s / (2 * _TOGETHER_S))


def _one_sound(one: Hit, other: Hit) -> bool:
    rivals = one.drum == other.drum or _COLUMN[one.drum] in _RIVALS.get(other.drum, ())
    return rivals and abs(one.time_s - other.time_s) <= _TOGETHER_S


@lru_cache(maxsize=1)
def load() -> Floats:
    """Weights, ``(8, 7)``: one row for each of :data:`KINDS`."""
    data = json.loads(files("drumscribe.rhythm").joinpath("reader.json").read_text())
    return np.array(data["weights"], dtype=np.float64)
