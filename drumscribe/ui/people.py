"""Who somebody is: OpenID Connect through Streamlit's own ``st.login``, where ``secrets.toml`` has an ``[auth]`` part.

A person's projects are theirs on any device. Without ``[auth]`` a browser is all that is known
(:mod:`drumscribe.ui.owner`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import streamlit as st

from drumscribe.runtime import loopback
from drumscribe.settings import get_settings
from drumscribe.ui import lan


def configured() -> bool:
    """Whether people sign in here."""
    return get_settings().sign_in == "auto" and st.secrets.load_if_toml_exists() and "auth" in st.secrets


def person() -> str | None:
    """The owner of a signed-in person's jobs, as the job runner knows it; ``None`` before."""
    if not st.user.is_logged_in:
        return None
    # The issuer too: two of them may give the same number to two people.
    return "person-" + hashlib.sha256(f"{st.user.get('iss')}\0{st.user['sub']}".encode()).hexdigest()[:32]


def called() -> str:
    """The signed-in person's mail address, or another name."""
    return str(st.user.get("email") or st.user.get("name") or st.user["sub"])


def admin() -> bool:
    """Whether this is one of ``ADMINS``. A mail address counts only where the provider says that it has checked it: at
    some of them anybody may write in another's."""
    wanted = {part.strip().casefold() for part in get_settings().admins.split(",")} - {""}
    if not wanted or awaited() or not configured():
        return False
    verified = st.user.get("email_verified") is True
    return person() in wanted or (verified and str(st.user.get("email", "")).casefold() in wanted)


def stranger() -> bool:
    """Whether somebody comes from another computer although nobody signs in here, and nobody has said that this is
    meant."""
    if configured() or get_settings().sign_in == "none" or lan.shared is not None:
        return False
    return not from_here(st.context.headers, st.context.ip_address)


def from_here(headers: Mapping[str, str], address: str | None) -> bool:
    """Whether this computer's own browser asks, and no proxy. The name that it asked for must be this computer's own,
    too: a page elsewhere can make its own name lead here.

    Args:
        address: where the connection came from; ``None``: this computer.
    """
    if any(name in headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-Ip")):
        return False
    host = re.sub(r":\d+\Z", "", headers.get("Host") or "localhost").strip("[]")
    return all(loopback(one) or one.endswith(".localhost") for one in (host, address or "localhost"))


def turn_away() -> None:
    """What a :func:`stranger` sees."""
    st.title("DrumScribe")
    st.error(
        "**Nobody signs in here, so this studio serves only the computer that it runs on.**\n\nWhoever runs it can "
        "open it: to a tablet in the same Wi-Fi with `drumscribe serve --lan`, to others by setting up sign-in "
        "(docs/OPERATIONS.md), and to everybody in a trusted network with `SIGN_IN=none`.",
        icon=":material/lock:",
    )


def awaited() -> bool:
    """Whether somebody has to sign in first."""
    return configured() and person() is None


def invite() -> None:
    """The page before signing in."""
    st.title("DrumScribe")
    st.markdown("Sign in to see your songs and to transcribe new ones.")
    auth = st.secrets["auth"]
    several = [name for name, part in auth.items() if isinstance(part, Mapping) and "client_id" in part]
    for name in several:
        st.button(f"Sign in with {name.capitalize()}", type="primary", icon=":material/login:",
                  key=f"ds_sign_in_{name}", on_click=st.login, args=(name,))  # fmt: skip
    if "client_id" in auth:
        st.button("Sign in", type="primary", icon=":material/login:", key="ds_sign_in", on_click=st.login)


def strip() -> None:
    """Who has signed in, and the way out."""
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", key="ds_person"):
        st.page_link(
            "pages/account.py", label=called(), icon=":material/account_circle:", help="Account and API tokens"
        )
        if admin():
            st.page_link("pages/admin.py", label="Admin", icon=":material/admin_panel_settings:")
        st.button("Sign out", key="ds_sign_out", type="tertiary", icon=":material/logout:", on_click=st.logout)
