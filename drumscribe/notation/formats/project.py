"""The project file, which :mod:`drumscribe.song.project` reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format

if TYPE_CHECKING:
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return the project file."""
    return [chart.saved()]


def is_it(head: bytes) -> bool:
    """Whether it begins as a project file does."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"


FORMAT = Format(
    "json",
    "Project",
    "Everything but the audio; opens again on the Transcribe page",
    ".json",
    "application/json",
    write,
    is_it=is_it,
    loses="the audio",
    usual=True,
)
