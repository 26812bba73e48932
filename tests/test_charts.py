"""Charts that come back, against charts that we wrote and that MuseScore saved."""

import pytest
from lxml import etree
from notation_clients import find_musescore, musescore_midi
from ui_songs import song

from drumscribe.errors import ProjectError
from drumscribe.notation import to_midi, to_musicxml
from drumscribe.song import edits, imports
from drumscribe.song.transcription import Transcription
from drumscribe.types import Hits


@pytest.fixture(scope="module")
def found() -> Transcription:
    return song(8).rescore(None, notate={"simile": False, "repeats": False})


def strokes(one: Transcription) -> list[tuple[int, object, str]]:
    return [(place.bar, place.onset, place.drum) for place in one.rhythm.placements]


def edited(found: Transcription) -> bytes:
    """The chart, as another program saves it, with its second snare made a cross-stick (x head), its third removed."""
    root = etree.fromstring(to_musicxml(found.score))
    snares = [n for n in root.iter("note") if n.findtext("unpitched/display-step") == "C" and n.find("grace") is None]
    second, third = snares[1], snares[2]
    head = second.find("notehead")
    if head is None:
        head = etree.Element("notehead")
        place = second.find("stem") if second.find("stem") is not None else second.find("type")
        place.addnext(head)
    head.text = "x"
    instrument = second.find("instrument")
    if instrument is not None:
        second.remove(instrument)
    for field in list(root.iter("miscellaneous")):
        field.getparent().remove(field)  # as another program saves it
    chord = third.getnext()
    if third.find("chord") is not None:
        third.getparent().remove(third)
    elif chord is not None and chord.tag == "note" and chord.find("chord") is not None:
        chord.remove(chord.find("chord"))
        third.getparent().remove(third)
    else:
        for tag in ("unpitched", "instrument", "notehead"):
            for one in third.findall(tag):
                third.remove(one)
        third.insert(0, etree.Element("rest"))
    for note in root.iter("note"):
        note.attrib.pop("id", None)
    return etree.tostring(root)


def test_an_unchanged_chart_changes_nothing(found):
    assert not imports.returned(found, to_musicxml(found.score))


@pytest.mark.parametrize("options", [{}, {"count_in": True}, {"simplify": 2}, {"voices": 1}, {"ghosts": False}])
def test_an_unchanged_chart_in_any_style_changes_nothing(options):
    found = song(8).rescore(None, notate=options)
    assert not imports.returned(found, to_musicxml(found.score))


def test_what_was_changed_becomes_one_edit_that_keeps_all_else(found):
    change = imports.returned(found, edited(found))
    after = found.edit(change)
    assert after.history.undo_label == "Take in the edited chart"
    relabelled = [hit for hit in after.hits if hit.drum == "cross_stick"]
    assert len(relabelled) == 1
    assert relabelled[0].time_s == found.hits.by_id()[relabelled[0].id].time_s
    assert len(after.hits) == len(found.hits) - 1
    untouched = [hit for hit in after.hits if hit.drum != "cross_stick"]
    assert all(found.hits.by_id()[hit.id] == hit for hit in untouched)
    assert after.undo().hits == found.hits


def test_a_new_note_stands_where_the_recording_has_its_place(found):
    bar = found.rhythm.bars[2]
    place = bar.start_s + (bar.end_s - bar.start_s) / 4
    more = found.edit(edits.add(found.hits, place, "china"))
    change = imports.returned(found, to_musicxml(more.score))
    assert [hit.drum for hit in change.added] == ["china"]
    assert change.added[0].time_s == pytest.approx(place, abs=0.002)
    assert strokes(found.edit(change)) == strokes(more)


def test_another_songs_chart_is_refused_with_a_way_on(found):
    with pytest.raises(ProjectError, match=r"bars \(4\) are not those of this song \(8\)"):
        imports.returned(found, to_musicxml(song(4).score))
    with pytest.raises(ProjectError, match="MIDI"):
        imports.returned(found, to_midi(found.hits, found.grid))
    with pytest.raises(ProjectError):
        imports.returned(found, b"<html/>")


@pytest.mark.parametrize("kind", ["musicxml", "midi"])
def test_a_chart_opens_as_a_song_of_its_own(found, kind, tmp_path):
    written = Hits(tuple(hit for hit in found.hits if hit.id not in found.rhythm.dropped))
    data = to_musicxml(found.score) if kind == "musicxml" else to_midi(written, found.grid, title=found.title)
    one = imports.opened(data, f"My beat.{'musicxml' if kind == 'musicxml' else 'mid'}")
    assert strokes(one) == strokes(found)
    assert one.title == found.title
    assert one.grid.bpm == pytest.approx(found.grid.bpm, abs=0.5)
    assert strokes(one.rescore(None, detect={"sensitivity": 0.9})) == strokes(one)  # no other hits were heard
    assert round(one.rescore(None, beats={"bpm": 2 * one.grid.bpm}).grid.bpm) == round(2 * one.grid.bpm)
    one.export(tmp_path, ["json", "musicxml", "midi", "csv"], name="beat")
    again = Transcription.load(tmp_path / "beat.json")
    assert (again.hits, again.score) == (one.hits, one.score)


def test_what_holds_no_drums_is_refused():
    silent = to_musicxml(song(4).score)
    root = etree.fromstring(silent)
    for note in root.iter("note"):
        for tag in ("unpitched", "instrument", "chord"):
            for one in note.findall(tag):
                note.remove(one)
        if note.find("rest") is None:
            note.insert(0, etree.Element("rest"))
    with pytest.raises(ProjectError):
        imports.opened(etree.tostring(root), "nothing.musicxml")
    with pytest.raises(ProjectError):
        imports.opened(b"MThd broken", "broken.mid")


@pytest.mark.skipif(find_musescore() is None, reason="MuseScore is not installed (apt install musescore3)")
def test_a_chart_saved_by_musescore_changes_nothing_but_what_was_changed(found, tmp_path):
    china = found.edit(edits.add(found.hits, found.rhythm.bars[3].start_s, "china"))
    saved = musescore_midi({"same": to_musicxml(found.score), "more": to_musicxml(china.score)}, tmp_path, "musicxml")
    assert not imports.returned(found, saved["same"])
    change = imports.returned(found, saved["more"])
    assert ([hit.drum for hit in change.added], change.removed) == (["china"], ())


def test_rare_drums_are_written_as_common_ones_until_somebody_names_them(found):
    snare = next(hit for hit in found.hits if hit.drum == "crash")
    heard = edits.Edit("heard", (snare,), (edits.replace(snare, drum="china"),))
    one = found.edit(heard)
    assert next(hit for hit in one.hits if hit.id == snare.id).drum == "china"
    assert "china" not in one.score.drums()
    assert strokes(one) == strokes(found)
    assert "china" in one.rescore(None, quantise={"rare_drums": "heard"}).score.drums()
    assert "china" in found.edit(edits.relabel(found.hits, [snare.id], "china")).score.drums()
