"""What the drums say about the bar: features of each pulse, and a small network that tells downbeats from them.

The weights are in ``statistics.json``, learnt by ``training/rhythm_stats.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drumscribe.rhythm.statistics import BarModel

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
CONTEXT = 4
"""Pulses looked at on either side."""


def features(place: Floats, drums: Sequence[str], velocity: Floats, count: int) -> Floats:
    """Return ``(count, 13)``: how loud (0–1) each group is on the pulse, half-way, and between.

    Args:
        place: time of each hit in pulses.
        drums: label of each hit.
        velocity: 1–127.
        count: number of pulses.
    """
    table = np.zeros((count, len(_COLUMNS)))
    pulse = np.floor(place + 0.125).astype(int)
    phase = place - pulse
    where = np.select([phase < 0.125, (phase >= 0.375) & (phase < 0.6)], [0, 1], 2)
    columns = np.array([_WHERE[drum] for drum in drums], dtype=int).reshape(-1, 3)
    column = columns[np.arange(len(place)), where]
    loud = np.minimum(velocity / 100.0, 1.0)
    heard = (pulse >= 0) & (pulse < count) & (column >= 0)
    toms = heard & (column == _COLUMNS["tom"])
    np.add.at(table, (pulse[toms], column[toms]), loud[toms] / 3)
    np.maximum.at(table, (pulse[heard & ~toms], column[heard & ~toms]), loud[heard & ~toms])
    return np.minimum(table, 1.0)


def pulse_cues(place: Floats, drums: Sequence[str], velocity: Floats, bpm: float) -> Floats:
    """What tells whether a pulse is counted rightly, or at half or double speed, ``(10,)``.

    Tempo (log2 over 110, and its square); then the part of the sounding pulses with: a loud snare on it, a kick on it,
    snares between, kicks between, notes in all (per four), hats or rides on it, snares half-way, kicks half-way.
    """
    table = features(place, drums, velocity, int(place[-1]) + 2)
    table = table[table.any(axis=1)]
    speed = float(np.log2(bpm / 110.0))
    columns = {name: table[:, index] for name, index in _COLUMNS.items()}
    hands = columns["hat"] + columns["ride"] + columns["open"]
    parts = (
        columns["snare on"] > 0.4, columns["kick on"] > 0.2, columns["snare between"] > 0.2,
        columns["kick between"] > 0.2, np.full(len(table), len(place) / len(table) / 4), hands > 0.1,
        columns["snare off"] > 0.4, columns["kick off"] > 0.2,
    )  # fmt: skip
    return np.array([speed, speed * speed, *(float(np.mean(part)) for part in parts)])


def in_context(table: Floats) -> Floats:
    """Each pulse's features with those of its neighbours, ``(count, 9 x 13)``; silence beyond the ends."""
    padded = np.pad(table, ((CONTEXT, CONTEXT), (0, 0)))
    return np.concatenate([padded[k : k + len(table)] for k in range(2 * CONTEXT + 1)], axis=1)


def downbeat_logit(table: Floats, model: BarModel) -> Floats:
    """Log-odds, by the drums alone, that each pulse is a downbeat, ``(count,)``; 0 where nothing is played near."""
    inputs = in_context(table)
    hidden = np.maximum(inputs @ model.first + model.first_bias, 0.0)
    logit: Floats = hidden @ model.second + model.second_bias
    return np.where(inputs.any(axis=1), logit, 0.0)


def likeness(table: Floats, lag: int) -> Floats:
    """Cosine of each pulse's features with those ``lag`` pulses earlier, ``(count,)``; 0 where either is silent."""
    norm = np.linalg.norm(table, axis=1)
    same = np.zeros(len(table))
    if lag < len(table):
        product = (table[lag:] * table[:-lag]).sum(axis=1)
        size = norm[lag:] * norm[:-lag]
        same[lag:] = np.divide(product, size, out=np.zeros(len(product)), where=size > 0)
    return same
