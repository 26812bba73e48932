"""Guitar Pro: what we write opens elsewhere with the right drums; what others write is read."""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path

import guitarpro as gp
import pytest
from notation_clients import find_musescore
from ui_songs import song

from drumscribe.errors import ProjectError
from drumscribe.notation import read_midi
from drumscribe.notation.played import hits_of
from drumscribe.options import Options
from drumscribe.song import imports
from drumscribe.song.transcription import Transcription

GOLDEN = Path(__file__).parent / "golden"


def parsed(one: Transcription) -> gp.Song:
    return gp.parse(io.BytesIO(one.render("guitar_pro")[0]))


def notes_of(name: str) -> list[gp.Note]:
    measures = parsed(imports.load(GOLDEN / f"{name}.musicxml")).tracks[0].measures
    return [note for measure in measures for voice in measure.voices for beat in voice.beats for note in beat.notes]


def dumped(made: gp.Song, version: tuple[int, int, int] = (5, 1, 0)) -> bytes:
    out = io.BytesIO()
    gp.write(made, out, version=version)
    return out.getvalue()


def test_what_is_written_has_what_guitar_pro_can_hold() -> None:
    made = parsed(imports.load(GOLDEN / "endings.musicxml"))
    (track,) = made.tracks
    assert track.isPercussionTrack and track.channel.channel == 9
    headers = [measure.header for measure in track.measures]
    assert any(header.isRepeatOpen for header in headers) and any(header.repeatClose > 0 for header in headers)
    assert {header.repeatAlternative for header in headers} > {1, 2}
    assert any(note.effect.ghostNote for note in notes_of("funk_ghosts"))
    assert any(note.effect.accentuatedNote for note in notes_of("pickup_and_rolls"))
    assert any(note.effect.grace for note in notes_of("street_beat_flams"))
    beats = [beat for measure in parsed(imports.load(GOLDEN / "sextuplet_fill.musicxml")).tracks[0].measures
             for voice in measure.voices for beat in voice.beats]  # fmt: skip
    assert any(beat.duration.tuplet.enters in (3, 6) for beat in beats)


@pytest.mark.parametrize("version", [(3, 0, 0), (4, 0, 6), (5, 0, 0), (5, 1, 0)])
def test_all_old_versions_are_read(version: tuple[int, int, int]) -> None:
    found = song(4).rescore(notate={"voices": 1})  # versions 3 and 4 have one
    again = imports.opened(dumped(parsed(found), version), "x")
    expected = [(place.bar, place.onset, place.drum) for place in found.rhythm.placements]
    got = [(place.bar, place.onset, place.drum) for place in again.rhythm.placements]
    assert got == expected


def test_several_tracks_and_keys_that_are_no_drums() -> None:
    made = parsed(song(1))
    other = parsed(song(1)).tracks[0]
    other.song, other.name, other.number = made, "More", 2
    for beat in (beat for measure in other.measures for voice in measure.voices for beat in voice.beats):
        for note in beat.notes:
            note.value = 56
    made.tracks.append(other)
    found = imports.opened(dumped(made), "x")
    assert "“Drumset”, “More” were put together" in found.warnings[0]
    assert any("56, Cowbell," in said for said in found.warnings)
    assert len(imports.opened(dumped(made), "x", Options().updated(read={"part": "Drumset"})).hits) == len(found.hits)
    made.tracks[0].isPercussionTrack = False
    made.tracks[0].channel.channel = 0
    with pytest.raises(ProjectError, match="no drums"):
        imports.opened(dumped(made), "x")


def test_what_is_not_read_is_told() -> None:
    data = song(1).render("guitar_pro")[0]
    for bad, says in ((data[:200], "cannot be read"), (b"BCFZ" + data, "Guitar Pro 6")):
        with pytest.raises(ProjectError, match=says):
            imports.opened(bad, "x.gp5")


@pytest.mark.skipif(find_musescore() is None, reason="MuseScore is not installed (apt install musescore3)")
@pytest.mark.slow
def test_musescore_plays_the_right_drums(tmp_path: Path) -> None:
    names = ("endings", "six_eight_ballad", "street_beat_flams", "sextuplet_fill", "meters_in_turn")
    charts = {name: imports.load(GOLDEN / f"{name}.musicxml") for name in names}
    jobs = []
    for name, chart in charts.items():
        (tmp_path / f"{name}.gp5").write_bytes(chart.render("guitar_pro")[0])
        jobs.append({"in": str(tmp_path / f"{name}.gp5"), "out": str(tmp_path / f"{name}.mid")})
    (tmp_path / "jobs.json").write_text(json.dumps(jobs))
    program = find_musescore()
    assert program is not None
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
    }
    subprocess.run([program, "-j", str(tmp_path / "jobs.json")], env=environment, check=True, timeout=300,
                   capture_output=True)  # fmt: skip
    for name, chart in charts.items():
        played = read_midi((tmp_path / f"{name}.mid").read_bytes()).hits
        written = hits_of(chart.rhythm)
        assert sorted(hit.drum for hit in played) == sorted(hit.drum for hit in written), name
