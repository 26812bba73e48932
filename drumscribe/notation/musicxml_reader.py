"""MusicXML back into a score: our own files exactly, other programs' as nearly as a drum staff can be told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, get_args

from drumscribe.choices import Noteheads, Paper, Voices
from drumscribe.errors import NotationError, ProjectError
from drumscribe.kit import BY_MIDI, DRUMS
from drumscribe.notation.dynamics import LEVELS
from drumscribe.notation.form import sound_form
from drumscribe.notation.heads import drum_at
from drumscribe.notation.instruments import Instruments, drum_parts
from drumscribe.notation.model import (
    TYPE_LENGTH,
    Event,
    Head,
    Measure,
    Score,
    Style,
    TempoMark,
    Voice,
    check,
)
from drumscribe.notation.musicxml import FULL_DYNAMICS
from drumscribe.notation.order import Signs
from drumscribe.notation.played import as_marked
from drumscribe.notation.roadmap import played_out, signs_of
from drumscribe.notation.spelling import spell
from drumscribe.notation.text import one_line
from drumscribe.notation.xml_file import parsed, unpacked
from drumscribe.types import Meter

_MAX_BAR = 64
"""Quarter notes in a bar at most, and plays of a repeated passage: a damaged number must not fill the memory."""
_DEFAULT_VELOCITY = 80
_SETTINGS: dict[str, tuple[object, ...]] = {
    "voices": get_args(Voices), "paper": get_args(Paper), "noteheads": get_args(Noteheads),
    **dict.fromkeys(("legend", "summary", "count_in"), (False, True)),
}  # fmt: skip
"""What may stand in our own field: it goes into other formats unquoted."""
_BEAMS = ("begin", "continue", "end", "forward hook", "backward hook")
_MOST_DOTS = 3
_MOST_SLASHES = 5
_ROLL = 3
_OPEN = ("open-string", "open", "harmonic")
_HIT_ID = re.compile(r"hit-(\d+)$")


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a score: ``notes`` are sentences on what was guessed."""

    name: str
    score: Score
    notes: tuple[str, ...] = ()


def read_musicxml(data: bytes) -> Score:
    """Read a score-partwise document, plain (``.musicxml``) or packed (``.mxl``): its first part with drums.

    Notes without an id of ours get new ids; notes that are no drum of the kit are left out.

    Raises:
        ProjectError: if it is not MusicXML, too large, or its bars do not add up.
    """
    return read_parts(data)[0].score


def read_parts(data: bytes, wish: str = "") -> tuple[Part, ...]:
    """Read all parts with drums, or the one that is called ``wish``. Raises ProjectError as :func:`read_musicxml`."""
    root = parsed(unpacked(data))
    if root.tag != "score-partwise":
        raise ProjectError("This is not a score-partwise MusicXML file.", "Export it as MusicXML (partwise).")
    try:
        parts = drum_parts(root)
        if not parts:
            raise ValueError("it has no part")
        if wish:
            called = [one for one in parts if wish in (one[1].part, one[0].get("id"))]
            if not called:
                names = ", ".join(f"“{found.part or part.get('id')}”" for part, found in parts)
                raise ProjectError(f"There is no drum part “{wish}” in this score.", f"It has {names}.")
            parts = called
        return tuple(_part(root, part, instruments) for part, instruments in parts)
    except (ValueError, KeyError, IndexError, TypeError, ZeroDivisionError, OverflowError, NotationError) as error:
        raise ProjectError(f"The MusicXML file cannot be read: {error}", "Export it again, or fix that bar.") from error


def _part(root: Any, part: Any, instruments: Instruments) -> Part:
    reader = _Reader(root, part, instruments)
    score = reader.score()
    check(score)
    return Part(instruments.part, score, (*instruments.doubts.values(), *reader.notes))


@dataclass
class _State:
    """What holds from bar to bar."""

    divisions: int = 1
    meter: Meter = field(default_factory=Meter)
    simile: int = 0
    back: int = 0
    slashed: bool = False
    number: int = 0
    ending: tuple[int, ...] = ()


