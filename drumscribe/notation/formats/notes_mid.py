"""A song for YARG, Clone Hero, and games with Rock Band's charts: ``notes.mid``, ``song.ini``, and the audio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format, Found

if TYPE_CHECKING:
    from drumscribe.options import ReadOptions
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return the folder as a zip archive, to unpack among the game's songs."""
    from drumscribe.notation.folders import packed
    from drumscribe.notation.games import ini, to_notes_mid

    sound = chart.sound()
    files = {"notes.mid": to_notes_mid(chart), "song.ini": ini(chart, chart.grid.times[-1])}
    return [packed(chart.title, files | ({"song.ogg": sound} if sound else {}))]


def read(data: bytes, options: ReadOptions) -> Found:
    """Read the folder in its zip archive. Raises ProjectError."""
    from drumscribe.notation.folders import inside
    from drumscribe.notation.formats.midi import read as read_midi

    return read_midi(inside(data, "notes.mid"), options)


def is_it(head: bytes) -> bool:
    """Whether it is a zip archive that begins with such a chart; ``notes.mid`` alone is read as MIDI."""
    return head.startswith(b"PK") and b"notes.mid" in head


FORMAT = Format(
    "notes_mid",
    "YARG, Clone Hero (notes.mid)",
    "A song folder for the game, with the recording beside the chart where there is one",
    ".yarg.zip",
    "application/zip",
    write,
    read,
    is_it,
    loses="the hi-hat's foot and openness, cross-sticks, ride bells, splashes and chinas; velocities but ghosts and "
    "accents; when strokes were played",
    tested="scan-chart 7.0",
)
