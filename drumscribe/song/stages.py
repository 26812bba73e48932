"""The cheap half of the pipeline: pure functions from activations and evidence to the score, milliseconds each.

:mod:`drumscribe.pipeline` runs them once; :class:`~drumscribe.song.transcription.Transcription` runs them again with
every move of a slider.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

from drumscribe.kit import DRUMS
from drumscribe.options import DetectOptions, Options
from drumscribe.song.edits import History
from drumscribe.song.project import Song
from drumscribe.types import Activations, BeatGrid, Hit, Hits, Rhythm

if TYPE_CHECKING:
    from drumscribe.notation.model import Score
    from drumscribe.rhythm import BeatEvidence


def picked(activations: Activations, options: DetectOptions) -> Hits:
    """Pick the hits. A hit has the same id at every sensitivity, so that edits find it again."""
    from drumscribe import hits

    return hits.pick(activations, options)


def laid(
    evidence: BeatEvidence, history: History, options: Options, duration_s: float, before: BeatGrid | None = None
) -> BeatGrid:
    """Lay beats and bars.

    The model's own hits decide where the bars begin, so that moving one note does not shift every bar line; only
    when an edit put a hit outside the grid is it laid anew over the edited hits.

    Args:
        before: what was laid over the model's hits with the same evidence and options, where that is known.
    """
    from drumscribe.rhythm import beat_grid

    base, hits = history.base, history.hits
    if evidence.tracker == "strokes" and not len(base):  # a MIDI file: all its hits came as the first edit
        base, before = hits, None
    grid = before if before is not None else beat_grid(evidence, base, options.beats, duration_s)
    if history.log and len(hits):
        # the model's own first stroke may stand a hair before its bar line
        first = min([grid.times[0], *(hit.time_s for hit in base.items[:1])])
        last = max([grid.times[-1], *(hit.time_s for hit in base.items[-1:])])
        if hits[0].time_s < first or hits[-1].time_s > last:
            grid = beat_grid(evidence, hits, options.beats, duration_s)
    return grid


def shown(hits: Hits, options: Options) -> Hits:
    """The hits as they are written: a drum that the network tells unreliably goes by its fallback (see ``kit``).

    What a user named stays as it was named, and the hits themselves keep what was heard.
    """
    if options.quantise.rare_drums == "heard":
        return hits
    return Hits.of(
        hit if hit.origin == "user" or (common := DRUMS[hit.drum].fallback) is None else replace(hit, drum=common)
        for hit in hits
    )


def spare(activations: Activations, history: History) -> tuple[Hit, ...]:
    """Candidates that are neither among the hits nor were removed or refused by the user."""
    from drumscribe import hits

    known = history.hits.by_id().keys() | {hit.id for change in history.edits for hit in change.removed}
    known |= {hit_id for change in history.edits for hit_id in change.refused}
    return tuple(hit for hit in hits.candidates(activations) if hit.id not in known)


def written(
    history: History, activations: Activations, grid: BeatGrid, options: Options, groups: tuple[int, ...] = ()
) -> Rhythm:
    """Read the hits as a chart, as far as the options say, and quantise them.

    ``groups`` of like bars are kept if there is one for each bar: corrections do not tear a group apart.
    """
    from drumscribe.rhythm import grouped, quantise, read_hits

    wish = options.quantise
    hits = shown(history.hits, options)
    heard = wish.amount == 0 or all(hit.origin == "user" for hit in hits)
    pool = () if heard else shown(Hits(spare(activations, history)), options)
    read = read_hits(hits, tuple(pool), grid, 0.0 if heard else wish.amount, frozenset(wish.as_heard))
    rhythm = quantise(read.hits, grid, wish)
    groups = groups if len(groups) == len(rhythm.bars) else grouped(rhythm)
    return replace(rhythm, changes=read.changes, groups=groups, note=read.note)


def as_read(hits: Hits, rhythm: Rhythm, activations: Activations, options: Options) -> Hits:
    """The hits as they are written: those of :func:`shown` with what the reading changed."""
    from drumscribe import hits as hearing

    found = shown(hits, options).by_id()
    added = {change.hit_id: change.drum for change in rhythm.changes if change.kind == "added"}
    fresh = {hit.id: hit for hit in hearing.candidates(activations) if hit.id in added} if added else {}
    for change in rhythm.changes:
        if change.kind == "removed":
            found.pop(change.hit_id, None)
        elif change.kind == "renamed" and change.hit_id in found:
            found[change.hit_id] = replace(found[change.hit_id], drum=change.drum)
        elif change.hit_id in fresh:
            found[change.hit_id] = replace(fresh[change.hit_id], drum=change.drum)
    return Hits.of(found.values())


def notated(rhythm: Rhythm, options: Options, song: Song, *, screen_mm: float | None = None) -> Score:
    """Write the score; title and artist are the user's, or the recording's. Lines are as wide as paper, or a screen."""
    from drumscribe import notation

    style = options.notate
    title, artist = style.title or song.title, style.artist or song.artist
    return notation.notate(rhythm, style, title=title, artist=artist, screen_mm=screen_mm)


def file_name(text: str, limit: int = 120) -> str:
    """A file name, without extension, that every system takes, as close to ``text`` as may be.

    >>> file_name("AC/DC: Back in Black?"), file_name("../.."), file_name("CON")
    ('AC DC Back in Black', 'score', 'CON_')
    """
    text = unicodedata.normalize("NFC", text)
    text = "".join(" " if unicodedata.category(char)[0] == "C" else char for char in text)
    text = " ".join(re.sub(r'[<>:"/\\|?*]', " ", text).split()).strip(". ")
    while len(text.encode()) > limit:
        text = text[:-1].strip(". ")
    if re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)", text):
        text += "_"
    return text or "score"
