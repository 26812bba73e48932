"""Numbers learnt from played and written drums, made by ``training/rhythm_stats.py`` and
``training/rhythm_bars.py``."""

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
    """One hidden layer that tells downbeats (:func:`drumscribe.rhythm.patterns.downbeat_logit`)."""

    first: Floats  # (inputs, hidden)
    first_bias: Floats  # (hidden,)
    second: Floats  # (hidden,)
    second_bias: float


@dataclass(frozen=True, slots=True)
class ReadingModel:
    """Conditional logit over readings (:mod:`drumscribe.rhythm.readings`).

    Attributes:
        weight: of the mean, over the pulses, of the log-odds of bar lines. That it is the mean, and not the sum, was
            learnt: a song repeats itself, and what misleads in one bar misleads in all.
        like: weight of the likeness of bars, in that of the log-odds.
        rest: weight of the mean log-chance that no pulse is a downbeat: right readings make clear odds.
        meters: how common each meter is, in nats.
        cues: ``(17,)`` weights of :func:`drumscribe.rhythm.readings.cues`.
    """

    weight: float
    like: float
    rest: float
    meters: dict[str, float]
    cues: Floats


@dataclass(frozen=True, slots=True)
class Statistics:
    """All that was learnt.

    Attributes:
        timing: by drum label, with ``"any"`` for drums seldom seen.
        bars: tells downbeats.
        readings: tells at which speed, in which meter, and from which beat the pulse is counted.
    """

    timing: dict[str, Timing]
    bars: BarModel
    readings: ReadingModel

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
    read = data["readings"]
    readings = ReadingModel(**(read | {"cues": np.array(read["cues"])}))
    return Statistics(timing, model, readings)
