"""One line a hit: for spreadsheets and for other programs that transcribe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format, Found

if TYPE_CHECKING:
    from drumscribe.options import ReadOptions
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return ``time_s,drum,confidence,velocity``."""
    from drumscribe.notation import to_csv

    return [to_csv(chart.hits).encode()]


def read(data: bytes, options: ReadOptions) -> Found:
    """Read the same; columns but the first two may be missing. Raises ProjectError."""
    from drumscribe.notation.played import even_grid
    from drumscribe.notation.tables import read_csv

    hits = read_csv(data)
    return Found(hits, even_grid(hits), FORMAT.title, freely=True)


def is_it(head: bytes) -> bool:
    """Whether it has our head line."""
    return head.removeprefix(b"\xef\xbb\xbf").startswith(b"time_s,drum")


FORMAT = Format(
    "csv",
    "Hits (CSV)",
    "One line a hit: time, drum, confidence, velocity",
    ".hits.csv",
    "text/csv",
    write,
    read,
    is_it,
    endings=(".csv",),
    loses="tempo, meter, bars, and note values, which are found anew",
    usual=True,
)
