"""Who somebody is: OpenID Connect through Streamlit's own ``st.login``, where ``secrets.toml`` has an ``[auth]`` part.

A person's projects are theirs on any device. Without ``[auth]`` a browser is all that is known
(:mod:`drumscribe.ui.owner`).
"""

from __future__ import annotations

import hashlib

import streamlit as st

from drumscribe.settings import get_settings


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


def awaited() -> bool:
    """Whether somebody has to sign in first."""
    return configured() and person() is None


def invite() -> None:
    """The page before signing in."""
    st.title("DrumScribe")
    st.markdown("Sign in to see your songs and to transcribe new ones.")
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
