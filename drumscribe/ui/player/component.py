"""The one JavaScript component: transport, timeline, mixer, and score cursor, built from ``player/`` into ``bundle/``.

Everything that sounds runs on the browser's audio clock: recordings, sampled drums, and click stay together at any
speed, and loops join without a gap. The page hears of a clicked hit and of pages that are wanted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime import get_instance

from drumscribe.audio import synth
from drumscribe.kit import BY_HEIGHT, DRUMS
from drumscribe.notation.timeline import Timeline
from drumscribe.song import gestures
from drumscribe.types import Bar, Hit
from drumscribe.ui import theme
from drumscribe.ui.player import media

_BUNDLE = Path(__file__).parent / "bundle"
# Streamlit sends a component's script with every message, so it is sent a line that fetches the bundle once.
_LOADER = """
const loaded = new Map();
export default function (component) {
  const { data, parentElement } = component;
  const mount = parentElement.querySelector(".mount");
  const turn = (mount.turn = (mount.turn ?? 0) + 1);
  if (!loaded.has(data.bundle)) loaded.set(data.bundle, import(new URL(data.bundle, location.href).href));
  let close = null;
  let closed = false;
  loaded.get(data.bundle).then((bundle) => {
    if (!closed && turn === mount.turn) close = bundle.default(component);
  }, () => {
    loaded.delete(data.bundle);
    mount.textContent = "The player could not be loaded. Reload the page.";
  });
  return () => {
    closed = true;
    close?.();
  };
}
"""
_COMPONENT = st.components.v2.component(
    "drumscribe_player",
    html='<div class="mount"></div>',
    css=(_BUNDLE / "player.css").read_text(encoding="utf-8") + "\n",
    js=_LOADER,
)


KEYS = {
    "kick": "K", "snare": "S", "cross_stick": "X", "high_tom": "T", "mid_tom": "M", "floor_tom": "L",
    "closed_hihat": "H", "open_hihat": "O", "pedal_hihat": "P", "crash": "C", "splash": "Z", "china": "N", "ride": "R",
    "ride_bell": "B",
}  # fmt: skip
"""The letter that makes a selected note this drum."""
_BOTTOM_LINE = 4 * 7 + 2
"""E4, in staff steps."""


@dataclass(frozen=True, slots=True)
class Track:
    """A recording to play: ``id`` for :attr:`Fader.feeds`, ``audio`` from :func:`drumscribe.ui.player.media.encode`."""

    id: str
    audio: bytes


@dataclass(frozen=True, slots=True)
class Wave:
    """A waveform to draw: ``envelope`` from :func:`drumscribe.ui.player.media.envelope`, drawn in ``colour``."""

    envelope: bytes
    colour: str


@dataclass(frozen=True, slots=True)
class Fader:
    """One fader. ``feeds`` says how much of which track it lets through; ``"synth"`` and ``"click"`` need none.

    Attributes:
        id: unique; ``"synth"`` and ``"click"`` are the sampled drums and the metronome.
        label: what it is called.
        level: where it starts, 0-1.5.
        feeds: track id to gain.
    """

    id: str
    label: str
    level: float = 0.0
    feeds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mix:
    """A setting of the faders that one button brings: ``levels`` by fader, the others go down."""

    label: str
    levels: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Something to be played once: give it a new ``id`` each time it shall sound."""

    id: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Playable:
    """A song as it is heard and drawn on the timeline.

    Attributes:
        id: names the song; position, speed, loop, and levels are kept per song, so that another page goes on where
            this one was.
        duration_s: length of the song.
        tracks: recordings; all are in sync.
        faders: the mixer; without them nothing but auditioned hits can be heard.
        mixes: settings of the faders to choose from.
        waves: envelopes to draw one over another, the first one behind.
        hits: marks on the timeline, sampled drums, and lit noteheads.
        faint: hits to show hollow and not to play: rejected candidates. Their ids must differ from those of ``hits``.
        bars: bar lines, click, count-in, and steps of the arrow keys.
    """

    id: str
    duration_s: float
    tracks: Sequence[Track] = ()
    faders: Sequence[Fader] = ()
    mixes: Sequence[Mix] = ()
    waves: Sequence[Wave] = ()
    hits: Iterable[Hit] = ()
    faint: Iterable[Hit] = ()
    bars: Sequence[Bar] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """The engraved score.

    Attributes:
        pages: SVG pages; a notehead's element is ``hit-<id>``, a bar's ``bar-<index>``. Empty: no score. ``None``
            stands for a page that is still to be engraved, which ``on_more`` asks for.
        view: index of the page that is waited for: it goes with the message, where the others are fetched.
        chart: when each written bar sounds, and which head stands for a hit under a repeat.
        tint: noteheads in the drums' colours.
        height: of the score's window, in pixels.
        on_more: called with the index of the page in view once the pages given have been drawn and some are ``None``.
        editable: notes can be edited, in the score and in the lanes.
        on_look: called with the page in view when something is edited: it is to be engraved first.
        width: of the window that the pages were engraved for, in pixels; 0: for paper.
        on_width: called with the width that they should be engraved for, when it is another one.
    """

    pages: Sequence[str | None] = ()
    view: int | None = None
    chart: Timeline | None = None
    tint: bool = False
    height: int = 640
    on_more: Callable[[int], None] | None = None
    editable: bool = False
    on_look: Callable[[int], None] | None = None
    width: int = 0
    on_width: Callable[[int], None] | None = None


