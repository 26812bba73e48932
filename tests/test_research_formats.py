"""Formats of research and of DAWs: labels, layers, JAMS, MEI, tempo maps."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import jams
import mido
import numpy as np
import pytest
import soundfile
from lxml import etree
from ui_songs import song

from drumscribe.audio import synth
from drumscribe.audio.drum_tracks import drum_tracks
from drumscribe.errors import NotationError, ProjectError
from drumscribe.song import imports
from drumscribe.song.transcription import Transcription


@pytest.fixture(scope="module")
def found() -> Transcription:
    return song(8)


@pytest.mark.parametrize(("kind", "loud"), [("audacity", False), ("sonic_visualiser", True), ("jams", True)])
def test_strokes_come_back(found: Transcription, kind: str, loud: bool) -> None:
    again = imports.opened(found.render(kind)[0], "x")
    one, other = (sorted((hit.drum, round(hit.time_s, 3)) for hit in song.hits) for song in (found, again))
    assert one == other
    assert again.grid.bpm == pytest.approx(found.grid.bpm, rel=0.02)
    if loud:
        assert sorted(hit.velocity for hit in again.hits) == sorted(hit.velocity for hit in found.hits)
    if kind == "jams":
        assert again.grid.times[0] == pytest.approx(found.grid.times[0]) and again.title == found.title


def test_labels_by_hand() -> None:
    found = imports.opened(b"0,5\t0,5\tKick\r\n1.0\t1.0\tHH open\n1.5\t1.5\tverse\n2\t2\tSnare\n", "x.txt")
    assert [(hit.time_s, hit.drum) for hit in found.hits] == [(0.5, "kick"), (1.0, "open_hihat"), (2.0, "snare")]
    assert "“verse” (1)" in found.warnings[0]
    with pytest.raises(ProjectError, match="no drums"):
        imports.opened(b"0.5\t0.5\tverse\n", "x.txt")


def test_jams_is_what_its_schema_asks(found: Transcription) -> None:
    document = json.loads(found.render("jams")[0])
    notes, beats = document["annotations"]
    assert (notes["namespace"], beats["namespace"]) == ("note_midi", "beat")
    assert all(set(row) == {"time", "duration", "value", "confidence"} for row in (*notes["data"], *beats["data"]))
    assert document["file_metadata"]["duration"] >= max(row["time"] for row in notes["data"])
    theirs = jams.load(io.StringIO(json.dumps(document)), validate=True, strict=True)
    assert [row.value for row in theirs.annotations["note_midi", 0].data] == [row["value"] for row in notes["data"]]
    for bad in ('{"annotations": []}', '{"annotations": [{"namespace": "note_midi", "data": [{"time": 1}]}]}'):
        with pytest.raises(ProjectError, match="JAMS"):
            imports.opened(bad.encode(), "x.jams")


def test_what_the_jams_library_saves_is_read(tmp_path: Path) -> None:
    made, notes = jams.JAMS(), jams.Annotation(namespace="note_midi", duration=4)
    for time_s, key in ((0.0, 36), (0.5, 38), (1.0, 36), (1.5, 38.0), (1.5, 46)):
        notes.append(time=time_s, duration=0.1, value=key, confidence=None)
    made.annotations.append(notes)
    made.file_metadata.title, made.file_metadata.duration = "Theirs", 4
    made.save(str(tmp_path / "x.jams"))
    found = imports.load(tmp_path / "x.jams")
    assert [hit.drum for hit in found.hits] == ["kick", "snare", "kick", "open_hihat", "snare"]
    assert (found.title, found.hits[-1].time_s) == ("Theirs", 1.5)


def test_a_reaper_project_has_the_tempo_map(found: Transcription) -> None:
    text = found.render("reaper")[0].decode()
    points = [line.split() for line in text.splitlines() if line.strip().startswith("PT ")]
    assert points[0][:5] == ["PT", "0.000000000", "120.000000", "1", str(1 + 65536 * 4)]  # half a second of lead
    assert float(points[1][1]) == pytest.approx(found.grid.times[0], abs=0.002) and points[1][4] == str(4 + 65536 * 4)
    assert text.count("<") == text.count(">") == 2


@pytest.mark.slow
def test_mei_has_the_notes(found: Transcription) -> None:
    root = etree.fromstring(found.render("mei")[0])
    assert root.tag.endswith("}mei")
    heads = [one for one in root.iter() if isinstance(one.tag, str) and one.tag.endswith("}note")]
    written = sum(len(event.heads) for m in found.score.measures for voice in m.voices for event in voice)
    assert len(heads) >= written


def test_clips_are_as_long_as_their_bars(found: Transcription) -> None:
    archive = zipfile.ZipFile(io.BytesIO(found.rescore(write={"note_map": "addictive-drums-2"}).render("clips")[0]))
    clips = [mido.MidiFile(file=io.BytesIO(archive.read(name))) for name in archive.namelist()]
    quarters = sum(float(bar.length) for bar in found.rhythm.bars)
    assert sum(sum(message.time for message in clip.tracks[0]) for clip in clips) == quarters * 480
    notes = [message.note for clip in clips for message in clip.tracks[0] if message.type == "note_on"]
    assert len(notes) == len(found.rhythm.placements)
    assert 49 in notes and 42 not in notes  # that plug-in's closed hi-hat


def test_clips_for_a_kit_whose_pedal_opens_its_hats() -> None:
    made = Transcription.from_hits([(0.0, "closed_hihat", 90), (0.5, "open_hihat", 90)], bpm=120)
    archive = zipfile.ZipFile(io.BytesIO(made.rescore(write={"note_map": "alesis-strata"}).render("clips")[0]))
    clip = mido.MidiFile(file=io.BytesIO(archive.read(archive.namelist()[0])))
    assert [message.value for message in clip.tracks[0] if message.is_cc(4)] == [127, 0]


def test_stems_are_the_kit_in_parts_as_long_as_the_recording(found: Transcription) -> None:
    """They lie in time below it, and together they are the whole kit."""
    archive = zipfile.ZipFile(io.BytesIO(found.render("stems")[0]))
    stems = {}
    for info in archive.infolist():
        sound, rate = soundfile.read(io.BytesIO(archive.read(info)), always_2d=True)
        stems[info.filename.rpartition("/")[2]] = sound.T
        assert (rate, sound.shape) == (44100, (round(found.song.duration_s * 44100), 2))
    assert set(stems) == {"kick.wav", "snare.wav", "toms.wav", "hihat.wav", "cymbals.wav"}
    whole = synth.render(found.hits, found.song.duration_s)
    together = sum(stems.values())
    level = float(np.vdot(together, whole) / np.vdot(whole, whole))
    assert 0 < level <= 1.001 and np.abs(together - level * whole).max() < 1e-3
    assert max(np.abs(stem).max() for stem in stems.values()) <= 1.0
    first = min(hit.time_s for hit in found.hits if hit.drum == "kick")
    assert np.argmax(np.abs(stems["kick.wav"]).max(axis=0) > 0.01) / 44100 == pytest.approx(first, abs=0.01)


def test_stems_of_a_chart_and_of_what_is_too_long() -> None:
    chart = imports.opened(b"0,5\t0,5\tKick\n1.0\t1.0\tCrash\n", "x.txt")
    assert [name for name, _ in chart.drum_tracks()] == ["kick.wav", "cymbals.wav"]
    with pytest.raises(NotationError, match="30 minutes"):
        list(drum_tracks(chart.hits, 1801))
