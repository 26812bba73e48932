"""From the strokes of one bar to its voices: hands with stems up and feet with stems down, or one voice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from drumscribe.kit import DRUMS
from drumscribe.notation.marks import Marks
from drumscribe.notation.model import Event, Head, Voice
from drumscribe.notation.spelling import spell
from drumscribe.types import Meter, Placement

_STAFF_STEPS = "CDEFGAB"
_HEIGHT = {label: row.octave * 7 + _STAFF_STEPS.index(row.step) for label, row in DRUMS.items()}
_ORDER = {label: i for i, label in enumerate(DRUMS)}
_GRACES = {"flam": 1, "drag": 2}
GRACE_VELOCITY = 0.45
"""Velocity of a grace note, as a part of its main stroke's, where its own is not known."""


@dataclass(frozen=True, slots=True)
class BarInk:
    """What decides whether two bars look the same: everything but ids and velocities."""

    meter: Meter
    length: Fraction
    strokes: tuple[tuple[object, ...], ...]


def ink(meter: Meter, length: Fraction, strokes: Sequence[Placement], marks: Marks) -> BarInk:
    """Return the look of a bar as a hashable value: equal bars may be drawn as simile."""
    return BarInk(meter, length, tuple(
        (place.onset, place.drum, place.hit_id in marks.ghosts, place.hit_id in marks.accents, place.ornament,
         place.roll_length) for place in strokes))  # fmt: skip


def build_voices(meter: Meter, length: Fraction, strokes: Sequence[Placement], marks: Marks, *, voices: int,
                 grouping: tuple[int, ...]) -> tuple[Voice, ...]:  # fmt: skip
    """Write one bar.

    Returns:
        One voice, or hands and feet; a silent feet voice is ``()`` and a silent bar is one voice with a bar rest.
    """
    if voices == 1:
        return (_voice(meter, length, strokes, marks, grouping),)
    feet = [place for place in strokes if DRUMS[place.drum].voice == "feet"]
    hands = [place for place in strokes if DRUMS[place.drum].voice == "hands"]
    lower = _voice(meter, length, feet, marks, grouping) if feet else ()
    return _voice(meter, length, hands, marks, grouping), lower


def _voice(meter: Meter, length: Fraction, strokes: Sequence[Placement], marks: Marks,
           grouping: tuple[int, ...]) -> Voice:  # fmt: skip
    chords: dict[Fraction, list[Placement]] = {}
    for place in strokes:
        chords.setdefault(place.onset, []).append(place)
    held = tuple(sorted((place.onset, place.roll_length) for place in strokes if place.ornament == "roll"))
    slots = spell(meter, length, tuple(sorted(chords)), grouping, held)
    struck = ((slot, chords[slot.onset] if slot.sounding else []) for slot in slots)
    return tuple(
        Event(
            slot.onset, slot.duration, slot.type, slot.dots,
            heads=_heads(chord, marks), tuplet=slot.tuplet, tuplet_edge=slot.tuplet_edge, beams=slot.beams,
            graces=_graces(chord), slashes=_slashes(chord, slot.duration),
            accent=any(place.hit_id in marks.accents for place in chord), whole_bar=slot.whole_bar,
        )
        for slot, chord in struck
    )  # fmt: skip


def _slashes(chord: Sequence[Placement], duration: Fraction) -> int:
    """Three strokes through the stem for a roll; on less than an eighth one, which doubles the stroke."""
    if not any(place.ornament == "roll" for place in chord):
        return 0
    return 3 if duration >= Fraction(1, 2) else 1


def _heads(chord: Sequence[Placement], marks: Marks) -> tuple[Head, ...]:
    ordered = sorted(chord, key=lambda place: (_HEIGHT[place.drum], _ORDER[place.drum]))
    return tuple(Head(place.hit_id, place.drum, place.velocity, place.hit_id in marks.ghosts) for place in ordered)


def _graces(chord: Sequence[Placement]) -> tuple[Head, ...]:
    graces: list[Head] = []
    for place in chord:
        wanted = _GRACES.get(place.ornament, 0)
        soft = max(1, round(place.velocity * GRACE_VELOCITY))
        graces += [Head(grace, place.drum, soft) for grace in place.grace_ids[:wanted]]
    return tuple(graces)
