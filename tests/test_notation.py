"""The score: marks, structure, writers and readers, the timeline."""

from __future__ import annotations

import csv
import io
import itertools
import pickle
import re
import subprocess
import sys
import tempfile
import threading
import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import grooves
import mido
import numpy as np
import pytest
from grooves import Groove, grid_of, hits_of, parse
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from notation_clients import assert_on_their_pages, assert_valid, compare, expected_notes, midi_notes
from properties import examples

from drumscribe.errors import NotationError, PdfBackendError, ProjectError
from drumscribe.kit import DRUMS
from drumscribe.notation import (
    Score,
    Timeline,
    check,
    notate,
    page_count,
    pdf,
    read_midi,
    read_musicxml,
    svg_pdf,
    to_csv,
    to_lilypond,
    to_midi,
    to_music21,
    to_musicxml,
    to_pdf,
    to_rhythm,
    to_svg,
    to_tab,
)
from drumscribe.notation.engrave import page_cuts
from drumscribe.notation.summary import grooves as grooves_of
from drumscribe.options import NotateOptions, QuantiseOptions
from drumscribe.rhythm import quantise
from drumscribe.types import Bar, BeatGrid, Hit, Hits, Meter, Placement, Rhythm

ALL_OPTIONS = [
    NotateOptions(),
    NotateOptions(voices=1, noteheads="simple", count_in=True, paper="letter"),
    NotateOptions(simile=False, repeats=False, sections=False, ghosts=False, legend=False),
    NotateOptions(simplify=1, summary=True),
    NotateOptions(simplify=2, voices=1),
]
PLAIN = NotateOptions(simile=False, repeats=False, sections=False)


def score_of(groove: Groove | str, options: NotateOptions = PLAIN) -> Score:
    rhythm = grooves.load(groove) if isinstance(groove, str) else parse(groove)
    return notate(rhythm, options, title="A title")


# --- any rhythm at all -----------------------------------------------------------------------------------------------


METERS = ["4/4", "3/4", "2/4", "5/4", "6/8", "7/8", "12/8", "5/8", "3/8"]
DIVISIONS = [1, 2, 3, 4, 5, 6, 8]


