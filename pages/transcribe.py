"""Transcribe: give it a recording, watch the stages, reopen recent projects."""

import streamlit as st

from drumscribe.ui import intake, progress, state

state.ensure()

st.title("Turn a recording into a drum chart")
st.html(
    '<p class="ds-lead">Give it a song or a drum track. You get the hits with how sure each one is, '
    "a score you can correct, and files for MuseScore, your DAW, or paper.</p>"
)

busy = progress.active()
if busy:
    st.header("In progress")
    progress.watch([job.id for job in busy])
else:
    progress.settle_finished()

found = None if busy else intake.opened()
if found is not None:
    intake.result(found)
    with st.expander("Transcribe another recording", icon=":material/add:"):
        intake.form()
else:
    intake.form()

st.header("Recent projects")
progress.recent()
