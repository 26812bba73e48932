"""What to look at next: uncertain hits, likely other drums, hits that sound alike, rejected candidates. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from drumscribe.kit import LABELS
from drumscribe.types import Activations, Hit, Hits, Rhythm

BELOW = 0.75
"""Hits with less confidence are worth a look, unless the user says otherwise."""


def queue(hits: Hits, *, below: float = BELOW, skipped: Iterable[int] = ()) -> list[Hit]:
    """Hits that nobody vouched for with a confidence under ``below``, least certain first."""
    passed = frozenset(skipped)
    waiting = [hit for hit in hits if hit.origin == "model" and hit.confidence < below and hit.id not in passed]
    return sorted(waiting, key=lambda hit: (hit.confidence, hit.time_s))


def alternatives(activations: Activations, hit: Hit, count: int = 6) -> list[str]:
    """Other drums that ``hit`` may be, by the network's activation around its time, likeliest first."""
    if not len(activations.onset):
        return [label for label in LABELS if label != hit.drum][:count]
    frame = activations.frame_at(hit.time_s)
    around = activations.onset[max(0, frame - 3) : frame + 4]
    strength = around.max(axis=0) if len(around) else np.zeros(len(activations.labels))
    ranked = sorted(zip(strength, activations.labels, strict=True), key=lambda pair: -float(pair[0]))
    found = [label for _, label in ranked if label != hit.drum]
    return (found + [label for label in LABELS if label not in found and label != hit.drum])[:count]


def alike_pool(hits: Hits, was: Hit) -> list[Hit]:
    """The hits that may share the fault of ``was``: the same drum, from the model, not vouched for."""
    return [hit for hit in hits if hit.drum == was.drum and hit.origin == "model" and hit.id != was.id]


def bars_around(rhythm: Rhythm, time_s: float, *, before: int = 1, after: int = 2) -> tuple[int, int]:
    """First and last bar index (inclusive) of an excerpt around a time; ``(0, -1)`` if there are no bars."""
    if not rhythm.bars:
        return 0, -1
    starts: Sequence[float] = [bar.start_s for bar in rhythm.bars]
    here = int(np.clip(np.searchsorted(starts, time_s + 1e-6, side="right") - 1, 0, len(starts) - 1))
    return max(0, here - before), min(len(starts) - 1, here + after)
