"""What the grid tells about the player: ahead or behind, and how the tempo moves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from drumscribe.types import BeatGrid, Hits, Rhythm


@dataclass(frozen=True, slots=True)
class Deviation:
    """Timing of one drum against the grid.

    Attributes:
        drum: label.
        hits: how many were measured.
        mean_ms: positive where the drum is played behind the beat.
        spread_ms: standard deviation around the mean.
    """

    drum: str
    hits: int
    mean_ms: float
    spread_ms: float


def deviations(rhythm: Rhythm) -> tuple[Deviation, ...]:
    """Mean and spread of each drum's timing, drums with most hits first."""
    by_drum: dict[str, list[float]] = {}
    for placement in rhythm.placements:
        by_drum.setdefault(placement.drum, []).append(1000.0 * placement.deviation_s)
    found = [
        Deviation(drum, len(values), float(np.mean(values)), float(np.std(values))) for drum, values in by_drum.items()
    ]
    return tuple(sorted(found, key=lambda item: (-item.hits, item.drum)))


def tempo_curve(grid: BeatGrid, smooth: int = 4) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times and pulses per minute along the song, each over ``smooth`` pulses. Two arrays of the same length."""
    span = max(1, min(smooth, len(grid.times) - 1))
    lengths = grid.times[span:] - grid.times[:-span]
    return grid.times[:-span] + lengths / 2, 60.0 * span / lengths


def performed(hits: Hits, rhythm: Rhythm, strength: float = 1.0, ids: Iterable[int] | None = None) -> Hits:
    """Move hits to their written times: 0 leaves them as played, 1 puts them on the grid.

    Grace strokes move with their main stroke. Hits that are not in the rhythm, or not among ``ids``, stay.
    """
    wanted = None if ids is None else set(ids)
    at = {hit.id: hit.time_s for hit in hits}
    move: dict[int, float] = {}
    for placement in rhythm.placements:
        if wanted is None or placement.hit_id in wanted:
            # as far as the start of the recording, and an ornament keeps its shape
            most = at.get(placement.hit_id, 0.0)
            for hit_id in (placement.hit_id, *placement.grace_ids):
                move[hit_id] = min(strength * placement.deviation_s, most)
    return Hits.of(replace(hit, time_s=max(0.0, hit.time_s - move.get(hit.id, 0.0))) for hit in hits)
