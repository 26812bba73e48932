"""Strokes of the hi-hat foot that a reader would not believe.

A hi-hat that the hand strikes closed is held closed by the foot: both at one place are one stroke. And where the hand
plays an even stream, a lone foot stroke that fills a gap in it, at a place that the hand plays in most other bars, is
the hand's: networks confuse the two, and drummers seldom swap them.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate

from drumscribe.types import Bar, Placement

_FOOT = "pedal_hihat"
_HAND = frozenset({"closed_hihat", "open_hihat"})
_STEPS = (Fraction(1, 4), Fraction(1, 3), Fraction(1, 2))
"""Quarter notes between the strokes of a stream."""
_AROUND = 8
"""Bars to each side that tell what the hand plays at a place."""


def settle(placements: Sequence[Placement], bars: Sequence[Bar], sure: Set[int]) -> tuple[list[Placement], list[int]]:
    """Write doubtful foot strokes as what the hand plays.

    Args:
        placements: in order.
        bars: of the song.
        sure: ids of hits to leave alone: a user named them.

    Returns:
        The placements, some with the closed hi-hat for the foot, and the ids of foot strokes that fell on the hand's.
    """
    lines = list(accumulate((bar.length for bar in bars), initial=Fraction(0)))
    hand = {lines[place.bar] + place.onset for place in placements if place.drum in _HAND}
    by_hand, by_foot = (_bars_by_place(placements, drums) for drums in (_HAND, {_FOOT}))
    kept: list[Placement] = []
    dropped: list[int] = []
    for place in placements:
        at = lines[place.bar] + place.onset
        if place.drum != _FOOT or place.hit_id in sure:
            kept.append(place)
        elif at in hand:
            dropped.append(place.hit_id)
        elif _fills_gap(at, hand) and _near(place, by_hand) > _near(place, by_foot):
            kept.append(replace(place, drum="closed_hihat"))
        else:
            kept.append(place)
    kept.sort(key=lambda place: (place.bar, place.onset, place.drum))
    return kept, dropped


def _bars_by_place(placements: Sequence[Placement], drums: Set[str]) -> dict[Fraction, set[int]]:
    bars: dict[Fraction, set[int]] = {}
    for place in placements:
        if place.drum in drums:
            bars.setdefault(place.onset, set()).add(place.bar)
    return bars


def _near(place: Placement, bars: dict[Fraction, set[int]]) -> int:
    return sum(abs(bar - place.bar) <= _AROUND for bar in bars.get(place.onset, ()))


def _fills_gap(at: Fraction, hand: Set[Fraction]) -> bool:
    """Whether the hand plays one step before and after, and goes on in that step at one side at least."""
    for step in _STEPS:
        if at - step in hand or at + step in hand:
            goes_on = at - 2 * step in hand or at + 2 * step in hand
            return at - step in hand and at + step in hand and goes_on
    return False
