"""MusicXML 4.0, written so that MuseScore, verovio, and the others play the drums that are meant.

Each drum is a score-instrument of its own with a midi-instrument on channel 10, and every note names its instrument:
that is what players follow; line and notehead are for the eye. Notes carry the ids of their hits and their velocity
(``dynamics``, per cent of 90). Bars drawn as simile keep their notes. Valid against the 4.0 schema.
"""

from __future__ import annotations

import json
from fractions import Fraction
from math import lcm
from typing import Any

from lxml import etree

from drumscribe.kit import DRUMS
from drumscribe.notation.form import brackets, passes_text
from drumscribe.notation.heads import notehead
from drumscribe.notation.model import PAPER_MM, Event, Head, Measure, Score, Style, Voice
from drumscribe.notation.text import one_line

DOCTYPE = (
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">'
)
SOFTWARE = "DrumScribe"
FULL_DYNAMICS = 0.9
"""Velocity of one per cent in ``note@dynamics``: 100 is forte, velocity 90."""
_MARGIN_MM = 15.0
_STAFF_MM = 7.0
"""Height of the staff, which is 40 tenths."""
_REST_PLACE = (("E", "5"), ("E", "4"))
SWING_WORDS = {"swing": "Swing", "straight": "Straight"}

_Rests = frozenset[tuple[Fraction, Fraction]]

_sub = etree.SubElement


def _text(parent: Any, tag: str, text: object, **attributes: str) -> Any:
    element = _sub(parent, tag, {name.replace("_", "-"): value for name, value in attributes.items()})
    element.text = str(text)
    return element


def to_musicxml(score: Score, *, first_index: int = 0, ends: bool = True) -> bytes:
    """Return the score as an uncompressed MusicXML 4.0 document (UTF-8). Equal scores give equal bytes.

    Args:
        score: the chart.
        first_index: index of its first measure, where it is one page of a longer chart: measure ids go on from there.
        ends: whether the last measure is the end of the piece and gets the final bar line.
    """
    root = etree.Element("score-partwise", version="4.0")
    _header(root, score)
    part = _sub(root, "part", id="P1")
    divisions = lcm(*(
        length.denominator
        for measure in score.measures
        for voice in measure.voices
        for length in (measure.length, *(event.duration for event in voice))
    ))  # fmt: skip
    writer = _MeasureWriter(score.style, divisions)
    endings = brackets(score.measures)
    opening, closing = {bars.start for bars in endings}, {bars.stop - 1 for bars in endings}
    previous: Measure | None = None
    for index, measure in enumerate(score.measures):
        element = _sub(part, "measure", number=str(measure.number), id=f"bar-{first_index + index}")
        writer.write(element, measure, previous, opens=index in opening, closes=index in closing,
                     last=ends and index == len(score.measures) - 1)  # fmt: skip
        previous = measure
    if previous is None:
        writer.empty(_sub(part, "measure", number="1"))
    etree.indent(root)
    document: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", doctype=DOCTYPE)
    return document


def instrument_id(label: str) -> str:
    """Id of a drum's score-instrument."""
    return f"P1-I{DRUMS[label].midi + 1}"


def _header(root: Any, score: Score) -> None:
    _text(_sub(root, "work"), "work-title", one_line(score.title))
    identification = _sub(root, "identification")
    if score.artist:
        _text(identification, "creator", one_line(score.artist), type="composer")
    encoding = _sub(identification, "encoding")
    _text(encoding, "software", SOFTWARE)
    for element in ("beam", "stem"):
        _sub(encoding, "supports", element=element, type="yes")
    _sub(encoding, "supports", element="print", type="yes", attribute="new-system", value="yes")
    style = {name: getattr(score.style, name) for name in Style.__dataclass_fields__ if name != "screen_mm"}
    style["count_in"] = bool(score.measures and score.measures[0].count_in)
    _text(_sub(identification, "miscellaneous"), "miscellaneous-field", json.dumps(style), name="drumscribe")
    width, height = _page(root, score.style.paper)
    _credit(root, "title", one_line(score.title), width / 2, height - 90, "center", 22)
    _credit(root, "composer", one_line(score.artist), width - _tenths(_MARGIN_MM), height - 170, "right", 11)
    _part_list(root)


