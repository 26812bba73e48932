"""Practice: play along, slower, in loops, without the drums."""

import streamlit as st

from drumscribe.ui import practice, shell, state

state.ensure()

st.title("Practice")
practice.show(shell.require())
