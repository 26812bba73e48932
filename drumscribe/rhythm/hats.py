"""Hi-hat hits that no drummer would play there: left out, or written as the hand's.

The hand leaves the hi-hat for a crash: of 2,545 crashes in the Groove MIDI Dataset 72 have a stroke of the hand's hat
with them. A hi-hat that the hand strikes closed is held closed by the foot: both at one place are one stroke. And where
the hand plays an even stream, a lone foot stroke that fills a gap in it, at a place that the hand plays in most other
bars, is the hand's: networks confuse the two, and drummers seldom swap them.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate

from drumscribe.types import Bar, Placement

_FOOT = "pedal_hihat"
_HAND = frozenset({"closed_hihat", "open_hihat"})
_CRASHES = frozenset({"crash", "splash", "china"})
_STEPS = (Fraction(1, 4), Fraction(1, 3), Fraction(1, 2))
"""Quarter notes between the strokes of a stream."""
_AROUND = 8
"""Bars to each side that tell what the hand plays at a place."""


def settle(placements: Sequence[Placement], bars: Sequence[Bar], sure: Set[int]) -> tuple[list[Placement], list[int]]:
    """Leave out, or write as the hand's, what a drummer would not have played there.

    Args:
        placements: in order.
        bars: of the song.
        sure: ids of hits that a user named: they stay, and take nothing's place.

    Returns:
        The placements, some with the closed hi-hat for the foot, and the ids of those that are left out: the hand's
        hi-hat under a crash, and the foot on the hand's.
    """
    lines = list(accumulate((bar.length for bar in bars), initial=Fraction(0)))
    heard = [place for place in placements if place.hit_id not in sure]
    crashes = {lines[place.bar] + place.onset for place in heard if place.drum in _CRASHES}
    hand = {lines[place.bar] + place.onset for place in heard if place.drum in _HAND}
    stream = {lines[place.bar] + place.onset for place in placements if place.drum in _HAND}
    by_hand = _bars_by_place(placements, _HAND)
    by_foot = {at: bars - by_hand.get(at, set()) for at, bars in _bars_by_place(placements, {_FOOT}).items()}
    kept: list[Placement] = []
    dropped: list[int] = []
    for place in placements:
        at = lines[place.bar] + place.onset
        doubled = (place.drum in _HAND and at in crashes) or (place.drum == _FOOT and at in hand)
        if doubled and place.hit_id not in sure:
            dropped.append(place.hit_id)
        elif (place.drum == _FOOT and place.hit_id not in sure and _fills_gap(at, stream)
                and _near(place, by_hand) > _near(place, by_foot)):  # fmt: skip
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


def _fills_gap(at: Fraction, stream: Set[Fraction]) -> bool:
    """Whether the hand plays one step before and after, and goes on in that step at one side at least."""
    for step in _STEPS:
        if at - step in stream or at + step in stream:
            goes_on = at - 2 * step in stream or at + 2 * step in stream
            return at - step in stream and at + step in stream and goes_on
    return False
