"""MusicXML as other programs write it: which drum is meant, and what is played in which order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notation_clients import find_musescore, musescore_midi
from properties import examples

from drumscribe.errors import ProjectError
from drumscribe.kit import DRUMS
from drumscribe.notation import read_midi
from drumscribe.options import Options
from drumscribe.song import imports
from drumscribe.song.transcription import Transcription

GOLDEN = Path(__file__).parent / "golden"
KIT = {label: (row.name, row.midi + 1, row.staff, row.notehead) for label, row in DRUMS.items()}
PLAIN = "<clef><sign>percussion</sign></clef>"


def note(drum: str, extra: str = "", kind: str = "quarter", duration: int = 2, tags: str = "") -> str:
    _, _, staff, head = KIT[drum]
    return (
        f"<note>{extra}<unpitched><display-step>{staff[0]}</display-step><display-octave>{staff[1]}</display-octave>"
        f"</unpitched><duration>{duration}</duration><instrument id='I-{drum}'/><voice>1</voice><type>{kind}</type>"
        f"<notehead>{head}</notehead>{tags}</note>"
    )


def words(text: str, sound: str = "") -> str:
    return f"<direction><direction-type><words>{text}</words></direction-type>{sound}</direction>"


def score(*bars: str, kit: dict | None = None, first: str = PLAIN, title: str = "") -> bytes:
    """A score of bars (what stands in each ``measure``) for one part, whose instruments are those of ``kit``."""
    return parts([("P1", title or "Drumset", KIT if kit is None else kit, bars)], first)


def parts(listed: list, first: str = PLAIN) -> bytes:
    """Parts as (id, name, instruments, bars); a piano has a clef of its own."""
    heads, bodies = "", ""
    for part_id, name, kit, bars in listed:
        heads += f"<score-part id='{part_id}'><part-name>{name}</part-name>"
        heads += "".join(
            f"<score-instrument id='I-{label}'><instrument-name>{told[0]}</instrument-name></score-instrument>"
            for label, told in kit.items()
        )
        heads += "".join(
            f"<midi-instrument id='I-{label}'><midi-channel>10</midi-channel>"
            f"<midi-unpitched>{told[1]}</midi-unpitched></midi-instrument>"
            for label, told in kit.items()
        )
        heads += "</score-part>"
        clef = "<clef><sign>G</sign></clef>" if name == "Piano" else first
        start = f"<attributes><divisions>2</divisions><time><beats>4</beats><beat-type>4</beat-type></time>{clef}"
        bodies += f"<part id='{part_id}'>" + "".join(
            f"<measure number='{n}'>{start + '</attributes>' if n == 1 else ''}{bar}</measure>"
            for n, bar in enumerate(bars, start=1)
        )
        bodies += "</part>"
    return f"<score-partwise version='3.1'><part-list>{heads}</part-list>{bodies}</score-partwise>".encode()


def drums(data: bytes, **read: str) -> list[str]:
    return [hit.drum for hit in opened(data, **read).hits]


def opened(data: bytes, **read: str) -> Transcription:
    return imports.opened(data, "x.xml", Options().updated(read=read))


def test_an_instruments_name_is_heard_before_its_number() -> None:
    kit = {**KIT, "open_hihat": ("Open Hi-Hat", 48, "G5", "x")}  # the MIDI note of a tom
    found = opened(score(note("open_hihat") * 4, kit=kit))
    assert {hit.drum for hit in found.hits} == {"open_hihat"}
    assert any("“Open Hi-Hat” has the MIDI note of the mid tom" in said for said in found.warnings)
    assert not opened(score(note("kick") * 4)).warnings


def test_lines_of_other_programs_do_not_change_the_instrument() -> None:
    moved = note("crash").replace("A</display-step><display-octave>5", "G</display-step><display-octave>5")
    assert set(drums(score(moved * 4))) == {"crash"}
    nameless = {label: ("", told[1], *told[2:]) for label, told in KIT.items()}
    assert set(drums(score(moved * 4, kit=nameless))) == {"crash"}
    bare = note("snare").replace("<instrument id='I-snare'/>", "")
    assert set(drums(score(bare * 4, kit={}))) == {"snare"}
    line = bare.replace("C</display-step><display-octave>5", "B</display-step><display-octave>4")
    assert set(drums(score(line * 4, kit={"snare": ("Snare Drum", 39)}))) == {"snare"}  # a part for one drum


def pitch(step: str, octave: int, alter: int = 0) -> str:
    raised = f"<alter>{alter}</alter>" if alter else ""
    return (
        f"<note><pitch><step>{step}</step>{raised}<octave>{octave}</octave></pitch><duration>2</duration>"
        "<voice>1</voice><type>quarter</type></note>"
    )


def test_drums_that_are_written_as_pitches() -> None:
    keys = pitch("C", 2) + pitch("D", 2) + pitch("F", 2, 1) + pitch("A", 2, 1)  # 36, 38, 42, 46
    assert drums(score(keys, kit={})) == ["kick", "snare", "closed_hihat", "open_hihat"]
    treble = "<clef><sign>G</sign></clef>"
    one = {"kick": ("", 1, "", "")}
    assert drums(score(keys, kit=one, first=treble)) == ["kick", "snare", "closed_hihat", "open_hihat"]  # channel 10
    lines = pitch("F", 4) + pitch("C", 5) + pitch("F", 4) + pitch("C", 5)
    assert drums(score(lines, kit={})) == ["kick", "snare", "kick", "snare"]
    with pytest.raises(ProjectError, match="no drums"):
        drums(score(keys, kit={}, first=treble, title="Piano"))


def test_several_drum_parts() -> None:
    data = parts([
        ("P1", "Drums", KIT, [note("kick") * 4]),
        ("P2", "Cymbals", KIT, [note("ride") * 4]),
        ("P3", "Piano", {}, [pitch("C", 4) * 4]),
    ])  # fmt: skip
    found = opened(data)
    assert sorted(hit.drum for hit in found.hits) == ["kick"] * 4 + ["ride"] * 4
    assert "“Drums”, “Cymbals” were put together" in found.warnings[0]
    assert drums(data, part="Cymbals") == ["ride"] * 4
    with pytest.raises(ProjectError, match=r"no drum part “Bass”.*“Drums”"):
        drums(data, part="Bass")


REST = "<note><rest measure='yes'/><duration>8</duration><voice>1</voice></note>"


def style(inner: str) -> str:
    return f"<attributes><measure-style>{inner}</measure-style></attributes>"


def test_measure_repeats_and_slashes_are_played() -> None:
    one, two = note("kick") * 4, note("snare") * 4
    repeat = style("<measure-repeat type='start'>2</measure-repeat>")
    data = score(one, two, repeat + REST, REST, style("<measure-repeat type='stop'/>") + one)
    assert drums(data) == (["kick"] * 4 + ["snare"] * 4) * 2 + ["kick"] * 4
    data = score(two, style("<slash type='start'/>") + REST, REST, style("<slash type='stop'/>") + REST)
    found = opened(data)
    assert len(found.hits) == 12 and any("slashes (2)" in said for said in found.warnings)


def test_a_roll_without_a_measure() -> None:
    roll = "<notations><ornaments><tremolo type='unmeasured'>0</tremolo></ornaments></notations>"
    data = score(note("snare", kind="whole", duration=8, tags=roll))
    assert [place.ornament for place in opened(data).rhythm.placements] == ["roll"]


def bar(drum: str, before: str = "", after: str = "") -> str:
    return before + note(drum) * 4 + after


def test_bars_that_a_repeat_cuts_in_two_are_one_again() -> None:
    """A repeat inside a bar: both halves are bars of their own in the file."""
    kicks = note("kick") * 3
    repeat = "<barline location='right'><repeat direction='backward'/></barline>"
    data = score(note("snare"), note("kick") * 4, kicks + repeat, note("snare"), note("ride") * 4)
    for number in (b"1", b"3", b"4"):
        data = data.replace(b"<measure number='%s'>" % number, b"<measure number='%s' implicit='yes'>" % number)
    found = opened(data)
    assert [float(bar.length) for bar in found.rhythm.bars] == [1, 4, 4, 4, 4, 4]
    assert [place.onset for place in found.rhythm.placements if place.drum == "snare"] == [0, 3, 3]
    assert {str(bar.meter) for bar in found.rhythm.bars} == {"4/4"} and found.rhythm.bars[0].number == 0


@pytest.mark.parametrize(("first", "second", "lengths"), [
    (9, 4, [4, 4, 1, 4]), (4, 8, [4, 4, 4]), (4, 2, [4, 2, 4]), (4, 13, [4, 4, 4, 4, 1]),
])  # fmt: skip
def test_bars_of_another_length_than_their_meter(first: int, second: int, lengths: list[int]) -> None:
    data = score(note("kick") * first, note("snare") * second, note("ride") * 4)
    data = data.replace(b"<measure number='2'>", b"<measure number='2' implicit='yes'>")
    found = opened(data)
    assert [float(bar.length) for bar in found.rhythm.bars][: len(lengths)] == lengths
    assert all(place.onset.denominator == 1 for place in found.rhythm.placements)


@given(
    lengths=st.lists(st.tuples(st.integers(1, 24), st.booleans()), min_size=1, max_size=8),
    meter=st.sampled_from(["4/4", "6/8", "3/2", "7/8"]),
)
@examples(20)
def test_bars_of_any_length_are_played_one_after_the_other(lengths: list[tuple[int, bool]], meter: str) -> None:
    """Eighths of bars that are called pickups, or too long: each stroke keeps its time, and is written."""
    beats, _, unit = meter.partition("/")
    full = int(beats) * 8 // int(unit)
    data = score(*(note("kick", kind="eighth", duration=1) * eighths for eighths, _ in lengths))
    data = data.replace(b"<beats>4</beats><beat-type>4<", f"<beats>{beats}</beats><beat-type>{unit}<".encode())
    for number, (_, implicit) in enumerate(lengths, start=1):
        if implicit:
            data = data.replace(b"<measure number='%d'>" % number, b"<measure number='%d' implicit='yes'>" % number)
    found = opened(data)
    starts, clock = [], 0
    for eighths, implicit in lengths:
        starts += [(clock + place) / 4 for place in range(eighths)]
        clock += eighths if implicit or eighths > full else full
    assert [hit.time_s for hit in found.hits] == pytest.approx(starts, abs=1e-6)
    assert len(found.rhythm.placements) == len(starts)


def ending(number: int, *, back: bool = True) -> tuple[str, str]:
    repeat = "<repeat direction='backward'/>" if back else ""
    kind = "stop" if back else "discontinue"
    return (
        f"<barline location='left'><ending number='{number}' type='start'/></barline>",
        f"<barline location='right'><ending number='{number}' type='{kind}'/>{repeat}</barline>",
    )


SEGNO = "<direction><direction-type><segno/></direction-type><sound segno='1'/></direction>"
CODA = "<direction><direction-type><coda/></direction-type><sound coda='1'/></direction>"
FORWARD = "<barline location='left'><repeat direction='forward'/></barline>"
FORMS = {
    "d.s. al coda": (
        [bar("kick"), bar("snare", SEGNO), bar("ride", "", words("To Coda", "<sound tocoda='1'/>")),
         bar("crash", "", words("D.S. al Coda", "<sound dalsegno='1'/>")), bar("floor_tom", CODA)],
        "kick snare ride crash snare ride floor_tom",
    ),
    "d.c. al fine": (
        [bar("kick", FORWARD), bar("snare", *ending(1)), bar("ride", *ending(2, back=False)),
         bar("crash", "", words("Fine", "<sound fine='yes'/>")),
         bar("floor_tom", "", words("D.C. al Fine", "<sound dacapo='yes'/>"))],
        "kick snare kick ride crash floor_tom kick ride crash",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_jumps_are_played_out(name: str) -> None:
    bars, order = FORMS[name]
    assert drums(score(*bars))[::4] == order.split()
    silent = [bar.replace("<sound ", "<unheard ") for bar in bars]  # by the words and glyphs alone
    assert drums(score(*silent))[::4] == order.split()


@pytest.mark.skipif(find_musescore() is None, reason="MuseScore is not installed (apt install musescore3)")
@pytest.mark.slow
def test_musescore_plays_and_saves_the_same(tmp_path: Path) -> None:
    written = {f"form{number}": score(*bars) for number, (bars, _) in enumerate(FORMS.values())}
    kit = [bar(label) for label in DRUMS if label not in ("splash", "china")]
    written["kit"] = score(*kit)
    played = musescore_midi(written, tmp_path)
    saved = musescore_midi(written, tmp_path, "musicxml")
    for name, data in written.items():
        expected = drums(data)
        assert [hit.drum for hit in read_midi(played[name]).hits] == expected, name
        assert drums(saved[name]) == expected, name


@pytest.mark.parametrize("name", ["funk_ghosts", "pickup_and_rolls"])
def test_marks_without_loudness_are_heard(name: str) -> None:
    """Most programs mark ghosts and accents and say nothing of how loud they are."""
    data = (GOLDEN / f"{name}.musicxml").read_bytes()
    marked, plain = (
        [(event.onset, head.drum, head.ghost, event.accent) for measure in imports.opened(text, "x").score.measures
         for event, head in measure.heads()] for text in (data, re.sub(rb' dynamics="[0-9.]+"', b"", data))
    )  # fmt: skip
    assert any(ghost or accent for _, _, ghost, accent in plain) and plain == marked
