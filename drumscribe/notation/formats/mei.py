"""MEI, the format of music encoding in research, as verovio writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format

if TYPE_CHECKING:
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return MEI. Raises NotationError if verovio cannot make it."""
    from drumscribe.notation.engrave import to_mei

    return [to_mei(chart.score).encode()]


FORMAT = Format(
    "mei",
    "MEI",
    "Music encoding for research and for editions on the web",
    ".mei",
    "application/xml",
    write,
    loses="velocities; how far each stroke was played from its written place",
    tested="verovio 6.4",
)
