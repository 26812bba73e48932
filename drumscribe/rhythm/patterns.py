"""What the drums say about the bar: features of each pulse, and a small network that tells downbeats from them and from
what a tracker heard.

The weights are in ``statistics.json``, learnt by ``training/rhythm_bars.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drumscribe.rhythm.statistics import Layer
from drumscribe.types import Hits

Floats = NDArray[np.float64]

_GROUPS = {
    "kick": "kick", "snare": "snare", "cross_stick": "snare", "high_tom": "tom", "mid_tom": "tom", "floor_tom": "tom",
    "closed_hihat": "hat", "pedal_hihat": "foot", "open_hihat": "open", "crash": "crash", "splash": "crash",
    "china": "crash", "ride": "ride", "ride_bell": "ride",
}  # fmt: skip
_NAMES = (
    "kick on", "kick off", "kick between", "snare on", "snare off", "snare between", "crash on", "crash other",
    "tom", "open", "hat", "ride", "foot",
)  # fmt: skip
_COLUMNS = {name: i for i, name in enumerate(_NAMES)}


def _columns(group: str) -> tuple[int, int, int]:
    """Column of a group on the pulse, half-way, and between; -1 where it does not count."""
    if group in ("kick", "snare"):
        return _COLUMNS[f"{group} on"], _COLUMNS[f"{group} off"], _COLUMNS[f"{group} between"]
    if group == "crash":
        return _COLUMNS["crash on"], _COLUMNS["crash other"], _COLUMNS["crash other"]
    column = _COLUMNS[group]
    return (column, column, column) if group in ("tom", "open") else (column, -1, -1)


_WHERE = {drum: _columns(group) for drum, group in _GROUPS.items()}
PHASES = (0.0, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4)
"""Places inside a pulse that are told apart where its division matters."""
_EDGES = (1 / 8, 7 / 24, 5 / 12, 7 / 12, 17 / 24, 7 / 8)
_VOICES = ("kick", "snare", "hand", "tom", "crash", "foot")
_VOICE = {drum: _VOICES.index({"hat": "hand", "open": "hand", "ride": "hand"}.get(group, group))
          for drum, group in _GROUPS.items()}  # fmt: skip
DRUMS_REACH, TRACKER_REACH = 8, 4
"""Pulses looked at on either side."""
USUAL = -1.1
"""Log-odds of a downbeat where nothing is known: one pulse in four."""


@dataclass(frozen=True, slots=True)
class Strokes:
    """Hits as arrays, made once for all readings of a song.

    Attributes:
        times: ``(n,)`` seconds.
        columns: ``(n, 3)`` column of each on the pulse, half-way, and between; -1 where it does not count.
        voices: ``(n,)`` which of six kinds of drum.
        loud: ``(n,)`` 0-1.
    """

    times: Floats
    columns: NDArray[np.int64]
    voices: NDArray[np.int64]
    loud: Floats

    @classmethod
    def of(cls, hits: Hits) -> Strokes:
        """Take them out of hits."""
        columns = np.array([_WHERE[hit.drum] for hit in hits], dtype=np.int64).reshape(-1, 3)
        velocity = np.array([hit.velocity for hit in hits], dtype=np.float64)
        voices = np.array([_VOICE[hit.drum] for hit in hits], dtype=np.int64)
        times = np.array([hit.time_s for hit in hits], dtype=np.float64)
        return cls(times, columns, voices, np.minimum(velocity / 100.0, 1.0))


def features(place: Floats, strokes: Strokes, count: int) -> Floats:
    """Return ``(count, 13)``: how loud (0-1) each group is on the pulse, half-way, and between.

    Args:
        place: time of each stroke in pulses.
        strokes: all of them.
        count: number of pulses.
    """
    table = np.zeros((count, len(_COLUMNS)))
    pulse = np.floor(place + 0.125).astype(int)
    phase = place - pulse
    where = np.select([phase < 0.125, (phase >= 0.375) & (phase < 0.6)], [0, 1], 2)
    column = strokes.columns[np.arange(len(place)), where]
    heard = (pulse >= 0) & (pulse < count) & (column >= 0)
    toms = heard & (column == _COLUMNS["tom"])
    np.add.at(table, (pulse[toms], column[toms]), strokes.loud[toms] / 3)
    np.maximum.at(table, (pulse[heard & ~toms], column[heard & ~toms]), strokes.loud[heard & ~toms])
    return np.minimum(table, 1.0)


def divided(place: Floats, strokes: Strokes, count: int) -> Floats:
    """Return ``(count, 36)``: how loud (0-1) each of six kinds of drum is on each of six places in a pulse.

    Args:
        place: time of each stroke in pulses.
        strokes: all of them.
        count: number of pulses.
    """
    table = np.zeros((count + 1, len(_VOICES), len(PHASES)))
    pulse = np.floor(place).astype(int)
    phase = np.searchsorted(_EDGES, place - pulse, side="right")
    pulse, phase = pulse + (phase == len(PHASES)), phase % len(PHASES)
    heard = (pulse >= 0) & (pulse < count)
    np.maximum.at(table, (pulse[heard], strokes.voices[heard], phase[heard]), strokes.loud[heard])
    return table[:count].reshape(count, -1)


def thirds(parts: Floats) -> float:
    """Which part of what is played between pulses stands on their thirds.

    Args:
        parts: ``(36,)`` mean of :func:`divided`.
    """
    between = parts.reshape(len(_VOICES), len(PHASES)).sum(axis=0)[1:]
    return float((between[1] + between[3]) / max(between.sum(), 1e-6))


def in_context(table: Floats, reach: int) -> Floats:
    """Each pulse's row with those of ``reach`` neighbours on either side; silence beyond the ends."""
    padded = np.pad(table, ((reach, reach), (0, 0)))
    return np.concatenate([padded[k : k + len(table)] for k in range(2 * reach + 1)], axis=1)


def downbeat_inputs(table: Floats, heard: Floats) -> Floats:
    """Inputs of the downbeat network, ``(count, 239)``: drums two bars around each pulse, the tracker one."""
    return np.concatenate([in_context(table, DRUMS_REACH), in_context(heard, TRACKER_REACH)], axis=1)


def downbeat_logit(table: Floats, heard: Floats, model: Layer) -> Floats:
    """Log-odds that each pulse is a downbeat, ``(count,)``; those of any pulse where nothing is known.

    Args:
        table: ``(count, 13)`` drums (:func:`features`).
        heard: ``(count, 2)`` tracker (:meth:`drumscribe.rhythm.evidence.BeatEvidence.on_pulses`).
        model: the weights.
    """
    inputs = downbeat_inputs(table, heard)
    return np.where(inputs.any(axis=1), model(inputs), USUAL)


def echoes(table: Floats, lags: Iterable[int]) -> dict[int, Floats]:
    """How like each pulse is to the one ``lag`` pulses earlier, for each lag, ``(count,)`` in nats: of the cosine of
    their rows, so that a pulse played again to the letter says far more than a similar one; -0.1 where one is silent.
    """
    norm = np.linalg.norm(table, axis=1, keepdims=True)
    unit = np.divide(table, norm, out=np.zeros(table.shape), where=norm > 0)
    found = {}
    for lag in lags:
        same = np.zeros(len(table))
        if lag < len(table):
            same[lag:] = np.einsum("ij,ij->i", unit[lag:], unit[:-lag])
        found[lag] = -np.log(1.1 - same)
    return found
