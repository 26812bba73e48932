"""Passing a song on: links that open it for reading, and what somebody sees who comes by one."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from drumscribe.errors import JobNotFoundError
from drumscribe.jobs.shares import Share, Shares
from drumscribe.settings import get_settings
from drumscribe.ui import labels, people, state
from drumscribe.ui.owner import owner

PAGES = ("score", "practice", "inspect")
"""What a link opens; the first is where it leads."""
_DAY_S = 86400.0
LASTS = {"No end": None, "A day": _DAY_S, "A week": 7 * _DAY_S, "30 days": 30 * _DAY_S}
_ALONE = (
    "A link would lead nowhere: this studio listens on your own computer. It takes one that others reach, such as "
    "`drumscribe serve --host …` with sign-in. *Song with its audio*, on the Score page, is a file to pass on instead."
)


def possible() -> bool:
    """Whether others reach this studio."""
    return people.configured() or get_settings().sign_in == "none"


def button() -> None:
    """The open song's links; nothing where it is not one's own."""
    if state.session().share:
        return
    with st.popover("Share", icon=":material/share:", key="ds_share", help="A link with which somebody else reads it"):
        if not possible():
            st.markdown(_ALONE)
            return
        st.markdown(
            "Whoever has a link sees, hears, and prints this song as it is at that moment, without an account. "
            "Nothing can be changed by it, and nothing else of yours is seen."
        )
        job_id = state.song_id()
        for share in Shares(state.runner().database).of(owner(), job_id):
            row(share)
        st.selectbox("A new link lasts", list(LASTS), key="ds_share_lasts")
        st.button(
            "Make a link", key="ds_share_make", icon=":material/add_link:", type="primary", on_click=_make,
            args=(job_id,), width="stretch",
        )  # fmt: skip


def row(share: Share, *, title: bool = False) -> None:
    """One link, to copy and to revoke; with ``title``, of which song."""
    with st.container(border=True, key=f"ds_share_{share.token[:12]}"):
        if title:
            st.markdown(f"**{labels.escape(share.title) or 'Untitled'}**")
        if not share.expired:
            st.code(address(share.token), language=None, wrap_lines=True)
        ends = "has no end" if share.expires_at is None else f"ends on {labels.day(share.expires_at)}"
        ends = ":red[has expired]" if share.expired else ends
        st.markdown(f":small[Made on {labels.day(share.created_at)} · {ends}]")
        st.button(
            "Revoke", key=f"ds_unshare_{share.token[:12]}", icon=":material/link_off:", on_click=_revoke,
            args=(share.token,), help="The link opens nothing from now on, also for who has the song open",
        )  # fmt: skip


def address(token: str) -> str:
    """The link, at the address by which this browser came."""
    here = urlsplit(st.context.url or "")
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    path = "/".join(part for part in (base, PAGES[0]) if part)
    return f"{here.scheme}://{here.netloc}/{path}?{state.SHARE}={token}"


def check(token: str) -> None:
    """Raises JobNotFoundError where a link opens nothing any more."""
    if Shares(state.runner().database).opened(token) is None:
        raise JobNotFoundError("This link opens nothing any more.", "Ask whoever gave it to you for another one.")


def banner() -> None:
    """For who came by a link: that it is for reading, and the way out."""
    job = state.session().job
    mine = job is not None and job.owner == owner()
    with st.container(horizontal=True, vertical_alignment="center", key="ds_shared"):
        st.markdown(":material/visibility: **Shared with you to read.** It can be played and printed, not changed.")
        if mine and job is not None:
            st.button("It is yours: edit it", key="ds_shared_edit", on_click=state.open_job, args=(job.id,))
        else:
            st.page_link("pages/transcribe.py", label="Your own songs", icon=":material/library_music:")


def _make(job_id: str) -> None:
    with state.telling():
        Shares(state.runner().database).create(job_id, owner=owner(), lasts_s=LASTS[st.session_state.ds_share_lasts])


def _revoke(token: str) -> None:
    with state.telling():
        Shares(state.runner().database).revoke(token, owner=owner())
