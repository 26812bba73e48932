"""Drum tab: plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format

if TYPE_CHECKING:
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return the tab in UTF-8."""
    from drumscribe.notation import to_tab

    return [to_tab(chart.score).encode()]


FORMAT = Format(
    "tab",
    "Tab (text)",
    "Plain text for forums and chats",
    ".tab.txt",
    "text/plain",
    write,
    loses="velocities but ghosts and accents, tempo changes, dynamics",
    usual=True,
)
