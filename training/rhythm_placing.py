"""What a doubtful stroke may cost the reading of its pulse (``_ODD`` in ``drumscribe/rhythm/search.py``), in a minute.

    python -m training.rhythm_placing --data DATA_DIR [--pieces 40]

Performances of GMD's validation split are written on their own click twice: with all strokes sure, and as a hit network
might hear them, with doubtful, missing, and added ones. Both charts should have each stroke at the same place.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from drumscribe.options import QuantiseOptions
from drumscribe.rhythm import quantise, search
from drumscribe.types import BeatGrid, Hit, Hits, Meter
from training.rhythm_stats import Performance, grooves

COSTS = (4.0, 5.0, 5.5, 6.0, 7.0, 9.0)
_LONGEST_S = 30.0
_SOFT, _WEAK = 25, 45
"""Velocities below which a stroke may not be heard at all, and below which it is heard doubtfully."""
_LOST, _ADDED = 0.04, 0.05
Places = dict[int, tuple[int, Fraction]]


def heard(performance: Performance, seed: int) -> tuple[Hits, BeatGrid, set[int]]:
    """A performance as it might be heard, its click, and which hits are strokes."""
    random, beat_s = np.random.default_rng(seed), 60.0 / performance.bpm
    hits: list[Hit] = []
    true: set[int] = set()
    for quarter, drum, velocity in zip(performance.quarter, performance.drum, performance.velocity, strict=True):
        at, loud = float(quarter) * beat_s, int(velocity)
        if at > _LONGEST_S or (loud < _SOFT and random.random() < 0.5) or random.random() < _LOST:
            continue
        sure = float(np.clip(random.beta(12, 1.3) if loud > _WEAK else random.beta(4, 2), 0.43, 0.995))
        true.add(len(hits))
        hits.append(Hit(len(hits), max(0.0, at + random.normal(0, 0.004)), str(drum), sure, max(1, loud)))
        if random.random() < _ADDED:
            near = float(at + random.choice([-0.25, 0.125, 0.25]) * beat_s + random.normal(0, 0.02))
            other = str(random.choice(["closed_hihat", "kick", "snare"]))
            hits.append(Hit(len(hits), max(0.0, near), other, float(random.uniform(0.43, 0.75)), 40))
    bars = int(_LONGEST_S / beat_s / 4) + 2
    pulses = np.arange(4 * bars + 1)
    grid = BeatGrid(beat_s * pulses, pulses % 4 + 1, (Meter(),) * bars, performance.bpm, "user")
    return Hits.of(hits), grid, true


def places(hits: Hits, grid: BeatGrid) -> Places:
    """Bar and place of each stroke."""
    return {place.hit_id: (place.bar, place.onset) for place in quantise(hits, grid, QuantiseOptions()).placements}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pieces", type=int, default=40)
    args = parser.parse_args()
    played = [one for one in grooves(args.data, "validation") if one.meters[0][1:] == (4, 4)][: args.pieces]
    songs = [heard(performance, seed) for seed, performance in enumerate(played)]
    plain = [
        places(Hits(tuple(replace(hit, confidence=1.0) for hit in hits if hit.id in true)), grid)
        for hits, grid, true in songs
    ]  # fmt: skip
    for cost in COSTS:
        search._ODD = cost
        right = bars_right = bars = 0
        for (hits, grid, _), wanted in zip(songs, plain, strict=True):
            found = places(hits, grid)
            wrong = {place[0] for hit, place in wanted.items() if found.get(hit) != place}
            right += sum(found.get(hit) == place for hit, place in wanted.items())
            bars += len({bar for bar, _ in wanted.values()})
            bars_right += len({bar for bar, _ in wanted.values()} - wrong)
        share = right / sum(map(len, plain))
        print(f"cost {cost:4.1f}  strokes placed alike {share:.4f}  bars {bars_right / bars:.3f} of {bars}", flush=True)


if __name__ == "__main__":
    main()
