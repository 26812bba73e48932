"""Learn how hard a stroke was struck from its sound, and write it into the card.

    python -m training.testset --data DATA --work WORK --out WORK/valid --count 110 --split valid --natural
    python -m training.loudness --valid WORK/valid

One linear regression for the drums of each of :data:`GROUPS`, from :func:`drumscribe.hits.loudness.evidence` to how far
a stroke's true velocity is from the mean of its drum in the recording, over drums alone and mixes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import mir_eval
import numpy as np
from numpy.typing import NDArray

from drumscribe.hits import activations
from drumscribe.hits.card import DEFAULT, FOLDER, default_card
from drumscribe.hits.features import SAMPLE_RATE
from drumscribe.hits.loudness import FEATURES, FEWEST, evidence
from drumscribe.kit import LABELS
from drumscribe.types import Activations, FloatArray, Stem
from training.held_out import Note, amend, recordings

GROUPS = (("kick",), ("snare",), ("high_tom", "mid_tom", "floor_tom"), ("ride", "ride_bell"))
"""Drums that are alike in this. Hats keep the network's velocities, which are better in dense mixes; of cross-sticks,
crashes, and the foot's strokes there are too few at many strengths."""
PRIOR = 300.0
"""Weight, in strokes, of a regression that says nothing."""
Array = NDArray[np.float64]


def examples(heard: Activations, samples: FloatArray, notes: list[Note]) -> Iterator[tuple[str, Array, Array]]:
    """For each drum of a recording: what is weighed for the strokes that were found, and how they were struck."""
    peaks, sure, features = evidence(heard.onset, heard.velocity, samples, heard.start_s)
    times = heard.start_s + peaks.position / heard.fps
    for column, label in enumerate(LABELS):
        mine = np.flatnonzero((peaks.column == column) & sure)
        truth = sorted((time, velocity) for time, drum, velocity in notes if drum == label)
        if len(mine) < FEWEST or len(truth) < FEWEST:
            continue
        pairs = mir_eval.util.match_events(np.array([time for time, _ in truth]), times[mine], 0.05)
        if len(pairs) >= FEWEST:
            struck = np.array([truth[note][1] for note, _ in pairs])
            yield label, features[mine[[peak for _, peak in pairs]]], struck - struck.mean()


def regressed(features: Array, struck: Array) -> Array:
    """Weights of a ridge regression without constant (A. Hoerl and R. Kennard, 1970)."""
    size = features.std(axis=0) + 1e-6
    scaled = features / size
    found = np.linalg.solve(scaled.T @ scaled + PRIOR * np.eye(FEATURES), scaled.T @ struck)
    return np.asarray(found / size)


def learn(heard: Iterable[tuple[Activations, FloatArray, list[Note]]]) -> dict[str, list[float]]:
    """Weights by drum."""
    by_drum: dict[str, list[tuple[Array, Array]]] = {label: [] for label in LABELS}
    for recording in heard:
        for label, features, struck in examples(*recording):
            by_drum[label].append((features, struck))
    out = {}
    for group in GROUPS:
        found = [pair for label in group for pair in by_drum[label]]
        weights = regressed(np.concatenate([f for f, _ in found]), np.concatenate([s for _, s in found]))
        out |= {label: [round(float(weight), 4) for weight in weights] for label in group}
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description="Learn velocities from the sound of strokes.")
    parser.add_argument("--valid", type=Path, required=True, help="folder of recordings to learn from")
    parser.add_argument("--card", type=Path, default=FOLDER / f"{DEFAULT}.json")
    args = parser.parse_args()
    default_card().loudness.clear()  # velocities as the network hears them
    heard = (
        (activations(Stem(samples[None], SAMPLE_RATE, "none")), samples, notes)
        for samples, notes, _ in recordings(args.valid)
    )
    learnt = learn(heard)
    amend(args.card, loudness=learnt)
    print(learnt)


if __name__ == "__main__":
    main()
