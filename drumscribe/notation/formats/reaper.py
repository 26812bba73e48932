"""A Reaper project with the song's tempo map, meters, and sections as markers: to import or to begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drumscribe.notation.formats.base import Chart, Format

if TYPE_CHECKING:
    from drumscribe.settings import Settings

_SQUARE = 1
"""Shape of a tempo that holds until the next."""


def write(chart: Chart, settings: Settings) -> list[bytes]:
    """Return the project: a point of the tempo envelope for each change, a marker for each rehearsal letter."""
    from drumscribe.notation.games import sections, tempo_map
    from drumscribe.notation.midi_reader import Seconds
    from drumscribe.notation.tempo_map import TICKS_PER_QUARTER

    timing = tempo_map(chart.grid)
    tempos = dict(timing.tempos())
    meters = dict(timing.meters())
    seconds = Seconds(TICKS_PER_QUARTER, list(tempos.items()))
    first = meters.get(0)
    bpm = 60e6 / tempos[0]
    lines = ["<REAPER_PROJECT 0.1", f"  TEMPO {bpm:.6f} {first.beats if first else 4} {first.unit if first else 4}"]
    lines += ["  <TEMPOENVEX", "    ACT 1 -1", "    VIS 1 0 1", "    DEFSHAPE 1 -1 -1"]
    for tick in sorted({*tempos, *meters}):
        bpm = 60e6 / tempos[tick] if tick in tempos else bpm
        sign = f" {meters[tick].beats + 65536 * meters[tick].unit}" if tick in meters else ""
        lines.append(f"    PT {seconds.at(tick):.9f} {bpm:.6f} {_SQUARE}{sign}")
    lines.append("  >")
    for number, (tick, name) in enumerate(sections(chart, timing), start=1):
        lines.append(f'  MARKER {number} {seconds.at(tick):.9f} "{name}" 0')
    return ["\n".join([*lines, ">", ""]).encode()]


FORMAT = Format(
    "reaper",
    "Reaper tempo map",
    "A project with the tempo map, meters, and sections; its notes are in the MIDI file",
    ".rpp",
    "text/plain",
    write,
    loses="the strokes",
)
