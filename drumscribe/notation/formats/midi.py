"""Standard MIDI files, as played: for DAWs, drum plug-ins, and e-kits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format, Found

if TYPE_CHECKING:
    from drumscribe.options import ReadOptions
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return the hits at the times they were played, under a tempo map that follows them."""
    from drumscribe.notation import to_midi
    from drumscribe.notation.games import letters
    from drumscribe.notation.note_maps import note_map

    keys = note_map(chart.options.write.note_map, settings)
    hits, parts = chart.shown, letters(chart)
    return [to_midi(hits, chart.grid, rhythm=chart.rhythm, title=chart.title, note_map=keys, letters=parts)]


def read(data: bytes, options: ReadOptions) -> Found:
    """Read the drums of a MIDI file. Raises ProjectError."""
    from drumscribe.notation import read_midi
    from drumscribe.notation.games import PART, read_notes_mid
    from drumscribe.notation.midi_reader import opened_file
    from drumscribe.notation.note_maps import note_map
    from drumscribe.settings import get_settings

    file, _ = opened_file(data)
    if any(track.name == PART for track in file.tracks):
        chart = read_notes_mid(file)
        return Found(chart.hits, chart.grid, "chart", notes=chart.notes)

    wish = None if options.note_map == "auto" else note_map(options.note_map, get_settings())
    played = read_midi(data, wish)
    return Found(
        played.hits,
        played.grid,
        "MIDI",
        played.title,
        swing=played.swing,
        freely=not played.ours,
        notes=played.notes,
    )


def is_it(head: bytes) -> bool:
    """Whether it is a standard MIDI file."""
    return head.startswith(b"MThd")


FORMAT = Format(
    "midi",
    "MIDI as played",
    "Timing of the recording, for a DAW",
    ".mid",
    "audio/midi",
    write,
    read,
    is_it,
    endings=(".midi",),
    loses="note values, ornaments and repeats as written, which are found anew",
    tested="MuseScore 3.2, pretty_midi 0.2",
    usual=True,
)
