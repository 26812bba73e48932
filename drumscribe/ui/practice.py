"""The Practice page: play along with the recording, with or without its drums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from drumscribe.errors import DrumScribeError
from drumscribe.kit import DRUMS
from drumscribe.song import playalong
from drumscribe.song.playalong import Wish
from drumscribe.song.recordings import Part, parts
from drumscribe.song.stages import file_name
from drumscribe.ui import labels, separating, sheets, shell, state
from drumscribe.ui.player import Sheet, recordings, song_player

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription


def show(found: Transcription) -> None:
    """Draw the page."""
    if found.heard.method == "none":
        st.caption(
            "The drums were not separated from this recording, so they cannot be taken down. Play along with the mix, "
            "the synthesised drums and a click instead: each has a fader of its own below."
        )
    sheet = Sheet()
    try:
        if st.session_state.get("practice_score", True):
            sheet = sheets.sheet(found, key="player_practice", height=430)
    except DrumScribeError as error:
        shell.error(error)
    song_player(found, key="player_practice", sheet=sheet, mixer=True, on_select=None)
    left, right = st.columns(2, vertical_alignment="center")
    with left:
        st.toggle("Show the score", True, key="practice_score", persist_state="session")
    with right:
        downloads(found)
    if found.heard.method == "none" and recordings.available(found) and not state.session().share:
        with st.expander("What separating the drums would add", icon=":material/graphic_eq:"):
            separating.ways(key="practice_separating")


PARTS: dict[str, Part | None] = {
    "The recording": "mix", "The recording without drums": "accompaniment", "No recording": None,
}  # fmt: skip
"""What of the recording a file may hold: name → part."""


def downloads(found: Transcription) -> None:
    """A sound file to play along with, made of what the user wants to hear."""
    present = [label for label in DRUMS if any(hit.drum == label for hit in found.hits)]
    with st.popover("Download a backing track", icon=":material/download:", width="stretch"):
        names = [name for name, part in PARTS.items() if part is None or part in _parts(found)]
        part = st.radio("Recording", names, key="practice_part")
        drums = st.pills(
            "Synthesised drums", present, selection_mode="multi", default=[] if len(names) > 1 else present,
            key="practice_drums", format_func=lambda label: labels.NAMES[label],
        )  # fmt: skip
        click = st.toggle("Click", key="practice_click")
        count_in = st.toggle("Count one bar in", key="practice_count")
        container = st.segmented_control("File", list(playalong.ENDINGS), default="WAV", required=True,
                                         key="practice_container")  # fmt: skip
        wish = Wish(PARTS[part], tuple(drums), click, count_in)
        kept = ("practice_file", wish, container)
        made = state.session().projected.get(kept)
        silent = wish.part is None and not drums and not click
        if made is None and st.button("Make the file", key="practice_make", type="primary", disabled=silent):
            try:
                with st.spinner("Mixing", show_time=True):
                    made = state.projected(kept, lambda: playalong.encoded(playalong.mixed(found, wish), container))
            except DrumScribeError as error:
                shell.error(error)
        if made is not None:
            ending, mime = playalong.ENDINGS[container]
            name = file_name(found.options.notate.title or found.song.title or "drums")
            st.download_button(
                f"Download ({container})", made, f"{name}.backing-track{ending}", mime, key="practice_file",
                on_click="ignore", icon=":material/download:", type="primary",
            )  # fmt: skip


def _parts(found: Transcription) -> tuple[Part, ...]:
    return parts(found.heard) if recordings.available(found) else ()
