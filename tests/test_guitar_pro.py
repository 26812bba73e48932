"""Guitar Pro: what we write opens elsewhere with the right drums; what others write is read."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import guitarpro as gp
import pytest
from notation_clients import compare, find_musescore, midi_notes
from ui_songs import song

from benchmarks import fuzz
from drumscribe.errors import ProjectError
from drumscribe.kit import DRUMS
from drumscribe.notation import read_midi
from drumscribe.notation.folders import inside
from drumscribe.notation.played import hits_of, time_of
from drumscribe.options import Options
from drumscribe.song import imports
from drumscribe.song.transcription import Transcription
from drumscribe.types import Bar

GOLDEN = Path(__file__).parent / "golden"
FIXTURES = Path(__file__).parent / "fixtures"


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


def test_no_voice_is_without_a_beat() -> None:
    """As in Guitar Pro's own files: alphaTab refuses one whose second voice comes and goes."""
    for voices in (1, 2):
        made = parsed(imports.load(GOLDEN / "ballad_with_rests.musicxml").rescore(notate={"voices": voices}))
        assert all(voice.beats for measure in made.tracks[0].measures for voice in measure.voices)


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
    for bad, says in ((data[:200], "cannot be read"), (b"BCFZ" + data, "Guitar Pro file cannot be read")):
        with pytest.raises(ProjectError, match=says):
            imports.opened(bad, "x.gp5")


def strokes(one: Transcription, bar: int) -> list[tuple[object, str]]:
    return [(place.onset, place.drum) for place in one.rhythm.placements if place.bar == bar]


def gpif(name: str) -> str:
    """The XML of a file of alphaTab's."""
    return inside((FIXTURES / f"{name}.gp").read_bytes(), "score.gpif").decode()