class _Reader:
    def __init__(self, root: Any, part: Any, instruments: Instruments) -> None:
        self._root, self._part, self._instruments = root, part, instruments
        self.notes: list[str] = []
        used = (_HIT_ID.match(note.get("id") or "") for note in root.iter("note"))
        self._next_id = 1 + max((int(match[1]) for match in used if match), default=-1)
        self._seen: set[int] = set()
        self._back: dict[int, int] = {}  # bars that repeat those so many bars before
        self._slashed: set[int] = set()
        self._ours = self._root.find(".//miscellaneous-field[@name='drumscribe']")

    def score(self) -> Score:
        settings = self._settings()
        count_in = bool(settings.pop("count_in", False))
        written = list(self._measures())
        signs = {
            i: found for i, one in enumerate(self._part.iterfind("measure")) if (found := signs_of(one)) != Signs()
        }
        measures = played_out(sound_form(self._filled(written)), signs)
        if len(measures) != len(written):
            self.notes.append("D.C. and D.S. are written out as they are played.")
        if not any(len(measure.voices) > 1 for measure in measures) and "voices" not in settings:
            settings["voices"] = 1
        style = Style(**settings)
        if style.voices == 2:
            measures = [
                measure if len(measure.voices) > 1 else replace(measure, voices=(*measure.voices, ()))
                for measure in measures
            ]
        if measures and count_in:
            measures[0] = replace(measures[0], count_in=True, voices=measures[0].voices[:1])
        title = self._root.findtext("work/work-title") or self._root.findtext("movement-title") or ""
        artist = self._root.findtext("identification/creator") or ""
        return Score(one_line(title), one_line(artist), tuple(measures), style)

    def _settings(self) -> dict[str, Any]:
        if self._ours is None:
            return {}
        found = json.loads(self._ours.text or "{}")
        if not isinstance(found, dict):
            return {}
        return {name: value for name, value in found.items() if value in _SETTINGS.get(name, ())}

    def _measures(self) -> Iterator[Measure]:
        state = _State()
        for index, element in enumerate(self._part.findall("measure")):
            yield self._measure(element, state, index)

    def _filled(self, measures: list[Measure]) -> list[Measure]:
        """Bars that only say "as before" with what is played: measure repeats, and slashes."""
        out: list[Measure] = []
        slashed = 0
        for index, measure in enumerate(measures):
            back = self._back.get(index, 0)
            model = out[index - back] if 0 < back <= index and measure.silent else None
            if index in self._slashed and measure.silent:
                model = next((bar for bar in reversed(out) if not bar.silent and bar.length == measure.length), None)
                slashed += model is not None
            if model is not None and model.length == measure.length:
                measure = replace(measure, voices=model.voices)
            out.append(measure)
        if slashed:
            self.notes.append(f"Bars of slashes ({slashed}) go on with what was played before them.")
        return out

    def _measure(self, element: Any, state: _State, index: int) -> Measure:
        show_meter, rest_run = self._attributes(element, state)
        if state.back:
            self._back[index] = state.back
        if state.slashed:
            self._slashed.add(index)
        voices = self._voices(element, state)
        length = max((voice[-1].end for voice in voices.values() if voice), default=state.meter.quarter_length)
        if element.get("implicit") != "yes" or length > state.meter.quarter_length:
            length = state.meter.quarter_length if length <= state.meter.quarter_length else length
        if length > _MAX_BAR:
            raise ValueError(f"bar {element.get('number')} is longer than {_MAX_BAR} quarter notes")
        if len(voices) > 2:
            raise ValueError(f"bar {element.get('number')} has more than two voices")
        filled = tuple(_fill(voice, length, state.meter) for _, voice in sorted(voices.items()))
        if not filled:
            filled = (_fill((), length, state.meter),)
        number = element.get("number") or ""
        state.number = int(number) if number.isdigit() else state.number + 1
        measure = Measure(
            number=state.number, meter=state.meter, length=length, voices=filled, show_meter=show_meter,
            simile=state.simile, rest_run=rest_run,
            new_system=index > 0 and any(
                found.get(f"new-{what}") == "yes" for found in element.findall("print") for what in ("system", "page")),
        )  # fmt: skip
        return self._form(element, self._marks(element, measure), state)

    def _attributes(self, element: Any, state: _State) -> tuple[bool, int]:
        show_meter, rest_run = False, 0
        for attributes in element.findall("attributes"):
            if attributes.findtext("divisions"):
                state.divisions = int(attributes.findtext("divisions"))
            time = attributes.find("time")
            if time is not None and time.findtext("beats"):
                state.meter = Meter(int(time.findtext("beats")), int(time.findtext("beat-type")))
                show_meter = time.get("print-object") != "no"
            for repeat in attributes.iterfind("measure-style/measure-repeat"):
                bars = int(repeat.text or 1) if repeat.get("type") == "start" else 0
                state.simile = bars if bars in (1, 2) else 0
                state.back = min(_MAX_BAR, max(0, bars))
            for slash in attributes.iterfind("measure-style/slash"):
                state.slashed = slash.get("type") == "start"
            rest_run = int(attributes.findtext("measure-style/multiple-rest") or rest_run)
        return show_meter, rest_run

    def _marks(self, element: Any, measure: Measure) -> Measure:
        changes: dict[str, Any] = {}
        for direction in element.findall("direction"):
            rehearsal = direction.findtext("direction-type/rehearsal")
            mark = direction.find("direction-type/metronome")
            swing = direction.find("sound/swing")
            words = direction.findtext("direction-type/words")
            dynamic = direction.find("direction-type/dynamics")
            if dynamic is not None and len(dynamic) and dynamic[0].tag in LEVELS:
                changes["dynamic"] = dynamic[0].tag
            elif rehearsal:
                changes["rehearsal"] = one_line(rehearsal)
            elif mark is not None and (mark.findtext("per-minute") or "").strip():
                bpm = re.search(r"\d+(\.\d+)?", mark.findtext("per-minute"))
                beat = mark.findtext("beat-unit") or "quarter"
                if bpm and beat in TYPE_LENGTH:
                    changes["tempo"] = TempoMark(max(1, round(float(bpm[0]))), beat, len(mark.findall("beat-unit-dot")))
            elif swing is not None:
                changes["swing"] = "straight" if swing.find("straight") is not None else "swing"
            elif words and not (direction.get("id") or "").endswith("-times"):
                changes["text"] = one_line(words)
        return replace(measure, **changes)

    def _form(self, element: Any, measure: Measure, state: _State) -> Measure:
        changes: dict[str, Any] = {}
        for repeat in element.iterfind("barline/repeat"):
            if repeat.get("direction") == "forward":
                changes["repeat_start"] = True
            else:
                changes["repeat_end"] = min(_MAX_BAR, int(repeat.get("times") or 2))
        marks = {mark.get("type"): mark for mark in element.iterfind("barline/ending")}
        if "start" in marks:
            numbers = {int(number) for number in re.findall(r"\d+", marks["start"].get("number") or "")}
            state.ending = tuple(sorted(number for number in numbers if 0 < number <= _MAX_BAR))
        changes["ending"] = state.ending
        if "stop" in marks or "discontinue" in marks or "repeat_end" in changes:
            state.ending = ()
        if measure.text == f"{changes.get('repeat_end')}×":  # our own count, out of a program that dropped its id
            changes["text"] = ""
        return replace(measure, **changes)

    def _voices(self, element: Any, state: _State) -> dict[str, list[Event]]:
        voices: dict[str, list[Event]] = {}
        graces: list[Head] = []
        clock = Fraction(0)
        for item in element:
            if item.tag in ("backup", "forward"):
                step = Fraction(int(item.findtext("duration")), state.divisions)
                clock += step if item.tag == "forward" else -step
            if item.tag != "note" or item.find("cue") is not None:
                continue
            head = self._head(item)
            voice = voices.setdefault(item.findtext("voice") or "1", [])
            if item.find("grace") is not None:
                graces += [head] if head else []
                continue
            duration = Fraction(int(item.findtext("duration")), state.divisions)
            if item.find("chord") is not None:
                if head and voice:
                    voice[-1] = _joined(voice[-1], head, item)
                continue
            voice.append(_event(item, clock, duration, head, tuple(graces)))
            graces = []
            clock += duration
        return voices

    def _head(self, note: Any) -> Head | None:
        tie = note.find("tie[@type='stop']")
        if note.find("rest") is not None or tie is not None:
            return None
        shape = note.find("notehead")
        ghost = shape is not None and shape.get("parentheses") == "yes"
        drum = self._drum(note, shape.text if shape is not None else "normal")
        if drum is None:
            return None
        dynamics = note.get("dynamics")
        accent = note.find("notations/articulations/accent") is not None
        velocity = (
            round(float(dynamics) * FULL_DYNAMICS) if dynamics
            else as_marked(_DEFAULT_VELOCITY, ghost=ghost, accent=accent)
        )  # fmt: skip
        return Head(self._id(note), drum, min(127, max(1, velocity)), ghost)

    def _drum(self, note: Any, shape: str | None) -> str | None:
        technical = note.find("notations/technical")
        is_open = technical is not None and any(technical.find(tag) is not None for tag in _OPEN)
        if self._ours is None:
            return self._instruments.drum(note, shape or "normal", is_open=is_open)
        place, tag = note.find("unpitched"), note.find("instrument")
        if place is None:
            return None
        instrument = self._instruments.by_id.get(tag.get("id")) if tag is not None else None
        label = BY_MIDI.get(instrument.key) if instrument else None
        staff = f"{place.findtext('display-step') or 'B'}{place.findtext('display-octave') or '4'}"
        label = label or drum_at(staff, shape or "normal", open_hat=is_open)
        return "open_hihat" if label == "closed_hihat" and is_open else label

    def _id(self, note: Any) -> int:
        match = _HIT_ID.match(note.get("id") or "")
        number = int(match[1]) if match else self._next_id
        if number in self._seen:
            number = self._next_id
        self._next_id = max(self._next_id, number + 1)
        self._seen.add(number)
        return number


