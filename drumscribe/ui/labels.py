"""Words and numbers as users read them. Pure: no streamlit here.

>>> clock(83.456), clock(3661), span(42.4), span(185), span(900)
('1:23.46', '61:01.00', '42 s', '3 min 5 s', '15 min')
>>> ago(1000, now=1000), ago(1000, now=8300)
('just now', '2 hours ago')
"""

from __future__ import annotations

import math
import time
from datetime import datetime
from fractions import Fraction

from drumscribe.kit import DRUMS
from drumscribe.settings import Settings
from drumscribe.types import Meter

STAGE_NAMES = {
    "ingest": "Reading",
    "separate": "Separating drums",
    "detect": "Finding hits",
    "beats": "Finding beats",
    "quantise": "Quantising",
    "notate": "Writing the score",
    "export": "Saving",
}
"""What each stage of :data:`drumscribe.types.STAGES` is called on screen, in order."""

STATUS_NAMES = {
    "queued": "Waiting",
    "running": "Working",
    "done": "Ready",
    "failed": "Failed",
    "cancelling": "Stopping",
    "cancelled": "Cancelled",
}

GRIDS = {8: "8ths", 12: "8th triplets", 16: "16ths", 24: "16th triplets", 32: "32nds"}
"""The finest notes that can be asked for."""

NAMES: dict[str, str] = {label: row.name for label, row in DRUMS.items()}
"""Label to what a drummer calls it."""

LABEL_OF: dict[str, str] = {name: label for label, name in NAMES.items()}
"""The inverse of :data:`NAMES`."""


def clock(seconds: float) -> str:
    """Position in a song: minutes, seconds, hundredths."""
    minutes, rest = divmod(round(seconds * 100), 6000)
    return f"{minutes}:{rest // 100:02d}.{rest % 100:02d}"


def span(seconds: float) -> str:
    """Length of a song in words."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"


def limits(settings: Settings) -> str:
    """What may be given, in words."""
    if not settings.public:
        return "Any size and length"
    return f"Up to {settings.max_file_size_mb:g} MB and {span(settings.max_duration_s)} each"


def ago(moment: float, now: float | None = None) -> str:
    """How long ago ``moment`` (seconds since the epoch) was."""
    seconds = (time.time() if now is None else now) - moment
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{plural(int(seconds // size), unit)} ago"
    return "just now"


def ahead(moment: float, now: float | None = None) -> str:
    """How long until ``moment`` (seconds since the epoch), not less than it is.

    >>> ahead(8200, now=1000), ahead(1000, now=1000), ahead(4601, now=1000)
    ('in 2 hours', 'in 1 minute', 'in 2 hours')
    """
    minutes = max(1, math.ceil((moment - (time.time() if now is None else now)) / 60))
    return f"in {plural(minutes, 'minute')}" if minutes < 60 else f"in {plural(math.ceil(minutes / 60), 'hour')}"


def day(moment: float) -> str:
    """The date of ``moment`` (seconds since the epoch) on this machine.

    >>> day(86400 * 45.5)
    '15 February 1970'
    """
    date = datetime.fromtimestamp(moment)
    return f"{date.day} {date:%B %Y}"


def beat(onset: Fraction | float, meter: Meter) -> str:
    """Beat within the bar, counted in pulses from 1: ``"2"``, ``"2.5"``, ``"2.33"``.

    >>> beat(Fraction(3, 2), Meter(4, 4)), beat(Fraction(4, 3), Meter(4, 4)), beat(Fraction(3, 2), Meter(6, 8))
    ('2.5', '2.33', '2')
    """
    return f"{1 + float(onset) / float(meter.pulse):.2f}".rstrip("0").rstrip(".")


_PARTS = {Fraction(1, 4): "e", Fraction(1, 2): "and", Fraction(3, 4): "a"}


def counted(onset: Fraction, meter: Meter) -> str:
    """A place in the bar as drummers count it.

    >>> counted(Fraction(1), Meter()), counted(Fraction(5, 2), Meter()), counted(Fraction(11, 4), Meter())
    ('beat 2', 'the "and" of 3', 'the "a" of 3')
    >>> counted(Fraction(4, 3), Meter()), counted(Fraction(1, 2), Meter(6, 8))
    ('the second triplet of 2', 'beat 1.33')
    """
    pulse, inside = divmod(Fraction(onset), meter.pulse)
    if not inside:
        return f"beat {pulse + 1}"
    if meter.pulse == 1 and inside in _PARTS:
        return f'the "{_PARTS[inside]}" of {pulse + 1}'
    if meter.pulse == 1 and inside.denominator == 3:
        return f"the {'second' if inside == Fraction(1, 3) else 'third'} triplet of {pulse + 1}"
    return f"beat {beat(onset, meter)}"


def plural(count: int, word: str) -> str:
    """``"1 hit"``, ``"2 hits"``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def percent(value: float) -> str:
    """0–1 as a whole percentage."""
    return f"{round(100 * value)} %"


def escape(text: str) -> str:
    """Text that Markdown shows as it is: titles come from file names and tags."""
    return "".join("\\" + char if char in "\\`*_{}[]()#+-.!|<>$:~" else char for char in text)
