"""The studio: page table and page configuration only. Start with ``streamlit run app.py``."""

import streamlit as st

from drumscribe.ui import people, shell, state

st.set_page_config(page_title="DrumScribe", page_icon=shell.ICON, layout="wide", menu_items=shell.MENU)

PAGES = [
    st.Page("pages/transcribe.py", title="Transcribe", icon=":material/library_music:", default=True),
    st.Page("pages/inspect.py", title="Inspect", icon=":material/graphic_eq:"),
    st.Page("pages/edit.py", title="Edit", icon=":material/edit_note:"),
    st.Page("pages/score.py", title="Score", icon=":material/music_note:"),
    st.Page("pages/practice.py", title="Practice", icon=":material/tune:"),
    st.Page("pages/live.py", title="Live", icon=":material/mic:"),
    st.Page("pages/about.py", title="About", icon=":material/info:"),
]
ASIDE = [st.Page("pages/account.py", title="Account", icon=":material/account_circle:", visibility="hidden")]

if people.admin():  # for everybody else there is no such page
    ASIDE.append(st.Page("pages/admin.py", title="Admin", icon=":material/admin_panel_settings:", visibility="hidden"))

tabs = shell.tabs(PAGES)
page = st.navigation([*tabs, *ASIDE], position="top")
shell.frame(page, tabs)
page.run()
state.leave()
