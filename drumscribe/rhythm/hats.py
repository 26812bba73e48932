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


def settle(placements: Sequence[Placement], bars: Sequence[Bar], sure: Set[int]) -> list[Placement]:
    """Leave out, or write as the hand's, what a drummer would not have played there.

    Whatever is left out tells nothing about the rest: without it the rest would be judged alike.

    Args:
        placements: in order.
        bars: of the song.
        sure: ids of hits that a user named: they stay, and take nothing's place.

    Returns:
        The placements, some with the closed hi-hat for the foot, without the hand's hi-hat under a crash and the foot
        on the hand's.
    """
    lines = list(accumulate((bar.length for bar in bars), initial=Fraction(0)))
    heard = [(lines[place.bar] + place.onset, place) for place in placements if place.hit_id not in sure]
    crashes = {at for at, place in heard if place.drum in _CRASHES}
    hand = {at for at, place in heard if place.drum in _HAND}
    doubled = {
        place.hit_id
        for at, place in heard
        if (place.drum in _HAND and at in crashes) or (place.drum == _FOOT and at in hand)
    }
    left = [place for place in placements if place.hit_id not in doubled]
    # a crash is the stream's too: the hand that strikes it comes from the hi-hat
    by_hand = [place for place in left if place.drum in _HAND | _CRASHES]
    stream = {lines[place.bar] + place.onset for place in by_hand}
    hand_bars = _bars_by_place(by_hand)
    foot_bars = _bars_by_place([place for place in left if place.drum == _FOOT])
    kept: list[Placement] = []
    for place in left:
        fills = place.drum == _FOOT and place.hit_id not in sure and _fills_gap(lines[place.bar] + place.onset, stream)
        if fills and _near(place, hand_bars) > _near(place, foot_bars):
            place = replace(place, drum="closed_hihat")
        kept.append(place)
    kept.sort(key=lambda place: (place.bar, place.onset, place.drum))
    return kept


def _bars_by_place(placements: Sequence[Placement]) -> dict[Fraction, set[int]]:
    bars: dict[Fraction, set[int]] = {}
    for place in placements:
        bars.setdefault(place.onset, set()).add(place.bar)
    return bars


def _near(place: Placement, bars: dict[Fraction, set[int]]) -> int:
    return sum(abs(bar - place.bar) <= _AROUND for bar in bars.get(place.onset, ()))


def _fills_gap(at: Fraction, stream: Set[Fraction]) -> bool:
    """Whether the hand plays one step before and after but not there, and goes on in that step at one side at least."""
    if at in stream:
        return False
    for step in _STEPS:
        if at - step in stream or at + step in stream:
            goes_on = at - 2 * step in stream or at + 2 * step in stream
            return at - step in stream and at + step in stream and goes_on
    return False
