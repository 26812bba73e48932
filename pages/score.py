"""Score: the engraved chart, its controls, its files."""

import streamlit as st

from drumscribe.ui import scoring, shell, state

state.ensure()

st.title("Score")
scoring.show(shell.require())