@dataclass(frozen=True, slots=True)
class Hands:
    """Editing in the score and the lanes.

    Attributes:
        on_edit: called with what the browser sends: ``{"song": id, "box": name, "actions": [...]}``, the actions as
            :func:`drumscribe.song.gestures.read` takes them; the whole box each time, until ``acted`` says so.
        acted: for each box the number of the last action taken in, and the ids behind the names that actions gave.
        active: whether anything can be edited here; without, only what was left in a box is sent.
    """

    on_edit: Callable[[Mapping[str, Any]], None]
    acted: Mapping[str, tuple[int, Mapping[int, int]]] = field(default_factory=dict)
    active: bool = True


@dataclass(frozen=True, slots=True)
class Cue:
    """Where the player is sent.

    Attributes:
        selected: id of the hit to mark and reveal.
        loop: sets the loop, in seconds, when it changes; the user may change it again.
        excerpt: plays a stretch once when its ``id`` changes.
    """

    selected: int | None = None
    loop: tuple[float, float] | None = None
    excerpt: Excerpt | None = None


def player(
    song: Playable,
    *,
    key: str,
    sheet: Sheet = Sheet(),
    cue: Cue = Cue(),
    timeline: bool = True,
    mixer: bool = False,
    on_select: Callable[[int], None] | None = None,
    hands: Hands | None = None,
) -> None:
    """Mount the player. The same ``key`` keeps playing across reruns while hits, score, or faders change under it.

    Args:
        song: what is played.
        key: unique on the page.
        sheet: the score to show.
        cue: where the player is sent.
        timeline: show waveform and drum lanes.
        mixer: show faders and the drums' mute buttons.
        on_select: called with the hit's id when one is clicked, before the page runs again. ``None``: clicks only
            mark and sound the hit.
        hands: takes edits in; ``None``: nothing can be edited.
    """
    shown = sorted([*((hit, 0) for hit in song.hits), *((hit, 1) for hit in song.faint)], key=lambda row: row[0].time_s)
    drums = [label for label in reversed(DRUMS) if any(hit.drum == label for hit, _ in shown)]
    dark, serve, excerpt = theme.is_dark(), _Server(key), cue.excerpt
    active = hands is not None and hands.active
    parts = _sound(song, serve) | _score(sheet, serve) | {"hits": _marks(shown, drums), "loop": cue.loop}
    parts["grid"] = [_slots(bar) for bar in song.bars] if active else []
    texts = {name: json.dumps(part, separators=(",", ":")) for name, part in parts.items()}
    samples, shots = _kit()
    data = {
        "texts": texts,
        "versions": {name: hashlib.blake2b(text.encode(), digest_size=12).hexdigest() for name, text in texts.items()},
        "view": None if sheet.view is None else {"page": sheet.view, "svg": sheet.pages[sheet.view]},
        "bundle": serve("bundle", _script(), "text/javascript"),
        "kit": {"url": serve("kit", samples, "audio/ogg"), "shots": shots},
        "song": song.id,
        "duration": song.duration_s,
        "drums": [_drum(label, dark=dark) for label in drums],
        "selected": cue.selected,
        "excerpt": None if excerpt is None else {"id": excerpt.id, "start": excerpt.start_s, "end": excerpt.end_s},
        "parts": {"timeline": timeline, "mixer": mixer, "score": bool(sheet.pages)},
        "tint": sheet.tint,
        "score_height": sheet.height,
        "score_width": sheet.width if sheet.on_width is not None else None,
        "name": key,
        "hands": None
        if hands is None
        else {
            "active": active,
            "acted": {box: {"last": last, "names": list(names.items())} for box, (last, names) in hands.acted.items()},
            "kit": [_of_kit(label, dark=dark) for label in BY_HEIGHT] if active else [],
        },
        "report": ["select"] if on_select is not None else [],
        "dark": dark,
    }

    listeners: Any = _listeners(key, sheet, on_select, hands)
    _COMPONENT(key=key, data=data, **listeners)


