"""The Account page: who has signed in, API tokens with which programs work in their name, and the songs they share."""

from __future__ import annotations

import streamlit as st

from drumscribe.jobs.shares import Shares
from drumscribe.jobs.tokens import NAME, Token, Tokens
from drumscribe.settings import get_settings
from drumscribe.ui import labels, people, sharing, state
from drumscribe.ui.owner import owner

PAGE = "pages/account.py"
_NEW = "account_new_token"
_DAY_S = 86400.0
LASTS = {"30 days": 30 * _DAY_S, "90 days": 90 * _DAY_S, "A year": 365 * _DAY_S, "No end": None}


def offered() -> bool:
    """Whether there are tokens here: for whoever signs in, and on one's own machine. Where everybody may use the studio
    without signing in, they would open the API to everybody, too."""
    return people.configured() or not (get_settings().public or get_settings().sign_in == "none")


def show() -> None:
    """Draw the page."""
    if not offered():
        st.info("Nobody signs in here, so there are no accounts and no tokens. Programs use a key of API_KEYS.")
        return
    if people.configured():
        st.markdown(f"Signed in as **{labels.escape(people.called())}**.")
        st.caption("Your songs belong to this account, on any device. Its name for whoever runs this server:")
        st.code(owner(), language=None, wrap_lines=True)
    else:
        st.markdown("Your songs belong to this browser; nobody signs in on your own machine.")
    left()
    st.header("API tokens")
    st.markdown(
        "With a token a program works in your name: what it sends is listed among your projects here, and it can reach "
        "your songs, but nobody else's. Whoever has the token can do the same, so keep it as you would a password."
    )
    new()
    mine = Tokens(state.runner().database).of(owner())
    if not mine:
        st.caption("You have no tokens yet.")
    for token in mine:
        _row(token)
    form()
    shared()


def left() -> None:
    """What the person may still send and keep, where that has an end."""
    may = state.runner().allowance(owner())
    again = f"; all of them again {labels.ahead(may.renews_at)}, at midnight UTC"
    rows = [
        (f"{part.used:.0f} of {part.limit:.0f} {words}", f"{part.left:.0f} left{when}", part.used / part.limit)
        for part, words, when in (
            (may.songs, "unfinished songs at once", ""),
            (may.minutes, "minutes of music today", again),
            (may.megabytes, "MB of uploads and scores", "; deleted songs make room"),
        )
        if part.limit and part.left is not None
    ]
    if not rows:
        return
    st.header("What is left")
    for used, rest, fraction in rows:
        st.progress(min(1.0, fraction), f"{used}: **{rest}**")


def shared() -> None:
    """The links to all of the person's songs."""
    if not sharing.possible():
        return
    st.header("Shared songs")
    links = Shares(state.runner().database).of(owner())
    if not links:
        st.caption("You have shared no song. Share, beside a song's title, makes a link that can be revoked here.")
    for link in links:
        sharing.row(link, title=True)


def new() -> None:
    """The token that has just been made, until it is put away."""
    text = st.session_state.get(_NEW)
    if text is None:
        return
    with st.container(border=True, key="account_made"):
        st.markdown("**Copy your new token now: it is shown this once.**")
        st.code(text, language=None, wrap_lines=True)
        st.caption("A program sends it with every request, in this header:")
        st.code(f"Authorization: Bearer {text}", language=None, wrap_lines=True)
        st.button("I have copied it", key="account_copied", type="primary", icon=":material/check:", on_click=put_away)


def put_away() -> None:
    """Show the new token no more."""
    st.session_state.pop(_NEW, None)


def _row(token: Token) -> None:
    called = labels.escape(token.name)
    used = f"last used {labels.ago(token.used_at)}" if token.used_at else "never used"
    ends = "has no end" if token.expires_at is None else f"ends on {labels.day(token.expires_at)}"
    if token.expired:
        ends = f":red[ended on {labels.day(token.expires_at or 0)}]"
    may = "only reads" if token.reads_only else "reads and changes"
    facts = (f"`drumscribe_{token.id}_…`", may, f"made on {labels.day(token.created_at)}", used, ends)
    with st.container(border=True, key=f"account_token_{token.id}"):
        words, button = st.columns([4, 1], vertical_alignment="center")
        with words:
            st.markdown(f"**{called}**  \n:small[{' · '.join(facts)}]")
        with button, st.popover("Revoke", icon=":material/block:", help=f"Revoke {called}", width="stretch"):
            st.write(f"Revoke **{called}**? Programs that use it are turned away from now on.")
            st.button(
                "Revoke for good", key=f"account_revoke_{token.id}", type="primary", on_click=_revoke, args=(token.id,)
            )


def form() -> None:
    """What a new token is called, how long it lasts, and what it may do."""
    st.subheader("New token")
    with st.form("account_token", border=True, clear_on_submit=True):
        st.text_input("Name", key="account_name", max_chars=NAME, placeholder="The program that will use it")
        st.selectbox("Lasts", list(LASTS), 1, key="account_lasts")
        st.toggle("Only read: it can follow and download, and neither send nor change", key="account_reads")
        st.form_submit_button("Make a token", key="account_make", icon=":material/key:", on_click=_make)


def _make() -> None:
    said = st.session_state
    with state.telling():
        made = Tokens(state.runner().database).create(
            owner(), said.account_name, reads_only=said.account_reads, lasts_s=LASTS[said.account_lasts]
        )
        said[_NEW] = made[1]


def _revoke(token_id: str) -> None:
    with state.telling():
        Tokens(state.runner().database).revoke(token_id, owner=owner())
