"""Account: who has signed in, and API tokens."""

import streamlit as st

from drumscribe.ui import account, state

state.ensure()

st.title("Account")
account.show()
