"""About: how it works, and what it keeps."""

import streamlit as st

from drumscribe.ui import about, state

state.ensure()

st.title("About DrumScribe")
about.show()
