"""Live: play, and read what you play."""

import streamlit as st

from drumscribe.ui import live, state

state.ensure()

st.title("Live")
live.show()
