"""Marks of a score: ghosts, accents, dynamics, ornaments, voices."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import grooves
import numpy as np
import pytest
from grooves import PLAIN, Groove, parse, score_of
from notation_clients import assert_valid, expected_notes

from drumscribe.kit import DRUMS
from drumscribe.notation import (
    Score,
    notate,
    read_musicxml,
    to_lilypond,
    to_musicxml,
)
from drumscribe.notation.marks import find_marks
from drumscribe.options import NotateOptions
from drumscribe.types import Bar, Meter, Placement, Rhythm


def heads_of(score: Score) -> dict[int, tuple[str, bool]]:
    return {head.hit_id: (head.drum, head.ghost) for measure in score.measures for _, head in measure.heads()}


def test_quiet_snare_strokes_among_loud_ones_are_ghosts():
    found = heads_of(score_of("funk_ghosts"))
    rhythm = grooves.load("funk_ghosts")
    for place in rhythm.placements:
        assert found[place.hit_id][1] == (place.drum == "snare" and place.velocity < 50)


def test_a_snare_that_is_quiet_throughout_has_no_ghosts():
    rhythm = grooves.load("rock_eighths")
    quiet = replace(rhythm, placements=tuple(replace(place, velocity=30) for place in rhythm.placements))
    assert not any(ghost for _, ghost in heads_of(notate(quiet, PLAIN)).values())


def test_ghosts_that_outnumber_the_backbeats_are_ghosts_all_the_same():
    found = heads_of(score_of("half_time_shuffle"))
    for place in grooves.load("half_time_shuffle").placements:
        assert found[place.hit_id][1] == (place.drum == "snare" and place.velocity < 50)


@pytest.mark.parametrize("rows", [
    "RD x---x-x-x---x-x-\nSD ----------g---g-",  # comping: soft throughout
    "HH x-x-x-x-x-x-x-x-\nSD ----O---o-o-O-oo",  # a fill under loud backbeats
])  # fmt: skip
def test_strokes_of_one_group_are_not_parted_into_ghosts_and_others(rows):
    rhythm = parse(Groove(rows, times=8))
    uneven = np.clip(np.random.default_rng(3).normal([p.velocity for p in rhythm.placements], 8), 1, 127).astype(int)
    rhythm = replace(rhythm, placements=tuple(
        replace(place, velocity=int(velocity)) for place, velocity in zip(rhythm.placements, uneven, strict=True)
    ))  # fmt: skip
    assert not any(ghost for _, ghost in heads_of(notate(rhythm, PLAIN)).values())


LOUD_AND_SOFT = parse(Groove(
    "HH x-x-x-x-x-x-x-x-\nSD ----o-------o---\nBD o-------o-o-----", times=8,
    then=(Groove("RD x-x-x-x-x-x-x-x-\nSD ----o-------o---\nBD o--o----o-o-----", times=8),
          Groove("HH x-x-x-x-x-x-x-x-\nSD ----o-------o---\nBD o-------o-o-----", times=8)),
))  # fmt: skip


def played_at(soft: int, loud: int) -> Rhythm:
    levels = [loud if 8 <= place.bar < 16 else soft for place in LOUD_AND_SOFT.placements]
    return replace(LOUD_AND_SOFT, placements=tuple(
        replace(place, velocity=level) for place, level in zip(LOUD_AND_SOFT.placements, levels, strict=True)
    ))  # fmt: skip


def test_sections_of_another_level_have_dynamics_and_come_back_from_a_file():
    score = notate(played_at(60, 105), NotateOptions(repeats=False))
    assert [(m.number, m.dynamic) for m in score.measures if m.dynamic] == [(1, "mp"), (9, "ff"), (17, "mp")]
    assert [m.dynamic for m in read_musicxml(to_musicxml(score)).measures] == [m.dynamic for m in score.measures]
    assert_valid(to_musicxml(score))
    assert "<>\\ff" in to_lilypond(score)
    assert not any(m.dynamic for m in notate(played_at(60, 105), NotateOptions(dynamics=False)).measures)


def test_a_song_of_one_level_has_no_dynamics():
    for soft, loud in ((60, 60), (80, 90), (110, 120)):
        assert not any(measure.dynamic for measure in notate(played_at(soft, loud), NotateOptions()).measures)


def test_a_soft_section_beside_a_loud_one_is_not_full_of_ghosts():
    assert not any(ghost for _, ghost in heads_of(notate(played_at(50, 110), PLAIN)).values())


def test_one_soft_stroke_among_uneven_ones_is_no_ghost():
    rhythm = parse(Groove("RD x---x-x-x---x-x-\nSD ----------o---o-", times=6))
    levels = iter([42, *[60, 71, 84, 93, 66, 77, 88, 62, 74, 97, 81]])
    uneven = replace(rhythm, placements=tuple(
        replace(place, velocity=next(levels)) if place.drum == "snare" else place for place in rhythm.placements
    ))  # fmt: skip
    assert not any(ghost for _, ghost in heads_of(notate(uneven, PLAIN)).values())


def test_a_stroke_of_doubtful_level_is_written_as_its_place_is_in_other_bars():
    rhythm = parse(Groove("SD ----O--g----O--g\nBD o-------o-------", times=4))
    odd = next(place.hit_id for place in rhythm.placements if (place.bar, place.onset) == (2, Fraction(7, 4)))
    louder = replace(rhythm, placements=tuple(
        replace(place, velocity=74 if place.hit_id == odd else min(place.velocity, 100)) for place in rhythm.placements
    ))  # fmt: skip
    assert not heads_of(notate(louder, PLAIN))[odd][1]  # louder than any ghost
    doubtful = replace(louder, placements=tuple(
        replace(place, velocity=70 if place.hit_id == odd else place.velocity) for place in louder.placements
    ))  # fmt: skip
    assert heads_of(notate(doubtful, PLAIN))[odd][1]


def accents_of(rhythm: Rhythm) -> list[tuple[int, Fraction]]:
    score = notate(rhythm, PLAIN)
    return [(m.number, event.onset) for m in score.measures for voice in m.voices for event in voice if event.accent]


def test_accents_need_contrast():
    assert accents_of(grooves.load("pickup_and_rolls")) == [(2, Fraction(0))]
    assert accents_of(grooves.load("rock_eighths")) == []
    assert accents_of(parse(Groove("SD XxxxxxxxXxxxxxxx".replace("x", "o").replace("X", "O"), times=4))) == [
        (bar, Fraction(at)) for bar in (1, 2, 3, 4) for at in (0, 2)]  # fmt: skip


def test_a_backbeat_that_is_always_loud_is_no_accent():
    plain = "SD ----o-------o---"
    fill = "SD ----O---oooooooo"
    assert accents_of(parse(Groove(plain.replace("o", "O"), times=3, then=(Groove(fill),)))) == []
    once = accents_of(parse(Groove(plain, times=6, then=(Groove("SD ----o-------O---"), Groove(plain, times=6)))))
    assert once == [(7, Fraction(3))]


def test_an_accent_over_a_chord_is_the_drums_and_not_the_cymbals():
    rows = "HH x-x-X-x-x-x-X-x-\nSD ----o-------o---"
    assert accents_of(parse(Groove(rows, times=4))) == []
    assert accents_of(parse(Groove("HH x-x-X-x-x-x-X-x-", times=2))) == [
        (bar, Fraction(at)) for bar in (1, 2) for at in (1, 3)]  # fmt: skip


def test_ghosts_off_and_simplify_leave_strokes_out():
    full = heads_of(score_of("funk_ghosts"))
    no_ghosts = heads_of(score_of("funk_ghosts", NotateOptions(ghosts=False, simile=False)))
    assert set(no_ghosts) == {hit for hit, (_, ghost) in full.items() if not ghost}
    core = score_of("funk_ghosts", NotateOptions(simplify=2, simile=False))
    assert all(event.onset % Fraction(1, 2) == 0 for measure in core.measures for event, _ in measure.heads())
    assert {"kick", "snare", "closed_hihat"} == set(core.drums())


def test_ornaments_have_grace_notes_and_slashes_until_simplified():
    full = score_of("pickup_and_rolls")
    assert sum(len(event.graces) for m in full.measures for v in m.voices for event in v) == 5
    assert sum(event.slashes > 0 for m in full.measures for v in m.voices for event in v) == 2
    plain = score_of("pickup_and_rolls", NotateOptions(simplify=1))
    assert not any(event.graces or event.slashes for m in plain.measures for v in m.voices for event in v)


def test_one_voice_holds_all_and_two_split_hands_and_feet():
    two, one = score_of("rock_eighths"), score_of("rock_eighths", NotateOptions(voices=1, simile=False))
    assert all(len(measure.voices) == 2 for measure in two.measures)
    assert all(len(measure.voices) == 1 for measure in one.measures)
    assert {DRUMS[h.drum].voice for m in two.measures for e in m.voices[1] for h in e.heads} == {"feet"}
    assert expected_notes(one) == expected_notes(two)


def test_a_roll_lasts_and_same_drum_twice_is_written_once():
    meter = Meter()
    bar = Bar(0, 1, meter, Fraction(4), 0, 2, 120, (1, 1, 1, 1))
    roll = Placement(1, 0, Fraction(0), "snare", 80, 1, 0, "roll", (2, 3), Fraction(2))
    twice = (Placement(4, 0, Fraction(3), "kick", 50, 1, 0), Placement(5, 0, Fraction(3), "kick", 90, 1, 0))
    score = notate(Rhythm((bar,), (roll, *twice), 120), PLAIN)
    first = score.measures[0].voices[0][0]
    assert (first.type, first.slashes) == ("half", 3)
    assert set(heads_of(score)) == {1, 5}


def test_a_weak_backbeat_is_no_ghost() -> None:
    """Parentheses only where the place agrees with the sound."""
    places = []
    for bar in range(8):
        for k, (onset, velocity) in enumerate(((1, 30 if bar == 4 else 100), (Fraction(7, 4), 28), (3, 102))):
            places.append(Placement(10 * bar + k, bar, Fraction(onset), "snare", velocity, 0.9, 0.0))
    ghosts = find_marks(places).ghosts
    assert ghosts == {10 * bar + 1 for bar in range(8)}
