"""Practice: play along, slower, in loops, without the drums."""

import streamlit as st

from drumscribe.ui import practice, state

state.ensure()

st.title("Practice")
practice.show(state.require())