def _event(note: Any, onset: Fraction, duration: Fraction, head: Head | None, graces: tuple[Head, ...]) -> Event:
    ratio = note.find("time-modification")
    tuplet = None
    if ratio is not None:
        tuplet = (int(ratio.findtext("actual-notes")), int(ratio.findtext("normal-notes")))
    edge = note.find("notations/tuplet")
    rest = note.find("rest")
    whole = rest is not None and (rest.get("measure") == "yes" or note.findtext("type") is None)
    kind: Any = note.findtext("type") or "quarter"
    dots, beams = len(note.findall("dot")), tuple(beam.text for beam in note.findall("beam"))
    if not whole and (kind not in TYPE_LENGTH or dots > _MOST_DOTS):
        raise ValueError(f"a note value that is not known ({kind} with {dots} dots)")
    if any(beam not in _BEAMS for beam in beams):
        raise ValueError("a beam that is not known")
    slashes = _slashes(note.find("notations/ornaments/tremolo"))
    mark: Any = edge.get("type") if edge is not None else ""
    return Event(
        onset, duration, "whole" if whole else kind, 0 if whole else dots,
        heads=(head,) if head else (), tuplet=tuplet,
        tuplet_edge=mark if mark in ("start", "stop") else "", beams=beams if head else (),
        graces=graces if head else (), slashes=slashes if head else 0,
        accent=head is not None and note.find("notations/articulations/accent") is not None,
        whole_bar=whole,
    )  # fmt: skip


