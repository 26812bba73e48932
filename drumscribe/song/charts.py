"""A chart as a song of its own: hits and beats that came from a file or a program, without a recording."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drumscribe._version import __version__
from drumscribe.audio.decoding import clean_name, title_of
from drumscribe.errors import ProjectError
from drumscribe.kit import LABELS
from drumscribe.notation.formats import Found
from drumscribe.notation.played import LONGEST_S, too_long
from drumscribe.options import Options
from drumscribe.song import edits
from drumscribe.song.project import Heard, Song
from drumscribe.song.stages import laid, notated, written
from drumscribe.types import Activations, BeatGrid, Hits

if TYPE_CHECKING:
    from drumscribe.rhythm import BeatEvidence

_FPS = 100.0
_TAIL_S = 2.0
_FREELY = (
    "The notes do not sit on the file's own grid ({own:.0f} BPM), so beats, meter and bars were found from the strokes "
    "({found:.1f} BPM). Open it with the option beats.midi = file to keep its own."
)


def fields_of(found: Found, *, sha256: str, name: str, wished: Options) -> dict[str, Any]:
    """What a :class:`~drumscribe.song.transcription.Transcription` of a chart is made of.

    Its hits are edits, so another sensitivity keeps them. Raises ProjectError without a hit, RhythmError,
    NotationError.
    """
    from drumscribe.rhythm import beats_of

    if not len(found.hits):
        raise ProjectError(
            " ".join(("There are no drums in this chart.", *found.notes)),
            "Export the drum part from the other program.",
        )
    if max(float(found.grid.times[-1]), max(hit.time_s for hit in found.hits)) > LONGEST_S:
        raise too_long()
    first = edits.FIRST_USER_ID
    hits = Hits.of(replace(hit, id=first + number, origin="user") for number, hit in enumerate(found.hits))
    options = Options(read=wished.read).updated(beats={"midi": wished.beats.midi}, quantise={"swing": found.swing})
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
    song = Song(sha256, duration, title, artist, clean_name(Path(name).name))
    frames = round(duration * _FPS)
    silent = np.zeros((frames, len(LABELS)), np.float32)
    activations = Activations(silent, silent, np.zeros((frames, 0), np.float16), LABELS, _FPS, "none")
    rhythm = written(history, activations, grid, options)
    return {
        "song": song,
        "heard": Heard(),
        "options": options,
        "activations": activations,
        "history": history,
        "evidence": evidence or _evidence(grid, frames),
        "grid": grid,
        "rhythm": rhythm,
        "score": notated(rhythm, options, song),
        "warnings": warnings,
        "provenance": {"drumscribe": __version__, "chart": found.kind},
    }


def _played_freely(found: Found, hits: Hits, options: Options) -> bool:
    """Whether a file's beats are to be found from its strokes."""
    from drumscribe.rhythm import on_grid

    wish = options.beats.midi
    return wish == "strokes" or (wish == "auto" and found.freely and not on_grid(hits, found.grid))


def _evidence(grid: BeatGrid, frames: int) -> BeatEvidence:
    """The chart's own beats, as a tracker would have told them: another tempo or meter starts from there."""
    from drumscribe.rhythm import BeatEvidence

    curve = np.full((frames, 2), 0.001, np.float32)
    for moment, number in zip(grid.times, grid.numbers, strict=True):
        curve[min(frames - 1, max(0, round(moment * _FPS))), 1 if number == 1 else 0] = 0.95
    return BeatEvidence(curve, _FPS, "user", np.asarray(grid.times, dtype=np.float64))
