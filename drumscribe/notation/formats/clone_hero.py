"""A song for Clone Hero or YARG: ``notes.chart`` with cymbals, ``song.ini``, and the audio, packed in one folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import MAX_BYTES, Chart, Format, Found

if TYPE_CHECKING:
    from drumscribe.options import ReadOptions
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return the folder as a zip archive, to unpack among the game's songs."""
    from drumscribe.notation.folders import packed
    from drumscribe.notation.games import ini, to_chart

    sound = chart.sound()
    files = {"notes.chart": to_chart(chart, "song.ogg" if sound else ""), "song.ini": ini(chart, chart.grid.times[-1])}
    return [packed(chart.title, files | ({"song.ogg": sound} if sound else {}))]


def read(data: bytes, options: ReadOptions) -> Found:
    """Read a ``.chart``, alone or with its folder in a zip archive. Raises ProjectError."""
    from drumscribe.errors import ProjectError
    from drumscribe.notation.folders import inside
    from drumscribe.notation.games import read_chart

    if data.startswith(b"PK"):
        data = inside(data, "notes.chart")
    if len(data) > MAX_BYTES:
        raise ProjectError("The chart is larger than 32 MiB.", "Save only the drum track.")
    found = read_chart(data)
    return Found(found.hits, found.grid, "chart", found.title, found.artist, notes=found.notes)


def is_it(head: bytes) -> bool:
    """Whether it is the text of a chart, or a zip archive that begins with one."""
    return b"[Song]" in head[:200] or (head.startswith(b"PK") and b"notes.chart" in head)


FORMAT = Format(
    "clone_hero",
    "Clone Hero, YARG (.chart)",
    "A song folder for the game, with the recording beside the chart where there is one",
    ".clonehero.zip",
    "application/zip",
    write,
    read,
    is_it,
    only_read=(".chart", ".zip"),
    loses="the hi-hat's foot and openness, cross-sticks, ride bells, splashes and chinas; velocities but ghosts and "
    "accents; flams; when strokes were played",
    tested="scan-chart 7.0",
)
