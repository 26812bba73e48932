"""Ways to divide a pulse, and what each costs to read: the prior of the quantiser."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from drumscribe.options import QuantiseOptions
from drumscribe.rhythm.layout import Layout

Floats = NDArray[np.float64]

SLOTS = 840
"""Places per pulse on which every division (1, 2, 3, 4, 5, 6, 8) has its own."""


@dataclass(frozen=True, slots=True)
class State:
    """One way to divide a pulse.

    Attributes:
        parts: equal parts; of a swung pulse 2.
        swing: the off-beat is late, and written as the second eighth.
        feel: the passage is swung, whether or not this pulse has an off-beat.
        slots: places in 1/840 of a pulse as written, the next pulse included.
        weights: cost in nats of standing at each place.
    """

    parts: int
    swing: bool
    feel: bool
    slots: tuple[int, ...]
    weights: tuple[float, ...]

    def places(self, swing: float) -> Floats:
        """Where the slots are played, in pulses."""
        return np.array([0.0, swing, 1.0]) if self.swing else np.arange(self.parts + 1) / self.parts


def _state(parts: int, feel: bool = False) -> State:
    weights = []
    for k in range(parts + 1):
        level = Fraction(k, parts).denominator
        weights.append({1: 0.0, 2: 0.4, 3: 0.7, 4: 0.9, 5: 1.4, 6: 2.6, 8: 3.0}[level])
    return State(parts, feel and parts == 2, feel, tuple(SLOTS * k // parts for k in range(parts + 1)), tuple(weights))


STATES = (*(_state(n) for n in (1, 2, 3, 4, 6, 8, 5)), *(_state(n, feel=True) for n in (1, 2, 3, 4, 6)))

_READING = {
    Fraction(1): {1: 0.0, 2: 0.7, 3: 3.0, 4: 1.4, 6: 4.2, 8: 5.0, 5: 7.0},  # quarter
    Fraction(3, 2): {1: 0.0, 3: 0.7, 6: 1.6, 2: 3.5, 4: 4.0, 5: 9.0, 8: 9.0},  # dotted quarter
    Fraction(1, 2): {1: 0.0, 2: 0.7, 4: 3.5, 3: 4.0, 6: 7.0, 8: 9.0, 5: 9.0},  # eighth
    Fraction(2): {1: 0.0, 2: 0.6, 4: 1.2, 8: 2.4, 3: 3.0, 6: 4.0, 5: 9.0},  # half
}
"""By the length of the pulse: cost in nats of reading it in so many parts."""
_BINARY, _TERNARY, _QUINTUPLE = 0, 1, 2
_FAMILY = {1: None, 2: _BINARY, 4: _BINARY, 8: _BINARY, 3: _TERNARY, 6: _TERNARY, 5: _QUINTUPLE}


@dataclass(frozen=True, slots=True)
class Divisions:
    """Costs of one song's search.

    Attributes:
        reading: ``(pulses, states)`` cost of each state at each pulse; infinite where not allowed.
        within: ``(states, states)`` cost of the next pulse's state inside a bar.
        across: the same over a bar line.
        clash: cost of two strokes of a drum on one place.
        finest: most parts that a pulse may have.
    """

    reading: Floats
    within: Floats
    across: Floats
    clash: float
    finest: int

    @classmethod
    def of(cls, layout: Layout, options: QuantiseOptions) -> Divisions:
        """Costs for ``layout``'s meters under the user's limits."""
        rows = {meter: _row(meter.pulse, options) for meter in set(layout.meters)}
        reading = np.array([rows[layout.meters[bar]] for bar in layout.bar_of])
        within, across = _moves()
        finest = max(state.parts for s, state in enumerate(STATES) if np.isfinite(reading[:, s]).any())
        return cls(reading, within, across, 6.0, finest)


def _row(pulse: Fraction, options: QuantiseOptions) -> Floats:
    reading = _READING.get(pulse, _READING[Fraction(1)])
    row = np.full(len(STATES), np.inf)
    for s, state in enumerate(STATES):
        # parts of the whole note: 8 for eighths
        value = state.parts * 4 / pulse
        ternary = _FAMILY[state.parts] == _TERNARY
        if state.parts == 5:
            allowed = options.quintuplets
        else:
            compound = pulse == Fraction(3, 2)
            tuplet = (not ternary and state.parts > 1) if compound else ternary
            allowed = state.parts == 1 or (value <= max(options.finest, 8) and (options.triplets or not tuplet))
        if state.swing:
            allowed = pulse == 1 and options.finest >= 8
        if state.feel:
            allowed = allowed and pulse == 1 and options.swing != "off"
        elif options.swing == "on" and pulse == 1:
            allowed = False
        if allowed:
            row[s] = reading[state.parts] + (0.6 if state.feel and state.parts in (3, 4, 6) else 0.0)
    return row


def _moves() -> tuple[Floats, Floats]:
    count = len(STATES)
    within, across = np.zeros((count, count)), np.zeros((count, count))
    for a, old in enumerate(STATES):
        for b, new in enumerate(STATES):
            cost = 0.0
            families = _FAMILY[old.parts], _FAMILY[new.parts]
            if None not in families and families[0] != families[1] and not (old.feel and new.feel):
                cost += 1.2
            if old.parts != new.parts:
                cost += 0.15
            within[a, b] = cost + (np.inf if old.feel != new.feel else 0.0)
            across[a, b] = cost + (7.0 if old.feel != new.feel else 0.0)
    return within, across