def packed_gpx(score: str) -> bytes:
    """A container of Guitar Pro 6, packed: a copy of what came before wherever eight bytes come again."""
    disk = fuzz.gpx(score.encode())
    bits, at = "", 0
    while at < len(disk):
        found = disk.rfind(disk[at : at + 8], max(0, at - 255), at)
        if found >= 0 and at + 8 <= len(disk):
            bits, at = bits + "1" + "1000" + f"{at - found:08b}"[::-1] + f"{8:08b}"[::-1], at + 8
        else:
            bits, at = bits + "0" + "10" + f"{disk[at]:08b}", at + 1
    bits = bits.ljust(-(-len(bits) // 8) * 8, "0")
    return b"BCFZ" + len(disk).to_bytes(4, "little") + int(bits, 2).to_bytes(len(bits) // 8, "big")


def seen(one: Transcription) -> list[tuple[object, ...]]:
    """Everything that a reader of the score sees."""
    return [
        (measure.number, measure.repeat_end, measure.ending, event.onset, head.drum, head.ghost, event.accent,
         event.slashes, len(event.graces))
        for measure in one.score.measures for event, head in measure.heads()
    ]  # fmt: skip


@pytest.mark.parametrize("name", sorted(path.stem for path in FIXTURES.glob("*.gp")))
def test_what_another_program_saved_as_gp_is_the_same_chart(name: str) -> None:
    """The golden MusicXML, opened by alphaTab 1.8.4's ``ScoreLoader`` and saved by its ``Gp7Exporter`` (npm)."""
    chart = imports.load(GOLDEN / f"{name}.musicxml")
    found = imports.load(FIXTURES / f"{name}.gp")
    assert seen(found) == seen(chart)
    assert (found.title, found.grid.bpm, found.warnings) == (chart.title, pytest.approx(chart.grid.bpm), ())


def test_guitar_pro_6_numbers_its_drums_in_a_container_of_its_own() -> None:
    drums = {"48": (8, 0), "38": (1, 0), "49": (13, 0), "41": (5, 0), "36": (0, 0)}
    text = gpif("pickup_and_rolls")
    keys = re.findall(r"<OutputMidiNumber>(\d+)", text)
    old = re.sub(
        r"<InstrumentArticulation>(\d+)</InstrumentArticulation>",
        lambda found: "<Properties>" + "".join(
            f'<Property name="{name}"><{name}>{number}</{name}></Property>'
            for name, number in zip(("Element", "Variation"), drums[keys[int(found[1])]], strict=True)
        ) + "</Properties>",
        re.sub(r"<InstrumentSet>.*?</InstrumentSet>|<Properties>.*?</Properties>", "", text),
    )  # fmt: skip
    chart = imports.load(GOLDEN / "pickup_and_rolls.musicxml")
    for data in (fuzz.gpx(old.encode()), packed_gpx(old)):
        assert seen(imports.opened(data, "x.gpx")) == seen(chart)


def test_similes_jumps_and_tremolos_of_gp_are_played_out() -> None:
    text = gpif("funk_ghosts")
    plain = imports.opened(fuzz.gpx(text.encode()), "x")
    bars = re.findall(r"<Bar id=.*?</Bar>", text)
    simile = text.replace(bars[1], '<Bar id="1"><SimileMark>Simple</SimileMark><Voices>-1 -1</Voices></Bar>')
    assert strokes(imports.opened(fuzz.gpx(simile.encode()), "x"), 1) == strokes(plain, 0)
    masters = re.findall(r"<MasterBar>.*?</MasterBar>", text)
    jump = "<Directions><{0}>{1}</{0}></Directions></MasterBar>"
    signs = {1: ("Target", "Segno"), 2: ("Target", "Fine"), 3: ("Jump", "DaSegnoAlFine")}
    for at, sign in signs.items():
        masters[at] = masters[at].replace("</MasterBar>", jump.format(*sign))
    body = re.sub(r"(<MasterBars>).*(</MasterBars>)", lambda found: found[1] + "".join(masters) + found[2], text)
    played = imports.opened(fuzz.gpx(body.encode()), "x")
    assert len(played.rhythm.bars) == 6 and "D.S. are written out" in played.warnings[0]
    assert [strokes(played, bar) for bar in (4, 5)] == [strokes(plain, bar) for bar in (1, 2)]
    rolls = gpif("pickup_and_rolls").replace("<Tremolo>1/8", "<Tremolo>1/4")
    measured = imports.opened(fuzz.gpx(rolls.encode()), "x").rhythm.placements
    assert not any(place.ornament == "roll" for place in measured)
    assert len(measured) > len(imports.load(FIXTURES / "pickup_and_rolls.gp").rhythm.placements)


def test_sticks_and_metronome_are_no_drums() -> None:
    """They count in; as pads of an e-kit their keys would be a snare and a kick."""
    text = gpif("funk_ghosts")
    named = re.sub(r"(<Element><Name>)[^<]*(</Name>)(?=((?!</Element>).)*<OutputMidiNumber>42<)", r"\1Sticks\2", text)
    sticks = named.replace("<InputMidiNumbers>42<", "<InputMidiNumbers>31<")
    assert named != text != sticks
    found = imports.opened(fuzz.gpx(sticks.encode()), "x")
    assert {hit.drum for hit in found.hits} == {"kick", "snare"}
    assert any("31, Sticks," in said for said in found.warnings)
    made = parsed(song(1))
    for note in (n for m in made.tracks[0].measures for v in m.voices for b in v.beats for n in b.notes):
        note.value = {42: 31, 36: 33}.get(note.value, note.value)
    again = imports.opened(dumped(made), "x")
    assert "kick" not in {hit.drum for hit in again.hits} and any(
        "33, Metronome Click," in said for said in again.warnings
    )


def test_what_gp_has_and_a_chart_has_not_is_told() -> None:
    text = gpif("funk_ghosts").replace("<Position>0<", "<Position>0.5<", 1)
    text = text.replace("<Time>4/4</Time>", "<Time>4/4</Time><TripletFeel>Dotted16th</TripletFeel>", 1)
    told = " ".join(imports.opened(fuzz.gpx(text.encode()), "x").warnings)
    assert "tempo inside a bar (1)" in told and "Dotted16th is read as straight" in told


def test_jumps_of_old_files_are_played_out() -> None:
    made = parsed(imports.load(GOLDEN / "funk_ghosts.musicxml"))
    plain = imports.opened(dumped(made), "x")
    made.measureHeaders[1].direction = gp.DirectionSign("Segno")
    made.measureHeaders[2].direction = gp.DirectionSign("Fine")
    made.measureHeaders[3].fromDirection = gp.DirectionSign("Da Segno al Fine")
    played = imports.opened(dumped(made), "x")
    assert len(played.rhythm.bars) == 6 and "D.S. are written out" in played.warnings[0]
    assert [strokes(played, bar) for bar in (4, 5)] == [strokes(plain, bar) for bar in (1, 2)]


def test_marks_of_others_are_heard() -> None:
    """Others mark ghosts and accents and leave the loudness as it is."""
    made = parsed(imports.load(GOLDEN / "funk_ghosts.musicxml"))
    made.tab = ""
    for note in (n for m in made.tracks[0].measures for v in m.voices for b in v.beats for n in b.notes):
        note.velocity = 79
    ghosts = [head for measure in imports.opened(dumped(made), "x").score.measures for _, head in measure.heads()]
    assert sum(head.ghost for head in ghosts) == sum(note.effect.ghostNote for note in notes_of("funk_ghosts")) > 0


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


def tuxguitar() -> list[str]:
    """The command that runs a Java program with TuxGuitar's classes; empty where there is none."""
    compiler, folder = shutil.which("javac"), Path("/usr/share/tuxguitar")
    classes = f"{folder}/lib/*:{folder}/plugins/*"
    return ["java", "-cp", classes, str(GOLDEN.parent / "TuxGuitar.java")] if compiler and folder.is_dir() else []


@pytest.mark.skipif(not tuxguitar(), reason="TuxGuitar or a JDK is not installed (apt install tuxguitar default-jdk)")
@pytest.mark.slow
def test_tuxguitar_plays_and_saves_what_is_written(tmp_path: Path) -> None:
    """Repeats, endings, and swing as it plays them; ghosts, accents, flams, and tuplets as it shows them; and what it
    saves is the same chart."""
    charts = {path.stem: imports.load(path) for path in sorted(GOLDEN.glob("*.musicxml"))}
    for name, chart in charts.items():
        (tmp_path / f"{name}.gp5").write_bytes(chart.render("guitar_pro")[0])
    done = subprocess.run([*tuxguitar(), *(str(tmp_path / f"{name}.gp5") for name in charts)], check=True,
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    for (name, chart), line in zip(charts.items(), done.stdout.splitlines(), strict=True):
        score = chart.score
        expected, clock, counts = [], 0.0, [0, 0, 0, 0]
        for index in score.play_order():
            measure = score.measures[index]
            bar = Bar(0, 1, measure.meter, measure.length, 0, float(measure.length), 60, (), chart.rhythm.swing)
            expected += [(clock + time_of(bar, event.onset), DRUMS[head.drum].midi)
                         for event, head in measure.heads() if head not in event.graces]  # fmt: skip
            clock += float(measure.length)
        for event in (event for measure in score.measures for voice in measure.voices for event in voice):
            drums = [head.drum for head in event.heads]
            counts[0] += sum(head.ghost for head in event.heads)
            counts[1] += event.accent * len(drums)
            counts[2] += sum(drum in {grace.drum for grace in event.graces} for drum in drums)
            counts[3] += len(drums) * (event.tuplet is not None)
        missing, extra = compare(expected, midi_notes((tmp_path / f"{name}.gp5.mid").read_bytes())[0])
        saved = imports.load(tmp_path / f"{name}.gp5.saved")
        if name not in (
            "bossa_nova",
            "linear_funk",
        ):  # it saves two beats of the feet between those of the hands wrongly
            assert seen(saved) == seen(chart), name
        rolls = any(event.slashes for measure in score.measures for voice in measure.voices for event in voice)
        assert (name, missing, bool(extra), line) == (name, [], rolls, " ".join(map(str, counts)))
