"""How onsets are written: note values, rests, tuplets, beams."""

from __future__ import annotations

from fractions import Fraction

import pytest

from drumscribe.errors import NotationError
from drumscribe.notation.spelling import beat_groups, spell
from drumscribe.types import Meter

_SHORT = {"whole": "1", "half": "2", "quarter": "4", "eighth": "8", "16th": "16", "32nd": "32", "64th": "64"}


def written(meter: str, *onsets: str | int, length: str | None = None, grouping: tuple[int, ...] = ()) -> str:
    """The bar in short: ``8 r16 (3: 8 8 8)``, dots after the value, beams as brackets."""
    signature = Meter.parse(meter)
    bar = Fraction(length) if length else signature.quarter_length
    out = []
    for slot in spell(signature, bar, tuple(Fraction(onset) for onset in onsets), grouping):
        word = ("" if slot.sounding else "r") + _SHORT[slot.type] + "." * slot.dots
        if slot.tuplet_edge == "start":
            word = f"({slot.tuplet[0]}: {word}"
        if slot.beams and slot.beams[0] == "begin":
            word = word.replace(_SHORT[slot.type], f"[{_SHORT[slot.type]}", 1)
        word += "]" * (bool(slot.beams) and slot.beams[0] == "end") + ")" * (slot.tuplet_edge == "stop")
        out.append(word)
    return " ".join(out)


@pytest.mark.parametrize(("meter", "onsets", "text"), [
    ("4/4", [], "r1"),
    ("4/4", [0, 1, 2, 3], "4 4 4 4"),
    ("4/4", [0], "4 r4 r2"),
    ("4/4", [2], "r2 4 r4"),
    ("4/4", [1, 3], "r4 4 r4 4"),
    ("4/4", ["0", "1/2", "1", "3/2", "2", "5/2", "3", "7/2"], "[8 8 8 8] [8 8 8 8]"),
    ("4/4", ["0", "2", "5/2"], "4 r4 [8 8] r4"),
    ("4/4", ["0", "3/4", "1", "7/4"], "[8. 16] [8. 16] r2"),
    ("4/4", ["1/4", "5/4"], "r16 8. r16 8. r2"),
    ("4/4", ["0", "1/4", "3/4"], "[16 8 16] r4 r2"),
    ("4/4", ["0", "1/8", "1/4", "1/2"], "[32 32 16 8] r4 r2"),
    ("4/4", ["0", "3/8", "7/8"], "[16. 8 32] r4 r2"),
    ("4/4", ["1/8", "7/8"], "r32 [8. 32] r4 r2"),
    ("4/4", ["0", "7/8"], "[8. r32 32] r4 r2"),
    ("4/4", ["0", "1/3", "2/3"], "(3: [8 8 8]) r4 r2"),
    ("4/4", ["0", "2/3", "5/3"], "(3: 4 8) (3: r4 8) r2"),
    ("4/4", ["0", "1/6", "1/3", "1/2", "2/3", "5/6"], "(6: [16 16 16 16 16 16]) r4 r2"),
    ("4/4", ["0", "1/2", "2/3", "5/6"], "[8 (3: 16 16 16]) r4 r2"),
    ("4/4", ["0", "1/5", "2/5", "3/5", "4/5"], "(5: [16 16 16 16 16]) r4 r2"),
    ("3/4", ["0", "1/2", "1", "3/2", "2", "5/2"], "[8 8 8 8 8 8]"),
    ("3/4", [0], "4 r4 r4"),
    ("2/4", ["0", "3/2"], "4 r8 8"),
    ("6/8", ["0", "1/2", "1", "3/2", "2", "5/2"], "[8 8 8] [8 8 8]"),
    ("6/8", ["0", "3/2"], "4. 4."),
    ("6/8", ["0", "1", "5/2"], "4 8 r4 8"),
    ("6/8", ["0", "3/4"], "[8. 8.] r4."),
    ("12/8", ["0"], "4. r4. r2."),
    ("7/8", ["0", "1/2", "1", "3/2", "2", "5/2", "3"], "[8 8] [8 8] [8 8 8]"),
    ("5/8", ["0", "1/2", "1", "3/2", "2"], "[8 8 8] [8 8]"),
    ("5/4", [0, 1, 2, 3, 4], "4 4 4 4 4"),
])  # fmt: skip
def test_bars_are_written_as_a_copyist_would(meter, onsets, text):
    assert written(meter, *onsets) == text


def test_beats_of_a_meter_follow_the_grouping():
    assert written("7/8", *(Fraction(i, 2) for i in range(7)), grouping=(3, 2, 2)) == "[8 8 8] [8 8] [8 8]"


def test_a_pickup_keeps_the_end_of_the_bars_beats():
    groups = beat_groups(Meter(4, 4), Fraction(3, 2))
    assert groups == ((Fraction(0), Fraction(1, 2)), (Fraction(1, 2), Fraction(3, 2)))
    assert written("4/4", 0, "1/2", length="3/2") == "8 4"


def test_a_roll_is_held_over_beats_up_to_the_next_stroke():
    slots = spell(Meter(4, 4), Fraction(4), (Fraction(0), Fraction(3)), (), ((Fraction(0), Fraction(4)),))
    assert [(slot.type, slot.dots, slot.sounding) for slot in slots] == [("half", 1, True), ("quarter", 0, True)]


def test_a_beat_beyond_all_note_values_is_refused():
    with pytest.raises(NotationError, match="parts"):
        spell(Meter(4, 4), Fraction(4), (Fraction(1, 67),))
