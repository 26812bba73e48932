"""The player filled from the open song: what Score, Practice, Edit, and Inspect mount."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import streamlit as st

from drumscribe.errors import DrumScribeError
from drumscribe.song.transcription import Transcription
from drumscribe.types import Hit
from drumscribe.ui import shell, state, theme
from drumscribe.ui.hands import take
from drumscribe.ui.player import recordings
from drumscribe.ui.player.component import Cue, Fader, Hands, Mix, Playable, Sheet, Track, Wave, player

_RECORDING_FADERS = {
    "demucs": (
        Fader("original", "Original", 1.0, {"drums": 1.0, "accompaniment": 1.0}),
        Fader("drums", "Drums alone", 0.0, {"drums": 1.0}),
        Fader("accompaniment", "Without drums", 0.0, {"accompaniment": 1.0}),
    ),
    "none": (Fader("original", "Original", 1.0, {"mix": 1.0}),),
}


_MIXES = {
    "demucs": (
        Mix("As recorded", {"original": 1.0}),
        Mix("Without drums", {"accompaniment": 1.0}),
        Mix("Without drums, with click", {"accompaniment": 1.0, "click": 0.6}),
        Mix("Drums alone", {"drums": 1.0}),
    ),
    "none": (
        Mix("As recorded", {"original": 1.0}),
        Mix("With drums and click", {"original": 0.8, "synth": 0.8, "click": 0.6}),
        Mix("Drums and click alone", {"synth": 1.0, "click": 0.6}),
    ),
}
"""What people play along with, where there is a recording: separated, and not."""


def _select(hit_id: int) -> None:
    state.select(hit_id, sound=False)  # the player has sounded it


def song_player(
    found: Transcription,
    *,
    key: str,
    sheet: Sheet,
    faint: Iterable[Hit] = (),
    cue: Cue | None = None,
    timeline: bool = True,
    mixer: bool = False,
    on_select: Callable[[int], None] | None = _select,
) -> None:
    """Mount :func:`~drumscribe.ui.player.component.player` for ``found``, with its recordings, hits, and bars.

    Prepares the recordings the first time, with a note on the page; where they cannot be had, says so and plays
    the synthesised drums alone. Arguments as there; by default a clicked hit is selected on all pages. The selected
    hit is filled in.
    """
    sound = _recordings(found)
    palette = theme.palette()
    colours = {"mix": palette.stem, "drums": palette.stem, "accompaniment": palette.wave}
    of_recordings = _RECORDING_FADERS[found.heard.method] if sound else ()
    song = Playable(
        id=found.song.sha256,
        duration_s=found.song.duration_s,
        tracks=[Track(r.part, r.audio) for r in sound],
        faders=[*of_recordings, Fader("synth", "Synthesised", 0.0 if sound else 1.0), Fader("click", "Click")],
        mixes=_MIXES[found.heard.method] if sound else (),
        # The rest is drawn first: the drums stand before it.
        waves=[
            Wave(r.envelope, colours[r.part]) for r in sorted(sound, key=lambda r: r.part != "accompaniment")
        ],
        hits=found.hits,
        faint=faint,
        bars=found.rhythm.bars,
    )  # fmt: skip
    held = state.selected()
    cue = replace(cue or Cue(), selected=held.id if held is not None else None)
    acted = {box: (one.last, one.names) for box, one in state.session().acted.items()}
    player(
        song, key=key, sheet=sheet, cue=cue, timeline=timeline, mixer=mixer, on_select=on_select,
        hands=None if state.session().share else Hands(take, acted, active=sheet.editable),
    )  # fmt: skip


def _recordings(found: Transcription) -> tuple[recordings.Recording, ...]:
    if not recordings.available(found):
        st.caption("This project was opened without its recording: the synthesised drums play alone.")
        return ()
    try:
        if recordings.is_ready(found):
            return recordings.recordings(found)
        with st.spinner("Preparing the player (once per song)"):
            made: tuple[recordings.Recording, ...] = state.derived(
                "player_recordings", lambda: recordings.recordings(found)
            )
            return made
    except DrumScribeError as error:
        shell.error(error)
        return ()
