"""Score."""

import streamlit as st

from drumscribe.ui import state

state.ensure()
st.title("Score")
transcription = state.require()
