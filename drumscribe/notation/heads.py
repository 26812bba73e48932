"""How a drum's notehead is drawn in each dialect, and the reverse."""

from __future__ import annotations

from drumscribe.choices import Noteheads
from drumscribe.kit import DRUMS, Notehead

_SIMPLE: dict[Notehead, Notehead] = {"circle-x": "x", "diamond": "normal"}


def notehead(label: str, dialect: Noteheads) -> Notehead:
    """Shape of the head of ``label``.

    ``"pas"`` is the drum table's. ``"simple"`` has only plain heads and crosses: the china is told by its line alone
    and the ride bell by its plain head on the ride's line.
    """
    shape = DRUMS[label].notehead
    return shape if dialect == "pas" else _SIMPLE.get(shape, shape)


def drum_at(staff: str, shape: str, *, open_hat: bool = False) -> str | None:
    """Label of the drum drawn at ``staff`` (``"C5"``) with ``shape``; ``None`` if there is none.

    Where no drum has that very shape, a lone drum on the line is taken: other programs draw other heads.
    """
    there = [row for row in DRUMS.values() if row.staff == staff]
    found = [row.label for row in there if shape in (row.notehead, _SIMPLE.get(row.notehead))]
    if staff == DRUMS["open_hihat"].staff:
        return "open_hihat" if open_hat or shape == "circle-x" else "closed_hihat"
    if found:
        return found[0]
    return there[0].label if len(there) == 1 else None
