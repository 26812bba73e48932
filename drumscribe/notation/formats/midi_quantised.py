"""Standard MIDI files on the grid of the score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format

if TYPE_CHECKING:
    from drumscribe.settings import Settings


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return what the score shows: strokes moved to their written places as far as the strength says."""
    from drumscribe.notation import to_midi
    from drumscribe.notation.games import letters
    from drumscribe.notation.note_maps import note_map

    return [
        to_midi(
            chart.read,
            chart.grid,
            rhythm=chart.rhythm,
            quantised=True,
            strength=chart.options.quantise.strength,
            title=chart.title,
            letters=letters(chart),
            note_map=note_map(chart.options.write.note_map, settings),
        )
    ]


FORMAT = Format(
    "midi_quantised",
    "MIDI quantised",
    "On the grid of the score",
    ".quantised.mid",
    "audio/midi",
    write,
    loses="note values, ornaments and repeats as written; when strokes were played",
    tested="MuseScore 3.2",
    usual=True,
)
