"""PDF: the printed page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format

if TYPE_CHECKING:
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return the engraved score. Raises PdfBackendError where nothing can engrave it."""
    from drumscribe.notation import to_pdf

    return [to_pdf(chart.score, backend=settings.pdf_backend)]


FORMAT = Format(
    "pdf",
    "PDF",
    "To print, or for the music stand",
    ".pdf",
    "application/pdf",
    write,
    loses="everything that is not printed",
    tested="LilyPond 2.25, verovio 6.4, MuseScore 3.2 (who engrave it)",
    usual=True,
    slow=True,
)
