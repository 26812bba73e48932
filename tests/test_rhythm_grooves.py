"""Drum parts made by rule: what the rhythm model is trained on must be what it says it is."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pretty_midi")

from training.rhythm_grooves import STYLES, compound, made, part


@pytest.mark.parametrize("seed", range(40))
def test_bars_add_up_and_strokes_stay_inside(seed: int) -> None:
    groove, bars, lengths, pickup = part(np.random.default_rng(seed), 30.0)
    assert len(bars) == len(lengths)
    assert sum(lengths) >= 30.0 * groove.bpm / 60
    if not groove.more:
        assert set(lengths[int(pickup) :]) == {groove.pulses}
    for bar, length in zip(bars, lengths, strict=True):
        assert all(0 <= place < length for place, _, _ in bar)
        assert all(0 < velocity <= 127 for _, _, velocity in bar)


def test_every_style_is_played_in_its_tempo() -> None:
    random = np.random.default_rng(1)
    ranges: dict[str, list[float]] = {}
    for make in STYLES:
        for _ in range(30):
            groove = make(random)
            ranges.setdefault(groove.style, []).append(groove.bpm)
    assert max(ranges["polka"]) <= 134, "a polka is counted in two, not in fast fours"
    assert max(ranges["six-eight"]) <= 80, "by dotted quarters"
    assert min(ranges["rock"]) < 70 and max(ranges["rock"]) > 140


def test_the_pulses_are_those_that_were_played() -> None:
    for seed in range(12):
        _, midi, pulses, starts = made(np.random.default_rng(seed), 20.0)
        assert len(pulses) == len(starts)
        assert np.all(np.diff(pulses) > 0)
        drums = next(part for part in midi.instruments if part.is_drum)
        strokes = np.array([note.start for note in drums.notes])
        near = np.abs(pulses[starts][:-1, None] - strokes[None]).min(axis=1) < 0.06
        assert near.mean() > 0.5, "a stroke begins most bars"


def test_a_bar_of_six_eight_comes_again_and_the_halves_of_twelve_eight_differ() -> None:
    random = np.random.default_rng(3)
    for _ in range(30):
        first, *others = compound(random, 2).bars
        assert all(set(first) <= set(other) and len(other) == len(first) + 1 for other in others)
    differ = 0
    for _ in range(60):
        kicks = [{round(place, 3) for place, drum, _ in compound(random, 4).bars[0] if drum == "kick"}]
        differ += {place for place in kicks[0] if place < 2} != {round(p - 2, 3) for p in kicks[0] if p >= 2}
    assert differ > 40
