"""Who owns what: a person who has signed in (:mod:`drumscribe.ui.people`), or a browser, without accounts, by a random
token in a cookie, whose hash owns the jobs.

The token is the only key to a browser's projects, so it is random, long, never logged, and never in an address.
"""

from __future__ import annotations

import hashlib
import re
import secrets

import streamlit as st

from drumscribe.settings import get_settings
from drumscribe.ui import people

COOKIE = "drumscribe_browser"
SECURE = f"__Host-{COOKIE}"
"""Its name over HTTPS: no other host, and no page that is not encrypted, can set it. A cookie of the plain name counts
only where there is none yet: the same browser came without encryption before."""
_TOKEN = re.compile(r"[0-9a-f]{32}")
_KEY = "ds_token"

_SET_COOKIE = st.components.v2.component(
    "drumscribe_owner",
    js="""
export default function ({ data, setStateValue }) {
  const secure = location.protocol === 'https:';
  const name = secure ? data.secure : data.name;
  const found = document.cookie.match(new RegExp('(?:^|; )' + name + '=([0-9a-f]{32})(?:;|$)'));
  if (found && found[1] !== data.token) { setStateValue('token', found[1]); return; }
  const only = secure ? '; secure' : '';
  document.cookie = `${name}=${data.token}; path=/; max-age=${data.seconds}; samesite=strict${only}`;
}
""",
)


def token() -> str:
    """This browser's token: of the session, else of the cookie, else a new one."""
    if _KEY not in st.session_state:
        cookies = st.context.cookies
        cookie = cookies.get(SECURE) or cookies.get(COOKIE, "")
        st.session_state[_KEY] = cookie if _TOKEN.fullmatch(cookie) else secrets.token_hex(16)
    return str(st.session_state[_KEY])


def owner() -> str:
    """The owner of this person's or browser's jobs, as the job runner knows it."""
    if people.configured():
        return people.person() or f"nobody-{secrets.token_hex(16)}"  # a page that outlived its sign-in finds nothing
    return "browser-" + hashlib.sha256(token().encode()).hexdigest()[:32]


def remember() -> None:
    """Keep the token in the browser. Call once in each run, inside the page frame."""
    seconds = int(get_settings().artifact_ttl_hours * 3600)
    with st.container(key="ds_owner"):
        _SET_COOKIE(
            key="ds_owner_cookie",
            data={"name": COOKIE, "secure": SECURE, "token": token(), "seconds": seconds},
            on_token_change=_adopt,
        )


def _adopt() -> None:
    """Another tab was first: be the same browser."""
    found = str(getattr(st.session_state["ds_owner_cookie"], "token", "") or "")
    if _TOKEN.fullmatch(found):
        st.session_state[_KEY] = found
