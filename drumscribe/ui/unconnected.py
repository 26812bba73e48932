"""What the Live page offers where the live connection cannot be had: why, and how to record all the same."""

from __future__ import annotations

import ipaddress
import time
from typing import BinaryIO
from urllib.parse import urlsplit

import streamlit as st

from drumscribe.errors import DrumScribeError
from drumscribe.options import Options
from drumscribe.ui import intake, owner, shell, state

PATIENCE_S = 10.0
"""After this long without a connection the user is told."""
_BEGUN = "live_connecting_since"


def insecure(url: str | None) -> bool:
    """Whether browsers keep the microphone from a page at this address: plain HTTP, except from the computer itself.

    >>> insecure("http://192.168.1.7:8501/live"), insecure("http://localhost:8501/live"), insecure("https://x/live")
    (True, False, False)
    """
    parts = urlsplit(url or "")
    if parts.scheme != "http" or not parts.hostname:
        return False
    try:
        return not ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return parts.hostname != "localhost" and not parts.hostname.endswith(".localhost")


def no_microphone() -> None:
    """On an insecure page: one sentence on what to do, and what works here."""
    st.warning(
        "Browsers give a page the microphone only over HTTPS: on the computer that runs DrumScribe, start "
        "`drumscribe serve --lan` and open the link that it shows (also on its About page), or record below.",
        icon=":material/mic_off:",
    )
    made = st.file_uploader(
        "Record with this device's own recorder, and give the recording here",
        type=intake.TYPES,
        key="live_own_recorder",
    )
    if made is not None and st.button("Transcribe", type="primary", key="live_own_send"):
        _hand_in(made, made.name)


def recorder() -> None:
    """A recorder that needs no live connection."""
    made = st.audio_input("Record your playing", sample_rate=44100, key="live_recorder")
    if made is not None and st.button("Transcribe", type="primary", key="live_recorder_send"):
        _hand_in(made, time.strftime("Live take %H.%M.%S.wav"))


def instead() -> None:
    """Before the first take: the recorder, for who knows that the connection will not come about."""
    st.session_state.pop(_BEGUN, None)
    with st.expander("Record without the live view", icon=":material/mic:"):
        st.caption("The same microphone and the same transcription, where a live connection cannot be had.")
        recorder()


@st.fragment(run_every=1.0)
def connecting() -> None:
    """While the browser and the server look for each other."""
    begun = st.session_state.setdefault(_BEGUN, time.monotonic())
    if time.monotonic() - begun < PATIENCE_S:
        st.caption("Connecting …")
        return
    st.warning(
        f"No connection came about within {PATIENCE_S:.0f} s: a firewall or a router keeps the sound (UDP) from the "
        "server. Whoever runs it can set ICE_SERVERS. Press Stop, and record here: only the live view is missing.",
        icon=":material/wifi_off:",
    )
    recorder()


def _hand_in(recording: BinaryIO, name: str) -> None:
    options = Options().updated(
        separate={"separator": "none"}, notate={"title": time.strftime("Live take, %d %B %H:%M")}
    )
    try:
        job = state.runner().submit(recording, options, owner=owner.owner(), name=name)
    except DrumScribeError as error:
        shell.error(error)
        return
    state.open_job(job.id)
    st.switch_page("pages/score.py")
