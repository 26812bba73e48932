"""Live."""

import streamlit as st

from drumscribe.ui import state

state.ensure()
st.title("Live")
transcription = state.require()
