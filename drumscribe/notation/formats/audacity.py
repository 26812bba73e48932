"""Audacity labels: each stroke and each bar line as a label on the time line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import MAX_BYTES, Chart, Format, Found

if TYPE_CHECKING:
    from drumscribe.options import ReadOptions
    from drumscribe.settings import Settings

_ROW = re.compile(r"(-?\d+(?:[.,]\d+)?)\t(-?\d+(?:[.,]\d+)?)\t(.*)")
_BAR = "Bar "


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return the label track: points with the names of drums, and ``Bar 1`` where a bar begins."""
    rows = [(hit.time_s, hit.drum) for hit in chart.shown]
    rows += [(max(0.0, bar.start_s), f"{_BAR}{bar.number}") for bar in chart.rhythm.bars]
    return ["".join(f"{time_s:.6f}\t{time_s:.6f}\t{text}\n" for time_s, text in sorted(rows)).encode()]


def read(data: bytes, options: ReadOptions) -> Found:
    """Read labels that are names of drums; the others are told. Raises ProjectError."""
    from drumscribe.errors import ProjectError
    from drumscribe.notation.named_rows import hits_of_rows
    from drumscribe.notation.played import even_grid

    if len(data) > MAX_BYTES:
        raise ProjectError("The label track is larger than 32 MiB.", "Export one label track.")
    matches = (_ROW.fullmatch(line) for line in data.decode("utf-8-sig", "replace").splitlines())
    rows = [(match[1].replace(",", "."), match[3], "") for match in matches if match and not match[3].startswith(_BAR)]
    hits, notes = hits_of_rows(rows)
    return Found(hits, even_grid(hits), "labels", freely=True, notes=notes)


def is_it(head: bytes) -> bool:
    """Whether its first line is a label."""
    return _ROW.fullmatch(head.decode("utf-8-sig", "replace").partition("\n")[0].rstrip("\r")) is not None


FORMAT = Format(
    "audacity",
    "Audacity labels",
    "A label track: strokes and bar lines beside the recording",
    ".labels.txt",
    "text/plain",
    write,
    read,
    is_it,
    loses="velocities, tempo, meter, and note values",
)
