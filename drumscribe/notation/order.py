"""In which order the bars of a chart are played: repeats, endings, and jumps (D.C., D.S., Fine, Coda)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

MOST = 20_000
"""Bars that are played at most."""


@dataclass(frozen=True, slots=True)
class Signs:
    """Signs at the beginning of a bar (``segno``, ``coda``) and at its end (all others)."""

    segno: bool = False
    coda: bool = False
    to_coda: bool = False
    fine: bool = False
    da_capo: bool = False
    dal_segno: bool = False

    def __or__(self, other: Signs) -> Signs:
        """Both together."""
        return Signs(*(getattr(self, name) or getattr(other, name) for name in Signs.__dataclass_fields__))


class Written(Protocol):
    """What a bar says of the form; see :class:`drumscribe.notation.model.Measure`."""

    @property
    def count_in(self) -> bool:
        """It is not played."""

    @property
    def repeat_start(self) -> bool:
        """A passage begins here."""

    @property
    def repeat_end(self) -> int:
        """How often the passage that ends here is played; 0: none ends."""

    @property
    def ending(self) -> tuple[int, ...]:
        """The passes in which it is played; empty: in all."""


def order_of(
    measures: Sequence[Written], signs: Mapping[int, Signs] | None = None, last: Set[int] = frozenset()
) -> list[int]:
    """Return the indices of the bars in the order in which they are played, at most :data:`MOST`, count-in left out.

    After a jump repeats are not taken again and of endings the last is played, as is the custom.

    Args:
        measures: as written.
        signs: of the bars that have some.
        last: indices of the bars under the last ending of each passage; asked for after a jump.
    """
    signs, none = signs or {}, Signs()
    segno = next((at for at, one in signs.items() if one.segno), 0)
    codas = [at for at, one in signs.items() if one.coda]
    marked = any(one.to_coda for one in signs.values())
    leave = codas[0] if len(codas) > 1 and not marked else None  # two glyphs and no words: the first says "to"
    order: list[int] = []
    start = index = 0
    turn, jumped = 1, False
    while index < len(measures) and len(order) < MOST:
        measure, sign = measures[index], signs.get(index, none)
        if jumped:
            if not measure.count_in and (not measure.ending or index in last):
                order.append(index)
            if sign.fine:
                break
            to_coda = codas and (sign.to_coda or index + 1 == leave) and codas[-1] > index
            index = codas[-1] if to_coda else index + 1
            continue
        over = index > 0 and bool(measures[index - 1].ending) and not measure.ending
        if index > start and (measure.repeat_start or over):
            start, turn = index, 1
        if measure.count_in:
            start = index + 1
        elif not measure.ending or turn in measure.ending:
            order.append(index)
            if turn < measure.repeat_end:
                index, turn = start, turn + 1
                continue
            if measure.repeat_end and not measure.ending:
                start, turn = index + 1, 1
            if sign.da_capo or sign.dal_segno:
                jumped, index = True, segno if sign.dal_segno else 0
                continue
        index += 1
    return order
