"""Standard MIDI files: the performance as it was played, or pulled to the written rhythm.

Channel 10, General MIDI keys, velocities as played. The tempo map follows the beat grid pulse by pulse, so bar lines
in a sequencer stand where the bars of the recording are, and the file runs in time with the recording: a lead-in
fills the time before the first bar, between two markers that say so.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace

import mido

from drumscribe.errors import NotationError
from drumscribe.kit import DRUMS
from drumscribe.notation.note_maps import NoteMap
from drumscribe.notation.played import swing_of
from drumscribe.notation.tempo_map import TICKS_PER_QUARTER, TempoMap
from drumscribe.notation.text import one_line
from drumscribe.types import BeatGrid, Hit, Hits, Rhythm

DRUM_CHANNEL = 9
"""Channel 10, counted from 0."""
OURS = "Written by DrumScribe"
NOTE_MAP, SWING = "Note map: ", "Swing: "
LEAD_IN, START = "Lead-in", "Start"
"""Markers: between them the recording runs before the first bar of the chart, and a reader puts no bars there."""
PEDAL_CONTROLLER, PEDAL = 4, {"closed_hihat": 127, "open_hihat": 0, "pedal_hihat": 127}
"""What the hi-hat's pedal sends before a stroke, for kits that have it: some tell by it alone how open the hats are."""
_KINDS = (
    ("note_off", "note", "velocity"), ("control_change", "control", "value"), ("note_on", "note", "velocity"),
)  # fmt: skip
"""Messages in the order in which they come at one tick, with the names of their two numbers."""
_NOTE_TICKS = 60


def to_midi(hits: Hits, grid: BeatGrid, *, rhythm: Rhythm | None = None, quantised: bool = False,
            strength: float = 1.0, title: str = "", note_map: NoteMap | None = None,
            letters: Sequence[tuple[float, str]] = ()) -> bytes:  # fmt: skip
    """Return a standard MIDI file (format 1).

    Args:
        hits: every hit becomes one note.
        grid: the beats, for the tempo map and the bar lines.
        rhythm: needed for ``quantised``; without, too, it tells whether the eighths are swung.
        quantised: move each hit towards its written place; hits that the score leaves out are left out.
        strength: how far: 0 as played, 1 on the grid. Swung eighths go to the swung place.
        title: name of the sequence.
        note_map: which note a drum is written as; ``None``: General MIDI.
        letters: seconds and names of the parts of the song, written as markers.

    Raises:
        NotationError: if ``quantised`` without ``rhythm``, or the grid has fewer than two pulses.
    """
    if quantised and rhythm is None:
        raise NotationError("Quantised MIDI needs the quantised rhythm.", "Quantise the hits first.")
    timing = TempoMap.of(grid)
    if quantised and rhythm is not None:
        notes = list(_quantised(hits, rhythm, timing, strength))
    else:
        notes = [(max(0, round(timing.tick(hit.time_s))), hit) for hit in hits]
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_QUARTER)
    file.tracks.append(_conductor(timing, one_line(title), note_map, rhythm, letters))
    file.tracks.append(drum_track(notes, note_map))
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def _conductor(
    timing: TempoMap, title: str, keys: NoteMap | None, rhythm: Rhythm | None, letters: Sequence[tuple[float, str]]
) -> mido.MidiTrack:
    events: list[tuple[int, int, mido.MetaMessage]] = [
        (tick, 0, mido.MetaMessage("time_signature", numerator=meter.beats, denominator=meter.unit))
        for tick, meter in timing.meters()
    ]
    events += [(tick, 1, mido.MetaMessage("set_tempo", tempo=tempo)) for tick, tempo in timing.tempos()]
    events += [(0, 2, _marker(LEAD_IN))] if timing.lead else []
    events.append((timing.lead, 2, _marker(START)))
    events += [(max(0, round(timing.tick(start_s))), 3, _marker(name)) for start_s, name in letters]
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("track_name", name=title.encode("latin-1", "replace").decode("latin-1")))
    track.append(mido.MetaMessage("text", text=OURS))
    if keys:
        track.append(mido.MetaMessage("text", text=NOTE_MAP + keys.name))
    if rhythm:
        track.append(mido.MetaMessage("text", text=SWING + swing_of(rhythm)))
    at = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - at))
        at = tick
    return track


def _marker(text: str) -> mido.MetaMessage:
    return mido.MetaMessage("marker", text=text.encode("latin-1", "replace").decode("latin-1"))


def drum_track(
    notes: list[tuple[int, Hit]], note_map: NoteMap | None, *, name: str = "Drumset", last: int | None = None
) -> mido.MidiTrack:
    """Return a track of strokes at ticks; every note is over at ``last``."""
    events: list[tuple[int, int, int, int]] = []  # tick, place among _KINDS, key, velocity
    pedal = note_map is not None and note_map.pedal
    following: dict[int, int] = {}
    for tick, hit in sorted(notes, key=lambda note: -note[0]):
        key = note_map.key(hit.drum) if note_map else DRUMS[hit.drum].midi
        end = tick + _NOTE_TICKS if last is None else min(last, tick + _NOTE_TICKS)
        if key in following:
            end = max(tick + 1, min(end, following[key]))
        events += [(tick, 2, key, hit.velocity), (end, 0, key, 0)]
        if pedal and hit.drum in PEDAL:
            events.append((tick, 1, PEDAL_CONTROLLER, PEDAL[hit.drum]))
        following[key] = tick
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=name.encode("latin-1", "replace").decode("latin-1"))])
    at = 0
    for tick, kind, number, value in sorted(events):
        message, first, second = _KINDS[kind]
        track.append(
            mido.Message(message, **{"channel": DRUM_CHANNEL, first: number, second: value, "time": tick - at})
        )
        at = tick
    return track


def _quantised(hits: Hits, rhythm: Rhythm, timing: TempoMap, strength: float) -> Iterator[tuple[int, Hit]]:
    by_id = hits.by_id()
    for place in rhythm.placements:
        hit = by_id.get(place.hit_id)
        if hit is None:
            continue
        written = timing.written(place, rhythm.bars[place.bar])
        played = timing.tick(hit.time_s)
        at = played + strength * (written - played)
        yield max(0, round(at)), replace(hit, drum=place.drum)  # a doubtful hi-hat foot is written as the hand's
        for grace in place.grace_ids:
            if grace in by_id:
                before = replace(by_id[grace], drum=place.drum)
                yield max(0, round(at + timing.tick(before.time_s) - played)), before
