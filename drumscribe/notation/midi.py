"""Standard MIDI files: the performance as it was played, or pulled to the written rhythm.

Channel 10, General MIDI keys, velocities as played. The tempo map follows the beat grid pulse by pulse, so bar lines
in a sequencer stand where the bars of the recording are, and the file runs in time with the recording: a lead-in
fills the time before the first bar, between two markers that say so.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import mido
import numpy as np
from numpy.typing import NDArray

from drumscribe.errors import NotationError
from drumscribe.kit import DRUMS
from drumscribe.notation.note_maps import NoteMap
from drumscribe.notation.played import swing_of
from drumscribe.notation.text import one_line
from drumscribe.types import BeatGrid, Hit, Hits, Meter, Rhythm

TICKS_PER_QUARTER = 480
DRUM_CHANNEL = 9
"""Channel 10, counted from 0."""
OURS = "Written by DrumScribe"
NOTE_MAP, SWING = "Note map: ", "Swing: "
LEAD_IN, START = "Lead-in", "Start"
"""Markers: between them the recording runs before the first bar of the chart, and a reader puts no bars there."""
_NOTE_TICKS = 60
_LEAST_LEAD_S = 0.005
_MICROSECONDS = (1, 0xFFFFFF)


@dataclass(frozen=True, slots=True)
class _Map:
    """Ticks and seconds of every pulse of the grid, and where bars begin."""

    grid: BeatGrid
    ticks: NDArray[np.float64]  # of each pulse
    lead: int  # ticks before the first pulse
    bars: tuple[tuple[int, Meter], ...]  # tick of the bar line and its meter

    def tick(self, time_s: float) -> float:
        return float(np.interp(self.grid.pulse_at(time_s), np.arange(len(self.ticks)), self.ticks)) \
            if self._inside(time_s) else self._outside(time_s)  # fmt: skip

    def _inside(self, time_s: float) -> bool:
        return bool(self.grid.times[0] <= time_s <= self.grid.times[-1])

    def _outside(self, time_s: float) -> float:
        first, last = float(self.grid.times[0]), float(self.grid.times[-1])
        if time_s < first:
            return self.lead * time_s / first if first > 0 else float(self.ticks[0])
        rate = float(self.ticks[-1] - self.ticks[-2]) / (last - float(self.grid.times[-2]))
        return float(self.ticks[-1]) + (time_s - last) * rate


def to_midi(hits: Hits, grid: BeatGrid, *, rhythm: Rhythm | None = None, quantised: bool = False,
            strength: float = 1.0, title: str = "", note_map: NoteMap | None = None) -> bytes:  # fmt: skip
    """Return a standard MIDI file (format 1).

    Args:
        hits: every hit becomes one note.
        grid: the beats, for the tempo map and the bar lines.
        rhythm: needed for ``quantised``; without, too, it tells whether the eighths are swung.
        quantised: move each hit towards its written place; hits that the score leaves out are left out.
        strength: how far: 0 as played, 1 on the grid. Swung eighths go to the swung place.
        title: name of the sequence.
        note_map: which note a drum is written as; ``None``: General MIDI.

    Raises:
        NotationError: if ``quantised`` without ``rhythm``, or the grid has fewer than two pulses.
    """
    if len(grid.times) < 2:
        raise NotationError("The beat grid is too short for a tempo map.", "Give a tempo, or a longer recording.")
    if quantised and rhythm is None:
        raise NotationError("Quantised MIDI needs the quantised rhythm.", "Quantise the hits first.")
    timing = _timing(grid)
    if quantised and rhythm is not None:
        notes = list(_quantised(hits, rhythm, timing, strength))
    else:
        notes = [(max(0, round(timing.tick(hit.time_s))), hit) for hit in hits]
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_QUARTER)
    file.tracks.append(_conductor(timing, one_line(title), note_map, rhythm))
    file.tracks.append(_drums(notes, note_map))
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def _timing(grid: BeatGrid) -> _Map:
    starts = [i for i, number in enumerate(grid.numbers) if i == 0 or number == 1]
    meters = [grid.meters[min(k, len(grid.meters) - 1)] if grid.meters else Meter() for k in range(len(starts))]
    steps = np.zeros(len(grid.times))
    for k, start in enumerate(starts):
        end = starts[k + 1] if k + 1 < len(starts) else len(grid.times)
        steps[start:end] = float(meters[k].pulse) * TICKS_PER_QUARTER
    first, pulse_s = float(grid.times[0]), float(grid.times[1] - grid.times[0])
    lead_pulses = max(1, round(first / pulse_s)) if first > _LEAST_LEAD_S else 0
    lead = round(lead_pulses * float(meters[0].pulse) * TICKS_PER_QUARTER)
    ticks = lead + np.concatenate([[0.0], np.cumsum(steps[:-1])])
    bars: list[tuple[int, Meter]] = []
    whole, rest = divmod(lead_pulses, meters[0].pulses_per_bar)
    if rest:
        bars.append((0, _part(meters[0], rest)))
    if whole:
        bars.append((round(rest * float(meters[0].pulse) * TICKS_PER_QUARTER), meters[0]))
    for k, start in enumerate(starts):
        end = starts[k + 1] if k + 1 < len(starts) else start
        pulses = end - start
        if k == 0 and 0 < pulses < meters[k].pulses_per_bar:  # a pickup
            bars.append((round(ticks[start]), _part(meters[k], pulses)))
        elif end > start:
            bars.append((round(ticks[start]), meters[k]))
    return _Map(grid, ticks, lead, tuple(bars))


def _part(meter: Meter, pulses: int) -> Meter:
    """The meter of a bar of so many pulses of ``meter``."""
    return Meter(pulses * (3 if meter.compound else 1), meter.unit)


def _conductor(timing: _Map, title: str, keys: NoteMap | None, rhythm: Rhythm | None) -> mido.MidiTrack:
    events: list[tuple[int, int, mido.MetaMessage]] = []
    meter: Meter | None = None
    for tick, found in timing.bars:
        if found != meter:
            events.append((tick, 0, mido.MetaMessage("time_signature", numerator=found.beats, denominator=found.unit)))
            meter = found
    events += [(0, 2, _marker(LEAD_IN))] if timing.lead else []
    events.append((timing.lead, 2, _marker(START)))
    clock = 0.0  # seconds that the rounded tempos have taken so far, so that rounding never adds up
    spans = [(0, timing.lead, 0.0, float(timing.grid.times[0]))] if timing.lead else []
    times = timing.grid.times - (0.0 if timing.lead else timing.grid.times[0])
    spans += [(int(a), int(b), float(s), float(e)) for a, b, s, e in
              zip(timing.ticks, timing.ticks[1:], times, times[1:], strict=False)]  # fmt: skip
    last = 0
    for low, high, _, end_s in spans:
        if high <= low:
            continue
        quarters = (high - low) / TICKS_PER_QUARTER
        tempo = min(max(round((end_s - clock) * 1e6 / quarters), _MICROSECONDS[0]), _MICROSECONDS[1])
        clock += tempo * quarters / 1e6
        if tempo != last:
            events.append((low, 1, mido.MetaMessage("set_tempo", tempo=tempo)))
            last = tempo
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
    return mido.MetaMessage("marker", text=text)


def _drums(notes: list[tuple[int, Hit]], note_map: NoteMap | None) -> mido.MidiTrack:
    events: list[tuple[int, int, int, int]] = []  # tick, off before on, key, velocity
    following: dict[int, int] = {}
    for tick, hit in sorted(notes, key=lambda note: -note[0]):
        key = note_map.key(hit.drum) if note_map else DRUMS[hit.drum].midi
        end = tick + _NOTE_TICKS
        if key in following:
            end = max(tick + 1, min(end, following[key]))
        events += [(tick, 1, key, hit.velocity), (end, 0, key, 0)]
        following[key] = tick
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("track_name", name="Drumset"))
    at = 0
    for tick, on, key, velocity in sorted(events):
        kind = "note_on" if on else "note_off"
        track.append(mido.Message(kind, channel=DRUM_CHANNEL, note=key, velocity=velocity, time=tick - at))
        at = tick
    return track


def _quantised(hits: Hits, rhythm: Rhythm, timing: _Map, strength: float) -> Iterator[tuple[int, Hit]]:
    by_id = hits.by_id()
    lines = [timing.tick(bar.start_s) for bar in rhythm.bars]
    for place in rhythm.placements:
        hit = by_id.get(place.hit_id)
        if hit is None:
            continue
        bar = rhythm.bars[place.bar]
        onset = _swung(place.onset) if bar.swing and bar.meter.pulse == 1 else place.onset
        written = lines[place.bar] + float(onset) * TICKS_PER_QUARTER
        played = timing.tick(hit.time_s)
        at = played + strength * (written - played)
        yield max(0, round(at)), replace(hit, drum=place.drum)  # a doubtful hi-hat foot is written as the hand's
        for grace in place.grace_ids:
            if grace in by_id:
                before = replace(by_id[grace], drum=place.drum)
                yield max(0, round(at + timing.tick(before.time_s) - played)), before


def _swung(onset: Fraction) -> Fraction:
    """Where a swung eighth sounds: the second half of the beat begins at two thirds."""
    beat, inside = divmod(onset, 1)
    half = Fraction(1, 2)
    if inside < half:
        return beat + inside * Fraction(4, 3)
    return beat + Fraction(2, 3) + (inside - half) * Fraction(2, 3)