@st.composite
def rhythms(draw: st.DrawFn) -> Rhythm:
    """Any bars; a stroke is one drawn number that says pulse, part, drum, ornament, and velocity: fast to draw."""
    bars: list[Bar] = []
    placements: list[Placement] = []
    clock = 0.0
    swing = draw(st.booleans())
    bar_numbers = st.tuples(st.integers(0, 8), st.integers(0, 10**8), st.integers(1, 8))
    for index, (meter_at, parts_at, seconds_at) in enumerate(draw(st.lists(bar_numbers, min_size=1, max_size=5))):
        meter = Meter.parse(METERS[meter_at])
        pulses = meter.pulses_per_bar
        if index == 0 and swing:
            pulses = 1 + parts_at % pulses
        length = pulses * meter.pulse
        parts = [DIVISIONS[parts_at // 7**i % 7] for i in range(pulses)]
        seconds = float(length) * seconds_at / 8
        for number in draw(st.lists(st.integers(0, 10**9), max_size=14)):
            number, pulse = divmod(number, pulses)
            number, part = divmod(number, parts[pulse])
            number, drum = divmod(number, len(DRUMS))
            number, kind = divmod(number, 8)
            ornament = {5: "flam", 6: "drag", 7: "roll"}.get(kind, "")
            first = 4 * len(placements)
            graces = {"flam": 1, "drag": 2, "roll": 3}.get(ornament, 0)
            placements.append(Placement(
                first, index, (pulse + Fraction(part, parts[pulse])) * meter.pulse, list(DRUMS)[drum],
                1 + number % 127, 0.5, number % 11 / 200 - 0.025, ornament,
                tuple(range(first + 1, first + 1 + graces)),
                Fraction(1 + number % 8, 2) if ornament == "roll" else Fraction(0)))  # fmt: skip
        bars.append(Bar(index, index, meter, length, clock, clock + seconds, 60 * float(length) / seconds,
                        tuple(parts), swing))  # fmt: skip
        clock += seconds
    placements.sort(key=lambda place: (place.bar, place.onset, place.drum))
    return Rhythm(tuple(bars), tuple(placements), 100.0, swing)


@examples(60)
@given(rhythms(), st.sampled_from(ALL_OPTIONS))
def test_any_rhythm_gives_bars_that_add_up_and_files_that_come_back(rhythm, options):
    score = notate(rhythm, options, title="Ünïcode & <tags>", artist='"quotes" \\back')
    check(score)
    document = to_musicxml(score)
    assert_valid(document)
    again = read_musicxml(document)
    assert again == score
    assert to_musicxml(again) == document
    ids = [head.hit_id for measure in score.measures for _, head in measure.heads()]
    assert len(ids) == len(set(ids))
    assert to_lilypond(score).count("{") == to_lilypond(score).count("}")
    assert to_tab(score)


some_hits = st.lists(
    st.tuples(st.integers(0, 12_000), st.sampled_from(list(DRUMS)), st.integers(1, 127), st.integers(1, 100)),
    max_size=40,
).map(lambda rows: Hits.of(Hit(i, t / 1000, drum, c / 100, v) for i, (t, drum, v, c) in enumerate(rows)))


@examples(40)
@given(some_hits, st.sampled_from(METERS), st.sampled_from([16, 32]), st.sampled_from(ALL_OPTIONS))
def test_any_list_of_hits_becomes_a_valid_file_that_comes_back(hits, meter, finest, options):
    signature = Meter.parse(meter)
    count = 6 * signature.pulses_per_bar
    grid = BeatGrid(np.arange(count + 1) * 0.4, np.arange(count + 1) % signature.pulses_per_bar + 1, (signature,) * 6,
                    150, "user")  # fmt: skip
    score = notate(quantise(hits, grid, QuantiseOptions(finest=finest, quintuplets=True)), options)
    check(score)
    document = to_musicxml(score)
    assert_valid(document)
    assert to_musicxml(read_musicxml(document)) == document


@examples(30)
@given(rhythms())
def test_what_a_score_shows_can_be_notated_again(rhythm):
    score = notate(rhythm, PLAIN)
    again = notate(to_rhythm(score), PLAIN)
    assert expected_notes(again) == expected_notes(score)
    assert notate(to_rhythm(again), PLAIN) == again


@examples(30)
@given(rhythms())
def test_midi_holds_every_hit_and_comes_back(rhythm):
    hits, grid = hits_of(rhythm), grid_of(rhythm)
    if not len(hits):
        return
    back = read_midi(to_midi(hits, grid))
    assert sorted((hit.drum, hit.velocity) for hit in back.hits) == sorted((hit.drum, hit.velocity) for hit in hits)
    for played, found in zip(sorted(hits, key=_by_drum), sorted(back.hits, key=_by_drum), strict=True):
        assert found.time_s == pytest.approx(played.time_s, abs=0.005)


def _by_drum(hit: Hit) -> tuple[object, ...]:
    return (hit.drum, hit.time_s, hit.velocity)


@given(st.binary(max_size=300))
def test_readers_refuse_noise(data):
    for reader in (read_midi, read_musicxml):
        with pytest.raises(ProjectError):
            reader(data)


def test_a_midi_file_that_never_ends_is_refused():
    file = mido.MidiFile()
    file.tracks.append(mido.MidiTrack([mido.Message("note_on", channel=9, note=38, velocity=90, time=2**70)]))
    out = io.BytesIO()
    file.save(file=out)
    with pytest.raises(ProjectError, match="beats"):
        read_midi(out.getvalue())


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_readers_survive_damaged_files(at, noise):
    rhythm = grooves.load("six_eight_ballad")
    files = ((read_musicxml, to_musicxml(score_of("six_eight_ballad"))),
             (read_midi, to_midi(hits_of(rhythm), grid_of(rhythm))))  # fmt: skip
    for reader, good in files:
        place = at % len(good)
        damaged = good[:place] + noise + good[place + len(noise) :]
        try:
            reader(damaged)
        except ProjectError as error:
            assert error.what
            assert error.todo


# --- marks -----------------------------------------------------------------------------------------------------------


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


# --- form ------------------------------------------------------------------------------------------------------------


def repeated(rows: str, times: int, *then: Groove) -> Groove:
    return Groove(rows, times=times, then=then)


ROCK = "HH x-x-x-x-x-x-x-x-\nSD ----o-------o---\nBD o-------o-o-----"
RIDE = "RD x-x-x-x-x-x-x-x-\nSD ----o-------o---\nBD o-o---o-o-------"


def test_equal_bars_are_similes_but_never_at_the_start_of_a_line_or_under_a_mark():
    score = score_of(repeated(ROCK, 12, Groove(RIDE, times=12)), NotateOptions(repeats=False))
    assert sum(measure.simile > 0 for measure in score.measures) >= 16
    for before, measure in zip(score.measures, score.measures[1:], strict=False):
        if measure.simile == 1:
            assert not (measure.new_system or measure.rehearsal or measure.tempo or measure.show_meter)
            assert [[(e.onset, [h.drum for h in e.heads]) for e in v] for v in measure.voices] == \
                [[(e.onset, [h.drum for h in e.heads]) for e in v] for v in before.voices]  # fmt: skip


def test_two_bar_patterns_get_two_bar_similes_in_pairs():
    score = score_of("funk_ghosts", NotateOptions())
    assert [measure.simile for measure in score.measures] == [0, 0, 2, 2]


def test_simile_can_be_switched_off():
    assert not any(m.simile for m in score_of(repeated(ROCK, 8), NotateOptions(simile=False)).measures)


def test_sections_begin_where_the_groove_changes_and_open_a_line():
    score = score_of(repeated(ROCK, 16, Groove(RIDE, times=16), Groove(ROCK, times=8)), NotateOptions(repeats=False))
    marks = {measure.number: measure.rehearsal for measure in score.measures if measure.rehearsal}
    assert marks == {1: "A", 17: "B", 33: "C"}
    assert all(m.new_system for m in score.measures[1:] if m.rehearsal)


def test_a_stray_stroke_in_the_count_moves_no_section():
    count = Groove("HH x---x---x---x---\nBD ------------o---", then=(
        Groove(ROCK, times=8), Groove(RIDE, times=8), Groove(ROCK, times=8)))  # fmt: skip
    score = score_of(count, NotateOptions(repeats=False))
    assert [measure.number for measure in score.measures if measure.rehearsal] == [2, 10, 18]


def test_long_repeats_are_written_once_with_their_count():
    rhythm = parse(repeated(ROCK, 16))
    score = notate(rhythm, NotateOptions())
    assert len(score.measures) < 16
    assert score.measures[0].repeat_start
    assert score.measures[-1].repeat_end == 16 // len(score.measures)
    assert len(score.play_order()) == 16
    notes = [(float(rhythm.bars[p.bar].index * 4 + p.onset), DRUMS[p.drum].midi) for p in rhythm.placements]
    assert expected_notes(score) == sorted(notes)


def test_a_grace_note_after_a_repeat_stands_behind_its_bar_line():
    source = to_lilypond(score_of("street_beat_flams", NotateOptions()))
    marks = source[source.index("marks =") : source.index("hands =")]
    places = [marks.index(word) for word in ('\\bar ".|:"', '\\bar ":|.|:"', "#9 \\grace { s8 } s1*1/1")]
    assert places == sorted(places)
    assert "\\repeat volta 2 {" in marks  # the last passage has nothing after it


def test_repeats_keep_to_the_phrases():
    crash = "CC x---------------\nSD ----o-------o---\nBD o-------o-o-----"
    fill = "SD oooooooooooooooo\nBD o---o---o---o---"
    four = "\n".join(f"{row[:2]} " + "|".join([row[3:]] * 3) for row in ROCK.splitlines())
    phrase = Groove(four, then=(Groove(fill),))
    rhythm = parse(Groove(crash, then=(Groove(four), Groove(fill), *(phrase, *phrase.then) * 3)))
    assert not any(measure.repeat_start for measure in notate(rhythm, NotateOptions(sections=False)).measures[1:4])


def test_silent_bars_become_one_multi_bar_rest():
    score = score_of("ballad_with_rests", NotateOptions())
    assert [measure.rest_run for measure in score.measures] == [0, 3, 0, 0, 0]
    assert "R1*3/1" in to_lilypond(score)


def test_dense_bars_get_fewer_to_a_line():
    def longest_line(groove: Groove) -> int:
        lines, current = [], 0
        for measure in score_of(groove).measures:
            current = 1 if measure.new_system else current + 1
            lines.append(current)
        return max(lines)

    assert longest_line(repeated(ROCK, 8)) == 4
    assert longest_line(repeated("HH xxxxxxxxxxxxxxxx\nSD gggggggggggggggg", 8)) < 4


def bars_per_line(score: Score) -> list[int]:
    lines: list[int] = [0]
    for measure in score.measures:
        if measure.new_system:
            lines.append(0)
        lines[-1] += 1
    return lines


def test_lines_hold_alike_many_bars_and_leave_none_alone():
    dense = "HH xxxxxxxxxxxxxxxx"
    mixed = "HH " + "|".join(["x-xxx-xxx-xxx-x-", "x-xxx-xxx-xxx-xx", "x-x-x-xxx-x-x-xx"] * 4)
    assert bars_per_line(score_of(repeated(dense, 8))) == [2, 2, 2, 2]
    assert bars_per_line(score_of(Groove(mixed))) == [4, 4, 4]
    assert bars_per_line(score_of(repeated(ROCK, 9))) == [4, 5]
    assert bars_per_line(score_of(Groove(ROCK, pickup="SD oo", times=8))) == [5, 4]


def test_bars_that_count_the_song_in_stand_before_the_first_section():
    count = Groove("HH x---x---x---x---", then=(Groove(ROCK, times=8), Groove(RIDE, times=8)))
    score = score_of(count, NotateOptions(repeats=False))
    assert {measure.number: measure.rehearsal for measure in score.measures if measure.rehearsal} == {2: "A", 10: "B"}
    assert bars_per_line(score) == [5, 4, 4, 4]
    assert bars_per_line(score_of(replace(count, then=(Groove(ROCK, times=8), Groove(RIDE, times=9))),
                                  NotateOptions(repeats=False))) == [5, 4, 4, 5]  # fmt: skip


def test_tempo_meter_and_feel_are_marked_where_they_change():
    rhythm = parse(Groove(ROCK, bpm=100, times=8, then=(Groove(ROCK, bpm=140, times=8, swing=True),)))
    score = notate(rhythm, PLAIN)
    assert {m.number: m.tempo.bpm for m in score.measures if m.tempo} == {1: 100, 9: 140}
    assert {m.number: m.swing for m in score.measures if m.swing} == {9: "swing"}
    meters = score_of("meters_in_turn")
    assert [str(m.meter) for m in meters.measures if m.show_meter] == ["4/4", "3/4", "7/8", "6/8", "2/4"]
    assert (meters.measures[3].tempo.beat, meters.measures[3].tempo.dots) == ("quarter", 1)


def test_a_drifting_tempo_is_one_mark():
    rhythm = parse(repeated(ROCK, 24))
    bars, clock = [], 0.0
    for bar in rhythm.bars:
        bpm = 100 * (1 + 0.03 * np.sin(bar.index / 3))
        bars.append(replace(bar, start_s=clock, end_s=clock + 240 / bpm, quarter_bpm=bpm))
        clock = bars[-1].end_s
    marks = [m.tempo for m in notate(replace(rhythm, bars=tuple(bars)), PLAIN).measures if m.tempo]
    assert len(marks) == 1
    assert abs(marks[0].bpm - 100) <= 1


def test_odd_meters_are_beamed_as_they_are_played():
    rows = "HH x-x-x-x-x-x-x-\nSD ------o---o---\nBD o-------------"
    events = score_of(Groove(rows, meter="7/8")).measures[0].voices[0]
    assert [event.beams[0] for event in events] == ["begin", "continue", "end", "begin", "end", "begin", "end"]


def test_a_count_in_stands_before_the_music_and_is_not_played():
    score = score_of("rock_eighths", NotateOptions(count_in=True))
    assert score.measures[0].count_in
    assert score.measures[0].text == "1 2 3 4"
    assert score.measures[0].tempo is not None
    assert len(score.play_order()) == 4


def test_groove_summary_counts_bars():
    score = score_of(repeated(ROCK, 12, Groove(RIDE, times=5)), NotateOptions(summary=True))
    assert [groove.times for groove in grooves_of(score)] == [12, 5]
    assert "Grooves in this chart" in to_lilypond(score)
    five = Groove(replace_rows(0), times=2, then=tuple(Groove(replace_rows(i), times=2) for i in range(1, 5)))
    assert [groove.measure.new_system for groove in grooves_of(score_of(five))] == [False, False, False, True, False]


def test_an_empty_rhythm_is_an_empty_but_valid_score():
    score = notate(Rhythm((), (), 120), NotateOptions(), title="Nothing")
    assert_valid(to_musicxml(score))
    assert len(to_svg(score)) == 1
    assert score.play_order() == ()


def test_a_bar_that_cannot_be_written_is_refused():
    bar = Bar(0, 1, Meter(), Fraction(4, 3), 0, 1, 120, (1,))
    with pytest.raises(NotationError, match="cannot be written"):
        notate(Rhythm((bar,), (), 120), NotateOptions())


def test_scores_travel_between_processes():
    score = score_of("rock_eighths", NotateOptions())
    assert pickle.loads(pickle.dumps(score)) == score


# --- MusicXML --------------------------------------------------------------------------------------------------------


def test_every_note_names_its_instrument_on_channel_10():
    root = etree.fromstring(to_musicxml(score_of("bossa_nova")))
    keys = {m.get("id"): int(m.findtext("midi-unpitched")) - 1 for m in root.iter("midi-instrument")}
    assert {m.findtext("midi-channel") for m in root.iter("midi-instrument")} == {"10"}
    rhythm = grooves.load("bossa_nova")
    by_id = {f"hit-{place.hit_id}": place for place in rhythm.placements}
    notes = [note for note in root.iter("note") if note.find("rest") is None]
    assert len(notes) == len(rhythm.placements)
    for note in notes:
        place = by_id[note.get("id")]
        assert keys[note.find("instrument").get("id")] == DRUMS[place.drum].midi
        assert float(note.get("dynamics")) * 0.9 == pytest.approx(place.velocity, abs=0.01)


def test_simile_bars_keep_their_notes():
    root = etree.fromstring(to_musicxml(score_of("rock_eighths", NotateOptions())))
    assert root.find(".//measure-repeat[@type='start']") is not None
    assert len({note.get("id") for note in root.iter("note") if note.get("id")}) == \
        len(grooves.load("rock_eighths").placements)  # fmt: skip


def test_packed_and_foreign_files_are_read():
    document = to_musicxml(score_of("shuffle"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
        archive.writestr("score.musicxml", document)
    assert read_musicxml(packed.getvalue()) == read_musicxml(document)
    foreign = etree.fromstring(document)
    for note in foreign.iter("note"):
        note.attrib.pop("id", None)
        note.attrib.pop("dynamics", None)
        for instrument in note.findall("instrument"):
            note.remove(instrument)
    for field in list(foreign.iter("miscellaneous")):
        field.getparent().remove(field)
    read = read_musicxml(etree.tostring(foreign))
    assert expected_notes(read) == expected_notes(score_of("shuffle"))


def test_xml_with_entities_is_not_expanded():
    bomb = b"""<?xml version="1.0"?><!DOCTYPE score-partwise [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>
        <score-partwise><work><work-title>&b;</work-title></work></score-partwise>"""
    with pytest.raises(ProjectError, match="entities"):
        read_musicxml(bomb)


@pytest.mark.parametrize("data", [
    b"", b"<html/>", b"<score-partwise/>", b"PK\x03\x04 broken", b"<score-timewise/>", b"\xff\xfe\x00",
    b"<score-partwise><part><measure><note><duration>x</duration></note></measure></part></score-partwise>",
])  # fmt: skip
def test_files_that_are_no_score_are_refused(data):
    with pytest.raises(ProjectError):
        read_musicxml(data)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (b'"paper": "a4"', b'"paper": "a4\\\\" #(system \\\\"x\\\\")"'),
        (b'"voices": 2', b'"voices": 99'),
        (b">A</rehearsal>", b'>" #(system "x") "</rehearsal>'),
        (b'type="start">1</measure-repeat>', b'type="start">4</measure-repeat>'),
        (b'direction="forward"', b'direction="backward" times="1000000000"'),
        (b"<repeat direction=", b'<repeat winged="none" times="3" direction='),
        (b"</attributes>", b"<measure-style><multiple-rest>999</multiple-rest></measure-style></attributes>"),
        (b"<type>eighth</type>", b"<type>eighth</type>" + b"<dot/>" * 50),
        (b">begin</beam>", b">#(exit)</beam>"),
        (b"<voice>2</voice>", b"<voice>3</voice>"),
    ],
)
def test_hostile_values_in_a_chart_reach_no_writer(good, bad):
    rhythm = parse(repeated(ROCK, 16, Groove(RIDE, times=16)))
    document = to_musicxml(notate(rhythm, NotateOptions()))
    assert good in document
    try:
        score = read_musicxml(document.replace(good, bad, 1))
    except ProjectError as error:
        assert error.todo
        return
    check(score)
    source = to_lilypond(score)
    assert source.count("{") == source.count("}")
    assert "#(system" not in source.replace('\\"', "").replace('" #(system x) "', "")
    assert_valid(to_musicxml(score))
    assert len(to_svg(score)) == page_count(score)
    assert len(score.play_order()) < 5000


def test_a_zip_bomb_is_refused():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("score.xml", b" " * (40 * 1024 * 1024))
    with pytest.raises(ProjectError, match="size"):
        read_musicxml(packed.getvalue())


def test_music21_gets_marks_and_beams_too():
    rolls = to_music21(score_of("pickup_and_rolls"))
    notes = list(rolls.recurse().notes)
    assert [e.numberOfMarks for n in notes for e in n.expressions if "Tremolo" in e.classes] == [3, 3]
    assert sum(n.duration.isGrace for n in notes) == 5
    assert sum("Accent" in a.classes for n in notes for a in n.articulations) == 1
    disco = to_music21(score_of("disco"))
    heads = [head for n in disco.recurse().notes for head in getattr(n, "notes", (n,))]
    assert sum("OpenString" in a.classes for head in heads for a in head.articulations) == 2
    assert next(n.beams.getTypes() for n in disco.recurse().notes) == ["start"]
    swing = to_music21(score_of("swing_ride"))
    assert "Swing" in [words.content for words in swing.recurse().getElementsByClass("TextExpression")]


# --- MIDI, tab, CSV --------------------------------------------------------------------------------------------------


def test_played_midi_runs_in_time_with_the_recording():
    rhythm = grooves.load("funk_ghosts")
    shift = 0.731
    hits = Hits.of(replace(hit, time_s=hit.time_s + shift) for hit in hits_of(rhythm, jitter_s=0.012))
    grid = grid_of(rhythm)
    grid = replace(grid, times=grid.times + shift)
    back = read_midi(to_midi(hits, grid, title="Tïtle"))
    for played, found in zip(sorted(hits, key=_by_drum), sorted(back.hits, key=_by_drum), strict=True):
        assert found.time_s == pytest.approx(played.time_s, abs=0.003)
    downbeats = grid.times[grid.numbers == 1]
    found_bars = back.grid.times[back.grid.numbers == 1]
    for downbeat in downbeats:
        assert np.min(np.abs(found_bars - downbeat)) < 0.003


def test_tempo_map_follows_a_drifting_grid():
    rhythm = parse(repeated(ROCK, 8))
    hits, grid = hits_of(rhythm), grid_of(rhythm)
    bent = replace(grid, times=grid.times + 0.2 * np.sin(grid.times / 4))
    moved = Hits.of(replace(hit, time_s=float(bent.time_at(grid.pulse_at(hit.time_s)))) for hit in hits)
    back = read_midi(to_midi(moved, bent))
    assert max(abs(a.time_s - b.time_s) for a, b in zip(moved, back.hits, strict=True)) < 0.003
    ticks, channels = midi_notes(to_midi(moved, bent))
    assert channels == {9}
    assert all(abs(time * 2 - round(time * 2)) < 0.01 for time, _ in ticks)  # still on the eighths of the score


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_quantised_midi_moves_hits_by_the_strength(strength):
    rhythm = grooves.load("sixteenth_hats")
    hits, grid = hits_of(rhythm, jitter_s=0.01), grid_of(rhythm)
    exact = dict(expected_by_id(rhythm))
    played = {hit.id: float(grid.pulse_at(hit.time_s)) for hit in hits}
    notes, _ = midi_notes(to_midi(hits, grid, rhythm=rhythm, quantised=True, strength=strength))
    wanted = sorted((max(0.0, played[i] + strength * (exact[i] - played[i])), DRUMS[hits.by_id()[i].drum].midi)
                    for i in exact)  # fmt: skip
    assert compare(wanted, notes, 0.005) == ([], [])


def expected_by_id(rhythm: Rhythm) -> list[tuple[int, float]]:
    starts = np.cumsum([0.0, *(float(bar.length) for bar in rhythm.bars)])
    return [(place.hit_id, float(starts[place.bar]) + float(place.onset)) for place in rhythm.placements]


def test_swung_eighths_sound_swung_in_quantised_midi():
    rhythm = grooves.load("swing_ride")
    notes, _ = midi_notes(to_midi(hits_of(rhythm), grid_of(rhythm), rhythm=rhythm, quantised=True))
    assert {round(time % 1, 2) for time, _ in notes} == {0.0, 0.67}


def test_quantised_midi_without_a_rhythm_is_refused():
    rhythm = grooves.load("shuffle")
    with pytest.raises(NotationError):
        to_midi(hits_of(rhythm), grid_of(rhythm), quantised=True)
    with pytest.raises(NotationError):
        to_midi(Hits(), BeatGrid(np.array([0.0]), np.array([1]), (), 120, "user"))


def test_midi_of_other_kits_is_read_and_strangers_are_counted():
    file = mido.MidiFile()
    track = mido.MidiTrack()
    for key in (35, 40, 22, 81, 81):
        track.append(mido.Message("note_on", channel=9, note=key, velocity=90, time=0))
        track.append(mido.Message("note_off", channel=9, note=key, time=240))
    file.tracks.append(track)
    out = io.BytesIO()
    file.save(file=out)
    read = read_midi(out.getvalue())
    assert [hit.drum for hit in read.hits] == ["kick", "snare", "closed_hihat"]
    assert read.unknown == ((81, 2),)
    assert read.grid.bpm == pytest.approx(120)


def test_tab_shows_the_groove():
    tab = to_tab(score_of("rock_eighths"))
    assert "HH|-xxxxxxx|xxxxxxxx|xxxxxxxx|xxxxxxxo|" in tab
    assert "BD|o---oo--|" in tab
    assert "1&2&3&4&" in tab
    assert "g" in to_tab(score_of("funk_ghosts")).split("SD|")[1]
    assert max(len(line) for line in to_tab(score_of("meters_in_turn")).splitlines()) <= 100


def test_tab_gives_each_beat_its_own_grid():
    groove = Groove("SD ooooo o--- oooooo -o-o\nBD o--- --- --- ---", swing=True)
    tab = to_tab(score_of(groove)).splitlines()
    assert tab[-4] == "   4/4 swing"
    assert tab[-3] == "   1    2e&a3  &  4e&a"
    assert tab[-2] == "SD|oooooo---oooooo-o-o|"


def test_tab_shows_bars_that_end_inside_a_beat():
    document = to_musicxml(score_of(Groove("SD oooooooo"))).replace(b"<beats>4", b"<beats>9").replace(
        b"<beat-type>4", b"<beat-type>8")  # fmt: skip
    odd = read_musicxml(document.replace(b' number="1" id="bar-0"', b' number="1" implicit="yes" id="bar-0"'))
    assert odd.measures[0].length % odd.measures[0].meter.pulse
    assert "SD|oooooooo|" in to_tab(odd)


def test_csv_is_the_hit_list():
    hits = Hits.of([Hit(0, 1.25, "snare", 0.876, 90), Hit(1, 0.5, "kick", 1.0, 100)])
    rows = list(csv.reader(io.StringIO(to_csv(hits))))
    assert rows == [["time_s", "drum", "confidence", "velocity"], ["0.5000", "kick", "1.000", "100"],
                    ["1.2500", "snare", "0.876", "90"]]  # fmt: skip


# --- pages -----------------------------------------------------------------------------------------------------------


def test_svg_heads_carry_the_ids_of_their_hits():
    rhythm = grooves.load("pickup_and_rolls")
    svg = to_svg(notate(rhythm, NotateOptions()))[0]
    root = etree.fromstring(svg.encode())
    drawn = [g.get("id") for g in root.iter("{*}g") if (g.get("id") or "").startswith("hit-")]
    assert len(drawn) == len(set(drawn))
    graces = {f"hit-{i}" for p in rhythm.placements if p.ornament in ("flam", "drag") for i in p.grace_ids}
    assert set(drawn) == {f"hit-{place.hit_id}" for place in rhythm.placements} | graces
    assert {f"bar-{i}" for i in range(4)} <= {g.get("id") for g in root.iter("{*}g")}
    assert not [t for t in root.iter("{*}text") if any(ord(c) >= 0xE000 for c in "".join(t.itertext()))]


def test_pages_can_be_asked_for_one_by_one_and_from_any_thread():
    many = [replace_rows(i) for i in range(30)]
    score = notate(parse(Groove(many[0], times=4, then=tuple(Groove(rows, times=4) for rows in many[1:]))), PLAIN)
    count = page_count(score)
    assert count > 2
    found: list[list[str]] = []
    thread = threading.Thread(target=lambda: found.append(to_svg(score, pages=[1, 99])))
    thread.start()
    thread.join()
    assert found == [to_svg(score, [1])]
    assert len(found[0]) == 1
    every = to_svg(score)
    assert every[1] == found[0][0]
    ids = [i for page in every for i in _ids(page)]
    assert sorted(ids) == sorted(f"hit-{place.hit_id}" for place in to_rhythm(score).placements)


def replace_rows(i: int) -> str:
    kick = "".join("o" if (i * 7 + k * 5) % 11 < 4 else "-" for k in range(16))
    return f"HH x-x-x-x-x-x-x-x-\nBD {kick}"


def _ids(svg: str) -> list[str]:
    return [g.get("id") for g in etree.fromstring(svg.encode()).iter("{*}g") if (g.get("id") or "").startswith("hit-")]


def test_no_page_is_turned_for_a_line_or_two():
    for count in range(36, 56):
        score = score_of(Groove("\n".join((replace_rows(0), "SD ----o-------o---")), times=count),
                         NotateOptions(simile=False, repeats=False, sections=False))  # fmt: skip
        cuts = page_cuts(score)
        assert [start for start, _ in cuts[1:]] == [end for _, end in cuts[:-1]]
        assert (cuts[0][0], cuts[-1][1]) == (0, count)
        lines = [sum(score.measures[i].new_system for i in range(start, end)) + (start == 0) for start, end in cuts]
        assert max(lines) <= 10
        assert lines[-1] >= 3


TALL = """
    CH x-x x-x xxx xxx|x-- --- --- ---
    HO --- --- --- ---|--x x-x x-x x-x
    SD fff FFF ooo ooo|-g- Og- -g- Og-
    HF x-x --x x-- x-x|--- x-- --- x--
    BD o-o oo- o-o ooo|o-o --o o-- --o
    """


@pytest.mark.parametrize(
    "options", [NotateOptions(repeats=False), NotateOptions(repeats=False, paper="letter", voices=1)]
)
def test_tall_lines_stay_on_their_page(options):
    turns = tuple(Groove(TALL, bpm=80 + 20 * (i % 2), times=2) for i in range(12))
    score = notate(parse(Groove(ROCK, times=4, then=turns)), options, title="Tall")
    assert sum(bool(measure.tempo) for measure in score.measures) > 10
    assert_on_their_pages(score)


def test_pages_show_legend_marks_and_summary():
    groove = repeated(ROCK, 8, Groove("HH ----------------", times=8), Groove(RIDE, times=8))
    score = notate(parse(groove), NotateOptions(summary=True, title="Heading"))
    pages = [etree.fromstring(page.encode()) for page in to_svg(score)]
    assert len(pages) == page_count(score) == 2
    words = ["".join(text.itertext()) for text in pages[0].iter("{*}text")]
    assert {"Heading", "Snare drum", "A", "B", "C"} <= set(words)
    assert "Grooves in this chart" in ["".join(text.itertext()) for text in pages[1].iter("{*}text")]
    assert not _ids(to_svg(score)[1])
    without = to_svg(replace(score, style=replace(score.style, legend=False)))[0]
    assert "Snare drum" not in without


def test_long_titles_and_long_legends_stay_on_the_page():
    rows = "\n".join(f"{row.abbreviation} {'-' * i}x{'-' * (15 - i)}" for i, row in enumerate(DRUMS.values()))
    ghosts = Groove(rows, then=(Groove("SD ----O--g----O--g", times=2),))
    score = notate(parse(ghosts), NotateOptions(), title=" ".join(["A long title"] * 20))
    page = etree.fromstring(to_svg(score)[0].encode())
    width = float(page.find(".//{*}svg").get("viewBox").split()[2])
    words = {"".join(text.itertext()): text for text in page.iter("{*}text")}
    assert float(words[score.title].get("font-size").removesuffix("px")) * 0.5 * len(score.title) < width
    assert {"Ghost note", *(row.name for row in DRUMS.values())} <= set(words)
    source = to_lilypond(score)
    assert "wordwrap-string" in source
    assert '"Ghost note"' in source.split("lyricmode")[1]
    assert source.split("lyricmode")[0].count("\\break") == 1


def test_the_swing_mark_shows_what_the_eighths_stand_for():
    page = etree.fromstring(to_svg(score_of("swing_ride"))[0].encode())
    mark = next(g for g in page.iter("{*}g") if g.get("class") == "words" and "Swing" in "".join(g.itertext()))
    assert [text.text for text in mark.iter("{*}text")] == ["Swing", "=", "3"]
    assert len(list(mark.iter("{*}path"))) == 4


def test_similes_are_drawn_and_their_bars_are_empty():
    svg = etree.fromstring(to_svg(score_of("funk_ghosts", NotateOptions()))[0].encode())
    bars = {g.get("id"): g for g in svg.iter("{*}g") if g.get("class") == "measure"}
    assert [len(bars[f"bar-{i}"].findall(".//{*}g[@class='mRpt']")) for i in range(4)] == [0, 0, 0, 1]
    for i in (2, 3):
        assert not [g for g in bars[f"bar-{i}"].iter("{*}g") if g.get("class") in ("note", "rest")]


def test_titles_are_text_and_not_code():
    title = '<script>alert(1)</script> & "x" \\ #(system "touch /tmp/x") {'
    score = notate(grooves.load("shuffle"), NotateOptions(title=title))
    assert score.title == title
    svg = etree.fromstring(to_svg(score)[0].encode())
    assert svg.find(".//{*}script") is None
    assert title in ["".join(t.itertext()) for t in svg.iter("{*}text")]
    assert '"<script>alert(1)</script> & \\"x\\" \\\\ #(system \\"touch /tmp/x\\") {"' in to_lilypond(score)


# --- PDF -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def own_temp(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_pdf_by_verovio_needs_no_other_program(own_temp):
    score = notate(grooves.load("funk_ghosts"), NotateOptions(), title="Tïtle 曲", artist="Ärtist")
    data = to_pdf(score, backend="verovio")
    assert data.startswith(b"%PDF")
    assert len(data) > 3000
    assert data == to_pdf(score, backend="verovio")
    assert not list(own_temp.iterdir())


@pytest.mark.slow
def test_pdf_by_lilypond_runs_no_code_from_titles_and_leaves_nothing(own_temp):
    trap = own_temp.parent / "trap"
    title = f'"}} #(system "touch {trap}") \\ % {{'
    data = to_pdf(notate(grooves.load("shuffle"), NotateOptions(), title=title), backend="lilypond")
    assert data.startswith(b"%PDF")
    assert not trap.exists()
    assert not list(own_temp.iterdir())


def test_an_engine_that_takes_too_long_is_stopped(own_temp):
    with pytest.raises(PdfBackendError, match="longer than"):
        to_pdf(score_of("shuffle"), backend="lilypond", timeout_s=0.001)
    assert not list(own_temp.iterdir())


def test_missing_engines_say_so_and_auto_needs_none(monkeypatch):
    monkeypatch.setattr(pdf, "find_lilypond", lambda: None)
    monkeypatch.setattr(pdf, "find_musescore", lambda: None)
    for backend in ("lilypond", "musescore"):
        with pytest.raises(PdfBackendError, match="not installed"):
            to_pdf(score_of("shuffle"), backend=backend)
    with pytest.raises(PdfBackendError, match="switched off"):
        to_pdf(score_of("shuffle"), backend="none")
    assert to_pdf(score_of("shuffle")).startswith(b"%PDF")


def test_an_engine_that_fails_is_reported(monkeypatch, own_temp):
    monkeypatch.setattr(pdf, "find_lilypond", lambda: "/bin/false")
    with pytest.raises(PdfBackendError, match="LilyPond failed"):
        to_pdf(score_of("shuffle"), backend="lilypond")
    assert not list(own_temp.iterdir())


@pytest.mark.slow
def test_auto_is_verovio_and_lilypond_for_what_it_cannot_engrave(monkeypatch):
    score = score_of("shuffle")
    assert to_pdf(score) == to_pdf(score, backend="verovio")

    def fail(pages, *_):
        raise PdfBackendError("The PDF cannot be drawn.", "")

    monkeypatch.setattr(svg_pdf, "svgs_to_pdf", fail)
    assert b"LilyPond" in to_pdf(score)
    monkeypatch.setattr(pdf, "find_lilypond", lambda: None)
    with pytest.raises(PdfBackendError, match="cannot be drawn"):
        to_pdf(score)


# --- timeline --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(grooves.GROOVES))
def test_timeline_knows_when_every_hit_and_bar_comes(name):
    rhythm = grooves.load(name)
    score = notate(rhythm, NotateOptions(count_in=True))
    times = Timeline.of(score, rhythm, grid_of(rhythm))
    assert [bar.start_s for bar in times.bars] == [bar.start_s for bar in rhythm.bars]
    assert {head.hit_id for head in times.heads} == {i for p in rhythm.placements for i in (p.hit_id, *p.grace_ids)}
    by_id = {head.hit_id: head for head in times.heads}
    for place in rhythm.placements:
        bar = rhythm.bars[place.bar]
        assert by_id[place.hit_id].grid_s == pytest.approx(
            bar.start_s + float(place.onset / bar.length) * (bar.end_s - bar.start_s))  # fmt: skip
        assert times.bar_at(by_id[place.hit_id].grid_s + 1e-6).index == place.bar
    elements = {head.element for m in score.measures for _, head in m.heads()}
    assert all(head.element in elements for head in times.heads)
    assert times.bar_at(-1.0) is None


def test_under_a_repeat_all_passes_point_to_the_written_heads():
    rhythm = parse(repeated(ROCK, 16))
    score = notate(rhythm, NotateOptions())
    times = Timeline.of(score, rhythm)
    last = next(place for place in rhythm.placements if place.bar == 15)
    element = times.element_of(last.hit_id)
    assert element != f"hit-{last.hit_id}"
    assert element in {head.element for m in score.measures for _, head in m.heads()}
    assert times.bars[15].measure < len(score.measures)


def test_importing_the_package_loads_no_engine():
    code = (
        "import sys, drumscribe.notation as n; n.notate; n.to_musicxml; "
        "print([m for m in ('verovio', 'music21', 'reportlab', 'tensorflow', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_screen_has_lines_of_its_own_width():
    from ui_songs import song

    rhythm, plain = song(24).rhythm, NotateOptions(repeats=False)
    paper, phone, tablet = (notate(rhythm, plain, title="Beat", screen_mm=width) for width in (None, 85.0, 180.0))

    def lines(score):
        starts = [0, *(i for i, one in enumerate(score.measures) if i and one.new_system), len(score.measures)]
        return [b - a for a, b in itertools.pairwise(starts)]

    assert max(lines(phone)) <= 2 < max(lines(tablet)) <= max(lines(paper))
    assert to_musicxml(replace(phone, measures=paper.measures)) == to_musicxml(paper)  # files are for paper
    pages = to_svg(phone)
    width = float(re.search(r'viewBox="0 0 (\d+) \d+"', pages[0])[1])
    assert width == pytest.approx(850, abs=1) and 'class="legend"' not in pages[0]
    shown = re.findall(r'id="bar-(\d+)"', "".join(pages))
    assert [int(bar) for bar in shown] == list(range(24))
