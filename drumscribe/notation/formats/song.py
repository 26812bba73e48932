"""A song with its audio in one file, for somebody else; :mod:`drumscribe.song.archive` reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format

if TYPE_CHECKING:
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return a zip archive of the project file, which stands first, and what there is of audio."""
    from drumscribe.notation.folders import packed

    audio = {"mix.ogg": chart.sound(), "drums.ogg": chart.sound("drums")}
    return [packed(chart.title, {"project.json": chart.saved()} | {name: data for name, data in audio.items() if data})]


def is_it(head: bytes) -> bool:
    """Whether it is a zip archive that begins with a project."""
    return head.startswith(b"PK") and b"project.json" in head


FORMAT = Format(
    "song",
    "Song with its audio",
    "One file for somebody else: the project, the recording, and its drums; opens again on the Transcribe page",
    ".drumscribe.zip",
    "application/zip",
    write,
    is_it=is_it,
    loses="what Ogg Vorbis leaves out of the audio",
)
