"""From activations to hits: peaks, thresholds, rivals. Numpy only, and fast enough to follow a slider."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from drumscribe.hits.card import Card, card_of, default_card
from drumscribe.hits.peaks import find_peaks
from drumscribe.kit import LABELS
from drumscribe.options import DetectOptions
from drumscribe.types import Activations, Hit, Hits

FLOOR = 0.05
"""Peaks below this confidence are not even candidates."""
SUREST = 0.97
"""Threshold at sensitivity 0."""
RIVALS = (("closed_hihat", "open_hihat", "pedal_hihat"), ("snare", "cross_stick"), ("ride", "ride_bell"),
          ("crash", "splash", "china"), ("high_tom", "mid_tom", "floor_tom"))  # fmt: skip
"""Readings of one and the same sound: of those that peak together only the surest is shown, and all count for it."""
HATS, RIDES = ("closed_hihat", "open_hihat"), ("ride", "ride_bell")
"""The hands' time-keepers."""
TOGETHER_S = 0.025
PLAIN, LONG_S = 0.9, 10.0
"""Of a recording this long, some stroke is this plain if a drummer plays in it; see training/README.md."""
_GROUP = {drum: number for number, group in enumerate(RIVALS) for drum in group}


def _logit(p: float) -> float:
    return float(np.log(p / (1 - p)))


def display_thresholds(options: DetectOptions, *, model: str = "") -> dict[str, float]:
    """Confidence from which each drum is shown.

    At ``sensitivity`` 0.5 these are the thresholds that were learnt with the model; towards 0 they rise to
    :data:`SUREST`, towards 1 they fall to :data:`FLOOR`, evenly on the logit scale. A drum's own threshold in
    ``options.thresholds`` goes first.
    """
    return _thresholds(card_of(model), options)


def _thresholds(card: Card, options: DetectOptions) -> dict[str, float]:
    out = {}
    for label in LABELS:
        learnt = _logit(float(np.clip(card.threshold(label), FLOOR, SUREST)))
        ends = [_logit(SUREST), learnt, _logit(FLOOR)]
        place = float(np.interp(options.sensitivity, [0.0, 0.5, 1.0], ends))
        out[label] = float(1 / (1 + np.exp(-place)))
    return out | options.thresholds


def candidates(activations: Activations) -> tuple[Hit, ...]:
    """Every peak of at least :data:`FLOOR`, in order of time; ids count from 0.

    :func:`pick` returns a subset with the same ids: what it leaves out are the rejected candidates.
    """
    card = card_of(activations.model)
    peaks = find_peaks(activations.onset, FLOOR)
    shift = np.array([card.offsets_ms.get(label, 0.0) / 1000 for label in activations.labels])
    times = np.maximum(0.0, activations.start_s + peaks.position / activations.fps - shift[peaks.column])
    loud = np.clip(np.rint(activations.velocity[peaks.frame, peaks.column] * 127), 1, 127).astype(int)
    order = np.lexsort((peaks.column, times))
    rows = zip(*(each[order].tolist() for each in (times, peaks.column, peaks.height, loud)), strict=True)
    return tuple(
        Hit(index, time, activations.labels[column], height, velocity)
        for index, (time, column, height, velocity) in enumerate(rows)
    )


def _joined(hits: Iterable[Hit], limits: dict[str, float]) -> list[Hit]:
    """Sounds that are surely enough there, each under the surest of its readings.

    Whether a tom was struck can be plain where it is not plain which one: the chance that any of the readings is right,
    1 - Π(1 - p), has to reach the threshold of the surest.
    """
    by_group: dict[int, list[Hit]] = {}
    for hit in hits:
        by_group.setdefault(_GROUP.get(hit.drum, -1), []).append(hit)
    kept = [hit for hit in by_group.pop(-1, []) if hit.confidence >= limits[hit.drum]]
    for members in by_group.values():
        taken = [False] * len(members)
        for i in sorted(range(len(members)), key=lambda i: -members[i].confidence):
            if taken[i]:
                continue
            hit, none = members[i], 1 - members[i].confidence
            for way in (-1, 1):
                j = i + way
                while 0 <= j < len(members) and abs(members[j].time_s - hit.time_s) <= TOGETHER_S:
                    if not taken[j] and members[j].drum != hit.drum:
                        taken[j], none = True, none * (1 - members[j].confidence)
                    j += way
            if 1 - none >= limits[hit.drum]:
                kept.append(hit)
    return _one_hand(kept)


def _one_hand(hits: list[Hit]) -> list[Hit]:
    """Without the less sure where a ride and a hat are struck at once: the hand that keeps time is on one of them."""
    rides = sorted((hit for hit in hits if hit.drum in RIDES), key=lambda hit: hit.time_s)
    times = [ride.time_s for ride in rides]
    out = set()
    for hat in (hit for hit in hits if hit.drum in HATS):
        near = slice(bisect_left(times, hat.time_s - TOGETHER_S), bisect_right(times, hat.time_s + TOGETHER_S))
        out |= {min(hat, ride, key=lambda hit: hit.confidence).id for ride in rides[near]}
    return [hit for hit in hits if hit.id not in out]


def pick(activations: Activations, options: DetectOptions) -> Hits:
    """Choose the hits to show.

    Args:
        activations: from :func:`drumscribe.hits.activations`.
        options: sensitivity, and own thresholds per drum.

    Returns:
        Hits whose confidence, joined with that of :data:`RIVALS` at the same time, reaches their drum's threshold; of
        rivals the surest. The confidence stays that of the drum as it is named. None where no drummer plays: where the
        packaged model finds no stroke :data:`PLAIN` in a long recording, unless more is asked for than by default.
    """
    card = card_of(activations.model)
    found = _joined(candidates(activations), _thresholds(card, options))
    long = len(activations.onset) >= LONG_S * activations.fps and card is default_card()
    if long and options.sensitivity <= 0.5 and not options.thresholds:
        found = found if any(hit.confidence >= PLAIN for hit in found) else []
    return Hits.of(found)


def similar(activations: Activations, hit: Hit, pool: Iterable[Hit], limit: int = 20) -> list[tuple[Hit, float]]:
    """Hits of ``pool`` that sound like ``hit``, the most alike first.

    Returns:
        Up to ``limit`` hits with their cosine similarity, -1 to 1; ``hit`` itself is left out. Empty where the
        activations hold no embedding.
    """
    if not activations.embedding.size:
        return []
    others = [other for other in pool if other.id != hit.id]
    sounds = _sounds(activations, [hit, *others])
    alike = np.clip(sounds[1:] @ sounds[0], -1, 1)
    best = np.argsort(-alike, kind="stable")[:limit]
    return [(others[i], float(alike[i])) for i in best]


def _sounds(activations: Activations, hits: list[Hit]) -> NDArray[np.float32]:
    """What the network heard at each hit: the embedding around it, centred on the recording's mean, of length 1."""
    embedding = activations.embedding.astype(np.float32)
    last = len(embedding) - 1
    frames = np.clip([activations.frame_at(hit.time_s) for hit in hits], 0, last)
    around = sum(embedding[np.clip(frames + step, 0, last)] for step in (-1, 0, 1)) - 3 * embedding.mean(axis=0)
    lengths = np.linalg.norm(around, axis=1, keepdims=True)
    return np.asarray(around / np.maximum(lengths, 1e-6), dtype=np.float32)