def _tenths(millimetres: float) -> float:
    return millimetres / _STAFF_MM * 40


def _page(root: Any, paper: str) -> tuple[float, float]:
    width, height = (_tenths(side) for side in PAPER_MM[paper])
    defaults = _sub(root, "defaults")
    scaling = _sub(defaults, "scaling")
    _text(scaling, "millimeters", _STAFF_MM)
    _text(scaling, "tenths", 40)
    layout = _sub(defaults, "page-layout")
    _text(layout, "page-height", round(height, 2))
    _text(layout, "page-width", round(width, 2))
    margins = _sub(layout, "page-margins", type="both")
    for side in ("left", "right", "top", "bottom"):
        _text(margins, f"{side}-margin", round(_tenths(_MARGIN_MM), 2))
    return width, height


def _credit(root: Any, kind: str, text: str, x: float, y: float, justify: str, size: int) -> None:
    if text:
        credit = _sub(root, "credit", page="1")
        _text(credit, "credit-type", kind)
        _text(credit, "credit-words", text, default_x=f"{x:.0f}", default_y=f"{y:.0f}", justify=justify,
              valign="top", font_size=str(size))  # fmt: skip


def _part_list(root: Any) -> None:
    part = _sub(_sub(root, "part-list"), "score-part", id="P1")
    for tag, text in (("part-name", "Drumset"), ("part-abbreviation", "Dr.")):
        _text(part, tag, text, print_object="no")
    for row in DRUMS.values():
        _text(_sub(part, "score-instrument", id=instrument_id(row.label)), "instrument-name", row.name)
    for row in DRUMS.values():
        midi = _sub(part, "midi-instrument", id=instrument_id(row.label))
        _text(midi, "midi-channel", 10)
        _text(midi, "midi-program", 1)
        _text(midi, "midi-unpitched", row.midi + 1)


def _shared_rests(voices: list[Voice]) -> _Rests:
    """Rests that both voices have: one, in the middle, says it."""
    if len(voices) < 2:
        return frozenset()
    first, second = ({(event.onset, event.duration) for event in voice if not event.heads} for voice in voices)
    return frozenset(first & second)


