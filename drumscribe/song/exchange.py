"""Hits out of and into what other Python libraries work with: tables, mir_eval, pretty_midi, plain rows."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drumscribe import extras
from drumscribe.errors import OptionsError
from drumscribe.kit import DRUMS
from drumscribe.notation.formats import Found
from drumscribe.types import BeatGrid, Hit, Hits, Meter, Rhythm

_VELOCITY = 80
_NOTE_S = 0.05
"""Length of a note in :attr:`MirEval.intervals`: drums have none, and mir_eval wants one."""


@dataclass(frozen=True, slots=True)
class MirEval:
    """What mir_eval's functions take; compare two of them field by field.

    >>> import mir_eval                                                                          # doctest: +SKIP
    >>> mir_eval.transcription.evaluate(*truth.transcription, *song.transcription, offset_ratio=None)  # doctest: +SKIP

    Attributes:
        onset: for ``mir_eval.onset``: ``(hits,)`` seconds.
        beat: for ``mir_eval.beat``: ``(beats,)`` seconds, those before zero left out.
        downbeats: ``(bars,)`` seconds.
        intervals: ``(hits, 2)`` seconds from onset on.
        pitches: ``(hits,)`` hertz: the General MIDI note of the drum as if it were a pitch.
        velocities: ``(hits,)`` 1-127, for ``mir_eval.transcription_velocity``.
        drums: ``(hits,)`` labels.
    """

    onset: NDArray[np.float64]
    beat: NDArray[np.float64]
    downbeats: NDArray[np.float64]
    intervals: NDArray[np.float64]
    pitches: NDArray[np.float64]
    velocities: NDArray[np.float64]
    drums: NDArray[np.str_]

    @property
    def transcription(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Intervals and pitches, as ``mir_eval.transcription`` takes them."""
        return self.intervals, self.pitches

    def onset_of(self, drum: str) -> NDArray[np.float64]:
        """Onsets of one drum."""
        found: NDArray[np.float64] = self.onset[self.drums == drum]
        return found


def mir_eval_of(hits: Hits, grid: BeatGrid) -> MirEval:
    """Arrays for mir_eval, sorted by time."""
    times = np.array([hit.time_s for hit in hits], dtype=np.float64)
    keys = np.array([DRUMS[hit.drum].midi for hit in hits], dtype=np.float64)
    heard = grid.times >= 0
    return MirEval(
        onset=times,
        beat=grid.times[heard],
        downbeats=grid.times[heard & (grid.numbers == 1)],
        intervals=np.stack([times, times + _NOTE_S], axis=1).reshape(-1, 2),
        pitches=440.0 * 2 ** ((keys - 69) / 12),
        velocities=np.array([hit.velocity for hit in hits], dtype=np.float64),
        drums=np.array([hit.drum for hit in hits], dtype=np.str_),
    )


def table_of(hits: Hits, rhythm: Rhythm) -> Any:
    """A pandas table: a row a hit under its id, with where the score has it (missing where it is left out).

    Raises MissingExtraError where pandas is not installed.
    """
    extras.need("research", "A table of the hits")
    import pandas as pd

    places = {place.hit_id: place for place in rhythm.placements}
    rows = []
    for hit in hits:
        place = places.get(hit.id)
        rows.append(
            {
                "id": hit.id,
                "time_s": hit.time_s,
                "drum": hit.drum,
                "velocity": hit.velocity,
                "confidence": hit.confidence,
                "origin": hit.origin,
                "bar": rhythm.bars[place.bar].number if place else None,
                "quarter": float(place.onset) if place else None,
                "deviation_s": place.deviation_s if place else None,
                "ornament": place.ornament if place else None,
            }
        )
    columns = ["id", "time_s", "drum", "velocity", "confidence", "origin", "bar", "quarter", "deviation_s", "ornament"]
    return pd.DataFrame(rows, columns=columns).astype({"bar": "Int64"}).set_index("id")


def pretty_midi_of(midi: bytes) -> Any:
    """A MIDI file as ``pretty_midi.PrettyMIDI``. Raises MissingExtraError where that is not installed."""
    extras.need("research", "Handing a song to pretty_midi")
    import pretty_midi

    return pretty_midi.PrettyMIDI(io.BytesIO(midi))


def chart_of(hits: Any, beats: Any, bpm: float | None, meter: str, title: str) -> tuple[Found, str]:
    """Rows and beats as what a reader of files gives, and a digest of them. Raises OptionsError for a bad one."""
    from drumscribe.notation.played import even_grid

    found = Hits.of(_rows(hits))
    if isinstance(beats, BeatGrid):
        grid = beats
    elif beats is not None:
        grid = _grid(np.asarray(beats, dtype=np.float64), meter)
    elif bpm is not None:
        last = found[-1].time_s if len(found) else 0.0
        grid = _grid(np.arange(0.0, last + 60 / bpm + 1e-9, 60 / bpm), meter)
    else:
        grid = even_grid(found)
    digest = hashlib.sha256(repr([(hit.time_s, hit.drum, hit.velocity) for hit in found]).encode()).hexdigest()
    return Found(found, grid, "rows", title, freely=beats is None and bpm is None), digest


def _rows(hits: Any) -> Iterable[Hit]:
    if hasattr(hits, "to_dict") and hasattr(hits, "columns"):  # a pandas table
        hits = [(row["time_s"], row["drum"], row.get("velocity", _VELOCITY)) for row in hits.to_dict("records")]
    for number, row in enumerate(hits):
        if isinstance(row, Hit):
            yield Hit(number, row.time_s, row.drum, row.confidence, row.velocity, row.origin)
            continue
        try:
            time_s, drum, *rest = row
            yield Hit(number, float(time_s), str(drum), 1.0, int(rest[0]) if rest else _VELOCITY, "user")
        except (TypeError, ValueError) as error:
            raise OptionsError(
                f"Hit {number} is not a time, a drum, and a velocity: {error}.", f"Drums are {', '.join(DRUMS)}."
            ) from error


def _grid(times: NDArray[np.float64], meter: str) -> BeatGrid:
    """Bars of one meter from the first beat on, the last one full."""
    found = Meter.parse(meter)
    if times.ndim != 1 or len(times) < 2 or not (np.diff(times) > 0).all():
        raise OptionsError("Beats must be at least two times, each after the one before.", "Sort them.")
    pulses = found.pulses_per_bar
    more = -(len(times) - 1) % pulses
    step = float(times[-1] - times[-2])
    whole = np.concatenate([times, times[-1] + step * np.arange(1, more + 1)])
    numbers = np.arange(len(whole)) % pulses + 1
    bpm = 60 / float(np.polyfit(np.arange(len(whole)), whole, 1)[0])
    return BeatGrid(whole, numbers, (found,) * ((len(whole) - 1) // pulses), bpm, "user", (), 1.0)
