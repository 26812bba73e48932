"""About: how it works, and what it keeps."""

import streamlit as st

from drumscribe.ui import state

state.ensure()

st.title("About DrumScribe")
