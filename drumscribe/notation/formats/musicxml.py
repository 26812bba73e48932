"""MusicXML: what notation programs exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format, Found

if TYPE_CHECKING:
    from drumscribe.options import ReadOptions
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return MusicXML 4.0."""
    from drumscribe.notation import to_musicxml

    return [to_musicxml(chart.score)]


def read(data: bytes, options: ReadOptions) -> Found:
    """Read MusicXML, plain or packed: the part that is asked for, or all drum parts together. Raises ProjectError."""
    from drumscribe.notation import to_rhythm
    from drumscribe.notation.musicxml_reader import read_parts
    from drumscribe.notation.played import grid_of, hits_of, swing_of, together

    parts = read_parts(data, options.part)
    rhythms = [to_rhythm(part.score) for part in parts]
    notes = [note for part in parts for note in part.notes]
    if len(parts) > 1:
        names = ", ".join(f"“{part.name}”" for part in parts)
        notes.insert(0, f"The drum parts {names} were put together; the option read.part takes one of them.")
    hits = together([hits_of(rhythm) for rhythm in rhythms])
    longest = max(rhythms, key=lambda rhythm: len(rhythm.bars))
    score = parts[0].score
    return Found(
        hits,
        grid_of(longest),
        FORMAT.title,
        score.title,
        score.artist,
        swing=swing_of(longest),
        notes=tuple(dict.fromkeys(notes)),
    )


def is_it(head: bytes) -> bool:
    """Whether it is a score in XML, in whatever encoding; or packed, an archive that begins with the files of one."""
    if head.startswith(b"PK\x03\x04"):
        return any(name in head for name in (b"META-INF", b"vnd.recordare", b".xml", b".musicxml"))
    text = head.replace(b"\0", b"").lstrip(b"\xff\xfe\xef\xbb\xbf \t\r\n")
    return text.startswith(b"<") and (b"<score-partwise" in text or b"<score-timewise" in text)


FORMAT = Format(
    "musicxml",
    "MusicXML",
    "MuseScore, Sibelius, Dorico, Finale",
    ".musicxml",
    "application/vnd.recordare.musicxml+xml",
    write,
    read,
    is_it,
    endings=(".xml",),
    only_read=(".mxl",),
    loses="how far each stroke was played from its written place",
    tested="MuseScore 3.2, verovio 6.4, music21 10.5, OpenSheetMusicDisplay 2.1",
    usual=True,
)
