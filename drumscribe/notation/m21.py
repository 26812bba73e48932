"""The score as music21 objects, for those who go on with analysis there.

Built part by part from the score and not through MusicXML, so that nothing is lost on the way; do not write it
back to MusicXML with music21, which merges percussion instruments (use :func:`~drumscribe.notation.to_musicxml`).
"""

from __future__ import annotations

from typing import Any

from drumscribe import extras
from drumscribe.kit import DRUMS
from drumscribe.notation.form import brackets
from drumscribe.notation.heads import notehead
from drumscribe.notation.model import Event, Head, Measure, Score


def to_music21(score: Score) -> Any:
    """Return a ``music21.stream.Score`` with one percussion part; ids of notes are ``hit-<id>``.

    Raises MissingExtraError where music21 is not installed.
    """
    extras.need("music21")
    from music21 import clef, instrument, metadata, spanner, stream

    part = stream.Part(id="P1")
    part.insert(0, instrument.UnpitchedPercussion())
    for index, measure in enumerate(score.measures):
        made = _measure(measure)
        if index == 0:
            made.insert(0, clef.PercussionClef())
        part.append(made)
    made_bars = list(part.getElementsByClass(stream.Measure))
    for bars in brackets(score.measures):
        passes = ", ".join(map(str, score.measures[bars.start].ending))
        part.insert(0, spanner.RepeatBracket(made_bars[bars.start : bars.stop], number=passes))
    out = stream.Score()
    out.metadata = metadata.Metadata(title=score.title, composer=score.artist)
    out.insert(0, part)
    return out


def _measure(measure: Measure) -> Any:
    from music21 import bar, dynamics, expressions, meter, stream, tempo

    made = stream.Measure(number=measure.number)
    if measure.show_meter:
        made.insert(0, meter.TimeSignature(str(measure.meter)))
    if measure.pickup:
        made.paddingLeft = measure.meter.quarter_length - measure.length
    if measure.tempo:
        beat = _duration(measure.tempo.beat, measure.tempo.dots)
        made.insert(0, tempo.MetronomeMark(number=measure.tempo.bpm, referent=beat))
    if measure.rehearsal:
        made.insert(0, expressions.RehearsalMark(measure.rehearsal))
    if measure.dynamic:
        made.insert(0, dynamics.Dynamic(measure.dynamic))
    for words in filter(None, (measure.swing.capitalize(), measure.text)):
        made.insert(0, expressions.TextExpression(words))
    sounding = [voice for voice in measure.voices if voice]
    for number, events in enumerate(sounding, start=1):
        into = stream.Voice(id=str(number)) if len(sounding) > 1 else made
        for event in events:
            for made_note in _notes(event, "up" if number == 1 else "down"):
                into.insert(event.onset, made_note)
        if len(sounding) > 1:
            made.insert(0, into)
    if measure.repeat_start:
        made.leftBarline = bar.Repeat(direction="start")
    if measure.repeat_end:
        made.rightBarline = bar.Repeat(direction="end", times=None if measure.ending else measure.repeat_end)
    return made


def _duration(kind: str, dots: int) -> Any:
    from music21 import duration

    return duration.Duration(type=kind, dots=dots)


def _length(event: Event) -> Any:
    from music21 import duration

    if event.whole_bar:
        return duration.Duration(event.duration)
    length = _duration(event.type, event.dots)
    if event.tuplet:
        length.appendTuplet(duration.Tuplet(event.tuplet[0], event.tuplet[1]))
    return length


def _notes(event: Event, stem: str) -> list[Any]:
    from music21 import articulations, expressions, note, percussion

    if not event.heads:
        return [note.Rest(duration=_length(event))]
    graces = [_head(head).getGrace() for head in event.graces]
    heads = [_head(head) for head in event.heads]
    made = heads[0] if len(heads) == 1 else percussion.PercussionChord(heads)
    made.duration = _length(event)
    made.stemDirection = stem
    made.beams.beamsList = _beams(event)
    if event.accent:
        made.articulations.append(articulations.Accent())
    if event.slashes:
        roll = expressions.Tremolo()
        roll.numberOfMarks = event.slashes
        made.expressions.append(roll)
    return [*graces, made]


def _beams(event: Event) -> list[Any]:
    from music21 import beam

    kinds = {"begin": ("start", None), "continue": ("continue", None), "end": ("stop", None),
             "forward hook": ("partial", "right"), "backward hook": ("partial", "left")}  # fmt: skip
    found = []
    for level, name in enumerate(event.beams, start=1):
        made = beam.Beam(*kinds[name])
        made.number = level
        found.append(made)
    return found


def _head(head: Head) -> Any:
    from music21 import articulations, note

    row = DRUMS[head.drum]
    made = note.Unpitched(displayName=row.staff)
    made.id = head.element
    made.notehead = notehead(head.drum, "pas")
    made.noteheadParenthesis = head.ghost
    made.volume.velocity = head.velocity
    made.editorial.drum = head.drum
    if head.drum == "open_hihat":
        made.articulations.append(articulations.OpenString())
    return made
