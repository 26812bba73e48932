"""Charts that come in: files of other programs and project files, as a song or as an edit.

recognised(path)         whether a file is a chart or a project, by its content
opened(data, name)       one as a song of its own: without a recording, everything else works
returned(found, data)    what somebody changed in the chart of a song, as one edit on its hits
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drumscribe.audio.decoding import clean_name
from drumscribe.errors import ProjectError
from drumscribe.notation import formats
from drumscribe.notation.formats import HEAD, READABLE, Format
from drumscribe.notation.played import GRACE_S, time_of
from drumscribe.options import Options
from drumscribe.song import archive, edits, project
from drumscribe.song.charts import fields_of
from drumscribe.song.transcription import Transcription
from drumscribe.types import Hit, Hits, Placement, Rhythm

if TYPE_CHECKING:
    from drumscribe.notation.model import Score

ENDINGS = tuple(ending for found in READABLE.values() for ending in (found.ending, *found.endings, *found.only_read))
"""Names of files that :func:`opened` takes, for a file dialog; what counts is the content."""


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
    if found.name == "song":
        one = archive.opened(data)
    elif found.read is None:
        one = Transcription.of_project(project.loads(data))
    else:
        chart = found.read(data, options.read)
        one = Transcription(**fields_of(chart, sha256=hashlib.sha256(data).hexdigest(), name=name, wished=options))
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
