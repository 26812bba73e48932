"""LilyPond: the source of the engraved score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format

if TYPE_CHECKING:
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return LilyPond source in UTF-8."""
    from drumscribe.notation import to_lilypond

    return [to_lilypond(chart.score).encode()]


FORMAT = Format(
    "lilypond",
    "LilyPond",
    "Source of the engraved score",
    ".ly",
    "text/x-lilypond",
    write,
    loses="velocities but ghosts and accents",
    tested="LilyPond 2.25",
    usual=True,
)
