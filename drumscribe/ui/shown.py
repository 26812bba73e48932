"""Widgets that show what is kept elsewhere: an option of the song, a window of time.

Streamlit sends a value that was put into the session to the browser once, with the run that put it there. Such a run
may be broken off before it gets there: a reload asks for one run and, as soon as the cookie has been read, for another.
The browser then shows the widget's own default, which for a slider is its lowest value, and sends it back as if the
user had chosen it. So the truth is the widget's default as well, and after a run that was broken off it is sent again.
"""

from __future__ import annotations

from typing import TypeVar

import streamlit as st

from drumscribe.ui import state

T = TypeVar("T")


def shown(key: str, value: T) -> T:
    """Have the widget ``key``, which is drawn next, show ``value``, and return it to be the widget's default."""
    if state.session().repeat or key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    return value
