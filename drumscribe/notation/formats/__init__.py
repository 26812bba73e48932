"""Every file format, one small module each: what is put into this folder can be read and written everywhere.

:data:`FORMATS` is the one table: the command line, the API, the studio, and ``docs/FORMATS.md`` follow from it.
Importing it costs nothing: a module imports what it works with when it is asked to read or write.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from drumscribe.notation.formats.base import HEAD, MAX_BYTES, Chart, Format, Found

__all__ = [
    "DEFAULT_FORMATS", "FORMATS", "HEAD", "MAX_BYTES", "READABLE", "WRITABLE", "Chart", "Format", "Found",
    "by_ending", "recognised",
]  # fmt: skip

_FIRST = ("musicxml", "pdf", "midi", "midi_quantised", "csv", "json", "song", "svg", "tab", "lilypond")


def _all() -> dict[str, Format]:
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__) if found.name != "base")
    formats: dict[str, Format] = {module.FORMAT.name: module.FORMAT for module in modules}
    order = (*_FIRST, *sorted(formats.keys() - set(_FIRST)))
    return {name: formats[name] for name in order}


FORMATS: dict[str, Format] = _all()
"""By name; those that most people want come first."""
WRITABLE: dict[str, Format] = {name: found for name, found in FORMATS.items() if found.write}
READABLE: dict[str, Format] = {name: found for name, found in FORMATS.items() if found.is_it}
"""Charts; projects (``json``, ``song``) are read by :mod:`drumscribe.song.imports`, because they hold more."""
DEFAULT_FORMATS = ("musicxml", "pdf", "midi", "csv", "json")
"""What is written where nothing else is asked for."""


def recognised(head: bytes) -> Format | None:
    """The chart format that a file's first :data:`HEAD` bytes are of, whatever its name; ``None`` for anything else.

    >>> recognised(b"MThd").name, recognised(b"RIFF....WAVEfmt ")
    ('midi', None)
    """
    for found in reversed(READABLE.values()):  # those that more is known of come before archives and JSON of any kind
        if found.is_it and found.is_it(head):
            return found
    return None


def by_ending(name: str) -> Format | None:
    """The format to write into a file of this name: the longest ending that fits.

    >>> by_ending("Song.quantised.mid").name, by_ending("song.musicxml").name, by_ending("song.xyz")
    ('midi_quantised', 'musicxml', None)
    """
    low = name.lower()
    fitting = [
        (len(ending), -number, found)
        for number, found in enumerate(WRITABLE.values())
        for ending in (found.ending, *found.endings)
        if low.endswith(ending)
    ]
    return max(fitting, key=lambda one: one[:2])[2] if fitting else None
