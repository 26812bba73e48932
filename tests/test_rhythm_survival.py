"""Grooves that must come through as they are written, from beats and strokes as loose as a drummer's."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from drumscribe.options import BeatOptions, QuantiseOptions
from drumscribe.rhythm import BeatEvidence, beat_grid, quantise, read_hits
from drumscribe.rhythm.bars import evened
from drumscribe.types import BeatGrid, Hit, Hits, Meter, Rhythm
from tests.grooves import GROOVES, Groove, grid_of, hits_of, parse

BLAST = Groove(
    """
    CC x---------------|----------------|----------------|----------------
    RD x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-|x-x-x-x-x-x-x-x-
    SD -o-o-o-o-o-o-o-o|-o-o-o-o-o-o-o-o|-o-o-o-o-o-o-o-o|-o-o-o-o-ooo-ooo
    BD o-o-o-o-o-o-o-o-|o-o-o-o-o-o-o-o-|o-o-o-o-o-o-o-o-|o-o-o-o-o-o-o-o-
    """,
    bpm=220,
)
KEPT = ("funk_ghosts", "bossa_nova", "five_four", "blues_twelve_eight", "half_time_shuffle", "samba", "swing_ride",
        "jazz_waltz", "train_beat", "reggae_one_drop", "metal_double_kick")  # fmt: skip
Floats = NDArray[np.float64]


def played(groove: Groove, seed: int, bars: int = 16) -> tuple[Rhythm, Hits, BeatGrid, Floats]:
    """A performance of it: the tempo drifts, each drum has its habit, each stroke is loose; with its true pulses."""
    count = len(parse(replace(groove, times=1)).bars)
    truth = parse(replace(groove, times=max(1, bars // count)))
    random, grid = np.random.default_rng(seed), grid_of(truth)
    habit = {place.drum: random.normal(0, 0.005) for place in truth.placements}

    def drift(at: Floats | float) -> Floats:
        return np.asarray(0.5 + at + 0.02 * np.sin(0.7 * at + 1) + 0.004 * at * np.sin(0.16 * at))

    hits = []
    for hit in hits_of(truth):
        pulse = float(grid.pulse_at(hit.time_s))
        swung = groove.swing and abs(pulse % 1 - 0.5) < 0.02
        at = float(grid.time_at(pulse + 0.16)) if swung else hit.time_s
        late = habit[hit.drum] + random.normal(0, 0.008)
        loud = int(np.clip(hit.velocity + random.normal(0, 6), 8, 127))
        hits.append(replace(hit, time_s=max(0.0, float(drift(at)) + late), velocity=loud))
    return truth, Hits.of(hits), grid, drift(grid.times)


def counted(hits: Hits, pulses: Floats, tracked: float, seed: int) -> BeatGrid:
    """The grid laid over what a tracker of ``tracked`` beats a pulse would follow; it hears no downbeats."""
    random = np.random.default_rng(seed + 100)
    beats = np.interp(np.arange(0, len(pulses) - 1 + 1e-9, 1 / tracked), np.arange(len(pulses)), pulses)
    beats = beats + random.normal(0, 0.006, len(beats))
    evidence = BeatEvidence(np.zeros((0, 1), np.float32), 100.0, "librosa", beats)
    return beat_grid(evidence, hits, BeatOptions(), hits[-1].time_s + 1)


@pytest.mark.parametrize(
    ("name", "tracked"),
    [(name, tracked) for name in (*KEPT, "blast") for tracked in (1.0, 0.5) if (name, tracked) != ("samba", 0.5)],
)
def test_level_meter_bars_and_notes_come_through(name: str, tracked: float) -> None:
    groove = BLAST if name == "blast" else GROOVES[name]
    if parse(groove).bpm * tracked < 44:
        tracked = 2.0 if not Meter.parse(groove.meter).compound else 3.0
    truth, hits, grid, pulses = played(groove, seed=0)
    found = counted(hits, pulses, tracked, seed=0)
    assert found.bpm == pytest.approx(truth.bpm, rel=0.03)
    assert Counter(found.meters).most_common(1)[0][0] == Meter.parse(groove.meter)
    lines = found.times[found.numbers == 1]
    assert all(np.abs(lines - at).min() < 0.07 for at in pulses[:-1][grid.numbers[:-1] == 1])
    written = {place.hit_id: place for place in quantise(hits, found, QuantiseOptions()).placements}
    assert written.keys() == {place.hit_id for place in truth.placements}
    assert all(written[p.hit_id].drum == p.drum for p in truth.placements)
    right = [(written[p.hit_id].bar, written[p.hit_id].onset) == (p.bar, p.onset) for p in truth.placements]
    assert np.mean(right) > 0.98


def test_a_samba_that_was_followed_at_half_its_pulse_changes_no_meter() -> None:
    slow = replace(GROOVES["samba"], bpm=85)  # which may be read in two as well as in four, but not in both
    _, hits, _, pulses = played(slow, seed=85)
    assert len(set(counted(hits, pulses, 0.5, seed=85).meters)) == 1


def test_pairs_of_half_bars_are_no_change_of_meter_and_a_lone_one_stays() -> None:
    two, four = Meter(2, 4), Meter(4, 4)
    assert evened([(0, four), (4, two), (6, two), (8, four), (12, four)]) == [(k, four) for k in (0, 4, 8, 12)]
    assert evened([(0, four), (4, two), (6, two), (8, two), (10, four)]) == [(0, four), (4, four), (8, two), (10, four)]
    assert evened([(0, two), (2, two), (4, two), (6, four), (10, Meter(3, 4))]) == [
        (0, two), (2, two), (4, two), (6, two), (8, two), (10, Meter(3, 4)),
    ]  # fmt: skip
    assert evened([]) == []


def solo(seed: int) -> Hits:
    """Sixty-four bars of sixteenths without any repetition, plainly heard for the most part."""
    random = np.random.default_rng(seed)
    drums = ("snare", "high_tom", "mid_tom", "floor_tom", "kick", "crash", "ride", "closed_hihat")
    hits, number = [], 0
    for sixteenth in range(64 * 16):
        for drum in random.choice(drums, int(random.choice([0, 1, 1, 2])), replace=False):
            at = 0.5 + 0.125 * sixteenth + random.normal(0, 0.006)
            sure = float(np.clip(random.beta(5, 1.2), 0.35, 0.99))
            hits.append(Hit(number, float(at), str(drum), sure, int(random.integers(30, 127))))
            number += 1
    return Hits.of(hits)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_solo_is_left_as_it_was_played(seed: int) -> None:
    hits = solo(seed)
    pulses = 0.5 + 0.5 * np.arange(4 * 64 + 1)
    grid = counted(hits, pulses, 1.0, seed)
    read = read_hits(hits, (), grid, 0.5)
    assert len(read.changes) <= 0.02 * len(hits)
