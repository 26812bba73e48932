"""ABC (standard 2.1): text that abcm2ps and abc2svg engrave and abc2midi plays, as drummers write it.

In a percussion clef sharps draw a cross and flats a circled cross as notehead, so each drum has a note of its own;
``%%MIDI drummap`` tells the player which drum that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from drumscribe.kit import DRUMS
from drumscribe.notation.form import brackets
from drumscribe.notation.model import TYPE_LENGTH, Event, Head, Measure, Score, TempoMark, Voice
from drumscribe.notation.text import one_line

NOTES = {
    "kick": "F", "snare": "c", "cross_stick": "^c", "high_tom": "e", "mid_tom": "d", "floor_tom": "A",
    "closed_hihat": "^g", "open_hihat": "^^g", "pedal_hihat": "^D", "crash": "^a", "splash": "^b", "china": "_c'",
    "ride": "^f", "ride_bell": "__f",
}  # fmt: skip
"""Note of each drum: its place on the staff, with a sign that stands for its head; no two are one key of a piano."""
_BARS, _COLUMNS = 6, 36
"""Most bars, and most notes side by side, on a line."""
_NAMES = ("H", "F")
"""Of the voices: hands, feet."""


def to_abc(score: Score) -> str:
    """Return the score as ABC; what a repeat of ABC cannot say is written out."""
    measures = _plain([measure for measure in score.measures if not measure.count_in], score)
    count = 2 if any(len(measure.voices) > 1 for measure in measures) else 1
    first = measures[0] if measures else None
    lines = ["X:1", f"T:{_text(score.title) or 'Drums'}", *([f"C:{_text(score.artist)}"] if score.artist else [])]
    lines += [f"M:{first.meter if first else '4/4'}", "L:1/4"]
    lines += [f"Q:{_tempo(first.tempo)}"] if first and first.tempo else []
    lines += [f"%%score ({' '.join(_NAMES)})"] if count == 2 else []
    lines.append("K:C clef=perc")
    for name, stem in zip(_NAMES[:count], ("up", "down"), strict=False):
        lines += [f"V:{name} stem={stem if count == 2 else 'auto'}", "%%MIDI channel 10", "%%MIDI nobarlines"]
        lines += [f"%%MIDI drummap {NOTES[drum]} {DRUMS[drum].midi}" for drum in score.drums()]
    ends = {bars.stop - 1 for bars in brackets(measures)}
    starts = {bars.start for bars in brackets(measures)}
    for system in _systems(measures):
        for voice in range(count):
            lines.append(f"V:{_NAMES[voice]}")
            bars = [_bar(measures, index, voice, begins=index in starts, ends=index in ends) for index in system]
            lines.append(" ".join(bars))
    return "\n".join(lines) + "\n"


def _plain(measures: Sequence[Measure], score: Score) -> list[Measure]:
    """The bars; written out where a passage is played more than twice, or has more endings than two."""
    if all(measure.repeat_end <= 2 and measure.ending in ((), (1,), (2,)) for measure in measures):
        return list(measures)
    return [replace(score.measures[index], repeat_start=False, repeat_end=0, ending=()) for index in score.play_order()]


def _systems(measures: Sequence[Measure]) -> list[list[int]]:
    lines: list[list[int]] = []
    columns = 0
    for index, measure in enumerate(measures):
        events = [event for voice in measure.voices for event in voice]
        wide = len({event.onset for event in events}) + sum(len(event.graces) for event in events)
        if not lines or measure.new_system or len(lines[-1]) == _BARS or columns + wide > _COLUMNS:
            lines.append([])
            columns = 0
        lines[-1].append(index)
        columns += wide
    return lines


def _bar(measures: Sequence[Measure], index: int, voice: int, *, begins: bool, ends: bool) -> str:
    measure = measures[index]
    words = ["|:" if measure.repeat_start else "", f"[{measure.ending[0]}" if begins else ""]
    if index and measure.meter != measures[index - 1].meter:
        words.append(f"[M:{measure.meter}]")
    if voice == 0:
        words += [f"[P:{_text(measure.rehearsal)}]" if measure.rehearsal else ""]
        words += [f"[Q:{_tempo(measure.tempo)}]" if measure.tempo and index else ""]
        words += [f'"^{_text(text)}"' for text in (measure.swing.capitalize(), measure.text) if text]
        words += [f"!{measure.dynamic}!" if measure.dynamic else ""]
    events = measure.voices[voice] if voice < len(measure.voices) else ()
    words.append(_voice(events) if events else f"x{_length(measure.length)}")
    last = index == len(measures) - 1
    words.append(":|" if measure.repeat_end else "|]" if last else "||" if ends else "|")
    return " ".join(word for word in words if word)


def _voice(events: Voice) -> str:
    out = []
    for index, event in enumerate(events):
        if event.tuplet and event.tuplet_edge == "start":
            inside = next((n for n, one in enumerate(events[index:], start=1) if one.tuplet_edge == "stop"), 1)
            out.append(f"({event.tuplet[0]}:{event.tuplet[1]}:{inside}")
        out.append(_event(event) + ("" if event.beams[:1] in (("begin",), ("continue",)) else " "))
    return "".join(out).strip()


def _event(event: Event) -> str:
    written = TYPE_LENGTH[event.type] * (2 - Fraction(1, 2**event.dots))
    length = _length(event.duration if event.whole_bar else written)
    if not event.heads:
        return f"z{length}"
    marks = "!accent!" * event.accent + "!///!" * bool(event.slashes)
    marks += "!open!" * any(head.drum == "open_hihat" for head in event.heads)
    marks += '"<("">)"' * any(head.ghost for head in event.heads)
    graces = f"{{{''.join(NOTES[head.drum] for head in event.graces)}}}" if event.graces else ""
    return f"{marks}{graces}{_chord(event.heads)}{length}"


def _chord(heads: Sequence[Head]) -> str:
    notes = "".join(NOTES[head.drum] for head in heads)
    return f"[{notes}]" if len(heads) > 1 else notes


def _length(quarters: Fraction) -> str:
    top = "" if quarters.numerator == 1 else str(quarters.numerator)
    return top if quarters.denominator == 1 else f"{top}/{quarters.denominator}"


def _tempo(mark: TempoMark) -> str:
    return f"{TYPE_LENGTH[mark.beat] / 4 * (Fraction(3, 2) if mark.dots else 1)}={mark.bpm}"


def _text(words: str) -> str:
    """Words that cannot be taken for a comment, a quotation's end, or a field."""
    return one_line(words).replace("\\", "").replace("%", r"\%").replace('"', "'").replace("]", ")")
