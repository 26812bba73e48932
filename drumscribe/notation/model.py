"""The score as it is written: immutable, engine-neutral, equal by value.

    Score ─ Measure ─ voice ─ Event ─ Head

Positions and durations are quarter notes (:class:`~fractions.Fraction`). A head carries the id of its hit, so an edited
hit finds its notehead and back. Nothing here knows seconds; :mod:`drumscribe.notation.timeline` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

from drumscribe.choices import Noteheads, Paper, Voices
from drumscribe.errors import NotationError
from drumscribe.notation.order import order_of
from drumscribe.types import Meter

if TYPE_CHECKING:
    from collections.abc import Sequence

NoteType = Literal["whole", "half", "quarter", "eighth", "16th", "32nd", "64th", "128th"]
Beam = Literal["begin", "continue", "end", "forward hook", "backward hook"]

TYPE_LENGTH: dict[NoteType, Fraction] = {
    "whole": Fraction(4), "half": Fraction(2), "quarter": Fraction(1), "eighth": Fraction(1, 2),
    "16th": Fraction(1, 4), "32nd": Fraction(1, 8), "64th": Fraction(1, 16), "128th": Fraction(1, 32),
}  # fmt: skip
"""Length of each undotted note value in quarter notes."""

PAPER_MM = {"a4": (210.0, 297.0), "letter": (215.9, 279.4)}
PAPER_MARGIN_MM, SCREEN_MARGIN_MM = 13.0, 3.0
"""Beside the staff of an SVG page."""

FLAGS: dict[NoteType, int] = {"eighth": 1, "16th": 2, "32nd": 3, "64th": 4, "128th": 5}
"""Number of flags or beams; note values not listed have none."""


@dataclass(frozen=True, slots=True)
class Head:
    """One notehead.

    Attributes:
        hit_id: the hit it stands for; in the SVG and in MusicXML its element is ``hit-<id>``.
        drum: label from :mod:`drumscribe.kit`.
        velocity: 1–127, as played.
        ghost: written in parentheses.
    """

    hit_id: int
    drum: str
    velocity: int = 80
    ghost: bool = False

    @property
    def element(self) -> str:
        """Id of the notehead in MusicXML and SVG."""
        return f"hit-{self.hit_id}"


@dataclass(frozen=True, slots=True)
class Event:
    """A chord, a note, or (without heads) a rest.

    Attributes:
        onset: from the bar line.
        duration: as it sounds: a triplet eighth lasts 1/3.
        type: written note value.
        dots: augmentation dots.
        heads: bottom to top of the staff.
        tuplet: ``(actual, normal)`` notes, e.g. ``(3, 2)``.
        tuplet_edge: whether the tuplet begins or ends here.
        beams: one entry a beam level, primary first; empty where the note has flags or none.
        graces: grace notes before it: one is a flam, two a drag.
        slashes: strokes through the stem: a roll.
        accent: louder than what is around it.
        whole_bar: a rest that fills the bar whatever its meter.
    """

    onset: Fraction
    duration: Fraction
    type: NoteType
    dots: int = 0
    heads: tuple[Head, ...] = ()
    tuplet: tuple[int, int] | None = None
    tuplet_edge: Literal["", "start", "stop"] = ""
    beams: tuple[Beam, ...] = ()
    graces: tuple[Head, ...] = ()
    slashes: int = 0
    accent: bool = False
    whole_bar: bool = False

    @property
    def end(self) -> Fraction:
        """Where it stops, from the bar line."""
        return self.onset + self.duration


Voice = tuple[Event, ...]
Dynamic = Literal["", "pp", "p", "mp", "mf", "f", "ff"]


@dataclass(frozen=True, slots=True)
class TempoMark:
    """A metronome mark: ``beat`` note (with dots) = ``bpm``."""

    bpm: int
    beat: NoteType = "quarter"
    dots: int = 0

    @property
    def quarter_bpm(self) -> float:
        """The same tempo in quarter notes a minute."""
        length = TYPE_LENGTH[self.beat] * (Fraction(3, 2) if self.dots else 1)
        return float(self.bpm * length)


@dataclass(frozen=True, slots=True)
class Measure:
    """One written bar.

    Attributes:
        number: as printed; 0 for a pickup or a count-in.
        meter: time signature in force.
        length: quarter notes; shorter than the meter's in a pickup.
        voices: hands, then feet; a single one where the score has one voice. A silent second voice is ``()``.
        show_meter: print the time signature.
        tempo: metronome mark above the bar.
        swing: ``"swing"`` or ``"straight"`` where the feel of the eighths changes.
        rehearsal: boxed letter.
        dynamic: loudness from this bar on, below the staff.
        text: words above the bar.
        simile: the bar is drawn as a repeat sign of that many bars (1 or 2); two-bar signs come in pairs of bars.
            The notes are in ``voices`` all the same.
        rest_run: first of that many silent bars drawn as one multi-bar rest.
        repeat_start, repeat_end: repeat barlines; ``repeat_end`` is how often the passage is played in all (0: none).
        ending: passes of the passage in which the bar is played, as its bracket (volta) says; ``()``: in each.
        new_system: begins a line.
        count_in: silent bar in which the beats are counted.
    """

    number: int
    meter: Meter
    length: Fraction
    voices: tuple[Voice, ...]
    show_meter: bool = False
    tempo: TempoMark | None = None
    swing: Literal["", "swing", "straight"] = ""
    rehearsal: str = ""
    dynamic: Dynamic = ""
    text: str = ""
    simile: int = 0
    rest_run: int = 0
    repeat_start: bool = False
    repeat_end: int = 0
    ending: tuple[int, ...] = ()
    new_system: bool = False
    count_in: bool = False

    @property
    def pickup(self) -> bool:
        """Shorter than its meter (an anacrusis)."""
        return self.length < self.meter.quarter_length

    @property
    def silent(self) -> bool:
        """Without a single notehead."""
        return not any(event.heads for voice in self.voices for event in voice)

    def heads(self) -> Iterator[tuple[Event, Head]]:
        """Every notehead with its event, graces first."""
        for voice in self.voices:
            for event in voice:
                for head in (*event.graces, *event.heads):
                    yield event, head


@dataclass(frozen=True, slots=True)
class Style:
    """What of the look is decided for the whole score.

    Attributes:
        screen_mm: the SVG's lines are broken for a screen of this width, with little margin and without a legend;
            ``None``: for the paper.
    """

    voices: Voices = 2
    paper: Paper = "a4"
    noteheads: Noteheads = "pas"
    legend: bool = True
    summary: bool = False
    screen_mm: float | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """A drum chart."""

    title: str = ""
    artist: str = ""
    measures: tuple[Measure, ...] = ()
    style: Style = field(default_factory=Style)

    def drums(self) -> tuple[str, ...]:
        """Labels used, in the order of the drum table."""
        from drumscribe.kit import DRUMS

        used = {head.drum for measure in self.measures for _, head in measure.heads()}
        return tuple(label for label in DRUMS if label in used)

    def play_order(self) -> tuple[int, ...]:
        """Indices of the measures in the order in which they are played, repeats written out, count-in left out."""
        return tuple(order_of(self.measures))


def check(score: Score) -> None:
    """Raise NotationError unless every voice of every bar adds up, note values included."""
    for index, measure in enumerate(score.measures):
        where = f"Bar {measure.number} (no. {index + 1} of the score)"
        if not measure.voices or not measure.voices[0]:
            raise NotationError(f"{where} has no voice.", "Report this as a bug, with the file.")
        for voice in measure.voices:
            _check_voice(voice, measure.length, where)


def _check_voice(voice: Sequence[Event], length: Fraction, where: str) -> None:
    clock = Fraction(0)
    for event in voice:
        if event.onset != clock or event.duration <= 0:
            raise NotationError(f"{where} has a gap or an overlap at {float(clock):g}.", "Report this as a bug.")
        written = TYPE_LENGTH[event.type] * (2 - Fraction(1, 2**event.dots))
        if event.tuplet:
            written *= Fraction(event.tuplet[1], event.tuplet[0])
        if not event.whole_bar and written != event.duration:
            raise NotationError(f"{where} has a note value that is not its duration.", "Report this as a bug.")
        clock = event.end
    if voice and clock != length:
        raise NotationError(f"{where} holds {float(clock):g} of {float(length):g} quarter notes.", "Report this bug.")
