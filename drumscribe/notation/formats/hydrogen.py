"""Hydrogen's songs: a pattern a bar, equal bars one pattern, played in the order of the song on its kit GMRockKit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drumscribe.notation.formats.base import MAX_BYTES, Chart, Format, Found

if TYPE_CHECKING:
    from fractions import Fraction

    from drumscribe.choices import Swing
    from drumscribe.notation.model import Event
    from drumscribe.options import ReadOptions
    from drumscribe.settings import Settings
    from drumscribe.types import Bar, Rhythm

_TICKS = 48
"""In a quarter note."""
_KIT, _FIRST_KEY = "GMRockKit", 36
_INSTRUMENTS = (
    ("Kick", "Kick", 36), ("Stick", "SideStick", 37), ("Snare", "Snare", 38), ("Hand Clap", "", 39),
    ("Snare Rimshot", "SnareRimshot", 40), ("Floor Tom", "TomFloor", 41), ("Hat Closed", "HatClosed", 42),
    ("Tom 2", "Tom2", 43), ("Hat Pedal", "HatPedal", 44), ("Tom 1", "Tom1", 45), ("Hat Open", "HatOpen", 46),
    ("Cowbell", "Cowbell", 56), ("Ride", "24Ride", 51), ("Crash", "Crash", 49), ("Ride 2", "Ride", 59),
    ("Splash", "Splash", 55), ("Hat Semi-Open", "HatSemiOpen", 82), ("Bell", "Bell", 53),
)  # fmt: skip
"""Of the kit, in its order: name, beginning of its samples' names, key that it sends."""
_HATS = frozenset({"Hat Closed", "Hat Pedal", "Hat Open", "Hat Semi-Open"})
_LAYERS = (("Softest", 0.2), ("Soft", 0.4), ("Med", 0.7), ("Hard", 0.86), ("Hardest", 1.0))
_EARLY = (0.0, -0.6, -1.0)
"""A stroke, its grace note, and the one before that: how far ahead, in Hydrogen's measure of five ticks."""
_Stroke = tuple[int, int, int, int]
"""Tick in the bar, instrument, velocity, and which grace note of its stroke it is, counted back from 1; 0: none."""
_BPM = (10.0, 400.0)
_MOST_BARS, _MOST_STROKES = 20_000, 200_000


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return the song, with the tempo of each bar, and the sections as tags of the timeline."""
    from lxml import etree

    from drumscribe.notation.midi import OURS, SWING
    from drumscribe.notation.note_maps import note_map
    from drumscribe.notation.played import swing_of
    from drumscribe.notation.text import one_line

    kit = note_map("hydrogen")
    rhythm = chart.rhythm
    strokes: list[list[_Stroke]] = [[] for _ in rhythm.bars]
    for place in rhythm.placements:
        bar = rhythm.bars[place.bar]
        strokes[place.bar] += _ticks(place, bar, kit.key(place.drum) - _FIRST_KEY)
    song = etree.Element("song")
    bpms = [f"{min(max(bar.quarter_bpm, _BPM[0]), _BPM[1]):.3f}" for bar in rhythm.bars]
    about = f"{OURS}. {SWING}{swing_of(rhythm)}"
    _texts(song, version="1.2.0", bpm=bpms[0] if bpms else "120", volume="0.5", metronomeVolume="0.5",
           name=one_line(chart.title), author=one_line(chart.artist), notes=about, license="", loopEnabled="false",
           patternModeMode="true", mode="song", isTimelineActivated="true", humanize_time="0", humanize_velocity="0",
           swing_factor="0")  # fmt: skip
    _texts(_sub(_sub(song, "componentList"), "drumkitComponent"), id="0", name="Main", volume="1")
    instruments = _sub(song, "instrumentList")
    for number, (name, samples, key) in enumerate(_INSTRUMENTS):
        _instrument(_sub(instruments, "instrument"), number, name, samples, key)
    names: dict[tuple[Any, ...], str] = {}
    patterns = _sub(song, "patternList")
    sequence = etree.Element("patternSequence")
    for bar, found in zip(rhythm.bars, strokes, strict=True):
        size = round(bar.length * _TICKS)
        content = (size, bar.meter.unit, tuple(sorted(found)))
        if content not in names:
            names[content] = f"Bar {bar.number}" if f"Bar {bar.number}" not in names.values() else f"No. {len(names)}"
            _pattern(_sub(patterns, "pattern"), names[content], size, bar.meter.unit, content[2])
        _texts(_sub(sequence, "group"), patternID=names[content])
    song.append(_sub(song, "virtualPatternList"))
    song.append(sequence)
    line = _sub(song, "BPMTimeLine")
    for index, bpm in enumerate(bpms):
        if index == 0 or bpm != bpms[index - 1]:
            _texts(_sub(line, "newBPM"), BAR=str(index), BPM=bpm)
    tags = _sub(song, "timeLineTag")
    for index, at in enumerate(chart.score.play_order()[: len(rhythm.bars)]):
        if chart.score.measures[at].rehearsal:
            _texts(_sub(tags, "newTAG"), BAR=str(index), TAG=chart.score.measures[at].rehearsal)
    return [etree.tostring(song, xml_declaration=True, encoding="UTF-8", pretty_print=True)]


def _ticks(place: Any, bar: Bar, instrument: int) -> list[_Stroke]:
    """The strokes of a placement."""
    from drumscribe.notation.played import time_of

    def tick(onset: Fraction) -> int:
        part = (time_of(bar, onset) - bar.start_s) / (bar.end_s - bar.start_s)
        return min(round(part * float(bar.length) * _TICKS), round(bar.length * _TICKS) - 1)

    found = [(tick(place.onset), instrument, place.velocity, 0)]
    if place.ornament == "roll":
        first, last = found[0][0], tick(place.onset + place.roll_length)
        found += [(at, instrument, place.velocity, 0) for at in range(first + 4, last - 1, 4)]
    soft = max(1, place.velocity // 2)
    return found + [(found[0][0], instrument, soft, back) for back in range(1, len(place.grace_ids[:2]) + 1)]


def _pattern(element: Any, name: str, size: int, unit: int, strokes: tuple[_Stroke, ...]) -> None:
    _texts(element, name=name, category="", size=str(size), denominator=str(unit), info="")
    notes = _sub(element, "noteList")
    for tick, instrument, velocity, grace in strokes:
        _texts(_sub(notes, "note"), position=str(tick), leadlag=str(_EARLY[grace]),
               velocity=f"{velocity / 127:.4f}", pan="0", pitch="0", probability="1", key="C0", length="-1",
               instrument=str(instrument), note_off="false")  # fmt: skip


def _instrument(element: Any, number: int, name: str, samples: str, key: int) -> None:
    _texts(element, id=str(number), name=name, drumkit=_KIT, drumkitLookup="2", volume="1", isMuted="false",
           isSoloed="false", pan="0", gain="1", applyVelocity="true", filterActive="false", filterCutoff="1",
           filterResonance="0", Attack="0", Decay="0", Sustain="1", Release="1000", pitchOffset="0",
           randomPitchFactor="0", muteGroup="1" if name in _HATS else "-1", isStopNote="false",
           sampleSelectionAlgo="VELOCITY", midiOutChannel="-1", midiOutNote=str(key), isHihat="-1", lower_cc="0",
           higher_cc="127")  # fmt: skip
    part = _sub(element, "instrumentComponent")
    _texts(part, component_id="0", gain="1")
    least = 0.0
    for layer, (word, most) in enumerate(_LAYERS, start=1) if samples else ((1, ("HandClap", 1.0)),):
        file = f"{samples}-{layer if samples == '24Ride' else word}.wav" if samples else f"{word}.wav"
        _texts(_sub(part, "layer"), filename=file, min=str(least), max=str(most), gain="1", pitch="0")
        least = most


def _sub(parent: Any, name: str) -> Any:
    from lxml import etree

    return etree.SubElement(parent, name)


def _texts(parent: Any, **texts: str) -> None:
    for name, text in texts.items():
        _sub(parent, name).text = text


def read(data: bytes, options: ReadOptions) -> Found:
    """Read a song as its patterns are played. Raises ProjectError."""
    from drumscribe.errors import ProjectError
    from drumscribe.notation.midi import SWING
    from drumscribe.notation.pads import meanings
    from drumscribe.notation.played import grid_of, hits_of
    from drumscribe.notation.text import one_line
    from drumscribe.notation.xml_file import parsed

    if len(data) > MAX_BYTES:
        raise ProjectError("The Hydrogen song is larger than 32 MiB.", "Save only what you need.")
    root = parsed(data)
    for element in root.iter("{*}*"):
        element.tag = element.tag.rpartition("}")[2]
    try:
        rhythm, unknown = _rhythm(root)
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise ProjectError("The Hydrogen song cannot be read.", "Save it again, or export MIDI.") from error
    if not rhythm.bars:
        raise ProjectError("No pattern is played in this song.", "Put patterns into the song editor.")
    said = (root.findtext("notes") or "").partition(SWING)[2]
    swing: Swing = "on" if said == "on" else "off" if said == "off" else "auto"
    return Found(hits_of(rhythm), grid_of(rhythm), FORMAT.title, one_line(root.findtext("name") or ""),
                 one_line(root.findtext("author") or ""), swing=swing, notes=meanings(unknown)[1])  # fmt: skip


def _rhythm(root: Any) -> tuple[Rhythm, list[int]]:
    """The bars as played, and keys of instruments that are no drums, one a stroke."""
    from fractions import Fraction

    from drumscribe.notation.form import with_pickup
    from drumscribe.notation.model import Measure, Score, TempoMark
    from drumscribe.notation.timeline import to_rhythm
    from drumscribe.types import Meter

    drums = {one.findtext("id"): _drum(one) for one in root.iterfind("instrumentList/instrument")}
    patterns = {one.findtext("name"): one for one in root.iterfind("patternList/pattern")}
    tempos = {int(mark.findtext("BAR")): float(mark.findtext("BPM")) for mark in root.iterfind("BPMTimeLine/newBPM")}
    if root.findtext("isTimelineActivated") == "false":
        tempos = {}
    tempos.setdefault(0, float(root.findtext("bpm")))
    measures, strokes, unknown = [], 0, list[int]()
    for index, group in enumerate(root.iterfind("patternSequence/group")):
        together = [patterns[one.text] for one in group.iterfind("patternID")]
        size = max((int(one.findtext("size")) for one in together), default=4 * _TICKS)
        events = tuple(_events(together, drums, size, unknown))
        strokes += len(events)
        if strokes + len(unknown) > _MOST_STROKES or index >= _MOST_BARS:
            raise ValueError("more than a song has")
        told = int(together[0].findtext("denominator") or 4) if together else 4
        unit = next((unit for unit in (told, 4, 8, 16) if size * unit % (4 * _TICKS) == 0), 4)
        meter = Meter(max(1, size * unit // (4 * _TICKS)), unit)
        bpm = tempos.get(index)
        tempo = TempoMark(max(1, round(min(bpm, 1000.0)))) if bpm is not None else None
        measures.append(Measure(index + 1, meter, Fraction(meter.quarter_length), (events,), tempo=tempo))
    return to_rhythm(Score(measures=tuple(with_pickup(measures)))), unknown


def _events(patterns: list[Any], drums: dict[str, str | int], size: int, unknown: list[int]) -> list[Event]:
    from fractions import Fraction

    from drumscribe.notation.model import Event, Head

    struck: dict[tuple[int, str], list[tuple[bool, int]]] = {}
    for note in (note for one in patterns for note in one.iterfind("noteList/note")):
        tick, drum = int(note.findtext("position")), drums[note.findtext("instrument")]
        if note.findtext("note_off") == "true" or not 0 <= tick < size:
            continue
        if isinstance(drum, int):
            unknown.append(drum)
            continue
        early = float(note.findtext("leadlag") or 0) < _EARLY[1] / 2
        velocity = min(127, max(1, round(float(note.findtext("velocity") or 0.8) * 127)))
        struck.setdefault((tick, drum), []).append((early, velocity))
    events = []
    for (tick, drum), found in struck.items():
        (_, velocity), *others = sorted(found, key=lambda one: (one[0], -one[1]))
        graces = tuple(Head(0, drum, level) for early, level in others if early)[:2]
        events.append(Event(Fraction(tick, _TICKS), Fraction(1, _TICKS), "128th", heads=(Head(0, drum, velocity),),
                            graces=graces))  # fmt: skip
    return events


def _drum(instrument: Any) -> str | int:
    """What an instrument's name means, else the key that it sends; the key where that is no drum."""
    from drumscribe.notation.names import drum_named
    from drumscribe.notation.pads import meanings

    key = int(instrument.findtext("midiOutNote") or -1)
    label = drum_named(instrument.findtext("name") or "") or meanings([key])[0].get(key)
    return key if label is None else label


def is_it(head: bytes) -> bool:
    """Whether it is a Hydrogen song."""
    return head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") and b"<song" in head and b"<bpm>" in head


FORMAT = Format(
    "hydrogen",
    "Hydrogen",
    "A pattern a bar with the song's tempo and sections, on the kit GMRockKit, for the drum machine Hydrogen",
    ".h2song",
    "application/xml",
    write,
    read,
    is_it,
    loses="chinas, which become crashes; strokes finer than a 48th of a quarter note; when strokes were played",
    tested="Hydrogen 1.2",
)
