"""Any rhythm and any file: bars add up, files come back, noise is refused."""

from __future__ import annotations

import io
from fractions import Fraction

import grooves
import mido
import numpy as np
import pytest
from grooves import PLAIN, by_drum, grid_of, hits_of, score_of
from hypothesis import given
from hypothesis import strategies as st
from notation_clients import assert_valid, expected_notes
from properties import examples

from drumscribe.errors import ProjectError
from drumscribe.kit import DRUMS
from drumscribe.notation import (
    check,
    notate,
    read_midi,
    read_musicxml,
    to_lilypond,
    to_midi,
    to_musicxml,
    to_rhythm,
    to_tab,
)
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
    for played, found in zip(sorted(hits, key=by_drum), sorted(back.hits, key=by_drum), strict=True):
        assert found.time_s == pytest.approx(played.time_s, abs=0.005)


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
