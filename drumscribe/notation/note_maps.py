"""Which MIDI note is which drum: General MIDI's map, those of e-kits and drum plug-ins, and the user's own.

One data file a map: in ``drumscribe/notation/maps/``, each with its source; the user's own in ``DATA_DIR/maps/``.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drumscribe.errors import OptionsError, ProjectError
from drumscribe.kit import DRUMS

if TYPE_CHECKING:
    from drumscribe.settings import Settings

GENERAL_MIDI = "general-midi"
FOOT_SPLASH, CHOKE = "foot_splash", "choke"
"""What a note of a map may mean beside a drum: the foot opens the hi-hat with a ring; a hand stops a cymbal."""
TAPPED = (
    "kick", "snare", "cross_stick", "high_tom", "mid_tom", "floor_tom", "closed_hihat", "open_hihat", "pedal_hihat",
    "crash", "ride", "ride_bell",
)  # fmt: skip
"""The order in which the pads of an e-kit are struck for :func:`learned`."""
_FOLDER = Path(__file__).parent / "maps"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")
_NEAREST = {
    "cross_stick": "snare", "ride_bell": "ride", "china": "crash", "splash": "crash", "pedal_hihat": "closed_hihat",
    "open_hihat": "closed_hihat", "mid_tom": "floor_tom", "high_tom": "mid_tom", "ride": "crash",
}  # fmt: skip
_LIKE_GM = ("roland-td", "alesis-nitro", "yamaha-dtx", "superior-drummer", "drum-kit-designer")
"""Maps that add to General MIDI more than they change it: they tell what a note may mean that it has no drum for."""
_HINTS = {
    "superior-drummer": r"superior drummer|ez ?drummer|toontrack", "addictive-drums-2": r"addictive drums",
    "drum-kit-designer": r"drum kit designer", "roland-td": r"\btd-?\d{2}|v-?drums|\broland\b",
    "alesis-strata": r"\bstrata\b", "alesis-nitro": r"\balesis\b|\bnitro\b", "yamaha-dtx": r"\bdtx",
    "hydrogen": r"gmrockkit", "steven-slate-5": r"steven slate|\bssd ?5", "getgood-invasion": r"\binvasion\b",
    "getgood-piv": r"\bp ?iv\b|one kit wonder|\bokw\b", "getgood-halpern": r"\bhalpern\b",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NoteMap:
    """One map.

    Attributes:
        name: by which it is chosen.
        title: for people.
        source: where its facts are from.
        notes: note → label of a drum, :data:`FOOT_SPLASH`, or :data:`CHOKE`; a drum is written as its first note.
        other: note → name of what is no part of a drum set.
        pedal: its instrument sends the hi-hat pedal as controller 4.
    """

    name: str
    title: str
    source: str
    notes: dict[int, str]
    other: dict[int, str] = field(default_factory=dict)
    pedal: bool = False

    def key(self, drum: str) -> int:
        """The note that a drum is written as; where the map lacks it, that of the nearest one."""
        wanted: str | None = drum
        while wanted is not None:
            for note, label in self.notes.items():
                if label == wanted:
                    return note
            wanted = _NEAREST.get(wanted)
        return DRUMS[drum].midi

    @property
    def by_pedal(self) -> bool:
        """Whether the pedal alone tells an open hi-hat from a closed one: both come on one note."""
        return self.pedal and "open_hihat" not in self.notes.values()

    def lacks(self, drums: Iterable[str]) -> tuple[str, ...]:
        """Those of ``drums`` that the map has no note for."""
        known = set(self.notes.values()) | ({"open_hihat"} if self.by_pedal else set())
        return tuple(drum for drum in drums if drum not in known)


def names(settings: Settings | None = None) -> tuple[str, ...]:
    """All maps: General MIDI, then by name, then the user's own."""
    packaged = sorted(path.stem for path in _FOLDER.glob("*.toml") if path.stem != GENERAL_MIDI)
    own = sorted(path.stem for path in _own(settings).glob("*.toml")) if settings else []
    return (GENERAL_MIDI, *packaged, *(name for name in own if name not in packaged))


def note_map(name: str, settings: Settings | None = None) -> NoteMap:
    """The map of a name. Raises OptionsError where there is none, ProjectError where its file is damaged."""
    if name in names():
        return _packaged(name)
    path = _own(settings) / f"{name}.toml" if settings and _NAME.fullmatch(name) else None
    if path is None or not path.is_file():
        raise OptionsError(f"There is no note map {name!r}.", f"Choose from {', '.join(names(settings))}.")
    return _read(path)


def hinted(texts: Iterable[str]) -> str | None:
    """The name of the map that names of tracks speak of; ``None`` where they speak of none."""
    said = " ".join(texts).lower()
    return next((name for name, words in _HINTS.items() if re.search(words, said)), None)


def guess(note: int) -> tuple[str, NoteMap] | None:
    """What a note most likely means that General MIDI has no drum for, with a map that says so.

    What General MIDI gives to other percussion is taken for a drum only where two maps agree on it.
    """
    maps = [_packaged(name) for name in _LIKE_GM]
    meant = Counter(found.notes[note] for found in maps if note in found.notes)
    if not meant:
        return None
    label, votes = meant.most_common(1)[0]
    if votes < 2 and note in _packaged(GENERAL_MIDI).other:
        return None
    return label, next(found for found in maps if found.notes.get(note) == label)


