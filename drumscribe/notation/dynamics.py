"""Dynamic marks: how loud a section is against the others.

Players and microphones differ in level, so a single level says nothing and is not written. Marks stand where a section
begins that is clearly louder or softer than what is in force (E. Gould, *Behind Bars*, 2011: a dynamic holds until the
next), and then at the first section, too.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from itertools import pairwise

from drumscribe.notation.model import Dynamic
from drumscribe.types import Placement

LEVELS: dict[Dynamic, int] = {"pp": 33, "p": 49, "mp": 64, "mf": 80, "f": 96, "ff": 112}
"""Velocities of the marks, sixteen apart, as notation programs play them."""
CONTRAST = 14
"""A section differs from another where their levels are at least this far apart, in velocities."""
STRONG = 0.75
"""A section is as loud as the stroke above this part of its strokes: soft hi-hats do not make it soft."""
FEWEST = 8
"""Strokes below which a section tells nothing."""


def find_dynamics(
    strokes: Sequence[Sequence[Placement]], begins: Sequence[int], ghosts: Set[int]
) -> dict[int, Dynamic]:
    """Return the bars that get a mark, all of them beginnings of sections.

    Args:
        strokes: of each bar.
        begins: bars in which sections begin, in order.
        ghosts: ids of ghost notes, which are soft in a loud passage.
    """
    found: dict[int, Dynamic] = {}
    level: int | None = None
    for start, end in pairwise([*begins, len(strokes)]):
        heard = sorted(place.velocity for bar in strokes[start:end] for place in bar if place.hit_id not in ghosts)
        if len(heard) < FEWEST:
            continue
        here = heard[int(STRONG * (len(heard) - 1))]
        if level is None or (abs(here - level) >= CONTRAST and _mark(here) != _mark(level)):
            found[start], level = _mark(here), here
    return found if len(found) > 1 else {}


def _mark(velocity: float) -> Dynamic:
    return min(LEVELS, key=lambda mark: abs(LEVELS[mark] - velocity))
