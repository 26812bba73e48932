"""Guitar Pro 6 to 8: the drums of a ``score.gpif``, the XML document inside ``.gp`` and ``.gpx`` files.

It is written like a database: bars, voices, beats, notes, and note values are lists of their own that name each other
by number. The format has no public description; what is read here was learned from files that alphaTab writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

from drumscribe.notation.dynamics import LEVELS
from drumscribe.notation.model import Event, Head, Measure, TempoMark
from drumscribe.notation.order import MOST, Signs
from drumscribe.notation.pads import meanings
from drumscribe.notation.played import as_marked
from drumscribe.notation.roadmap import signs_named
from drumscribe.types import Meter

_VALUES = ("DoubleWhole", "Whole", "Half", "Quarter", "Eighth", "16th", "32nd", "64th", "128th", "256th")
_LENGTHS = {name: Fraction(8, 2**number) for number, name in enumerate(_VALUES)} | {"Long": Fraction(16)}
_TEMPO_UNITS = {1: 0.5, 2: 1.0, 3: 1.5, 4: 2.0, 5: 3.0}
"""Quarter notes of what a metronome mark counts."""
_DYNAMICS = {"PPP": 17, "FFF": 127} | {name.upper(): level for name, level in LEVELS.items()}
_MEASURED = {"1/2": Fraction(1, 2), "1/4": Fraction(1, 4)}
"""Tremolos that are strokes of a known length; a faster one is a roll."""
_GHOST, _HEAVY, _ACCENT = "normal", 4, 8
_SWUNG = "Triplet8th"
_KEYS_OF_6 = (
    (35,), (38, 38, 37), (56,), (56,), (56,), (43,), (45,), (47,), (48,), (50,), (42, 46, 46), (44,), (57,), (49,),
    (55,), (51, 51, 53), (52,),
)  # fmt: skip
"""Guitar Pro 6 numbers its drums: MIDI keys by element and variation."""
_DRUM_CHANNEL, _MAP = "9", "guitar-pro"
_NO_DRUMS = ("sticks", "metronome", "golpe", "bell tree", "jingle bell", "tinkle bell", "grancassa", "piatti")
"""Instruments of a drum track that play a drum's key and are none: they are known by the key that they listen to."""
_MOST_STROKES = 200_000
_NOWHERE = "-1"