def learned(struck: Sequence[int], drums: Sequence[str] = TAPPED, *, name: str, title: str = "") -> NoteMap:
    """The map of an e-kit whose pads were struck one after the other, each as often as one likes.

    Args:
        struck: the notes that came, in order.
        drums: what was struck, in order.
        name: of the map: small letters, digits, hyphens.
        title: for people; default: the name.

    Raises:
        OptionsError: a bad name or drum.
        ProjectError: not as many pads as drums, or one pad for two of them.
    """
    unknown = [drum for drum in drums if drum not in DRUMS]
    if unknown or not _NAME.fullmatch(name):
        raise OptionsError(f"{(unknown or [name])[0]!r} cannot be used here.",
                           f"Drums are {', '.join(DRUMS)}; a name has small letters, digits, hyphens.")  # fmt: skip
    pads = [note for index, note in enumerate(struck) if index == 0 or struck[index - 1] != note]
    if len(pads) != len(drums):
        raise ProjectError(
            f"{len(pads)} pads were struck in turn ({', '.join(map(str, pads[:20]))}), not {len(drums)}.",
            f"Strike, each once: {', '.join(drums)}; or name those that your kit has.",
        )
    twice = [note for note, count in Counter(pads).items() if count > 1]
    if twice:
        raise ProjectError(f"Note {twice[0]} came for two drums.", "Give each pad a note of its own, or leave one out.")
    notes = dict(zip(pads, drums, strict=True))
    others = {note: label for note, label in _packaged(GENERAL_MIDI).notes.items() if note not in notes}
    return NoteMap(name, title or name, "Learned from pads struck in turn; the rest as in General MIDI",
                   {**notes, **others})  # fmt: skip


def named(text: str, *, name: str, title: str = "") -> NoteMap:
    """The map that a list of note names tells, as Reaper writes it: a line a note, ``36 Kick``.

    Raises ProjectError where no line names a drum.
    """
    from drumscribe.notation.names import drum_named

    notes: dict[int, str] = {}
    other: dict[int, str] = {}
    for note, words in re.findall(r"^\s*(?:-?\d+\s+(?=\d+\s))?(\d{1,3})[ \t]+\"?(.+?)\"?\s*$", text, re.MULTILINE):
        if int(note) < 128 and (label := drum_named(words)):
            notes[int(note)] = label
        elif int(note) < 128:
            other[int(note)] = words[:80]
    if not notes or not _NAME.fullmatch(name):
        raise ProjectError("No line of this list names a note and a drum.", "It needs lines such as: 36 Kick")
    return NoteMap(name, title or name, "A list of note names", notes, other)


def saved(found: NoteMap, settings: Settings) -> Path:
    """Keep a map of the user's own; return its file. Raises OptionsError for a packaged name, StorageError."""
    from drumscribe.storage.writing import write_atomic

    if found.name in names():
        raise OptionsError(f"{found.name} is a map that comes with DrumScribe.", "Give yours another name.")
    path = _own(settings) / f"{found.name}.toml"
    write_atomic(path, dumps(found).encode())
    return path


def dumps(found: NoteMap) -> str:
    """The map as its file has it."""
    lines = [f"title = {_quoted(found.title)}", f"source = {_quoted(found.source)}"]
    lines += ["pedal = true"] if found.pedal else []
    lines += ["", "[notes]", *(f"{note} = {_quoted(label)}" for note, label in found.notes.items())]
    if found.other:
        lines += ["", "[other]", *(f"{note} = {_quoted(name)}" for note, name in found.other.items())]
    return "\n".join(lines) + "\n"


def reaper_names(found: NoteMap) -> str:
    """The map as a file of note names that Reaper's MIDI editor loads: a line a note, the highest first."""
    words = {FOOT_SPLASH: "Hi-hat foot splash", CHOKE: "Cymbal choke"}
    rows = {note: words.get(label) or DRUMS[label].name for note, label in found.notes.items()} | found.other
    return "".join(f"{note} {rows[note]}\n" for note in sorted(rows, reverse=True))


@cache
def _packaged(name: str) -> NoteMap:
    return _read(_FOLDER / f"{name}.toml")


def _own(settings: Settings | None) -> Path:
    return (settings.data_dir if settings else Path()) / "maps"


def _read(path: Path) -> NoteMap:
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        notes = {int(note): str(label) for note, label in data["notes"].items()}
        other = {int(note): str(name) for note, name in data.get("other", {}).items()}
        wrong = [label for label in notes.values() if label not in DRUMS and label not in (FOOT_SPLASH, CHOKE)]
        if wrong or not all(0 <= note < 128 for note in (*notes, *other)):
            raise ValueError(wrong[0] if wrong else "a note is not within 0 and 127")
        return NoteMap(path.stem, str(data["title"]), str(data["source"]), notes, other, bool(data.get("pedal")))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ProjectError(f"The note map {path.name} cannot be read: {error}.", "Correct or remove it.") from error


def _quoted(text: str) -> str:
    return '"' + "".join(c for c in text if c.isprintable()).replace("\\", "\\\\").replace('"', '\\"') + '"'
