"""Charts that come back: MusicXML edited in another program, or a MIDI file of drums, as a song or as an edit.

opened(data, name)       a chart as a song of its own: no recording, everything else works
returned(found, data)    what somebody changed in the chart of a song, as one edit on its hits
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drumscribe._version import __version__
from drumscribe.audio.decoding import clean_name, title_of
from drumscribe.errors import ProjectError
from drumscribe.kit import LABELS
from drumscribe.options import Options
from drumscribe.song import edits
from drumscribe.song.project import Heard, Song
from drumscribe.song.stages import laid, notated, written
from drumscribe.song.transcription import Transcription
from drumscribe.types import Activations, Bar, BeatGrid, Hit, Hits, Meter, Placement, Rhythm

if TYPE_CHECKING:
    from drumscribe.notation.model import Score
    from drumscribe.rhythm import BeatEvidence

MUSICXML = (".musicxml", ".mxl", ".xml")
MIDI = (".mid", ".midi")
ENDINGS = (*MUSICXML, *MIDI)
"""File names that :func:`opened` takes."""

_FPS = 100.0
_TAIL_S = 2.0
_FREELY = (
    "The notes do not sit on the file's own grid ({own:.0f} BPM), so beats, meter and bars were found from the strokes "
    "({found:.1f} BPM). Open it with the option beats.midi = file to keep its own."
)
_GRACE_S = 0.03
"""How long before its main stroke a grace note is played."""


@dataclass(frozen=True, slots=True)
class _Note:
    """One written stroke: ``grace`` counts grace notes back from the main stroke, which is 0."""

    bar: int
    onset: Fraction
    drum: str
    grace: int = 0


def opened(data: bytes, name: str, options: Options | None = None) -> Transcription:
    """A chart or a MIDI file of drums as a song of its own. Its hits are edits, so another sensitivity keeps them.

    A MIDI file that was played without a click has a tempo that means nothing: where its notes do not sit on its own
    grid, beats, meter, and bars are found from its strokes, and a warning says so. ``options.beats.midi`` forces
    either.

    Args:
        data: MusicXML (plain or packed), or a standard MIDI file.
        name: file name, for the title.
        options: choices in force; the meter of a chart with one meter is added to them.

    Raises:
        ProjectError: it cannot be read, or holds no drums.
        RhythmError, NotationError: it cannot be written anew.
    """
    from drumscribe import notation
    from drumscribe.rhythm import beats_of

    title = title_of(name)
    artist = ""
    if data.startswith(b"MThd"):
        played = notation.read_midi(data)
        hits, grid, kind = played.hits, played.grid, "MIDI"
    else:
        score = notation.read_musicxml(data)
        rhythm = notation.to_rhythm(score)
        hits, grid, kind = _hits(rhythm), _grid(rhythm), "MusicXML"
        title, artist = score.title or title, score.artist
    if not len(hits):
        raise ProjectError("There are no drums in this chart.", "Export the drum part from the other program.")
    first = edits.FIRST_USER_ID
    hits = Hits.of(replace(hit, id=first + number, origin="user") for number, hit in enumerate(hits))
    options = options or Options()
    history = edits.History(Hits()).do(edits.replace_all(Hits(), hits, f"Read the {kind} file"), at=time.time())
    warnings: tuple[str, ...] = ()
    evidence = None
    duration = max(float(grid.times[-1]), hits[-1].time_s) + _TAIL_S
    if kind == "MIDI" and _played_freely(hits, grid, options):
        evidence, own = beats_of(hits, hits[-1].time_s + _TAIL_S), grid.bpm
        duration = hits[-1].time_s + _TAIL_S
        grid = laid(evidence, history, options, duration)
        warnings = (_FREELY.format(own=own, found=grid.bpm),)
    elif len(set(grid.meters)) == 1:
        options = options.updated(beats={"meter": str(grid.meters[0])})
    song = Song(hashlib.sha256(data).hexdigest(), duration, title, artist, clean_name(Path(name).name))
    frames = round(duration * _FPS)
    silent = np.zeros((frames, len(LABELS)), np.float32)
    activations = Activations(silent, silent, np.zeros((frames, 0), np.float16), LABELS, _FPS, "none")
    rhythm = written(history, activations, grid, options)
    return Transcription(
        song=song,
        heard=Heard(),
        options=options,
        activations=activations,
        history=history,
        evidence=evidence or _evidence(grid, frames),
        grid=grid,
        rhythm=rhythm,
        score=notated(rhythm, options, song),
        warnings=warnings,
        provenance={"drumscribe": __version__, "chart": kind},
    )


def _played_freely(hits: Hits, grid: BeatGrid, options: Options) -> bool:
    """Whether a MIDI file's beats are to be found from its strokes."""
    from drumscribe.rhythm import on_grid

    wish = options.beats.midi
    return wish == "strokes" or (wish == "auto" and not on_grid(hits, grid))


