"""Drum notation: from quantised hits to a score, and from the score to files and back.

    Rhythm → notate → Score → to_musicxml, to_lilypond, to_svg, to_pdf, to_tab, to_midi, to_music21
                        ↑
    read_musicxml, read_midi (what came back from another program)

The conventions and their sources are in ``docs/NOTATION.md``. Names are imported on first use: verovio, reportlab, and
music21 cost nothing until a writer needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drumscribe.notation.chart import notate as notate
    from drumscribe.notation.engrave import page_count as page_count
    from drumscribe.notation.engrave import to_svg as to_svg
    from drumscribe.notation.lilypond import to_lilypond as to_lilypond
    from drumscribe.notation.m21 import to_music21 as to_music21
    from drumscribe.notation.midi import to_midi as to_midi
    from drumscribe.notation.midi_reader import read_midi as read_midi
    from drumscribe.notation.model import Event as Event
    from drumscribe.notation.model import Head as Head
    from drumscribe.notation.model import Measure as Measure
    from drumscribe.notation.model import Score as Score
    from drumscribe.notation.model import check as check
    from drumscribe.notation.musicxml import to_musicxml as to_musicxml
    from drumscribe.notation.musicxml_reader import read_musicxml as read_musicxml
    from drumscribe.notation.pdf import to_pdf as to_pdf
    from drumscribe.notation.tables import to_csv as to_csv
    from drumscribe.notation.tables import to_tab as to_tab
    from drumscribe.notation.timeline import Timeline as Timeline
    from drumscribe.notation.timeline import to_rhythm as to_rhythm

_HOME = {
    "Event": "model", "Head": "model", "Measure": "model", "Score": "model", "check": "model",
    "notate": "chart", "to_musicxml": "musicxml", "to_lilypond": "lilypond", "to_midi": "midi", "to_music21": "m21",
    "to_svg": "engrave", "page_count": "engrave", "to_pdf": "pdf", "to_tab": "tables", "to_csv": "tables",
    "read_musicxml": "musicxml_reader", "read_midi": "midi_reader",
    "Timeline": "timeline", "to_rhythm": "timeline",
}  # fmt: skip

__all__ = [
    "Event", "Head", "Measure", "Score", "Timeline", "check", "notate", "page_count", "read_midi", "read_musicxml",
    "to_csv", "to_lilypond", "to_midi", "to_music21", "to_musicxml", "to_pdf", "to_rhythm", "to_svg", "to_tab",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"drumscribe.notation.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
