"""Edit: correct the hits in a table, one by one, or from the candidates."""

import streamlit as st

from drumscribe.ui import asking, excerpt, facts, hit_table, hitcard, likes, review, review_queue, shell, state

state.ensure()

st.title("Edit")
transcription = shell.require()
MODES = {"table": "Table", "questions": "Questions", "review": "Review queue", "candidates": "Candidates"}
mode = st.segmented_control(
    "How to correct", list(MODES.values()), default=MODES.get(st.query_params.get("mode", ""), "Table"), required=True,
    key="ds_edit_mode", label_visibility="collapsed", persist_state="session",
)  # fmt: skip
st.query_params["mode"] = next(name for name, shown in MODES.items() if shown == mode)  # for a reload, or a bookmark

if mode == "Questions":
    asking.show(transcription)
elif mode == "Review queue":
    review_queue.show(transcription)
elif mode == "Candidates":
    review_queue.candidates(transcription)
else:
    chosen = hit_table.filters(transcription)
    left, right = st.columns(2, gap="medium")
    with left:
        ids = hit_table.show(transcription, chosen)
        hit_table.bulk(transcription, ids)
        with st.expander("Add a hit", icon=":material/add:"):
            hit_table.add(transcription)
    with right:
        hit = facts.selected(transcription)
        at_s = hit.time_s if hit else (transcription.hits.by_id()[ids[0]].time_s if ids else 0.0)
        bars = review.bars_around(transcription.rhythm, at_s)
        excerpt.show(transcription, *bars, key="ds_edit_player", hear=hitcard.in_player(transcription, hit))
        hitcard.selection(transcription, key="ds_edit", player=True)
        likes.show(transcription)
