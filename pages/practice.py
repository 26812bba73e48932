"""Practice."""

import streamlit as st

from drumscribe.ui import state

state.ensure()
st.title("Practice")
transcription = state.require()
