"""MusicXML back into a score: our own files exactly, other programs' as nearly as a drum staff can be told.

Safe to use on strangers' files: no entities, no network, a limit on size before and after unpacking.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, get_args

from lxml import etree

from drumscribe.choices import Noteheads, Paper, Voices
from drumscribe.errors import NotationError, ProjectError
from drumscribe.kit import BY_MIDI, DRUMS
from drumscribe.notation.dynamics import LEVELS
from drumscribe.notation.form import sound_form
from drumscribe.notation.heads import drum_at
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
from drumscribe.notation.spelling import spell
from drumscribe.notation.text import one_line
from drumscribe.types import Meter

MAX_BYTES = 32 * 1024 * 1024
_MAX_BAR = 64
"""Quarter notes in a bar at most, and plays of a repeated passage: a damaged number must not fill the memory."""
_DEFAULT_VELOCITY = 80
_GHOST_VELOCITY = 36
_SETTINGS: dict[str, tuple[object, ...]] = {
    "voices": get_args(Voices), "paper": get_args(Paper), "noteheads": get_args(Noteheads),
    **dict.fromkeys(("legend", "summary", "count_in"), (False, True)),
}  # fmt: skip
"""What may stand in our own field: it goes into other formats unquoted."""
_BEAMS = ("begin", "continue", "end", "forward hook", "backward hook")
_MOST_DOTS = 3
_MOST_SLASHES = 5
_OPEN = ("open-string", "open", "harmonic")
_HIT_ID = re.compile(r"hit-(\d+)$")


def read_musicxml(data: bytes) -> Score:
    """Read a score-partwise document, plain (``.musicxml``) or packed (``.mxl``): its first part with drums.

    Notes without an id of ours get new ids; notes that are no drum of the kit are left out.

    Raises:
        ProjectError: if it is not MusicXML, too large, or its bars do not add up.
    """
    root = _parse(_unpack(data))
    if root.tag != "score-partwise":
        raise ProjectError("This is not a score-partwise MusicXML file.", "Export it as MusicXML (partwise).")
    try:
        score = _Reader(root).score()
        check(score)
    except (ValueError, KeyError, IndexError, ZeroDivisionError, NotationError) as error:
        raise ProjectError(f"The MusicXML file cannot be read: {error}", "Export it again, or fix that bar.") from error
    return score


def _unpack(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise ProjectError("The MusicXML file is larger than 32 MiB.", "Export only the drum part.")
    if not data.startswith(b"PK"):
        return data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [info for info in archive.infolist() if not info.filename.startswith("META-INF")]
            scores = [info for info in names if info.filename.endswith((".xml", ".musicxml"))]
            if not scores or scores[0].file_size > MAX_BYTES:
                raise ProjectError("The packed file holds no score of usable size.", "Export plain .musicxml.")
            with archive.open(scores[0]) as file:
                content = file.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
        raise ProjectError("The packed MusicXML file is damaged.", "Export plain .musicxml.") from error
    if len(content) > MAX_BYTES:
        raise ProjectError("The packed MusicXML file is too large.", "Export only the drum part.")
    return content


def _parse(data: bytes) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
                             huge_tree=False, remove_comments=True, remove_pis=True)  # fmt: skip
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ProjectError("This is not well-formed XML.", "Export it again as MusicXML.") from error
    if root.getroottree().docinfo.internalDTD is not None and b"<!ENTITY" in data:
        raise ProjectError("The file defines XML entities, which are not read.", "Export it again as MusicXML.")
    return root


@dataclass
class _State:
    """What holds from bar to bar."""

    divisions: int = 1
    meter: Meter = field(default_factory=Meter)
    simile: int = 0
    number: int = 0
    ending: tuple[int, ...] = ()


class _Reader:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._instruments = {
            midi.get("id"): BY_MIDI.get(int(midi.findtext("midi-unpitched") or 0) - 1)
            for midi in root.iter("midi-instrument")
        }
        used = (_HIT_ID.match(note.get("id") or "") for note in root.iter("note"))
        self._next_id = 1 + max((int(match[1]) for match in used if match), default=-1)
        self._seen: set[int] = set()
        self._ours = self._root.find(".//miscellaneous-field[@name='drumscribe']")

    def score(self) -> Score:
        settings = self._settings()
        count_in = bool(settings.pop("count_in", False))
        part = self._part()
        measures = sound_form(list(self._measures(part)))
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

    def _part(self) -> Any:
        parts = self._root.findall("part")
        if not parts:
            raise ValueError("it has no part")
        return next((part for part in parts if part.find(".//unpitched") is not None), parts[0])

    def _measures(self, part: Any) -> Iterator[Measure]:
        state = _State()
        for index, element in enumerate(part.findall("measure")):
            yield self._measure(element, state, index)

    def _measure(self, element: Any, state: _State, index: int) -> Measure:
        show_meter, rest_run = self._attributes(element, state)
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
        velocity = (
            round(float(dynamics) * FULL_DYNAMICS) if dynamics else _GHOST_VELOCITY if ghost else _DEFAULT_VELOCITY
        )
        return Head(self._id(note), drum, min(127, max(1, velocity)), ghost)

    def _drum(self, note: Any, shape: str | None) -> str | None:
        place = note.find("unpitched")
        if place is None:
            return None
        technical = note.find("notations/technical")
        is_open = technical is not None and any(technical.find(tag) is not None for tag in _OPEN)
        staff = f"{place.findtext('display-step') or 'B'}{place.findtext('display-octave') or '4'}"
        instrument = note.find("instrument")
        label = self._instruments.get(instrument.get("id")) if instrument is not None else None
        if label is None or (DRUMS[label].staff != staff and self._ours is None):
            label = drum_at(staff, shape or "normal", open_hat=is_open) or label
        if label == "closed_hihat" and is_open:
            label = "open_hihat"
        return label

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
    slashes = min(_MOST_SLASHES, max(0, int(note.findtext("notations/ornaments/tremolo") or 0)))
    mark: Any = edge.get("type") if edge is not None else ""
    return Event(
        onset, duration, "whole" if whole else kind, 0 if whole else dots,
        heads=(head,) if head else (), tuplet=tuplet,
        tuplet_edge=mark if mark in ("start", "stop") else "", beams=beams if head else (),
        graces=graces if head else (), slashes=slashes if head else 0,
        accent=head is not None and note.find("notations/articulations/accent") is not None,
        whole_bar=whole,
    )  # fmt: skip


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
