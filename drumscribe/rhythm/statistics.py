"""Numbers learnt from played and written drums, made by ``python -m training.rhythm``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

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
class Layer:
    """A network of one hidden layer, with one output or several."""

    first: Floats  # (inputs, hidden)
    first_bias: Floats  # (hidden,)
    second: Floats  # (hidden,) or (hidden, outputs)
    second_bias: Floats  # () or (outputs,)

    @classmethod
    def of(cls, numbers: dict[str, Any]) -> Layer:
        """From the lists of a JSON file."""
        return cls(*(np.array(numbers[name]) for name in ("first", "first_bias", "second", "second_bias")))

    def __call__(self, inputs: Floats) -> Floats:
        """Output (or outputs) for each row of inputs."""
        hidden = np.maximum(inputs @ self.first + self.first_bias, 0.0)
        return np.asarray(hidden @ self.second + self.second_bias)


@dataclass(frozen=True, slots=True)
class ReadingModel:
    """Conditional logit over readings (:mod:`drumscribe.rhythm.readings`).

    Attributes:
        weight: of the mean, over the pulses, of the log-odds of bar lines. That it is the mean, and not the sum, was
            learnt: a song repeats itself, and what misleads in one bar misleads in all.
        like: ``(3,)`` weights of the likeness of bars one, two, and four bars apart, in that of the log-odds.
        rest: weight of the mean log-chance that no pulse is a downbeat: right readings make clear odds.
        begins: how much likelier, in nats, the first stroke is where a bar begins than elsewhere.
        change: cost of each bar in another meter than the song's, in the log-odds of bar lines.
        changes: what all of them together must gain beyond that, as a mean over the pulses.
        cues: how likely a reading is in each of five meters, in nats, from its cues.
        legible: ``(11,)`` weights, in nats, of how well it reads (:data:`drumscribe.rhythm.legibility.TERMS`).
    """

    weight: float
    like: Floats
    rest: float
    begins: float
    change: float
    changes: float
    cues: Layer
    legible: Floats

    @classmethod
    def of(cls, numbers: dict[str, Any]) -> ReadingModel:
        """From the numbers of a JSON file."""
        plain = {name: numbers[name] for name in ("weight", "rest", "begins", "change", "changes")}
        legible = np.array(numbers.get("legible", np.zeros(11)), dtype=np.float64)
        return cls(like=np.array(numbers["like"]), cues=Layer.of(numbers["cues"]), legible=legible, **plain)


@dataclass(frozen=True, slots=True)
class Statistics:
    """All that was learnt.

    Attributes:
        timing: by drum label, with ``"any"`` for drums seldom seen.
        bars: tells downbeats.
        readings: tells at which speed, in which meter, and from which beat the pulse is counted.
    """

    timing: dict[str, Timing]
    bars: Layer
    readings: ReadingModel

    def of(self, drum: str) -> Timing:
        """Timing of a drum."""
        return self.timing.get(drum, self.timing["any"])


@lru_cache(maxsize=1)
def load() -> Statistics:
    """Read the packaged numbers once."""
    data = json.loads(files("drumscribe.rhythm").joinpath("statistics.json").read_text())
    timing = {drum: Timing(row["spread_ms"] / 1000, row["habit_ms"] / 1000) for drum, row in data["timing"].items()}
    return Statistics(timing, Layer.of(data["bars"]), ReadingModel.of(data["readings"]))