def returned(found: Transcription, data: bytes) -> edits.Edit:
    """What was changed in the MusicXML chart of ``found`` since it was written, as one edit on its hits.

    Strokes that stand where they stood keep their hits with time, velocity, and confidence. Programs do not keep the
    ids of notes, so strokes are told by bar, place, and drum: one that changed its drum is relabelled, one that is
    gone is deleted, a new one is added where the bars of the recording have that place.

    Raises:
        ProjectError: it is not MusicXML, or its bars are not those of the song.
        EditError: the changed hits do not fit together.
    """
    from drumscribe import notation

    if data.startswith(b"MThd"):
        raise ProjectError(
            "A MIDI file does not tell which notes of the score were changed.",
            "Save the chart as MusicXML, or open the MIDI file as a song of its own on the Transcribe page.",
        )
    before, after = notation.to_rhythm(found.score), _played(notation.read_musicxml(data), found)
    if [bar.length for bar in before.bars] != [bar.length for bar in after.bars]:
        raise ProjectError(
            f"The chart's bars ({len(after.bars)}) are not those of this song ({len(before.bars)}).",
            "Set tempo, meter and bar shift as they were when the chart was saved, or open it on the Transcribe page "
            "as a song of its own.",
        )
    was, now = _notes(before), _notes(after)
    places = {
        note: hit_id
        for place in found.rhythm.placements
        for note, hit_id in zip(_of(place), (place.hit_id, *place.grace_ids), strict=False)
    }
    inside = {place.hit_id: place.grace_ids for place in found.rhythm.placements if place.ornament == "roll"}
    hits = found.read.by_id()
    gone = sorted((note for note in was if note not in now and note in places), key=_order)
    fresh = sorted((note for note in now if note not in was), key=_order)
    for note in gone:
        here = (note.bar, note.onset, note.grace)
        other = next((one for one in fresh if (one.bar, one.onset, one.grace) == here), None)
        old = hits[places[note]]
        if other is not None:
            fresh.remove(other)
            hits[old.id] = replace(old, drum=other.drum, confidence=1.0, origin="user")
            continue
        for hit_id in (old.id, *inside.get(old.id, ())):
            hits.pop(hit_id, None)
    spare = max(edits.FIRST_USER_ID, found.hits.next_id())
    for number, note in enumerate(fresh):
        at = max(0.0, _time(found.rhythm.bars[note.bar], note.onset) - _GRACE_S * note.grace)
        hits[spare + number] = Hit(spare + number, at, note.drum, 1.0, now[note], "user")
    return edits.replace_all(found.hits, Hits.of(hits.values()), "Take in the edited chart")


def _played(score: Score, found: Transcription) -> Rhythm:
    """The rhythm of a chart; a count-in that the other program no longer marks as one is left out."""
    from drumscribe import notation

    rhythm = notation.to_rhythm(score)
    if not found.options.notate.count_in or len(rhythm.bars) != len(found.rhythm.bars) + 1:
        return rhythm
    bars = tuple(replace(bar, index=bar.index - 1) for bar in rhythm.bars[1:])
    return replace(
        rhythm, bars=bars,
        placements=tuple(replace(place, bar=place.bar - 1) for place in rhythm.placements if place.bar),
    )  # fmt: skip


def _notes(rhythm: Rhythm) -> dict[_Note, int]:
    """Every stroke with its velocity."""
    return {note: place.velocity for place in rhythm.placements for note in _of(place)}


def _of(place: Placement) -> Iterator[_Note]:
    graces = 0 if place.ornament == "roll" else len(place.grace_ids)
    for number in range(graces + 1):
        yield _Note(place.bar, place.onset, place.drum, number)


def _order(note: _Note) -> tuple[int, Fraction, str, int]:
    return note.bar, note.onset, note.drum, note.grace


def _time(bar: Bar, onset: Fraction) -> float:
    """When a written place of a bar sounds: swung eighths are written straight."""
    pulse, inside = divmod(onset, bar.meter.pulse)
    if bar.swing and inside == bar.meter.pulse / 2:
        inside = bar.meter.pulse * Fraction(2, 3)
    return bar.start_s + float((pulse * bar.meter.pulse + inside) / bar.length) * (bar.end_s - bar.start_s)


def _hits(rhythm: Rhythm) -> Hits:
    """The strokes of a chart at their written times; a roll becomes strokes of thirty-seconds."""
    found: list[Hit] = []

    def strike(time_s: float, place: Placement, velocity: int) -> None:
        found.append(Hit(len(found), max(0.0, time_s), place.drum, 1.0, velocity, "user"))

    for place in rhythm.placements:
        bar = rhythm.bars[place.bar]
        at = _time(bar, place.onset)
        strike(at, place, place.velocity)
        if place.ornament == "roll":
            for number in range(1, int(place.roll_length * 8)):
                strike(_time(bar, place.onset + Fraction(number, 8)), place, place.velocity)
            continue
        for number in range(1, len(place.grace_ids) + 1):
            strike(at - _GRACE_S * number, place, max(1, place.velocity // 2))
    return Hits.of(found)


def _grid(rhythm: Rhythm) -> BeatGrid:
    times: list[float] = []
    numbers: list[int] = []
    meters: list[Meter] = []
    for bar in rhythm.bars:
        pulses = max(1, round(bar.length / bar.meter.pulse))
        times += list(np.linspace(bar.start_s, bar.end_s, pulses + 1)[:-1])
        numbers += list(range(bar.meter.pulses_per_bar - pulses + 1, bar.meter.pulses_per_bar + 1))
        meters.append(bar.meter)
    times.append(rhythm.bars[-1].end_s)
    numbers.append(1)
    return BeatGrid(np.array(times), np.array(numbers), tuple(meters), rhythm.bpm, "user", (), 1.0)


def _evidence(grid: BeatGrid, frames: int) -> BeatEvidence:
    """The chart's own beats, as a tracker would have told them: another tempo or meter starts from there."""
    from drumscribe.rhythm import BeatEvidence

    curve = np.full((frames, 2), 0.001, np.float32)
    for moment, number in zip(grid.times, grid.numbers, strict=True):
        curve[min(frames - 1, max(0, round(moment * _FPS))), 1 if number == 1 else 0] = 0.95
    return BeatEvidence(curve, _FPS, "user", np.asarray(grid.times, dtype=np.float64))
