"""Three hints beside the first song of a browser or a person; once closed, or with the second song, never again."""

from __future__ import annotations

import streamlit as st

from drumscribe.jobs.model import JobStatus
from drumscribe.ui import state, wishes
from drumscribe.ui.owner import owner

WISH = "hints"
"""Name of the wish: the song beside which they stand, or :data:`_OVER`."""
_OVER = "over"
HINTS = (
    ("score", "Listen and look", ":material/music_note:",
     "On the Score page, the space bar plays. Click a note: a letter names its drum (K kick, S snare, H hi-hat), "
     "Delete removes it, Ctrl+Z takes it back, and ? lists all keys."),
    ("edit", "Answer, not hunt", ":material/edit_note:",
     "On the Edit page, Questions ask about many doubtful hits at once; one answer decides them all."),
    ("practice", "Play along", ":material/tune:",
     "On the Practice page, slow it down, loop some bars, and take the drums out."),
)  # fmt: skip
"""Page, name, icon, and words."""


def show() -> None:
    """Draw the hints, if the open song is the first."""
    song = state.song_id()
    if not song or not _first(song):
        return
    with st.container(border=True, key="ds_hints"):
        st.markdown("**Your first chart: three things to know**")
        for page, name, icon, words in HINTS:
            st.page_link(f"pages/{page}.py", label=name, icon=icon)
            st.caption(words)
        st.button(
            "Got it", key="ds_hints_close", icon=":material/check:", on_click=_keep, args=(_OVER,),
            help="Close the hints for good",
        )  # fmt: skip


def _first(song: str) -> bool:
    """Whether the hints belong to this song; they are over as soon as there is another."""
    known = wishes.wish(WISH, "")
    if known == song:
        return True
    if not known:
        alone = len(state.runner().list(owner=owner(), status=JobStatus.DONE, limit=2)) == 1
        _keep(song if alone else _OVER)
        return alone
    if known != _OVER:
        _keep(_OVER)
    return False


def _keep(value: str) -> None:
    with state.telling():
        wishes.keep(WISH, value)
