"""Charts for rhythm games: lanes, cymbals, two feet, loudness, sections, and the folder they come in."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import zipfile
from fractions import Fraction
from pathlib import Path

import mido
import pytest
from ui_songs import song

import drumscribe
from drumscribe.errors import ProjectError
from drumscribe.notation.games import DRUMS_OF, LANES, Gem, gems, sections, tempo_map
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


MODULES = Path(__file__).parents[1] / "node_modules"
KICKS, TOM, CYMBAL, FLAM, GHOST, ACCENT = 8, 16, 32, 256, 512, 1024
"""Marks of notes as the package scan-chart counts them: a second foot's kick, and so on."""


def marks(gem: Gem) -> int:
    if gem.lane == 0:
        return KICKS * gem.double
    return (CYMBAL if gem.cymbal else TOM) + {-1: GHOST, 0: 0, 1: ACCENT}[gem.loud]


@pytest.mark.skipif(
    not shutil.which("node") or not all((MODULES / name).exists() for name in ("scan-chart", "lodash", "midi-file")),
    reason="no node, or no scan-chart (scripts/test_tools.sh)",
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_parser_of_the_games_community_reads_every_note(kind: str, tmp_path: Path) -> None:
    """scan-chart (npm), with which Chorus Encore indexes charts: lanes, cymbals, loudness, kicks, rolls, sections."""
    charts = {path.stem: imports.load(path) for path in sorted(GOLDEN.glob("*.musicxml"))}
    name, lasts = ("notes.chart" if kind == "clone_hero" else "notes.mid"), {}
    for title, one in charts.items():
        made = files(one, kind)
        (tmp_path / f"{title}.{name}").write_bytes(made[name])
        lasts[title] = int(re.search(rb"song_length = (\d+)", made["song.ini"])[1]) / 1000
    script = Path(__file__).parent / "scan_chart.cjs"
    done = subprocess.run(["node", str(script), str(MODULES), *(str(tmp_path / f"{title}.{name}") for title in charts)],
                          check=True, capture_output=True, text=True, timeout=120)  # fmt: skip
    for (title, one), line in zip(charts.items(), done.stdout.splitlines(), strict=True):
        timing, read = tempo_map(one.grid), json.loads(line)
        played = gems(one, timing)
        assert sorted([tick, lane, flags & ~FLAM] for tick, lane, flags in read["notes"]) == sorted(
            [gem.tick, gem.lane, marks(gem)] for gem in played
        ), title
        rolls = [[gem.tick, gem.ends - gem.tick] for gem in played if gem.ornament == "roll" and gem.lane]
        flams = {gem.tick for gem in played if gem.ornament in ("flam", "drag")} if kind == "notes_mid" else set()
        assert read["rolls"] == rolls and {tick for tick, _, flags in read["notes"] if flags & FLAM} == flams, title
        assert read["sections"] == [[tick, name] for tick, name in sections(one, timing)], title
        assert read["end_s"] <= lasts[title], title  # games leave out an end that lies after the song


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
