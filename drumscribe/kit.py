"""The drum table: the one place where a drum's label, sound, and look are decided.

Staff positions and noteheads follow the Percussive Arts Society's guide (N. Weinberg,
*Guidelines for Drumset Notation*, 1994) on a five-line staff read as if in treble clef; note numbers
are General MIDI's. Colours come from a set that stays distinct for deuteranopes and protanopes
(after P. Tol, *Colour Schemes*, 2021) with a second cue, the marker, for everyone else.

>>> DRUMS["snare"].midi, DRUMS["snare"].staff
(38, 'C5')
>>> drum("crash").notehead
'x'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Notehead = Literal["normal", "x", "circle-x", "diamond"]
Voice = Literal["hands", "feet"]
Family = Literal["kick", "snare", "tom", "hihat", "cymbal"]


@dataclass(frozen=True, slots=True)
class Drum:
    """One row of the drum table.

    Attributes:
        label: the string used in CSV, JSON, API, and tables.
        name: what a drummer calls it.
        midi: General MIDI percussion key.
        staff: step and octave as displayed (treble reading), e.g. ``"C5"``.
        notehead: shape of the head.
        voice: ``"hands"`` (stems up) or ``"feet"`` (stems down).
        family: the coarse group, for displays that show five classes.
        colour: hex colour, the same in plot, table, score, and legend.
        marker: plotly marker symbol: a cue besides colour.
        fallback: label to write instead, because the hit network does not tell this drum reliably, or ``None``.
        abbreviation: two letters for the ASCII tab.
    """

    label: str
    name: str
    midi: int
    staff: str
    notehead: Notehead
    voice: Voice
    family: Family
    colour: str
    marker: str
    abbreviation: str
    fallback: str | None = None

    @property
    def step(self) -> str:
        """Letter of the staff position (``"C"`` of ``"C5"``)."""
        return self.staff[0]

    @property
    def octave(self) -> int:
        """Octave of the staff position (5 of ``"C5"``)."""
        return int(self.staff[1:])


_ROWS = (
    Drum("kick", "Bass drum", 36, "F4", "normal", "feet", "kick", "#332288", "circle", "BD"),
    Drum("snare", "Snare drum", 38, "C5", "normal", "hands", "snare", "#CC3311", "square", "SD"),
    Drum("cross_stick", "Cross-stick", 37, "C5", "x", "hands", "snare", "#EE7733", "x", "CS"),
    Drum("high_tom", "High tom", 48, "E5", "normal", "hands", "tom", "#117733", "triangle-up", "HT"),
    Drum("mid_tom", "Mid tom", 45, "D5", "normal", "hands", "tom", "#44AA99", "diamond", "MT"),
    Drum("floor_tom", "Floor tom", 41, "A4", "normal", "hands", "tom", "#999933", "triangle-down", "FT"),
    Drum("closed_hihat", "Closed hi-hat", 42, "G5", "x", "hands", "hihat", "#DDAA33", "x-thin", "HH"),
    Drum("open_hihat", "Open hi-hat", 46, "G5", "x", "hands", "hihat", "#B8860B", "circle-open", "HO"),
    Drum("pedal_hihat", "Hi-hat foot", 44, "D4", "x", "feet", "hihat", "#777777", "triangle-down-open", "HF"),
    Drum("crash", "Crash cymbal", 49, "A5", "x", "hands", "cymbal", "#AA3377", "star", "CC"),
    Drum("splash", "Splash cymbal", 55, "B5", "x", "hands", "cymbal", "#EE99AA", "star-triangle-up", "SP", "crash"),
    Drum("china", "China cymbal", 52, "C6", "circle-x", "hands", "cymbal", "#882255", "star-diamond", "CH", "crash"),
    Drum("ride", "Ride cymbal", 51, "F5", "x", "hands", "cymbal", "#0077BB", "cross", "RD"),
    Drum("ride_bell", "Ride bell", 53, "F5", "diamond", "hands", "cymbal", "#33BBEE", "diamond-tall", "RB", "ride"),
)

DRUMS: dict[str, Drum] = {row.label: row for row in _ROWS}
"""Every drum by label, in table order (the order of columns in :class:`~drumscribe.types.Activations`)."""

LABELS: tuple[str, ...] = tuple(DRUMS)

BY_HEIGHT: tuple[str, ...] = tuple(
    sorted(DRUMS, key=lambda label: (DRUMS[label].octave, "CDEFGAB".index(DRUMS[label].step)))
)
"""Labels from the bottom of the staff to its top; on one line, in table order."""

_MIDI_ALIASES = {
    35: "kick", 39: "snare", 40: "snare", 43: "floor_tom", 47: "mid_tom", 50: "high_tom",
    22: "closed_hihat", 26: "open_hihat", 57: "crash", 59: "ride",
}  # fmt: skip
BY_MIDI: dict[int, str] = {row.midi: row.label for row in _ROWS} | _MIDI_ALIASES
"""General MIDI (and Roland TD edge) keys to labels."""


def drum(label: str) -> Drum:
    """Return the row for ``label``.

    Raises:
        KeyError: if the label is not in the table.
    """
    return DRUMS[label]
