"""Guitar Pro 3, 4, and 5, through PyGuitarPro: tablature programs, which have the drums as one track of a song."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from drumscribe.notation.formats.base import MAX_BYTES, Chart, Format, Found

if TYPE_CHECKING:
    from drumscribe.notation.model import Event, Head, Measure
    from drumscribe.notation.order import Signs
    from drumscribe.options import ReadOptions
    from drumscribe.settings import Settings

OURS = "Written by DrumScribe"
_VERSION = (5, 1, 0)
_STRINGS = 7
_DRUM_CHANNEL, _MAP = 9, "guitar-pro"
_DRAG, _FLAM = 64, 32
"""Note value of a grace note: there is room for one, so in our files its value tells a drag's two from a flam's one."""
_VALUES = {"whole": 1, "half": 2, "quarter": 4, "eighth": 8, "16th": 16, "32nd": 32, "64th": 64, "128th": 128}


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return the score as Guitar Pro 5 with one percussion track. Raises MissingExtraError without PyGuitarPro."""
    import io

    import guitarpro as gp

    score = chart.score
    song = gp.Song(title=_latin(score.title), artist=_latin(score.artist), tab=OURS, measureHeaders=[], tracks=[])
    track = gp.Track(
        song, isPercussionTrack=True, name="Drumset", measures=[], fretCount=127,
        strings=[gp.GuitarString(number, 0) for number in range(1, _STRINGS + 1)],
        channel=gp.MidiChannel(channel=_DRUM_CHANNEL, effectChannel=_DRUM_CHANNEL, instrument=0),
    )  # fmt: skip
    song.tracks.append(track)
    swing, tempo = False, 120
    for measure in score.measures:
        swing = measure.swing == "swing" if measure.swing else swing
        tempo = round(measure.tempo.quarter_bpm) if measure.tempo else tempo
        if measure.count_in:
            continue
        if not song.measureHeaders:
            song.tempo = tempo
        header = _header(gp, measure, len(song.measureHeaders) + 1, swing=swing)
        song.measureHeaders.append(header)
        written = gp.Measure(track, header)
        track.measures.append(written)
        for voice, events in zip(written.voices, measure.voices, strict=False):
            for event in events:
                _beats(gp, voice, event, measure.length)
        for voice in written.voices:
            if not voice.beats:  # Guitar Pro's own files have no voice without a beat, and some programs rely on it
                voice.beats.append(gp.Beat(voice, duration=gp.Duration(), status=gp.BeatStatus.empty))
        if measure.tempo and len(song.measureHeaders) > 1 and written.voices[0].beats:
            change = gp.MixTableChange(tempo=gp.MixTableItem(value=tempo), hideTempo=False)
            written.voices[0].beats[0].effect.mixTableChange = change
    out = io.BytesIO()
    gp.write(song, out, version=_VERSION)
    return [out.getvalue()]


def _header(gp: Any, measure: Measure, number: int, *, swing: bool) -> Any:
    length = measure.length / measure.meter.quarter_length * measure.meter.beats
    return gp.MeasureHeader(
        number=number,
        timeSignature=gp.TimeSignature(max(1, round(length)), gp.Duration(measure.meter.unit)),
        isRepeatOpen=measure.repeat_start,
        repeatClose=measure.repeat_end - 1 if measure.repeat_end else -1,
        repeatAlternative=sum(1 << (turn - 1) for turn in measure.ending if turn <= 8),
        tripletFeel=gp.TripletFeel.eighth if swing else gp.TripletFeel.none,
        marker=gp.Marker(_latin(measure.rehearsal)) if measure.rehearsal else None,
    )


def _beats(gp: Any, voice: Any, event: Event, length: Fraction) -> None:
    """Add an event: one beat, and rests for what no single value of Guitar Pro lasts."""
    if event.whole_bar:
        _rests(gp, voice, length)
        return
    duration = gp.Duration(_VALUES[event.type], event.dots > 0, gp.Tuplet(*(event.tuplet or (1, 1))))
    status = gp.BeatStatus.normal if event.heads else gp.BeatStatus.rest
    beat = gp.Beat(voice, duration=duration, status=status)
    voice.beats.append(beat)
    for string, head in enumerate(event.heads[:_STRINGS], start=1):
        beat.notes.append(_note(gp, beat, string, head, event))
    if event.dots > 1:
        _rests(gp, voice, event.duration - Fraction(4, duration.value) * Fraction(3, 2))


