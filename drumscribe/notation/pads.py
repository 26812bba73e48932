"""From MIDI notes to drums: what the pads of an e-kit and the keys of a plug-in mean, with a word on every guess.

- A note that the map has no drum for is looked up in the maps of other makers; what is found is said, and so is what
  is left out.
- Where all hi-hat strokes come on notes of one openness, the pedal (controller 4: 0 open, 127 closed) tells them.
- Some modules double the foot's stroke with a soft stroke on the open hat: that is the pedal's own sound.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from drumscribe.kit import DRUMS
from drumscribe.notation.note_maps import CHOKE, FOOT_SPLASH, GENERAL_MIDI, NoteMap, guess, hinted, note_map
from drumscribe.types import Hit, Hits

DOUBLED_S = 0.03
"""A soft stroke on the open hat so near the foot's is the pedal's own."""
SOFT = 40
_PEDAL_CLOSED = 90  # a foot that only rests on the pedal stays below
_HANDS = ("closed_hihat", "open_hihat")


@dataclass(frozen=True, slots=True)
class Stroke:
    """One note: ``pedal`` is the last value of controller 4 before it, ``None`` where there was none."""

    time_s: float
    note: int
    velocity: int
    pedal: int | None = None


@dataclass(slots=True)
class _Told:
    """What was met on the way."""

    unknown: Counter[int] = field(default_factory=Counter)
    guessed: dict[int, tuple[str, str]] = field(default_factory=dict)
    splashes: int = 0
    chokes: int = 0
    doubled: int = 0
    by_pedal: bool = False


Drums = tuple[Hits, tuple[str, ...], tuple[tuple[int, int], ...]]
"""Hits, sentences on what was guessed or left out, and the notes that are no drum with their counts."""


def drums_of(
    strokes: Sequence[Stroke], wish: NoteMap | None = None, *, tracks: Sequence[str] = (), chokes: int = 0
) -> Drums:
    """What somebody played on pads or keys.

    Args:
        strokes: in order of time.
        wish: the map; ``None``: General MIDI with guesses, or the map that a track's name speaks of.
        tracks: names of tracks.
        chokes: cymbals that were stopped by hand, as aftertouch tells.
    """
    hint = None if wish else hinted(tracks)
    base = wish or note_map(hint or GENERAL_MIDI)
    told = _Told(chokes=chokes)
    found = [(stroke, label) for stroke in strokes if (label := _meant(stroke.note, base, told, guessing=wish is None))]
    kept = _undoubled(_hits(_by_pedal(found, told)), told)
    sentences = [f"Read with the note map {base.title}, of which a track's name speaks."] if hint else []
    return Hits.of(kept), (*sentences, *_sentences(base, told)), tuple(sorted(told.unknown.items()))


def as_written(strokes: Sequence[Stroke], base: NoteMap) -> Drums:
    """The drums of a file of our own, in which each note means what the map says."""
    told = _Told()
    found = [(stroke, label) for stroke in strokes if (label := _meant(stroke.note, base, told, guessing=False))]
    if base.by_pedal:
        found = _by_pedal(found, _Told())
    return Hits.of(_hits(found)), tuple(_sentences(base, told)), tuple(sorted(told.unknown.items()))


def meanings(keys: Iterable[int], program: str = "") -> tuple[dict[int, str], tuple[str, ...]]:
    """What the percussion keys of a score mean, with sentences on what was guessed or is no drum.

    ``program`` names the map of one that has keys of its own: 31 are Guitar Pro's sticks, and no pad of an e-kit.
    """
    base, told = note_map(program or GENERAL_MIDI), _Told()
    found = {key: label for key in Counter(keys).elements() if (label := _meant(key, base, told, guessing=not program))}
    return found, tuple(_sentences(base, told))


def _hits(found: Sequence[tuple[Stroke, str]]) -> list[Hit]:
    return [
        Hit(number, stroke.time_s, label, 1.0, stroke.velocity, "user") for number, (stroke, label) in enumerate(found)
    ]


def _meant(note: int, base: NoteMap, told: _Told, *, guessing: bool) -> str | None:
    label = base.notes.get(note)
    if label is None and (likely := guess(note)) is not None and (guessing or note not in base.other):
        label = likely[0]
        told.guessed[note] = (label, likely[1].title)
    if label is None or note in told.guessed:
        told.unknown[note] += 1
    if label == CHOKE:
        told.chokes += 1
        return None
    if label == FOOT_SPLASH:
        told.splashes += 1
        return "pedal_hihat"
    return label


def _by_pedal(found: list[tuple[Stroke, str]], told: _Told) -> list[tuple[Stroke, str]]:
    hands = [(stroke, label) for stroke, label in found if label in _HANDS]
    places = {stroke.pedal for stroke, _ in hands if stroke.pedal is not None}
    if len({label for _, label in hands}) != 1 or not places:
        return found
    if max(places) < _PEDAL_CLOSED:  # never closed: the notes say so, too, or nobody moved the pedal
        return found
    if min(places) >= _PEDAL_CLOSED and hands[0][1] == "closed_hihat":
        return found
    told.by_pedal = True
    return [
        (stroke, _HANDS[stroke.pedal < _PEDAL_CLOSED] if label in _HANDS and stroke.pedal is not None else label)
        for stroke, label in found
    ]


def _undoubled(hits: list[Hit], told: _Told) -> list[Hit]:
    feet = sorted(hit.time_s for hit in hits if hit.drum == "pedal_hihat")

    def own_sound(hit: Hit) -> bool:
        if hit.drum != "open_hihat" or hit.velocity > SOFT:
            return False
        after = bisect_left(feet, hit.time_s)
        return any(abs(foot - hit.time_s) <= DOUBLED_S for foot in feet[max(0, after - 1) : after + 1])

    kept = [hit for hit in hits if not own_sound(hit)]
    told.doubled = len(hits) - len(kept)
    return [replace(hit, id=number) for number, hit in enumerate(kept)]


def _sentences(base: NoteMap, told: _Told) -> list[str]:
    said = []
    for note, count in sorted(told.unknown.items()):
        times = "once" if count == 1 else f"{count} times"
        if note in told.guessed:
            label, maker = told.guessed[note]
            what = {CHOKE: "a choke", FOOT_SPLASH: "a foot splash"}.get(label) or DRUMS[label].name.lower()
            said.append(f"Note {note} ({times}) is no drum of {base.title}: taken for {what}, as {maker} has it.")
        else:
            name = f"{note}, {base.other[note]}," if note in base.other else str(note)
            said.append(f"Note {name} ({times}) is no drum of the kit and was left out.")
    if told.unknown:
        said.append("Choose another note map if notes were taken for the wrong drums.")
    if told.by_pedal:
        said.append("All hi-hat strokes come on one note: the pedal (controller 4) told which are open.")
    if told.splashes:
        said.append(f"Foot splashes ({told.splashes}) are written as strokes of the hi-hat foot.")
    if told.chokes:
        said.append(f"Chokes of cymbals ({told.chokes}) are not written.")
    if told.doubled:
        said.append(
            f"Soft open hi-hat strokes ({told.doubled}) within {DOUBLED_S * 1000:.0f} ms of the foot's were taken for "
            "the pedal's own sound."
        )
    return said
