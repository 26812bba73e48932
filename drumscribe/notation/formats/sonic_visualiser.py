"""Sonic Visualiser: the strokes as a layer of times, values, and labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import MAX_BYTES, Chart, Format, Found

if TYPE_CHECKING:
    from drumscribe.options import ReadOptions
    from drumscribe.settings import Settings

_ROW = re.compile(r"\s*(-?\d+\.\d+)\s*,\s*(-?\d+(?:\.\d+)?)\s*,\s*\"?([^\",]*)\"?\s*")


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return rows of time in seconds, velocity, and drum."""
    return ["".join(f"{hit.time_s:.6f},{hit.velocity},{hit.drum}\n" for hit in chart.shown).encode()]


def read(data: bytes, options: ReadOptions) -> Found:
    """Read such a layer, as Sonic Visualiser exports it, too. Raises ProjectError."""
    from drumscribe.errors import ProjectError
    from drumscribe.notation.named_rows import hits_of_rows
    from drumscribe.notation.played import even_grid

    if len(data) > MAX_BYTES:
        raise ProjectError("The layer is larger than 32 MiB.", "Export one layer.")
    matches = (_ROW.fullmatch(line) for line in data.decode("utf-8-sig", "replace").splitlines())
    hits, notes = hits_of_rows([(match[1], match[3], match[2]) for match in matches if match])
    return Found(hits, even_grid(hits), "layer", freely=True, notes=notes)


def is_it(head: bytes) -> bool:
    """Whether its first line has a time, a value, and a label."""
    return _ROW.fullmatch(head.decode("utf-8-sig", "replace").partition("\n")[0].rstrip("\r")) is not None


FORMAT = Format(
    "sonic_visualiser",
    "Sonic Visualiser layer",
    "Times, velocities, and names, for Import Annotation Layer",
    ".layer.csv",
    "text/csv",
    write,
    read,
    is_it,
    loses="tempo, meter, and note values",
)