def _rests(gp: Any, voice: Any, length: Fraction) -> None:
    while length >= Fraction(1, 32):
        value = next(value for value in _VALUES.values() if Fraction(4, value) <= length)
        voice.beats.append(gp.Beat(voice, duration=gp.Duration(value), status=gp.BeatStatus.rest))
        length -= Fraction(4, value)


def _note(gp: Any, beat: Any, string: int, head: Head, event: Event) -> Any:
    from drumscribe.kit import DRUMS

    effect = gp.NoteEffect(ghostNote=head.ghost, accentuatedNote=event.accent)
    if graces := [grace for grace in event.graces if grace.drum == head.drum]:
        effect.grace = gp.GraceEffect(
            duration=_DRAG if len(graces) > 1 else _FLAM, fret=DRUMS[head.drum].midi,
            velocity=_level(gp, graces[-1].velocity),
        )  # fmt: skip
    if event.slashes:
        effect.tremoloPicking = gp.TremoloPickingEffect(gp.Duration(32))
    return gp.Note(
        beat, value=DRUMS[head.drum].midi, velocity=_level(gp, head.velocity), string=string, effect=effect,
        type=gp.NoteType.normal,
    )  # fmt: skip


def _level(gp: Any, velocity: int) -> int:
    """The nearest of the eight levels from ppp to fff."""
    step: int = gp.Velocities.velocityIncrement
    least: int = gp.Velocities.minVelocity
    return least + step * min(7, max(0, round((velocity - least) / step)))


def _latin(text: str) -> str:
    return text.encode("cp1252", "replace").decode("cp1252")


def read(data: bytes, options: ReadOptions) -> Found:
    """Read the percussion tracks, repeats played. Raises ProjectError."""
    import io
    import struct

    import guitarpro as gp

    from drumscribe.errors import ProjectError
    from drumscribe.notation import Score, to_rhythm
    from drumscribe.notation.form import sound_form, with_pickup
    from drumscribe.notation.played import grid_of, hits_of, swing_of, together
    from drumscribe.notation.roadmap import played_out

    if len(data) > MAX_BYTES:
        raise ProjectError("The Guitar Pro file is larger than 32 MiB.", "Save only the drum track.")
    try:
        song = gp.parse(io.BytesIO(data))
        tracks = [track for track in song.tracks if track.isPercussionTrack or track.channel.channel == _DRUM_CHANNEL]
        if options.part:
            tracks = [track for track in tracks if track.name == options.part]
        if not tracks:
            raise ProjectError("There is no percussion track in this file.", "Mark the drum track as percussion.")
        reader = _Reader(gp, song)
        signs = _signs(song)
        written = [played_out(sound_form(with_pickup(reader.measures(track))), signs) for track in tracks]
        rhythms = [to_rhythm(Score(measures=tuple(measures))) for measures in written]
    except (gp.GPException, struct.error, ValueError, KeyError, IndexError, TypeError, AttributeError,
            OverflowError, ZeroDivisionError, EOFError, UnicodeDecodeError, RecursionError) as error:  # fmt: skip
        raise ProjectError("The Guitar Pro file cannot be read.", "Save it again, or export MusicXML.") from error
    notes = reader.notes()
    if len(tracks) > 1:
        names = ", ".join(f"“{track.name}”" for track in tracks)
        notes.insert(0, f"The percussion tracks {names} were put together; the option read.part takes one of them.")
    if any(sign.da_capo or sign.dal_segno for sign in signs.values()):
        notes.append("D.C. and D.S. are written out as they are played.")
    longest = max(rhythms, key=lambda rhythm: len(rhythm.bars))
    return Found(together([hits_of(rhythm) for rhythm in rhythms]), grid_of(longest), FORMAT.title,
                 song.title, song.artist, swing=swing_of(longest), notes=tuple(notes))  # fmt: skip


def _signs(song: Any) -> dict[int, Signs]:
    """Bars with signs such as D.S. or Coda, by Guitar Pro 5's names for them."""
    from drumscribe.notation.roadmap import signs_named

    found = {}
    for index, header in enumerate(song.measureHeaders):
        words = [sign.name for sign in (header.direction, header.fromDirection) if sign is not None]
        if told := signs_named(words):
            found[index] = told
    return found


