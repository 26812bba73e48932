"""Which drum a note of another program's MusicXML is: its instrument's name and sound, its line and head, together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from drumscribe.kit import BY_MIDI, DRUMS
from drumscribe.notation.heads import drum_at
from drumscribe.notation.names import drum_named

_GENERIC = {"hi-hat", "hihat", "hi hat", "hat", "tom", "toms", "tom-tom", "cymbal", "cymbals", "drum", "drums"}
_SOUNDS = {
    "drum.bass-drum": "kick", "drum.kick-drum": "kick", "drum.snare-drum": "snare", "drum.tom-tom": "mid_tom",
    "metal.hi-hat": "closed_hihat", "metal.cymbal.crash": "crash", "metal.cymbal.ride": "ride",
    "metal.cymbal.splash": "splash", "metal.cymbal.chinese": "china", "metal.cymbal.bell": "ride_bell",
}  # fmt: skip
_NAME, _SOUND, _PLACE = 3, 2, 2
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MIDDLE_C = 60
"""Drums written as pitches below it are MIDI notes, above it lines of the staff."""
DRUM_CHANNEL = "10"


@dataclass(frozen=True, slots=True)
class Instrument:
    """A ``score-instrument`` with its ``midi-instrument``: ``key`` is the MIDI note, -1 where none is given."""

    name: str = ""
    sound: str = ""
    key: int = -1

    def votes(self) -> Counter[str]:
        """What speaks for which drum."""
        found: Counter[str] = Counter()
        if named := drum_named(self.name):
            found[named] += 1 if self.name.lower().strip() in _GENERIC else _NAME
        if self.key in BY_MIDI:
            found[BY_MIDI[self.key]] += _SOUND
        sound = next((label for prefix, label in _SOUNDS.items() if self.sound.startswith(prefix)), None)
        if sound:
            found[sound] += 1
        return found

    @property
    def divided(self) -> bool:
        """Whether name and MIDI note are those of two drums."""
        named = drum_named(self.name)
        return named is not None and self.key in BY_MIDI and self.name.lower().strip() not in _GENERIC \
            and BY_MIDI[self.key] != named  # fmt: skip


@dataclass
class Instruments:
    """The instruments of one part, and what was met with them.

    Attributes:
        part: its name.
        pitched: how the part writes drums as pitches: ``"keys"`` (MIDI notes), ``"lines"``, or ``""`` (it does not).
        doubts: sentences on instruments of which name and sound differ.
    """

    part: str = ""
    by_id: dict[str, Instrument] = field(default_factory=dict)
    pitched: str = ""
    doubts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, score_part: Any, part: Any) -> Instruments:
        """Read them from the ``score-part`` (may be ``None``) and the ``part``."""
        found = cls()
        if score_part is not None:
            found.part = (score_part.findtext("part-name") or "").strip()
            keys = {one.get("id"): one.findtext("midi-unpitched") for one in score_part.iterfind("midi-instrument")}
            for one in score_part.iterfind("score-instrument"):
                key = int(keys.get(one.get("id")) or 0) - 1
                found.by_id[one.get("id")] = Instrument(
                    (one.findtext("instrument-name") or "").strip(), one.findtext("instrument-sound") or "", key
                )
            for name, key in keys.items():  # without a score-instrument of its own
                found.by_id.setdefault(name, Instrument(key=int(key or 0) - 1))
        if part.find(".//unpitched") is None and _for_drums(score_part, part):
            pitches = sorted(pitch for note in part.iter("note") if (pitch := pitch_of(note)) is not None)
            if pitches:
                found.pitched = "keys" if pitches[len(pitches) // 2] < _MIDDLE_C else "lines"
        return found

    def drum(self, note: Any, shape: str, *, is_open: bool) -> str | None:
        """The likeliest drum of a note; ``None`` where nothing speaks for one."""
        tag = note.find("instrument")
        instrument = self.by_id.get(tag.get("id")) if tag is not None else None
        place = note.find("unpitched")
        votes = instrument.votes() if instrument else Counter()
        staff = ""
        if place is not None:
            staff = f"{place.findtext('display-step') or 'B'}{place.findtext('display-octave') or '4'}"
        elif self.pitched == "lines" and note.find("pitch") is not None:
            staff = f"{note.findtext('pitch/step')}{note.findtext('pitch/octave')}"
        elif self.pitched == "keys" and (key := pitch_of(note)) in BY_MIDI:
            votes[BY_MIDI[key or 0]] += _SOUND
        elif not self.pitched:
            return None
        if staff and (drawn := drum_at(staff, shape, open_hat=is_open)):
            votes[drawn] += _PLACE
        if not votes:
            return self._alone()
        label = votes.most_common(1)[0][0]
        if instrument and instrument.divided:
            plays = DRUMS[BY_MIDI[instrument.key]].name.lower()
            self.doubts[instrument.name] = (
                f"The instrument “{instrument.name}” has the MIDI note of the {plays}: taken for "
                f"{DRUMS[label].name.lower()}."
            )
        if label == "closed_hihat" and (is_open or (staff == DRUMS[label].staff and shape == "circle-x")):
            return "open_hihat"
        return label

    def _alone(self) -> str | None:
        """The drum of a part that is for one only, whatever line it is on."""
        named = {label for one in self.by_id.values() if (label := drum_named(one.name))}
        return named.pop() if len(named) == 1 and len(self.by_id) == 1 else drum_named(self.part)


def pitch_of(note: Any) -> int | None:
    """MIDI note of a ``pitch``; ``None`` where there is none."""
    step, octave = note.findtext("pitch/step"), note.findtext("pitch/octave")
    if step not in _STEPS or octave is None:
        return None
    return _STEPS[step] + 12 * (int(octave) + 1) + int(float(note.findtext("pitch/alter") or 0))


def _for_drums(score_part: Any, part: Any) -> bool:
    """Whether a part without ``unpitched`` is one for drums all the same: its clef, its channel, its name."""
    if any(sign.text == "percussion" for sign in part.iterfind(".//clef/sign")):
        return True
    if score_part is None:
        return False
    channels = {one.text for one in score_part.iterfind("midi-instrument/midi-channel")}
    name = (score_part.findtext("part-name") or "").lower()
    return DRUM_CHANNEL in channels or "drum" in name or "percussion" in name


def drum_parts(root: Any) -> list[tuple[Any, Instruments]]:
    """The parts of a score with drums, each with its instruments; the first part where there are none."""
    listed = {one.get("id"): one for one in root.iterfind("part-list/score-part")}
    parts = [(part, Instruments.of(listed.get(part.get("id")), part)) for part in root.findall("part")]
    drums = [(part, found) for part, found in parts if found.pitched or part.find(".//unpitched") is not None]
    return drums or parts[:1]
