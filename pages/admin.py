"""Admin: who uses this server, what waits, and who may do what."""

import streamlit as st

from drumscribe.ui import admin, people, state

state.ensure()

if people.admin():
    st.title("Admin")
    admin.show()
