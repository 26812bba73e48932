"""Hi-hat hits that no drummer would play there: left out, or written as the hand's.

The hand leaves the hi-hat for a crash: of 2,545 crashes in the Groove MIDI Dataset 72 have a stroke of the hand's hat
with them. A hi-hat that the hand strikes closed is held closed by the foot: both at one place are one stroke. And where
the hand plays an even stream, a lone foot stroke that fills a gap in it, at a place that the hand plays in most other
bars, is the hand's: networks confuse the two, and drummers seldom swap them.
"""

from __future__ import annotations

from collections.abc import Set

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

TICKS = 3360
"""To a quarter note: each of the :data:`drumscribe.rhythm.divisions.SLOTS` places of any pulse is a whole number."""
HAND = "closed_hihat"
"""What a foot stroke becomes that is the hand's."""
_FOOT = "pedal_hihat"
_HAND = ("closed_hihat", "open_hihat")
_CRASHES = ("crash", "splash", "china")
_STEPS = (TICKS // 4, TICKS // 3, TICKS // 2)
"""Ticks between the strokes of a stream."""
_AROUND = 8
"""Bars to each side that tell what the hand plays at a place."""


def settle(lines: Ints, bar: Ints, onset: Ints, drum: list[str], sure: Flags) -> tuple[Flags, Flags]:
    """Tell what a drummer would not have played there, or with the other limb.

    Whatever is left out tells nothing about the rest: without it the rest would be judged alike.

    Args:
        lines: ``(bars,)`` bar lines in ticks.
        bar: ``(strokes,)`` the bar of each stroke.
        onset: ``(strokes,)`` its place in it, in ticks.
        drum: of each.
        sure: strokes that a user named: they stay, and take nothing's place.

    Returns:
        Which strokes stay, all but the hand's hi-hat under a crash and the foot on the hand's; and which of the foot's
        are the hand's.
    """
    names, at = np.array(drum, dtype=np.str_), lines[bar] + onset
    crash, hand, foot = np.isin(names, _CRASHES), np.isin(names, _HAND), names == _FOOT
    doubled = hand & np.isin(at, at[crash & ~sure]) | foot & np.isin(at, at[hand & ~sure])
    stays = sure | ~doubled
    # a crash is the stream's too: the hand that strikes it comes from the hi-hat
    by_hand, by_foot = stays & (hand | crash), stays & foot
    stream = set(at[by_hand].tolist())
    swapped = np.zeros(len(names), np.bool_)
    for k in np.flatnonzero(by_foot & ~sure).tolist():
        if _fills_gap(int(at[k]), stream):
            here = (onset == onset[k]) & (np.abs(bar - bar[k]) <= _AROUND)
            swapped[k] = len(np.unique(bar[here & by_hand])) > len(np.unique(bar[here & by_foot]))
    return stays, swapped


def _fills_gap(at: int, stream: Set[int]) -> bool:
    """Whether the hand plays one step before and after but not there, and goes on in that step at one side at least."""
    if at in stream:
        return False
    for step in _STEPS:
        if at - step in stream or at + step in stream:
            goes_on = at - 2 * step in stream or at + 2 * step in stream
            return at - step in stream and at + step in stream and goes_on
    return False
