"""What is written and read: MusicXML, MIDI, tab, CSV."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import replace

import grooves
import mido
import numpy as np
import pytest
from grooves import RIDE, ROCK, Groove, by_drum, grid_of, hits_of, parse, repeated, score_of
from lxml import etree
from notation_clients import assert_valid, compare, expected_notes, midi_notes

from drumscribe.errors import NotationError, ProjectError
from drumscribe.kit import DRUMS
from drumscribe.notation import (
    check,
    notate,
    page_count,
    read_midi,
    read_musicxml,
    to_csv,
    to_lilypond,
    to_midi,
    to_music21,
    to_musicxml,
    to_svg,
    to_tab,
)
from drumscribe.options import NotateOptions
from drumscribe.types import BeatGrid, Hit, Hits, Rhythm


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


def test_played_midi_runs_in_time_with_the_recording():
    rhythm = grooves.load("funk_ghosts")
    shift = 0.731
    hits = Hits.of(replace(hit, time_s=hit.time_s + shift) for hit in hits_of(rhythm, jitter_s=0.012))
    grid = grid_of(rhythm)
    grid = replace(grid, times=grid.times + shift)
    back = read_midi(to_midi(hits, grid, title="Tïtle"))
    for played, found in zip(sorted(hits, key=by_drum), sorted(back.hits, key=by_drum), strict=True):
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


def test_a_key_that_there_is_not_does_not_matter():
    """Some programs write one: no drum has a key."""
    data = to_midi(hits_of(grooves.load("shuffle")), grid_of(grooves.load("shuffle")))
    (head, chunk), rest = data[:22].split(b"MTrk"), data[22:]
    length = int.from_bytes(chunk, "big") + 6
    strange = head + b"MTrk" + length.to_bytes(4, "big") + b"\x00\xff\x59\x02\x57\x72" + rest
    assert read_midi(strange).hits == read_midi(data).hits


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
