"""Charts for rhythm games: lanes, cymbals, two feet, loudness, sections, and the folder they come in."""

from __future__ import annotations

import io
import zipfile
from fractions import Fraction
from pathlib import Path

import mido
import pytest
from ui_songs import song

import drumscribe
from drumscribe.errors import ProjectError
from drumscribe.notation.games import DRUMS_OF, LANES, gems, tempo_map
from drumscribe.song import imports
from drumscribe.song.transcription import Transcription

GOLDEN = Path(__file__).parent / "golden"
KINDS = ("clone_hero", "notes_mid")


def lanes(one: Transcription) -> set[tuple[int, Fraction, str]]:
    return {(p.bar, p.onset, DRUMS_OF[LANES[p.drum]]) for p in one.rhythm.placements if p.drum in LANES}


def files(one: Transcription, kind: str) -> dict[str, bytes]:
    archive = zipfile.ZipFile(io.BytesIO(one.render(kind)[0]))
    return {name.rpartition("/")[2]: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["endings", "metal_double_kick", "six_eight_ballad", "pickup_and_rolls"])
def test_a_song_comes_back_lane_by_lane(name: str, kind: str) -> None:
    found = imports.load(GOLDEN / f"{name}.musicxml")
    again = imports.opened(found.render(kind)[0], "x.zip")
    assert lanes(again) == lanes(found)
    assert again.grid.bpm == pytest.approx(found.grid.bpm, rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_chart_is_in_time_with_the_recording(kind: str) -> None:
    found = song(8)
    again = imports.opened(found.render(kind)[0], "x.zip")
    kicks = [[hit.time_s for hit in one.hits if hit.drum == "kick"] for one in (found, again)]
    assert kicks[1] == pytest.approx(kicks[0], abs=0.02)


def test_what_stands_in_a_chart() -> None:
    rows = [(0.0, "kick", 90), (0.0, "crash", 120), (0.0, "floor_tom", 90), (0.5, "snare", 90), (1.0, "ride", 90)]
    rows += [(2 + n / 8, "kick", 90) for n in range(8)]
    made = drumscribe.Song.from_hits(rows, bpm=120, title='A "song"')
    text = files(made, "clone_hero")["notes.chart"].decode()
    assert (
        "Name = \"A 'song'\"" in text and "Resolution = 480" in text and "0 = TS 4 2" in text and "0 = B 120000" in text
    )
    assert {"0 = N 4 0", "0 = N 3 0", "0 = N 67 0"} <= {line.strip() for line in text.splitlines()}  # not both green
    kicks = [gem.double for gem in gems(made, tempo_map(made.grid)) if gem.lane == 0]
    assert kicks == [False, False, True, False, True, False, True, False, True]
    assert "pro_drums = True" in files(made, "notes_mid")["song.ini"].decode()
    track = next(
        t
        for t in mido.MidiFile(file=io.BytesIO(files(made, "notes_mid")["notes.mid"])).tracks
        if t.name == "PART DRUMS"
    )
    keys = {message.note for message in track if message.type == "note_on"}
    assert keys == {95, 96, 97, 99, 100, 112} and any(
        "ENABLE_CHART_DYNAMICS" in m.text for m in track if m.type == "text"
    )


def test_ghosts_accents_rolls_and_sections() -> None:
    found = imports.load(GOLDEN / "funk_ghosts.musicxml")
    text = files(found, "clone_hero")["notes.chart"].decode()
    assert " = N 40 0" in text
    again = imports.opened(text.encode(), "notes.chart")
    assert {hit.velocity for hit in again.hits if hit.drum == "snare"} >= {36}
    rolls = files(imports.load(GOLDEN / "pickup_and_rolls.musicxml"), "clone_hero")["notes.chart"].decode()
    assert " = S 65 " in rolls
    long = song(24)
    marked = [measure.rehearsal for measure in long.score.measures if measure.rehearsal]
    if marked:
        assert f'E "section {marked[0]}"' in files(long, "clone_hero")["notes.chart"].decode()


def test_the_recording_lies_beside_the_chart() -> None:
    found = song(2)
    made = files(found, "clone_hero")
    assert made["song.ogg"].startswith(b"OggS") and b'MusicStream = "song.ogg"' in made["notes.chart"]
    without = imports.opened(found.render("json")[0], "x.json")
    assert files(without, "clone_hero").keys() == {"notes.chart", "song.ini"}


def test_charts_without_cymbals_and_with_five_lanes_are_told() -> None:
    body = "[Song]\n{\n Resolution = 192\n}\n[SyncTrack]\n{\n 0 = B 120000\n 0 = TS 4\n}\n[HardDrums]\n{\n%s}\n"
    four = imports.opened((body % " 0 = N 0 0\n 192 = N 1 0\n 384 = N 2 0\n").encode(), "x")
    assert [hit.drum for hit in four.hits] == ["kick", "snare", "closed_hihat"]
    assert "without cymbals" in four.warnings[0]
    five = imports.opened((body % " 0 = N 4 0\n 192 = N 5 0\n").encode(), "x")
    assert [hit.drum for hit in five.hits] == ["crash", "floor_tom"] and "five lanes" in five.warnings[0]


def test_a_chart_that_never_ends_is_refused() -> None:
    drums = mido.MidiTrack([mido.MetaMessage("track_name", name="PART DRUMS")])
    drums += [mido.Message("note_on", note=96, velocity=100, time=2**63), mido.MetaMessage("end_of_track")]
    out = io.BytesIO()
    mido.MidiFile(tracks=[drums]).save(file=out)
    with pytest.raises(ProjectError, match="lasts more than"):
        imports.opened(out.getvalue(), "notes.mid")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"[Song]\n{\n}\n", "no drum track"),
        (b"[Song]\n{\n}\n[ExpertDrums]\n{\n}\n", "cannot be read"),
        (b"[Song]\n{\n Resolution = 0\n}\n[ExpertDrums]\n{\n 0 = N 0 0\n}\n", "cannot be read"),
        (b"[Song]\n{\n}\n[SyncTrack]\n{\n 0 = B 0\n}\n[ExpertDrums]\n{\n 0 = N 0 0\n}\n", "cannot be read"),
        (b"[Song]\n{\n}\n[ExpertDrums]\n{\n 99999999999 = N 0 0\n}\n", "more than|longer|lasts"),
    ],
)
def test_bad_charts_are_refused(data: bytes, says: str) -> None:
    with pytest.raises(ProjectError, match=says):
        imports.opened(data, "x.chart")