class _MeasureWriter:
    """Writes measures one after the other into their elements."""

    def __init__(self, style: Style, divisions: int) -> None:
        self._dialect = style.noteheads
        self._divisions = divisions

    def empty(self, parent: Any) -> None:
        """The one bar of a piece without bars: MusicXML requires one."""
        self._attributes(parent, None, None)
        note = _sub(parent, "note")
        _sub(note, "rest", measure="yes")
        _text(note, "duration", 4 * self._divisions)

    def write(self, parent: Any, measure: Measure, previous: Measure | None, *, opens: bool, closes: bool,
              last: bool) -> None:  # fmt: skip
        """Write a measure.

        Args:
            parent: its element.
            measure: the bar.
            previous: the bar before, if there is one.
            opens, closes: whether the bracket of its ending begins, or is over with it.
            last: whether it is the last bar of the piece.
        """
        if measure.pickup or measure.count_in:
            parent.set("implicit", "yes")
        if measure.new_system:
            _sub(parent, "print", {"new-system": "yes"})
        if measure.repeat_start or opens:
            barline = self._barline(parent, "left", "heavy-light" if measure.repeat_start else "")
            if opens:
                self._ending(barline, measure, "start")
            if measure.repeat_start:
                _sub(barline, "repeat", direction="forward")
        self._attributes(parent, measure, previous)
        self._directions(parent, measure)
        sounding = [voice for voice in measure.voices if voice]
        alone, shared = len(sounding) == 1, _shared_rests(sounding)
        for number, voice in enumerate(measure.voices, start=1):
            if not voice:
                continue
            if number > 1:
                _text(_sub(parent, "backup"), "duration", self._ticks(measure.length))
            self._voice(parent, voice, number, alone, shared)
        if measure.repeat_end > 2 and not measure.ending:  # over the end, where the player decides
            count = self._words(parent, f"{measure.repeat_end}×")
            count.set("id", f"{parent.get('id')}-times")
            _text(count, "offset", -self._ticks(measure.meter.pulse))
        over = bool(measure.repeat_end or last)
        if over or closes:
            barline = self._barline(parent, "right", "light-heavy" if over else "")
            if closes:
                self._ending(barline, measure, "stop" if over else "discontinue")
            if measure.repeat_end:
                repeat = _sub(barline, "repeat", direction="backward")
                if len(measure.ending) != 1:  # of several passes, MuseScore counts them by it
                    repeat.set("times", str(len(measure.ending) + 1 if measure.ending else measure.repeat_end))

    def _ticks(self, length: Fraction) -> int:
        return int(length * self._divisions)

    def _attributes(self, parent: Any, measure: Measure | None, previous: Measure | None) -> None:
        attributes = etree.Element("attributes")
        if previous is None:
            _text(attributes, "divisions", self._divisions)
            _text(_sub(attributes, "key"), "fifths", 0)
        if measure is not None and (measure.show_meter or previous is None):
            time = _sub(attributes, "time")
            if not measure.show_meter:
                time.set("print-object", "no")
            _text(time, "beats", measure.meter.beats)
            _text(time, "beat-type", measure.meter.unit)
        if previous is None:
            clef = _sub(attributes, "clef")
            _text(clef, "sign", "percussion")
            _text(_sub(attributes, "staff-details"), "staff-lines", 5)
        if measure is not None:
            before = previous.simile if previous else 0
            if measure.simile and measure.simile != before:
                repeat = _text(_sub(attributes, "measure-style"), "measure-repeat", measure.simile, type="start")
                if measure.simile > 1:
                    repeat.set("slashes", str(measure.simile))
            elif before and not measure.simile:
                _sub(_sub(attributes, "measure-style"), "measure-repeat", type="stop")
            if measure.rest_run:
                _text(_sub(attributes, "measure-style"), "multiple-rest", measure.rest_run)
        if len(attributes):
            parent.append(attributes)

    def _directions(self, parent: Any, measure: Measure) -> None:
        if measure.rehearsal:
            _text(_sub(self._direction(parent), "direction-type"), "rehearsal", measure.rehearsal,
                  enclosure="square", font_weight="bold")  # fmt: skip
        if measure.tempo:
            direction = self._direction(parent)
            mark = _sub(_sub(direction, "direction-type"), "metronome", parentheses="no")
            _text(mark, "beat-unit", measure.tempo.beat)
            for _ in range(measure.tempo.dots):
                _sub(mark, "beat-unit-dot")
            _text(mark, "per-minute", measure.tempo.bpm)
            _sub(direction, "sound", tempo=f"{measure.tempo.quarter_bpm:g}")
        if measure.dynamic:
            below = _sub(parent, "direction", placement="below")
            _sub(_sub(_sub(below, "direction-type"), "dynamics"), measure.dynamic)
        if measure.swing:
            direction = self._words(parent, SWING_WORDS[measure.swing])
            swing = _sub(_sub(direction, "sound"), "swing")
            if measure.swing == "swing":
                _text(swing, "first", 2)
                _text(swing, "second", 1)
                _text(swing, "swing-type", "eighth")
            else:
                _sub(swing, "straight")
        if measure.text:
            self._words(parent, one_line(measure.text))

    def _direction(self, parent: Any) -> Any:
        return _sub(parent, "direction", placement="above")

    def _words(self, parent: Any, text: str) -> Any:
        direction = self._direction(parent)
        _text(_sub(direction, "direction-type"), "words", text, font_style="italic")
        return direction

    def _barline(self, parent: Any, where: str, style: str) -> Any:
        barline = _sub(parent, "barline", location=where)
        if style:
            _text(barline, "bar-style", style)
        return barline

    def _ending(self, barline: Any, measure: Measure, kind: str) -> None:
        mark = _sub(barline, "ending", number=", ".join(map(str, measure.ending)), type=kind)
        if kind == "start":
            mark.text = passes_text(measure.ending)

    def _voice(self, parent: Any, voice: Voice, number: int, alone: bool, shared: _Rests) -> None:
        for event in voice:
            if not event.heads:
                both = (event.onset, event.duration) in shared
                self._rest(parent, event, number, centred=alone or both, hidden=both and number > 1)
                continue
            for k, head in enumerate(event.graces):
                self._grace(parent, event, head, k, number)
            for k, head in enumerate(event.heads):
                self._note(parent, event, head, k, number)

    def _rest(self, parent: Any, event: Event, number: int, *, centred: bool, hidden: bool) -> None:
        note = _sub(parent, "note", {"print-object": "no"} if hidden else {})
        rest = _sub(note, "rest")
        if event.whole_bar:
            rest.set("measure", "yes")
        elif not centred:
            step, octave = _REST_PLACE[number - 1]
            _text(rest, "display-step", step)
            _text(rest, "display-octave", octave)
        _text(note, "duration", self._ticks(event.duration))
        _text(note, "voice", number)
        if not event.whole_bar:
            self._value(note, event)
        if event.tuplet_edge:
            self._tuplet_mark(_sub(note, "notations"), event, number)

    def _value(self, note: Any, event: Event) -> None:
        _text(note, "type", event.type)
        for _ in range(event.dots):
            _sub(note, "dot")
        if event.tuplet:
            ratio = _sub(note, "time-modification")
            _text(ratio, "actual-notes", event.tuplet[0])
            _text(ratio, "normal-notes", event.tuplet[1])

    def _tuplet_mark(self, notations: Any, event: Event, number: int) -> None:
        mark = _sub(notations, "tuplet", type=event.tuplet_edge, number="1")
        if event.tuplet_edge == "start":
            mark.set("bracket", "no" if event.beams and not event.dots else "yes")
            mark.set("placement", "above" if number == 1 else "below")

    def _pitch(self, note: Any, head: Head) -> None:
        row = DRUMS[head.drum]
        place = _sub(note, "unpitched")
        _text(place, "display-step", row.step)
        _text(place, "display-octave", row.octave)

    def _head(self, note: Any, head: Head) -> None:
        shape = notehead(head.drum, self._dialect)
        if shape != "normal" or head.ghost:
            element = _text(note, "notehead", shape)
            if shape == "diamond":
                element.set("filled", "yes")
            if head.ghost:
                element.set("parentheses", "yes")

    def _open(self, parent: Any, head: Head) -> Any:
        return _sub(parent, "note", id=head.element, dynamics=f"{head.velocity / FULL_DYNAMICS:.2f}")

    def _grace(self, parent: Any, event: Event, head: Head, k: int, number: int) -> None:
        note = self._open(parent, head)
        single = len(event.graces) == 1
        _sub(note, "grace", slash="yes")  # without the slash, players put it on the beat and its main note behind
        self._pitch(note, head)
        _sub(note, "instrument", id=instrument_id(head.drum))
        _text(note, "voice", number)
        _text(note, "type", "eighth" if single else "16th")
        _text(note, "stem", "up" if number == 1 else "down")
        self._head(note, head)
        if not single:
            beam = "begin" if k == 0 else "end" if k == len(event.graces) - 1 else "continue"
            for level in ("1", "2"):
                _text(note, "beam", beam, number=level)
        if k == 0:
            _sub(_sub(note, "notations"), "slur", type="start", number="1", placement="below")

    def _note(self, parent: Any, event: Event, head: Head, k: int, number: int) -> None:
        note = self._open(parent, head)
        if k:
            _sub(note, "chord")
        self._pitch(note, head)
        _text(note, "duration", self._ticks(event.duration))
        _sub(note, "instrument", id=instrument_id(head.drum))
        _text(note, "voice", number)
        self._value(note, event)
        _text(note, "stem", "up" if number == 1 else "down")
        self._head(note, head)
        if k == 0:
            for level, beam in enumerate(event.beams, start=1):
                _text(note, "beam", beam, number=str(level))
        self._notations(note, event, head, k, number)

    def _notations(self, note: Any, event: Event, head: Head, k: int, number: int) -> None:
        notations = etree.Element("notations")
        above = "above" if number == 1 else "below"
        if k == 0 and event.tuplet_edge:
            self._tuplet_mark(notations, event, number)
        if k == 0 and event.graces:
            _sub(notations, "slur", type="stop", number="1")
        if k == 0 and event.slashes:
            _text(_sub(notations, "ornaments"), "tremolo", event.slashes, type="single")
        if head.drum == "open_hihat":
            _sub(_sub(notations, "technical"), "open-string", placement="above")
        if k == 0 and event.accent:
            _sub(_sub(notations, "articulations"), "accent", placement=above)
        if len(notations):
            note.append(notations)
