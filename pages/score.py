"""Score: the engraved chart, its controls, its files."""

import streamlit as st

from drumscribe.ui import scoring, state

state.ensure()

st.title("Score")
scoring.show(state.require())
