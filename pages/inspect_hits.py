"""Inspect: the evidence behind every hit."""

import streamlit as st

from drumscribe.ui import explore, state

state.ensure()

st.title("Inspect")
transcription = state.require()
explore.timeline(transcription)
explore.thresholds(transcription)
explore.statistics(transcription)
