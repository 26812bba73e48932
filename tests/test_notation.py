"""Structure of a score: similes, repeats, sections, lines, and what stands above the staff."""

from __future__ import annotations

import pickle
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from grooves import PLAIN, RIDE, ROCK, Groove, kick_rows, parse, repeated, score_of
from notation_clients import assert_valid, expected_notes

from drumscribe.errors import NotationError
from drumscribe.kit import DRUMS
from drumscribe.notation import (
    Score,
    notate,
    to_lilypond,
    to_musicxml,
    to_svg,
)
from drumscribe.notation.summary import grooves as grooves_of
from drumscribe.options import NotateOptions
from drumscribe.types import Bar, Meter, Rhythm


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
    five = Groove(kick_rows(0), times=2, then=tuple(Groove(kick_rows(i), times=2) for i in range(1, 5)))
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
