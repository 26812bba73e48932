"""Inspect: the evidence behind every hit."""

import streamlit as st

from drumscribe.ui import explore, shell, state

state.ensure()

st.title("Inspect")
transcription = shell.require()
explore.timeline(transcription)
if not state.session().share:
    explore.thresholds(transcription)
explore.statistics(transcription)
