"""Bars that are alike by what was heard in them."""

from __future__ import annotations

from fractions import Fraction

from drumscribe.types import Rhythm

ALIKE = 0.85
"""Share of what two bars have in common, from which on they are alike."""
Content = dict[tuple[Fraction, str], float]
"""What stands in a bar: place and drum, with the confidence that it is right."""


def alike_bars(rhythm: Rhythm, least: float = ALIKE) -> list[list[int]]:
    """Group the bars: each is in one group with bars of its meter that share most of its strokes.

    A bar joins the group to whose first bar it is most alike, if that is at least ``least``, else it begins a group of
    its own.

    Returns:
        Groups of bar indices, each in order; empty bars form none.
    """
    found = contents(rhythm)
    groups: list[list[int]] = []
    for bar in rhythm.bars:
        here = found[bar.index]
        if not here:
            continue
        of_meter = [group for group in groups if _shape(rhythm, group[0]) == _shape(rhythm, bar.index)]
        best = max(of_meter, key=lambda group: likeness(found[group[0]], here), default=None)
        if best is not None and likeness(found[best[0]], here) >= least:
            best.append(bar.index)
        else:
            groups.append([bar.index])
    return groups


def contents(rhythm: Rhythm) -> list[Content]:
    """What stands in each bar."""
    found: list[Content] = [{} for _ in rhythm.bars]
    for place in rhythm.placements:
        found[place.bar][place.onset, place.drum] = place.confidence
    return found


def likeness(one: Content, other: Content) -> float:
    """Jaccard index of two bars, 0–1, each stroke with the weight of its confidence; of two empty ones 1."""
    shared = sum((one[stroke] + other[stroke]) / 2 for stroke in one.keys() & other.keys())
    apart = sum(one.get(stroke, 0.0) + other.get(stroke, 0.0) for stroke in one.keys() ^ other.keys())
    return shared / (shared + apart) if shared + apart else 1.0


def _shape(rhythm: Rhythm, bar: int) -> tuple[object, Fraction]:
    return rhythm.bars[bar].meter, rhythm.bars[bar].length
