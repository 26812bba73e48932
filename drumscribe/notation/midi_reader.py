"""MIDI files back into hits and a grid."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

import mido
import numpy as np

from drumscribe.choices import Swing
from drumscribe.errors import ProjectError
from drumscribe.notation import note_maps
from drumscribe.notation.midi import DRUM_CHANNEL, NOTE_MAP, OURS, START, SWING
from drumscribe.notation.note_maps import GENERAL_MIDI, NoteMap
from drumscribe.notation.pads import Stroke, as_written, drums_of
from drumscribe.notation.text import one_line
from drumscribe.types import BeatGrid, Hits, Meter

MAX_BYTES = 16 * 1024 * 1024
MAX_PULSES = 20_000
"""Beats in a file at most (over an hour at 300 a minute); a damaged delta time would otherwise ask for millions."""
_DEFAULT_TEMPO = 500_000
_SWINGS: dict[str, Swing] = {"on": "on", "off": "off"}
_KEY, _NO_KEY = re.compile(rb"\xff\x59\x02..", re.DOTALL), b"\xff\x59\x02\0\0"
"""A key signature; that of C major."""
_PEDAL = 4
"""Controller of the hi-hat pedal."""


@dataclass(frozen=True, slots=True)
class Played:
    """What a MIDI file holds.

    Attributes:
        hits: the drums.
        grid: of its tempo map.
        unknown: keys that are no drum of ours, with counts.
        title: name of a first track without notes, as sequencers keep the song's there.
        ours: whether we wrote it, so that its grid is that of the recording.
        notes: sentences on notes that were guessed, merged, or left out.
        swing: whether its eighths are swung, where the file says so.
    """

    hits: Hits
    grid: BeatGrid
    unknown: tuple[tuple[int, int], ...] = ()
    title: str = ""
    ours: bool = False
    notes: tuple[str, ...] = ()
    swing: Swing = "auto"


def read_midi(data: bytes, note_map: NoteMap | None = None) -> Played:
    """Read the drums of a standard MIDI file: channel 10, or all channels if that one is silent.

    Args:
        data: the file.
        note_map: which note is which drum; ``None``: found (see :mod:`drumscribe.notation.pads`).

    Raises:
        ProjectError: if it is not a MIDI file, is too large, counts time in SMPTE frames, or has no notes.
    """
    file, messages = opened_file(data)
    tempos: list[tuple[int, int]] = []
    meters: list[tuple[int, Meter]] = []
    notes: list[tuple[int, int, int, int, int | None]] = []
    pedals: dict[int, int] = {}
    chokes = 0
    markers: dict[str, int] = {}
    ours, keys, swing = False, GENERAL_MIDI, "auto"
    tick = 0
    for message in messages:
        tick += message.time
        if message.type == "set_tempo" and message.tempo > 0:
            tempos.append((tick, message.tempo))
        elif message.type == "time_signature":
            meters.append((tick, _meter(message)))
        elif message.type == "marker":
            markers.setdefault(message.text, tick)
        elif message.type == "text":
            ours = ours or message.text == OURS
            keys = message.text.removeprefix(NOTE_MAP) if message.text.startswith(NOTE_MAP) else keys
            swing = message.text.removeprefix(SWING) if message.text.startswith(SWING) else swing
        elif message.type == "control_change" and message.control == _PEDAL:
            pedals[message.channel] = message.value
        elif message.type == "polytouch" and message.value and message.channel == DRUM_CHANNEL:
            chokes += 1
        elif message.type == "note_on" and message.velocity:
            notes.append((tick, message.channel, message.note, message.velocity, pedals.get(message.channel)))
    if any(note[1] == DRUM_CHANNEL for note in notes):
        notes = [note for note in notes if note[1] == DRUM_CHANNEL]
    if not notes:
        raise ProjectError("The MIDI file has no notes.", "Export the drum track.")
    seconds = Seconds(file.ticks_per_beat, tempos)
    strokes = [Stroke(seconds.at(tick), note, velocity, pedal) for tick, _, note, velocity, pedal in notes]
    if ours:
        wish = note_map or note_maps.note_map(keys if keys in note_maps.names() else GENERAL_MIDI)
        hits, said, unknown = as_written(strokes, wish)
    else:
        hits, said, unknown = drums_of(strokes, note_map, tracks=[track.name for track in file.tracks], chokes=chokes)
    begin = markers.get(START, 0) if ours else 0
    grid = laid_bars(seconds, meters, begin, max(note[0] for note in notes))
    return Played(hits, grid, unknown, _title(file), ours, said, _SWINGS.get(swing, "auto"))


def opened_file(data: bytes) -> tuple[mido.MidiFile, list[Any]]:
    """A file and its messages in order. Raises ProjectError if it cannot be read, or is too long, or counts frames."""
    if len(data) > MAX_BYTES:
        raise ProjectError("The MIDI file is larger than 16 MiB.", "Export only the drum track.")
    try:
        try:
            file = mido.MidiFile(file=io.BytesIO(data), clip=True)
        except mido.KeySignatureError:  # some programs write keys that there are not; drums have none
            file = mido.MidiFile(file=io.BytesIO(_KEY.sub(_NO_KEY, data)), clip=True)
        messages = list(mido.merge_tracks(file.tracks))
    except (OSError, EOFError, ValueError, IndexError, KeyError, TypeError, mido.KeySignatureError) as error:
        raise ProjectError("This is not a readable MIDI file.", "Export it again as standard MIDI.") from error
    if file.ticks_per_beat <= 0 or file.ticks_per_beat > 0x7FFF:
        raise ProjectError("The MIDI file counts time in SMPTE frames.", "Export it with ticks per quarter note.")
    if sum(message.time for message in messages) > MAX_PULSES * 4 * file.ticks_per_beat:
        raise _too_long()
    return file, messages


def tempos_and_meters(file: mido.MidiFile) -> tuple[Seconds, list[tuple[int, Meter]]]:
    """The clock of an opened file, and where its meters begin. Raises ProjectError for a meter that cannot be used."""
    tempos: list[tuple[int, int]] = []
    meters: list[tuple[int, Meter]] = []
    tick = 0
    for message in mido.merge_tracks(file.tracks):
        tick += message.time
        if message.type == "set_tempo" and message.tempo > 0:
            tempos.append((tick, message.tempo))
        elif message.type == "time_signature":
            meters.append((tick, _meter(message)))
    return Seconds(file.ticks_per_beat, tempos), meters


def struck_notes(data: bytes) -> list[int]:
    """The notes of all strokes of a MIDI file, in order, whatever their channel. Raises ProjectError."""
    _, messages = opened_file(data)
    return [message.note for message in messages if message.type == "note_on" and message.velocity]


def _title(file: mido.MidiFile) -> str:
    first = file.tracks[0]
    if file.type != 1 or any(message.type == "note_on" for message in first):
        return ""
    name = next((message.name for message in first if message.type == "track_name"), "")
    return one_line(name)


def _too_long() -> ProjectError:
    return ProjectError(f"The MIDI file lasts more than {MAX_PULSES} beats.", "Cut it to one song.")


def _meter(message: Any) -> Meter:
    try:
        return Meter(message.numerator, message.denominator)
    except ValueError as error:
        raise ProjectError(f"The time signature {message.numerator}/{message.denominator} cannot be used.",
                           "Use time signatures over 2, 4, 8, or 16.") from error  # fmt: skip


class Seconds:
    """Ticks to seconds under a tempo map: ticks with microseconds a quarter note."""

    def __init__(self, ticks_per_quarter: int, tempos: list[tuple[int, int]]) -> None:
        self.per_quarter = ticks_per_quarter
        changes = dict([(0, _DEFAULT_TEMPO), *sorted(tempos)])  # the last of several at one tick holds
        self._ticks = np.array(sorted(changes))
        self._rates = np.array([changes[tick] for tick in self._ticks]) / 1e6 / ticks_per_quarter
        spans = np.diff(self._ticks) * self._rates[:-1]
        self._starts = np.concatenate([[0.0], np.cumsum(spans)])

    def at(self, tick: float) -> float:
        """Seconds at a tick."""
        index = int(np.searchsorted(self._ticks, tick, side="right")) - 1
        return float(self._starts[index] + (tick - self._ticks[index]) * self._rates[index])


def laid_bars(seconds: Seconds, meters: list[tuple[int, Meter]], begin: int, last_tick: int) -> BeatGrid:
    """Bars from the tick ``begin`` on; a short bar before the first of another meter is a pickup to that."""
    times: list[float] = []
    numbers: list[int] = []
    bars: list[Meter] = []
    pending = sorted(meters, key=lambda change: change[0])
    meter = Meter()
    tick = float(begin)
    while tick <= last_tick or not bars:
        if len(times) > MAX_PULSES:
            raise _too_long()
        while pending and pending[0][0] <= tick + 1:
            meter = pending.pop(0)[1]
        first = 1
        if not bars and pending and (pulses := _pickup(meter, pending[0], tick, seconds.per_quarter)):
            meter = pending[0][1]
            first = meter.pulses_per_bar - pulses + 1
        bars.append(meter)
        for number in range(first, meter.pulses_per_bar + 1):
            times.append(seconds.at(tick))
            numbers.append(number)
            tick += float(meter.pulse) * seconds.per_quarter
    times.append(seconds.at(tick))
    numbers.append(1)
    grid_times = np.array(times)
    slope = float(np.polyfit(np.arange(len(times)), grid_times, 1)[0])
    return BeatGrid(grid_times, np.array(numbers), tuple(bars), 60 / slope, "user", (), 1.0)


def _pickup(meter: Meter, following: tuple[int, Meter], tick: float, per_quarter: int) -> int:
    """Pulses of a first bar that is a pickup to the ``following`` meter; 0 where it is a bar of its own."""
    at, whole = following
    length = meter.quarter_length
    ends = abs(tick + float(length) * per_quarter - at) <= 1
    shorter = length < whole.quarter_length and meter.unit == whole.unit
    return int(length / whole.pulse) if ends and shorter and length % whole.pulse == 0 else 0