class Document:
    """One score. What is wrong with it shows as ValueError, KeyError, or the like."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._of = {kind: {one.get("id"): one for one in root.iterfind(f"{kind}s/{kind}")}
                    for kind in ("Bar", "Voice", "Beat", "Note", "Rhythm")}  # fmt: skip
        self._masters = root.findall("MasterBars/MasterBar")
        self._keys: Counter[int] = Counter()
        self._ids = self._moved = 0
        self._tempos = self._read_tempos()
        self.title, self.artist = (root.findtext(f"Score/{name}") or "" for name in ("Title", "Artist"))

    def tracks(self) -> list[tuple[int, Any]]:
        """The percussion tracks, each with the number of its staff among those of the score."""
        by_id = {track.get("id"): track for track in self._root.iterfind("Tracks/Track")}
        order = (self._root.findtext("MasterTrack/Tracks") or "").split() or list(by_id)
        found, staff = [], 0
        for track in (by_id[name] for name in order):
            if _is_drums(track):
                found.append((staff, track))
            staff += _staves(track)
        return found

    def signs(self) -> dict[int, Signs]:
        """Bars with signs such as D.S. or Coda."""
        found: dict[int, Signs] = {}
        for index, master in enumerate(self._masters):
            words = [word.text for way in ("Target", "Jump") for word in master.iterfind(f"Directions/{way}")]
            if told := signs_named(words):
                found[index] = told
        return found

    def notes(self) -> list[str]:
        """What was guessed or left out, in sentences."""
        said = list(meanings(self._keys, _MAP)[1])
        feels = {master.findtext("TripletFeel") for master in self._masters} - {None, "NoTripletFeel", _SWUNG}
        if feels:
            said.append(f"The feel {', '.join(sorted(map(str, feels)))} is read as straight notes.")
        if self._moved:
            said.append(f"Changes of tempo inside a bar ({self._moved}) hold from the bar line that is nearer.")
        return said

    def measures(self, staff: int, track: Any) -> list[Measure]:
        """The bars of a track."""
        if len(self._masters) > MOST:
            raise ValueError("more bars than a song has")
        keys = _keys_of(track)
        meters = [Meter.parse(master.findtext("Time")) for master in self._masters]
        pickup = self._root.find("MasterTrack/Anacrusis") is not None
        out: list[Measure] = []
        for index, (master, meter) in enumerate(zip(self._masters, meters, strict=True)):
            length = meter.quarter_length
            bar = self._of["Bar"].get(_nth(master.findtext("Bars"), staff))
            names = [] if bar is None else (bar.findtext("Voices") or "").split()
            voices = tuple(tuple(self._events(self._of["Voice"][name], keys, length))
                           for name in names if name != _NOWHERE)  # fmt: skip
            if pickup and index == 0:
                length = _sounding(voices, self._lasting(names), length)
            back = {"Simple": 1, "FirstOfDouble": 2, "SecondOfDouble": 2}.get(bar.findtext("SimileMark") or "", 0) \
                if bar is not None else 0  # fmt: skip
            if back and index >= back and not any(event.heads for voice in voices for event in voice):
                voices = out[index - back].voices
            repeat = master.find("Repeat")
            out.append(
                Measure(
                    index + 1, meter, length, voices or ((),), tempo=self._tempos.get(index),
                    swing="swing" if master.findtext("TripletFeel") == _SWUNG else "straight",
                    repeat_start=repeat is not None and repeat.get("start") == "true",
                    repeat_end=_turns(repeat),
                    ending=tuple(sorted({turn for turn in map(int, (master.findtext("AlternateEndings") or "").split())
                                         if 0 < turn <= 64})),
                )
            )  # fmt: skip
        return out

    def _read_tempos(self) -> dict[int, TempoMark]:
        """Metronome marks by bar; one inside a bar counts from the bar line that is nearer."""
        found: dict[int, TempoMark] = {}
        for mark in self._root.iterfind("MasterTrack/Automations/Automation"):
            if mark.findtext("Type") == "Tempo":
                bpm, unit = [*(mark.findtext("Value") or "").split(), "2"][:2]
                place = float(mark.findtext("Position") or 0)
                at = int(mark.findtext("Bar") or 0) + round(place)
                self._moved += place not in (0, 1)
                quarters = float(bpm) * _TEMPO_UNITS.get(int(unit), 1.0)
                found[at] = TempoMark(min(1000, max(1, round(quarters))))
        return found

    def _lasting(self, names: list[str]) -> list[Fraction]:
        """How long the beats of voices last, rests included."""
        return [
            sum((self._duration(beat) for beat in self._beats(self._of["Voice"][name]) if not _is_grace(beat)),
                Fraction(0))
            for name in names if name != _NOWHERE
        ]  # fmt: skip

    def _beats(self, voice: Any) -> Iterator[Any]:
        return (self._of["Beat"][name] for name in (voice.findtext("Beats") or "").split() if name != _NOWHERE)

    def _duration(self, beat: Any) -> Fraction:
        rhythm = self._of["Rhythm"][beat.find("Rhythm").get("ref")]
        length = _LENGTHS[rhythm.findtext("NoteValue")]
        dot, tuplet = rhythm.find("AugmentationDot"), rhythm.find("PrimaryTuplet")
        if dot is not None:
            length *= 2 - Fraction(1, 2 ** min(3, max(0, int(dot.get("count")))))
        if tuplet is not None:
            actual, normal = int(tuplet.get("num")), int(tuplet.get("den"))
            if not (0 < actual <= 64 and 0 < normal <= 64):
                raise ValueError("a tuplet that is none")
            length *= Fraction(normal, actual)
        return length

    def _events(self, voice: Any, keys: list[int], length: Fraction) -> Iterator[Event]:
        clock = Fraction(0)
        graces: list[Head] = []
        for beat in self._beats(voice):
            heads, accent = self._heads(beat, keys)
            if _is_grace(beat):
                graces = [*graces, *heads][-2:]
                continue
            if clock >= length:
                break
            duration = min(self._duration(beat), length - clock)
            if heads:
                drums = {head.drum for head in heads}
                before = tuple(head if head.drum in drums else replace(head, drum=heads[-1].drum) for head in graces)
                yield from _struck(Event(clock, duration, "quarter", heads=heads, graces=before, accent=accent),
                                   beat.findtext("Tremolo"))  # fmt: skip
                graces = []
            clock += duration

    def _heads(self, beat: Any, keys: list[int]) -> tuple[tuple[Head, ...], bool]:
        heads: dict[str, Head] = {}
        any_accent = False
        level = _DYNAMICS.get(beat.findtext("Dynamic") or "MF", _DYNAMICS["MF"])
        for name in (beat.findtext("Notes") or "").split():
            note = self._of["Note"][name]
            tie = note.find("Tie")
            if tie is not None and tie.get("destination") == "true":
                continue
            key = _key(note, keys)
            self._keys[key] += 1
            label = meanings([key], _MAP)[0].get(key)
            if label is None:
                continue
            ghost = (note.findtext("AntiAccent") or "").lower() == _GHOST
            accent = bool(int(note.findtext("Accent") or 0) & (_HEAVY | _ACCENT))
            any_accent = any_accent or accent
            self._ids += 1
            heads[label] = Head(self._ids, label, as_marked(level, ghost=ghost, accent=accent), ghost)
            if self._ids > _MOST_STROKES:
                raise ValueError("more strokes than a song has")
        return tuple(heads.values()), any_accent


def _struck(event: Event, tremolo: str | None) -> Iterator[Event]:
    """The strokes of a beat: one, those of a measured tremolo, or a roll."""
    step = _MEASURED.get(tremolo or "")
    if step is None:
        yield replace(event, slashes=3 if tremolo else 0)
        return
    count = max(1, int(event.duration / step))
    for number in range(count):
        at = event.onset + number * event.duration / count
        yield replace(event, onset=at, duration=event.duration / count, graces=event.graces if number == 0 else ())


def _keys_of(track: Any) -> list[int]:
    """The MIDI key of each articulation, in the order in which notes count them."""
    keys = []
    for element in track.iterfind("InstrumentSet/Elements/Element"):
        way = "InputMidiNumbers" if (element.findtext("Name") or "").lower() in _NO_DRUMS else "OutputMidiNumber"
        keys += [int((one.findtext(way) or "-1").split()[0]) for one in element.iterfind("Articulations/Articulation")]
    return keys


def _key(note: Any, keys: list[int]) -> int:
    """The MIDI key of a note: by its track's list of articulations, or as Guitar Pro 6 numbers drums."""
    place = note.findtext("InstrumentArticulation")
    if place is not None:
        index = int(place)
        return keys[index] if 0 <= index < len(keys) else index
    told = {one.get("name"): int(one[0].text) for one in note.iterfind("Properties/Property")
            if len(one) and one.get("name") in ("Element", "Variation", "Midi")}  # fmt: skip
    element, variation = told.get("Element", -1), told.get("Variation", 0)
    if 0 <= element < len(_KEYS_OF_6):
        row = _KEYS_OF_6[element]
        return row[variation] if 0 <= variation < len(row) else row[0]
    return told.get("Midi", -1)


