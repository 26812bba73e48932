"""Songs whose drums were not separated: said once, in words, with the two ways on."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import streamlit as st

from drumscribe.audio.separation import UNSEPARATED
from drumscribe.errors import DrumScribeError
from drumscribe.settings import get_settings
from drumscribe.ui import labels, shell, state, wishes
from drumscribe.weights import registry

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

WISH = "separator"
"""Name of the wish: ``"auto"``, ``"demucs"``, or ``"none"``."""
CHOICES = ("auto", "demucs", "none")
CHOICE_KEY = "ds_set_separator"
"""Key of the widget that shows the wish."""
_TOLD = "ds_unseparated_told"
GAIN = (
    "With the drums separated, you can take them down and play along with the rest of the band, hear them alone, "
    "and the hits are found more surely."
)


def wanted() -> str:
    """What this browser's songs are to be separated with: one of :data:`CHOICES`."""
    found = wishes.wish(WISH, CHOICES[0])
    return found if found in CHOICES else CHOICES[0]


def want(separator: str) -> None:
    """Keep the choice for all songs to come."""
    with state.telling():
        wishes.keep(WISH, separator)
    st.session_state[CHOICE_KEY] = separator


def warnings(found: Transcription) -> list[str]:
    """The song's warnings without the one that :func:`tell` puts in other words."""
    return [warning for warning in found.warnings if not warning.startswith(UNSEPARATED)]


def tell(found: Transcription) -> None:
    """Say that the drums could not be separated, unless it was said of another song or is not wanted."""
    why = next((warning for warning in found.warnings if warning.startswith(UNSEPARATED)), None)
    if why is None or wanted() == "none":
        return
    if st.session_state.setdefault(_TOLD, state.song_id()) != state.song_id():
        st.caption("Transcribed from the whole mix.")
        return
    with st.container(border=True, key="ds_unseparated"):
        st.markdown(f"**{labels.escape(UNSEPARATED)}**{labels.escape(why.removeprefix(UNSEPARATED))}")
        ways(key="ds_unseparated")


def ways(*, key: str) -> None:
    """What separation would add, and the buttons that fetch its model or turn it off for good."""
    st.caption(GAIN)
    if _ready():
        st.caption("The separation model is here now: transcribe the song again to have its drums on their own.")
        return
    with st.container(horizontal=True):
        asked = _can_fetch() and st.button(
            "Fetch the separation model", icon=":material/download:", key=f"{key}_fetch",
            help="Once, about 80 MB; it stays on the computer that DrumScribe runs on",
        )  # fmt: skip
        if wanted() != "none":
            st.button(
                "Never separate", key=f"{key}_off", on_click=want, args=("none",),
                help="For all songs to come; the advanced settings on the Transcribe page turn it on again",
            )  # fmt: skip
    if get_settings().redis_url:
        st.caption("On this server a worker fetches it: ask whoever runs it.")
    elif not _can_fetch():
        st.caption("This installation cannot fetch it: it is set to stay offline, or Demucs is not installed.")
    if asked:
        _fetch()


def _can_fetch() -> bool:
    packages = all(find_spec(name) is not None for name in ("torch", "demucs"))
    settings = get_settings()
    return packages and not settings.offline and not settings.redis_url  # there a fetch worker does


def _ready() -> bool:
    model = get_settings().demucs_model
    rows = registry.catalogue()
    return any(row.name == model and row.purpose == "separation" and row.state in ("ready", "folder") for row in rows)


def _fetch() -> None:
    bar = st.progress(0.0, text="Fetching the separation model")

    def report(done: float, message: str) -> None:
        bar.progress(min(1.0, done), text=message)

    try:
        registry.resolve(get_settings().demucs_model, on_progress=report)
    except DrumScribeError as failure:
        shell.error(failure)
        return
    state.notify("success", "The separation model is here: the drums of songs to come are separated.")
    st.rerun()
