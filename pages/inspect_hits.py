"""Inspect: the evidence behind every hit."""

import streamlit as st

from drumscribe.ui import state

state.ensure()

st.title("Inspect")
transcription = state.require()