def _is_drums(track: Any) -> bool:
    channels = {
        one.text for way in ("GeneralMidi", "MidiConnection") for one in track.iterfind(f"{way}/PrimaryChannel")
    }
    midi, told = track.find("GeneralMidi"), track.find("Instrument")
    return (
        track.findtext("InstrumentSet/Type") == "drumKit" or _DRUM_CHANNEL in channels
        or (midi is not None and midi.get("table") == "Percussion")
        or (told is not None and "drmkt" in (told.get("ref") or ""))
    )  # fmt: skip


def _staves(track: Any) -> int:
    told = track.find("Instrument")
    grand = told is not None and (told.get("ref") or "").endswith(("-gs", "GrandStaff"))
    return max(2 if grand else 1, len(track.findall("Staves/Staff")))


def _is_grace(beat: Any) -> bool:
    return beat.find("GraceNotes") is not None


def _nth(text: str | None, number: int) -> str | None:
    names = (text or "").split()
    return names[number] if number < len(names) else None


def _turns(repeat: Any) -> int:
    return min(64, max(0, int(repeat.get("count") or 2))) if repeat is not None and repeat.get("end") == "true" else 0


def _sounding(voices: tuple[tuple[Event, ...], ...], lasting: list[Fraction], full: Fraction) -> Fraction:
    """How long a pickup is: as its beats last, where that is a length that a bar can have."""
    length = max([*lasting, *(voice[-1].end for voice in voices if voice)], default=full)
    return length if 0 < length < full and length.denominator & (length.denominator - 1) == 0 else full
