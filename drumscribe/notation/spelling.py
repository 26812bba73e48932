"""Note values: how the onsets of one voice in one bar are written. Pure arithmetic, no drums.

Rules, after Gould, *Behind Bars* (2011), ch. "Rhythm", and the drum set practice of Weinberg (1994): a stroke lasts to
the next one or to the end of its beat, so that a bar needs no ties; rests are merged inside the beat, and over beats
only where the meter's halves stay visible; a tuplet is written only in the part of the beat that needs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import lcm
from typing import Literal

from drumscribe.errors import NotationError
from drumscribe.notation.model import FLAGS, TYPE_LENGTH, Beam, NoteType
from drumscribe.types import Meter

_SMALLEST = Fraction(1, 32)
_MOST_PARTS = 24


@dataclass(frozen=True, slots=True)
class Slot:
    """A note (``sounding``) or a rest of a voice, before it has heads; fields as in :class:`~.model.Event`."""

    onset: Fraction
    duration: Fraction
    type: NoteType
    dots: int
    sounding: bool
    tuplet: tuple[int, int] | None = None
    tuplet_edge: Literal["", "start", "stop"] = ""
    beams: tuple[Beam, ...] = ()
    whole_bar: bool = False

    @property
    def end(self) -> Fraction:
        """Where it stops, from the bar line."""
        return self.onset + self.duration


@lru_cache(maxsize=256)
def beat_groups(
    meter: Meter, length: Fraction, grouping: tuple[int, ...] = ()
) -> tuple[tuple[Fraction, Fraction], ...]:
    """Return ``(start, end)`` of the beats of a bar, as they are felt.

    Args:
        meter: the time signature.
        length: quarter notes in the bar; a pickup keeps the end of the full bar's beats.
        grouping: for meters of eighths that are not compound, eighths per beat, e.g. ``(2, 2, 3)``.
    """
    if meter.compound or meter.unit <= 4 or meter.beats <= 2:
        sizes = [meter.pulse] * meter.pulses_per_bar
    else:
        counts = grouping if sum(grouping) == meter.beats else _default_grouping(meter.beats)
        sizes = [count * meter.pulse for count in counts]
    cut = meter.quarter_length - length
    groups = []
    clock = -cut
    for size in sizes:
        if clock + size > 0:
            groups.append((max(clock, Fraction(0)), clock + size))
        clock += size
    return tuple(groups)


def _default_grouping(beats: int) -> tuple[int, ...]:
    """Twos, with a three at the end where odd: 5 → 3+2 (the commoner), 7 → 2+2+3."""
    if beats == 5:
        return (3, 2)
    if beats == 3:
        return (3,)
    twos, odd = divmod(beats, 2)
    return (2,) * (twos - 1) + (3,) if odd else (2,) * twos


@lru_cache(maxsize=8192)
def spell(meter: Meter, length: Fraction, onsets: tuple[Fraction, ...], grouping: tuple[int, ...] = (),
          held: tuple[tuple[Fraction, Fraction], ...] = ()) -> tuple[Slot, ...]:  # fmt: skip
    """Write the ``onsets`` (sorted, distinct, within the bar) of one voice as notes and rests that fill the bar.

    ``held`` gives ``(onset, length)`` of strokes that are to last longer than their beat (rolls); they are held as
    far as one note value reaches without meeting the next onset.
    """
    if not onsets:
        return (Slot(Fraction(0), length, "whole", 0, sounding=False, whole_bar=True),)
    lengths = dict(held)
    slots: list[Slot] = []
    clock = Fraction(0)
    for start, end in beat_groups(meter, length, grouping):
        if clock >= end:
            continue
        start = max(start, clock)
        inside = [onset for onset in onsets if start <= onset < end]
        if len(inside) == 1 and inside[0] == start and start in lengths:
            roll = _roll(start, lengths[start], onsets, length)
            slots.append(roll)
            clock = roll.end
            if clock < end:
                slots += _straight(clock, end, (), clock)
                clock = end
            continue
        slots += _beat(start, end, tuple(inside))
        clock = end
    return tuple(_beam(meter, length, grouping, _merge_rests(meter, length, slots)))


def _roll(start: Fraction, wish: Fraction, onsets: Sequence[Fraction], bar: Fraction) -> Slot:
    limit = min([bar, *(onset for onset in onsets if onset > start)]) - start
    room = max(min(wish, limit), _SMALLEST)
    best = max(value for value in VALUES if value <= room)
    kind, dots = VALUES[best]
    return Slot(start, best, kind, dots, sounding=True)


VALUES: dict[Fraction, tuple[NoteType, int]] = {
    length * (2 - Fraction(1, 2**dots)): (kind, dots)
    for kind, length in TYPE_LENGTH.items()
    for dots in (0, 1)
    if not (dots and kind == "128th")
}
"""Note value and dots of every length that one note can have."""


def _is_binary(number: Fraction) -> bool:
    denominator = number.denominator
    return denominator & (denominator - 1) == 0 and denominator <= 32


def _beat(start: Fraction, end: Fraction, onsets: tuple[Fraction, ...]) -> list[Slot]:
    """One beat (or part of one): straight where it can be, else a tuplet in the smallest part that needs it."""
    if all(_is_binary(onset) for onset in onsets):
        return _straight(start, end, onsets, start)
    parts = _parts(start, end)
    pieces = [tuple(onset for onset in onsets if low <= onset < high) for low, high in parts]
    if parts:
        straight = [all(_is_binary(onset) for onset in piece) for piece in pieces]
        heads_on_cuts = all(low in onsets for low, _ in parts[1:])
        if _ratio(start, end, onsets) is None or (heads_on_cuts and (any(straight) or len(parts) == 3)):
            return [slot for (low, high), piece in zip(parts, pieces, strict=True) for slot in _beat(low, high, piece)]
    return _tuplet(start, end, onsets)


def _parts(start: Fraction, end: Fraction) -> list[tuple[Fraction, Fraction]]:
    """Halves of a beat, thirds of a dotted one, nothing where it is too short to be cut."""
    size = end - start
    count = 3 if size.numerator == 3 else 2
    if size <= Fraction(1, 4) or size.numerator not in (1, 2, 3, 4):
        return []
    step = size / count
    return [(start + i * step, start + (i + 1) * step) for i in range(count)]


def _ratio(start: Fraction, end: Fraction, onsets: Sequence[Fraction]) -> tuple[int, int, Fraction] | None:
    """Tuplet ratio (actual, normal) and written unit for a beat; ``None`` if no reader would follow it.

    The parts stand against the next lower number of binary parts; in a dotted beat (6/8) against three halves of them.
    """
    size = end - start
    actual = lcm(*(((onset - start) / size).denominator for onset in onsets))
    base = max((value for value in TYPE_LENGTH.values() if value <= size), default=size)
    normal = 1 << (actual.bit_length() - 1)
    while (normal * size / base).denominator > 1:
        normal *= 2
    unit = base / normal
    if unit < _SMALLEST or actual > _MOST_PARTS:
        return None
    return actual, int(normal * size / base), unit


def _tuplet(start: Fraction, end: Fraction, onsets: tuple[Fraction, ...]) -> list[Slot]:
    size = end - start
    found = _ratio(start, end, onsets)
    if found is None:
        raise NotationError("A beat is divided into more parts than note values can show.", "Choose a coarser grid.")
    actual, normal, unit = found
    ratio = (actual, normal)
    points = [int((onset - start) / size * actual) for onset in onsets]
    slots: list[Slot] = []

    def add(low: int, count: int, sounding: bool) -> None:
        while count:
            take = count if sounding else _aligned(low, count)
            while take * unit not in VALUES:
                take -= 1
            kind, dots = VALUES[take * unit]
            slots.append(Slot(start + size * low / actual, size * take / actual, kind, dots, sounding, ratio))
            low, count, sounding = low + take, count - take, False

    if points[0]:
        add(0, points[0], False)
    for low, high in zip(points, [*points[1:], actual], strict=True):
        add(low, high - low, True)
    slots[0] = replace(slots[0], tuplet_edge="start")
    slots[-1] = replace(slots[-1], tuplet_edge="stop")
    return slots


def _aligned(low: int, count: int) -> int:
    """Largest power of two that ``count`` parts from ``low`` can be merged into without hiding the grid."""
    size = 1
    while size * 2 <= count and low % (size * 2) == 0:
        size *= 2
    return size if low else count


def _straight(start: Fraction, end: Fraction, onsets: Sequence[Fraction], origin: Fraction) -> list[Slot]:
    if not onsets:
        return _rests(start, end, origin)
    slots = _rests(start, onsets[0], origin)
    for low, high in zip(onsets, [*onsets[1:], end], strict=True):
        length = _longest(low - origin, high - low, dotted_beat=(end - origin).numerator == 3)
        rests = _rests(low + length, high, origin)
        if len(rests) > 1 and high - low in VALUES:  # two rests hide the beat more than a stroke held over its middle
            length, rests = high - low, []
        kind, dots = VALUES[length]
        slots += [Slot(low, length, kind, dots, sounding=True), *rests]
    return slots


def _longest(offset: Fraction, room: Fraction, *, dotted_beat: bool) -> Fraction:
    """Longest note value within ``room`` that shows where it stands in its beat."""
    for value in sorted(VALUES, reverse=True):
        if value > room:
            continue
        base = TYPE_LENGTH[VALUES[value][0]]
        if value == base and (2 * offset) % base == 0:
            return value
        if value != base and dotted_beat and offset % value == 0:  # a duplet of 6/8
            return value
        if value != base and (offset % (2 * base) == 0 or (offset + value) % (2 * base) == 0):
            return value
    return min(VALUES)


def _rests(start: Fraction, end: Fraction, origin: Fraction) -> list[Slot]:
    slots: list[Slot] = []
    while start < end:
        room = end - start
        fitting = [
            value for value, (kind, dots) in VALUES.items()
            if value <= room and (start - origin) % (TYPE_LENGTH[kind] * (2 if dots else 1)) == 0
            and (not dots or value >= Fraction(3, 4))
        ]  # fmt: skip
        length = max(fitting, default=min(VALUES))
        kind, dots = VALUES[length]
        slots.append(Slot(start, length, kind, dots, sounding=False))
        start += length
    return slots


def _merge_rests(meter: Meter, length: Fraction, slots: list[Slot]) -> list[Slot]:
    """Join rests of whole beats: halves of 4/4 and of 12/8, nothing elsewhere (Gould, p. 160 ff.)."""
    if length != meter.quarter_length or meter.pulses_per_bar != 4:
        return slots
    half, beat = length / 2, length / 4
    merged: list[Slot] = []
    for slot in slots:
        before = merged[-1] if merged else None
        if (before and not slot.sounding and not before.sounding and slot.duration == before.duration == beat
                and before.onset % half == 0):  # fmt: skip
            kind, dots = VALUES[half]
            merged[-1] = Slot(before.onset, half, kind, dots, sounding=False)
        else:
            merged.append(slot)
    return merged


def _beam(meter: Meter, length: Fraction, grouping: tuple[int, ...], slots: list[Slot]) -> list[Slot]:
    """Beam per beat; plain eighths per half bar in 4/4, over the whole bar in 3/4 (Gould, p. 152 ff.)."""
    groups = list(beat_groups(meter, length, grouping))
    if meter.unit == 4 and length == meter.quarter_length:
        groups = _join_eighths(meter, groups, slots)
    done = list(slots)
    for start, end in groups:
        run: list[int] = []
        indices = [i for i, slot in enumerate(slots) if start <= slot.onset < end]
        for position, i in enumerate(indices):
            slot = slots[i]
            if slot.type in FLAGS and (slot.sounding or (run and _more_to_beam(slots, indices[position + 1 :]))):
                run.append(i)
                continue
            _beam_run(done, run)
            run = []
        _beam_run(done, run)
    return done


def _more_to_beam(slots: Sequence[Slot], indices: Sequence[int]) -> bool:
    """Whether a rest stands between notes of one beam: the next slots lead to another short note."""
    for i in indices:
        if slots[i].sounding:
            return slots[i].type in FLAGS
        if slots[i].type not in FLAGS:
            return False
    return False


def _join_eighths(meter: Meter, groups: list[tuple[Fraction, Fraction]],
                  slots: Sequence[Slot]) -> list[tuple[Fraction, Fraction]]:  # fmt: skip
    span = {2: 2, 3: 3, 4: 2}.get(meter.beats)
    if span is None:
        return groups
    joined: list[tuple[Fraction, Fraction]] = []
    for i in range(0, len(groups), span):
        start, end = groups[i][0], groups[i + span - 1][1]
        inside = [slot for slot in slots if start <= slot.onset < end]
        plain = all(slot.sounding and slot.type == "eighth" and not slot.tuplet for slot in inside)
        joined += [(start, end)] if plain else groups[i : i + span]
    return joined


def _beam_run(slots: list[Slot], run: list[int]) -> None:
    """Set the beams of consecutive slots (rests inside have none) in place."""
    notes = [i for i in run if slots[i].sounding]
    if len(notes) < 2:
        return
    levels = [FLAGS[slots[i].type] for i in notes]
    for k, i in enumerate(notes):
        beams: list[Beam] = []
        for level in range(1, levels[k] + 1):
            left = k > 0 and levels[k - 1] >= level
            right = k + 1 < len(notes) and levels[k + 1] >= level
            if left and right:
                beams.append("continue")
            elif left or right:
                beams.append("end" if left else "begin")
            else:
                beams.append("forward hook" if k == 0 or (k + 1 < len(notes) and _leans_right(slots, i)) else
                             "backward hook")  # fmt: skip
        slots[i] = replace(slots[i], beams=tuple(beams))


def _leans_right(slots: Sequence[Slot], i: int) -> bool:
    """A lone short note points to the longer note it completes a beat with: right if it starts a half beat."""
    return slots[i].onset % Fraction(1, 2) == 0
