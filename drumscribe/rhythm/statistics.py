"""Numbers learnt from played and written drums, made by ``training/rhythm_stats.py``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Timing:
    """How tightly a drum is played, in seconds, once what all drums share is taken out.

    Attributes:
        spread_s: standard deviation of a player's strokes around the player's habit.
        habit_s: standard deviation of the habits (ahead, behind) of players.
    """

    spread_s: float
    habit_s: float


@dataclass(frozen=True, slots=True)
class BarModel:
    """One hidden layer that tells downbeats from drum patterns (:func:`drumscribe.rhythm.patterns.downbeat_logit`)."""

    first: Floats  # (inputs, hidden)
    first_bias: Floats  # (hidden,)
    second: Floats  # (hidden,)
    second_bias: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """All that was learnt.

    Attributes:
        timing: by drum label, with ``"any"`` for drums seldom seen.
        bars: tells downbeats from drum patterns.
        pulse: ``(10,)`` weights of :func:`drumscribe.rhythm.patterns.pulse_cues`: half, full, or double speed.
    """

    timing: dict[str, Timing]
    bars: BarModel
    pulse: Floats

    def of(self, drum: str) -> Timing:
        """Timing of a drum."""
        return self.timing.get(drum, self.timing["any"])


@lru_cache(maxsize=1)
def load() -> Statistics:
    """Read the packaged numbers once."""
    data = json.loads(files("drumscribe.rhythm").joinpath("statistics.json").read_text())
    timing = {drum: Timing(row["spread_ms"] / 1000, row["habit_ms"] / 1000) for drum, row in data["timing"].items()}
    bars = data["bars"]
    model = BarModel(
        np.array(bars["first"]), np.array(bars["first_bias"]), np.array(bars["second"]), float(bars["second_bias"])
    )
    return Statistics(timing, model, np.array(data["pulse"]))
