"""Ghosts and accents."""

from __future__ import annotations

from fractions import Fraction

from drumscribe.notation.marks import find_marks
from drumscribe.types import Placement


def test_a_weak_backbeat_is_no_ghost() -> None:
    """Parentheses only where the place agrees with the sound."""
    places = []
    for bar in range(8):
        for k, (onset, velocity) in enumerate(((1, 30 if bar == 4 else 100), (Fraction(7, 4), 28), (3, 102))):
            places.append(Placement(10 * bar + k, bar, Fraction(onset), "snare", velocity, 0.9, 0.0))
    ghosts = find_marks(places).ghosts
    assert ghosts == {10 * bar + 1 for bar in range(8)}
