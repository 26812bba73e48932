"""SVG: pages for a web page or a drawing program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format

if TYPE_CHECKING:
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return one file a page."""
    from drumscribe.notation import to_svg

    return [page.encode() for page in to_svg(chart.score)]


FORMAT = Format(
    "svg",
    "SVG pages",
    "One picture a page, for web pages and drawing programs",
    ".svg",
    "image/svg+xml",
    write,
    loses="everything that is not printed",
    tested="Chromium",
    usual=True,
    slow=True,
)
