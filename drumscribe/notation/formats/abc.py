"""ABC: text notation, for those who keep their tunes in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format

if TYPE_CHECKING:
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return ABC in UTF-8."""
    from drumscribe.notation.abc import to_abc

    return [to_abc(chart.score).encode()]


FORMAT = Format(
    "abc",
    "ABC",
    "Text notation with a percussion clef, for abcm2ps, abc2svg, and EasyABC",
    ".abc",
    "text/vnd.abc",
    write,
    loses="velocities but ghosts and accents",
    tested="abcm2ps 8.14, abc2midi 4.84",
)
