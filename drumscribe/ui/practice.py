"""The Practice page: play along with the recording, with or without its drums."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import streamlit as st

from drumscribe.audio import synth
from drumscribe.errors import DrumScribeError
from drumscribe.kit import DRUMS
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
    if found.heard.method == "none" and recordings.available(found):
        with st.expander("What separating the drums would add", icon=":material/graphic_eq:"):
            separating.ways(key="practice_separating")


def downloads(found: Transcription) -> None:
    """The synthesised drums as a sound file."""
    present = [label for label in DRUMS if any(hit.drum == label for hit in found.hits)]
    with st.popover("Download the synthesised drums", icon=":material/download:", width="stretch"):
        chosen = st.pills(
            "Drums", present, selection_mode="multi", default=present, key="practice_drums",
            format_func=lambda label: labels.NAMES[label],
        )  # fmt: skip
        with_click = st.toggle("With click", key="practice_click")
        made = state.session().projected.get(("practice_file", tuple(chosen), with_click))
        if made is None and st.button("Make the file", key="practice_make", type="primary", disabled=not chosen):
            try:
                with st.spinner("Playing the drums", show_time=True):
                    made = state.projected(
                        ("practice_file", tuple(chosen), with_click),
                        lambda: sound_file(found, chosen, click=with_click),
                    )
            except DrumScribeError as error:
                shell.error(error)
        if made is not None:
            name = file_name(found.options.notate.title or found.song.title or "drums")
            st.download_button(
                "Download (FLAC)", made, f"{name}.drums.flac", "audio/flac", key="practice_file", on_click="ignore",
                icon=":material/download:", type="primary",
            )  # fmt: skip


def sound_file(found: Transcription, drums: list[str], *, click: bool) -> bytes:
    """The chosen drums, played by the synthesiser from the beginning of the song to its end, as FLAC."""
    import soundfile

    sound = synth.render(found.hits, found.song.duration_s, drums=drums)
    if click:
        sound = sound + synth.click(found.rhythm.bars, found.song.duration_s)
    peak = float(abs(sound).max(initial=0.0))
    out = io.BytesIO()
    soundfile.write(out, (sound / max(1.0, peak)).T, synth.SAMPLE_RATE, format="FLAC")
    return out.getvalue()