def _listeners(
    key: str, sheet: Sheet, on_select: Callable[[int], None] | None, hands: Hands | None
) -> dict[str, Callable[[], None]]:
    """What is done with each thing that the browser tells."""

    def told(what: str) -> Mapping[str, Any]:
        held = st.session_state.get(key)  # nothing, where the user has gone to another page in this moment
        return (held and held.get(what)) or {}

    def selecting() -> None:
        if on_select is not None and "hit" in told("select"):
            on_select(int(told("select")["hit"]))

    def asking() -> None:
        if sheet.on_more is not None and "page" in told("more"):
            sheet.on_more(int(told("more")["page"]))

    def fitting() -> None:
        if sheet.on_width is not None and "width" in told("width"):
            sheet.on_width(int(told("width")["width"]))

    def editing() -> None:
        if hands is None or not told("edit"):
            return
        if sheet.on_look is not None:
            sheet.on_look(int(told("edit").get("page", 0)))
        hands.on_edit(told("edit"))

    return {
        "on_select_change": selecting, "on_more_change": asking, "on_width_change": fitting, "on_edit_change": editing,
    }  # fmt: skip


def _sound(song: Playable, serve: _Server) -> dict[str, Any]:
    tracks = [
        {
            "id": track.id,
            "url": serve(f"track-{track.id}", track.audio, "audio/ogg"),
            "spans": media.spans(track.audio),
            "segment": media.SEGMENT_S,
        }
        for track in song.tracks
    ]
    faders = [{"id": f.id, "label": f.label, "level": f.level, "feeds": dict(f.feeds)} for f in song.faders]
    mixes = [{"label": mix.label, "levels": dict(mix.levels)} for mix in song.mixes]
    return {
        "sound": {"song": song.id, "tracks": tracks, "faders": faders, "mixes": mixes},
        "waves": [
            {"url": serve(f"wave-{index}", wave.envelope, "application/octet-stream"), "colour": wave.colour}
            for index, wave in enumerate(song.waves)
        ],
        "bars": [[b.number, round(b.start_s, 4), round(b.end_s, 4), len(synth.pulse_times(b))] for b in song.bars],
    }


def _score(sheet: Sheet, serve: _Server) -> dict[str, Any]:
    bars, heads = (sheet.chart.bars, sheet.chart.heads) if sheet.chart else ((), ())
    return {
        "pages": [
            None if page is None else serve(f"page-{index}", page.encode(), "image/svg+xml")
            for index, page in enumerate(sheet.pages)
        ],
        "chart": {
            "measures": [[round(b.start_s, 4), round(b.end_s, 4), b.element] for b in bars],
            "aliases": [[h.hit_id, h.element] for h in heads if h.element != f"hit-{h.hit_id}"],
        },
    }


def _marks(shown: Sequence[tuple[Hit, int]], drums: Sequence[str]) -> dict[str, list[Any]]:
    """The hits by columns; ``drum`` is the index in ``drums``."""
    number = {label: index for index, label in enumerate(drums)}
    return {
        "id": [hit.id for hit, _ in shown],
        "time": [round(hit.time_s, 4) for hit, _ in shown],
        "drum": [number[hit.drum] for hit, _ in shown],
        "velocity": [hit.velocity for hit, _ in shown],
        "confidence": [round(hit.confidence, 3) for hit, _ in shown],
        "faint": [low for _, low in shown],
    }


def _drum(label: str, *, dark: bool) -> dict[str, str]:
    return {
        "label": label,
        "name": DRUMS[label].name,
        "short": DRUMS[label].abbreviation,
        "colour": theme.line_colour(label, dark=dark),
        "paper": theme.line_colour(label, dark=False),
    }


def _of_kit(label: str, *, dark: bool) -> dict[str, Any]:
    """A drum as the score needs it: its key, and how many steps its head stands above the bottom line."""
    row = DRUMS[label]
    height = row.octave * 7 + "CDEFGAB".index(row.step) - _BOTTOM_LINE
    return _drum(label, dark=dark) | {
        "key": KEYS[label], "height": height, "head": row.notehead, "voice": row.voice,
    }  # fmt: skip


def _slots(bar: Bar) -> list[list[float]]:
    """The grid of a bar: onset in quarter notes, and when it sounds."""
    return [[round(float(onset), 5), round(sounds_s, 4)] for onset, sounds_s in gestures.grid(bar)]


class _Server:
    """Gives bytes a URL for as long as this session shows them (Streamlit's media files)."""

    def __init__(self, key: str) -> None:
        self._key = key
        base = st.get_option("server.baseUrlPath").strip("/")
        self._base = f"/{base}" if base else ""

    def __call__(self, name: str, data: bytes, mimetype: str) -> str:
        return self._base + get_instance().media_file_mgr.add(data, mimetype, f"{self._key}.{name}")


@lru_cache(maxsize=1)
def _script() -> bytes:
    return (_BUNDLE / "player.js").read_bytes()


@lru_cache(maxsize=1)
def _kit() -> tuple[bytes, list[tuple[str, int, float, float]]]:
    """The sampled drums as one compressed file, and where each sound lies in it."""
    sound, shots = synth.one_shots()
    rows = [(shot.drum, shot.velocity, round(shot.start_s, 5), round(shot.duration_s, 5)) for shot in shots]
    return media.opus(sound, synth.SAMPLE_RATE), rows