def _slashes(tremolo: Any) -> int:
    """Strokes through the stem of a roll; an unmeasured one has as many as are customary."""
    if tremolo is None or tremolo.get("type") in ("start", "stop"):
        return 0
    if tremolo.get("type") == "unmeasured":
        return _ROLL
    return min(_MOST_SLASHES, max(0, int(tremolo.text or 0)))


def _joined(event: Event, head: Head, note: Any) -> Event:
    heads = tuple(sorted((*event.heads, head), key=lambda found: DRUMS[found.drum].octave * 7
                         + "CDEFGAB".index(DRUMS[found.drum].step)))  # fmt: skip
    accent = event.accent or note.find("notations/articulations/accent") is not None
    return replace(event, heads=heads, accent=accent)


def _fill(events: list[Event] | Voice, length: Fraction, meter: Meter) -> Voice:
    """Put rests where a voice has gaps (skipped time, or a note value that was left out)."""
    out: list[Event] = []
    clock = Fraction(0)
    for event in events:
        if event.onset < clock:
            raise ValueError("notes of one voice overlap")
        out += _rests(clock, event.onset)
        out.append(event)
        clock = event.end
    if not out:
        return tuple(Event(slot.onset, slot.duration, slot.type, slot.dots, whole_bar=slot.whole_bar)
                     for slot in spell(meter, length, ()))  # fmt: skip
    return (*out, *_rests(clock, length))


def _rests(start: Fraction, end: Fraction) -> Iterator[Event]:
    while start < end:
        room = end - start
        fitting = [(value, kind) for kind, value in TYPE_LENGTH.items() if value <= room]
        if not fitting:
            raise ValueError("a gap is shorter than any rest")
        value, kind = max(fitting)
        yield Event(start, value, kind)
        start += value
