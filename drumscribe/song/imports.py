"""Charts that come in: files of other programs and project files, as a song or as an edit.

recognised(path)         whether a file is a chart or a project, by its content
opened(data, name)       one as a song of its own: without a recording, everything else works
returned(found, data)    what somebody changed in the chart of a song, as one edit on its hits
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drumscribe._version import __version__
from drumscribe.audio.decoding import clean_name, title_of
from drumscribe.errors import ProjectError
from drumscribe.kit import LABELS
from drumscribe.notation import formats
from drumscribe.notation.formats import HEAD, READABLE, Format, Found
from drumscribe.notation.played import GRACE_S, time_of
from drumscribe.options import Options
from drumscribe.song import edits, project
from drumscribe.song.project import Heard, Song
from drumscribe.song.stages import laid, notated, written
from drumscribe.song.transcription import Transcription
from drumscribe.types import Activations, BeatGrid, Hit, Hits, Placement, Rhythm

if TYPE_CHECKING:
    from drumscribe.notation.model import Score
    from drumscribe.rhythm import BeatEvidence

ENDINGS = tuple(ending for found in READABLE.values() for ending in (found.ending, *found.endings))
"""Names of files that :func:`opened` takes, for a file dialog; what counts is the content."""

_FPS = 100.0
_TAIL_S = 2.0
_FREELY = (
    "The notes do not sit on the file's own grid ({own:.0f} BPM), so beats, meter and bars were found from the strokes "
    "({found:.1f} BPM). Open it with the option beats.midi = file to keep its own."
)


@dataclass(frozen=True, slots=True)
class _Note:
    """One written stroke: ``grace`` counts grace notes back from the main stroke, which is 0."""

    bar: int
    onset: Fraction
    drum: str
    grace: int = 0


def recognised(path: Path) -> Format | None:
    """The format of a chart or project file, by its first bytes; ``None`` for a recording, or what cannot be read."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return formats.recognised(file.read(HEAD))
    except (OSError, ValueError):
        return None


def content(path: Path) -> bytes:
    """The bytes of a chart. Raises ProjectError where it cannot be read, or is too large for one."""
    try:
        if path.stat().st_size > project.MAX_BYTES:
            raise ProjectError(f"{path.name} is too large for a chart.", "Export only the drum part.")
        return path.read_bytes()
    except OSError as error:
        raise ProjectError(f"{path.name} cannot be read: {error.strerror}.", "Check the path and try again.") from error


def load(path: Path, name: str = "", options: Options | None = None) -> Transcription:
    """:func:`opened` of a file; ``name`` where the user knows it by another. Raises ProjectError as that does."""
    return opened(content(path), name or path.name, options)


def opened(data: bytes, name: str, options: Options | None = None) -> Transcription:
    """A project file with everything in it, or a chart as a song of its own.

    The hits of a chart are edits, so another sensitivity keeps them. A MIDI file that was played without a click has a
    tempo that means nothing: where its notes do not sit on its own grid, beats, meter, and bars are found from its
    strokes, and a warning says so. ``options.beats.midi`` forces either.

    Args:
        data: of any format in :data:`drumscribe.notation.formats.READABLE`.
        name: file name, for the title.
        options: what differs from the default is applied. How to listen (separation, tracker, speeds) does not
            concern a chart.

    Raises:
        ProjectError: it cannot be read, or holds no drums.
        MissingExtraError: what reads it is not installed.
        RhythmError, NotationError: it cannot be written anew.
    """
    options = options or Options()
    found = formats.recognised(data[:HEAD])
    if found is None:
        raise ProjectError(
            f"{clean_name(Path(name).name) or 'This file'} is neither a project nor a chart that can be read.",
            f"Give one of these: {', '.join(one.title for one in READABLE.values())}.",
        )
    if found.read is None:
        one = Transcription.of_project(project.loads(data))
    else:
        one = _as_song(found.read(data, options.read), data, name, options)
    asked = _asked(options)
    return one.rescore(None, **asked) if asked else one


_HEARING = {"separate": {"separator"}, "detect": {"speeds", "source"}, "beats": {"tracker", "midi"}}
"""What does not concern a chart, or has had its say when it was opened."""


def _asked(options: Options) -> dict[str, dict[str, Any]]:
    """Choices that are not the default, as :meth:`Transcription.rescore` takes them."""
    default = Options().model_dump()
    asked: dict[str, dict[str, Any]] = {}
    for group, values in options.model_dump(exclude={"read"}).items():
        for key, value in values.items():
            if value != default[group][key] and key not in _HEARING.get(group, ()):
                asked.setdefault(group, {})[key] = value
    return asked


def _as_song(found: Found, data: bytes, name: str, wished: Options) -> Transcription:
    from drumscribe.rhythm import beats_of

    if not len(found.hits):
        raise ProjectError(
            " ".join(("There are no drums in this chart.", *found.notes)),
            "Export the drum part from the other program.",
        )
    first = edits.FIRST_USER_ID
    hits = Hits.of(replace(hit, id=first + number, origin="user") for number, hit in enumerate(found.hits))
    options = Options(read=wished.read).updated(beats={"midi": wished.beats.midi})
    history = edits.History(Hits()).do(edits.replace_all(Hits(), hits, f"Read the {found.kind} file"), at=time.time())
    warnings, evidence, grid = found.notes, None, found.grid
    duration = max(float(grid.times[-1]), hits[-1].time_s) + _TAIL_S
    if _played_freely(found, hits, options):
        evidence = beats_of(hits, hits[-1].time_s + _TAIL_S)
        duration = hits[-1].time_s + _TAIL_S
        grid = laid(evidence, history, options, duration)
        if found.kind == "MIDI":
            warnings = (*warnings, _FREELY.format(own=found.grid.bpm, found=grid.bpm))
    elif len(set(grid.meters)) == 1:
        options = options.updated(beats={"meter": str(grid.meters[0])})
    title, artist = found.title or title_of(name), found.artist
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
        provenance={"drumscribe": __version__, "chart": found.kind},
    )


def _played_freely(found: Found, hits: Hits, options: Options) -> bool:
    """Whether a file's beats are to be found from its strokes."""
    from drumscribe.rhythm import on_grid

    wish = options.beats.midi
    return wish == "strokes" or (wish == "auto" and found.freely and not on_grid(hits, found.grid))


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
        at = max(0.0, time_of(found.rhythm.bars[note.bar], note.onset) - GRACE_S * note.grace)
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


def _evidence(grid: BeatGrid, frames: int) -> BeatEvidence:
    """The chart's own beats, as a tracker would have told them: another tempo or meter starts from there."""
    from drumscribe.rhythm import BeatEvidence

    curve = np.full((frames, 2), 0.001, np.float32)
    for moment, number in zip(grid.times, grid.numbers, strict=True):
        curve[min(frames - 1, max(0, round(moment * _FPS))), 1 if number == 1 else 0] = 0.95
    return BeatEvidence(curve, _FPS, "user", np.asarray(grid.times, dtype=np.float64))
