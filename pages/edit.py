"""Edit: correct the hits."""

import streamlit as st

from drumscribe.ui import state

state.ensure()

st.title("Edit")
transcription = state.require()