class _Reader:
    """Turns tracks into measures; remembers what it met."""

    def __init__(self, gp: Any, song: Any) -> None:
        from collections import Counter

        self._gp, self._song = gp, song
        self._ours = song.tab == OURS
        self._next_id = 0
        self._keys: Counter[int] = Counter()

    def notes(self) -> list[str]:
        from drumscribe.notation.pads import meanings

        return list(meanings(self._keys, _MAP)[1])

    def measures(self, track: Any) -> list[Measure]:
        from drumscribe.notation.model import Measure, TempoMark
        from drumscribe.types import Meter

        out: list[Measure] = []
        signs = [(m.header.timeSignature.numerator, m.header.timeSignature.denominator.value) for m in track.measures]
        meters = [Meter(*sign) for sign in signs]
        for index, measure in enumerate(track.measures):
            header, meter, length = measure.header, meters[index], meters[index].quarter_length
            tempo = TempoMark(max(1, self._song.tempo)) if index == 0 else None
            swung = header.tripletFeel is self._gp.TripletFeel.eighth
            voices = tuple(tuple(self._events(voice, length)) for voice in measure.voices)
            changes = [beat.effect.mixTableChange for voice in measure.voices for beat in voice.beats]
            for change in changes:
                if change is not None and change.tempo is not None and change.tempo.value > 0:
                    tempo = TempoMark(change.tempo.value)
                    break
            turns = tuple(turn for turn in range(1, 9) if header.repeatAlternative >> (turn - 1) & 1)
            out.append(
                Measure(
                    index + 1, meter, length, voices, tempo=tempo, swing="swing" if swung else "straight",
                    repeat_start=header.isRepeatOpen, repeat_end=min(64, max(0, header.repeatClose + 1)), ending=turns,
                )
            )  # fmt: skip
        return out

    def _events(self, voice: Any, length: Fraction) -> Sequence[Event]:
        from drumscribe.notation.model import Event

        events: list[Event] = []
        clock = Fraction(0)
        for beat in voice.beats:
            told = beat.duration
            duration = Fraction(4, told.value) * (Fraction(3, 2) if told.isDotted else 1)
            duration *= Fraction(told.tuplet.times, told.tuplet.enters)
            if beat.status is self._gp.BeatStatus.empty and not beat.notes:
                continue
            if beat.notes and clock < length:
                event = Event(clock, min(duration, length - clock), "quarter")
                for note in beat.notes:
                    event = self._with(event, note)
                if event.heads:
                    events.append(event)
            clock += duration
        return events

    def _with(self, event: Event, note: Any) -> Event:
        from drumscribe.notation.played import as_marked

        if note.type is self._gp.NoteType.tie or note.type is self._gp.NoteType.rest:
            return event
        accent = note.effect.accentuatedNote or note.effect.heavyAccentuatedNote
        ghost, level = note.effect.ghostNote, note.velocity
        level = as_marked(level, ghost=ghost, accent=accent and not self._ours)
        head = self._head(note.realValue, level, ghost=ghost)
        if head is None:
            return event
        graces = event.graces
        if note.effect.grace is not None:
            count = 2 if self._ours and note.effect.grace.duration == _DRAG else 1
            grace = self._head(note.effect.grace.fret, note.effect.grace.velocity)
            graces += (
                tuple(replace(grace, hit_id=grace.hit_id + n, drum=head.drum) for n in range(count)) if grace else ()
            )
            self._next_id += count
        return replace(
            event, heads=(*event.heads, head), graces=graces,
            slashes=3 if note.effect.tremoloPicking or note.effect.trill else event.slashes,
            accent=event.accent or accent,
        )  # fmt: skip

    def _head(self, key: int, velocity: int, *, ghost: bool = False) -> Head | None:
        from drumscribe.notation.model import Head
        from drumscribe.notation.pads import meanings

        label = meanings([key], _MAP)[0].get(key)
        self._keys[key] += 1
        if label is None:
            return None
        self._next_id += 1
        return Head(self._next_id, label, min(127, max(1, velocity)), ghost)


def is_it(head: bytes) -> bool:
    """Whether it is a file of version 3, 4, or 5."""
    return head[1:19] == b"FICHIER GUITAR PRO"


FORMAT = Format(
    "guitar_pro",
    "Guitar Pro 5",
    "Guitar Pro, TuxGuitar, and MuseScore: the drums as a percussion track",
    ".gp5",
    "application/x-guitar-pro",
    write,
    read,
    is_it,
    only_read=(".gp3", ".gp4"),
    loses="velocities finer than eight levels, fractions of a BPM, dynamics, words",
    tested="MuseScore 3.2, TuxGuitar 1.5",
    extra="guitarpro",
)
