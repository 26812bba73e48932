"""The review queue: the least certain hits one by one, each heard in context, each decided with one key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from drumscribe.types import Hit
from drumscribe.ui import excerpt, facts, hitcard, labels, likes, review, state

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

_SKIPPED = "ds_review_skipped"
_BELOW = "ds_review_below"


def show(found: Transcription) -> None:
    """Draw the hit that is next, and what can be done with it."""
    below = st.slider(
        "Review hits with a confidence under",
        5,
        100,
        round(100 * review.BELOW),
        5,
        format="%d %%",
        key=_BELOW,
        persist_state="session",
    )
    skipped = _skipped()
    waiting = review.queue(found.hits, below=below / 100, skipped=skipped)
    if not waiting:
        _finished(skipped)
        likes.show(found)
        return
    hit = waiting[0]
    if state.session().selected != hit.id:
        state.select(hit.id)
    checked = sum(one.origin == "user" for one in found.hits)
    st.progress(
        checked / max(1, checked + len(waiting)),
        text=f"{labels.plural(len(waiting), 'hit')} to review, {checked} checked",
    )
    first, last = review.bars_around(found.rhythm, hit.time_s)
    card, paper = st.columns([1, 1], gap="medium")
    with card, st.container(border=True, key="ds_review_card"):
        st.markdown(f"### Is this a {labels.NAMES[hit.drum].lower()}?")
        hitcard.describe(found, hit)
        _decide(found, hit)
    with card:
        likes.show(found)
    with paper:
        excerpt.show(found, first, last, key="ds_review_player", hear=hitcard.in_player(found, hit))


def _decide(found: Transcription, hit: Hit) -> None:
    with st.container(horizontal=True):
        st.button("Yes, accept", type="primary", icon=":material/check:", key="ds_review_accept", shortcut="A",
                  on_click=hitcard.accept, args=(hit,))  # fmt: skip
        st.button("Delete", icon=":material/delete:", key="ds_review_delete", shortcut="D", on_click=hitcard.delete,
                  args=(hit,))  # fmt: skip
        st.button("Skip", icon=":material/skip_next:", key="ds_review_skip", shortcut="S", on_click=_skip, args=(hit,))
        st.button("Hear again", icon=":material/replay:", key="ds_review_again", shortcut="H",
                  on_click=hitcard.hear_again, args=(hit,))  # fmt: skip
    st.caption("No, it is another drum:")
    with st.container(horizontal=True):
        for number, drum in enumerate(review.alternatives(found.activations, hit, 8), start=1):
            st.button(labels.NAMES[drum], key=f"ds_review_{number}", shortcut=str(number), on_click=hitcard.relabel,
                      args=(hit, drum))  # fmt: skip


def _skipped() -> set[int]:
    held: tuple[str, set[int]] = st.session_state.get(_SKIPPED, ("", set()))
    if held[0] != state.song_id():
        held = st.session_state[_SKIPPED] = (state.song_id(), set())
    return held[1]


def _skip(hit: Hit) -> None:
    _skipped().add(hit.id)


def _finished(skipped: set[int]) -> None:
    st.success("Nothing is left to review at this confidence.", icon=":material/task_alt:")
    if skipped:
        st.button(f"Go through the {labels.plural(len(skipped), 'skipped hit')} again", on_click=skipped.clear)


def candidates(found: Transcription) -> None:
    """Rejected candidates, likeliest first, each taken in with one click."""
    rows, card = st.columns([3, 2], gap="medium")
    with rows:
        _candidates(found)
    with card:
        hitcard.selection(found, key="ds_candidates")


def _candidates(found: Transcription) -> None:
    waiting = facts.rejected(found)
    drums = st.pills(
        "Drums", sorted({hit.drum for hit in waiting}), selection_mode="multi", key="ds_candidate_drums", wrap=True,
        format_func=lambda label: labels.NAMES[label], persist_state="session",
    )  # fmt: skip
    if drums:
        waiting = [hit for hit in waiting if hit.drum in drums]
    if not waiting:
        st.info("No candidate is left under the threshold.")
        return
    size = 8
    pages = -(-len(waiting) // size)
    page = 1
    if pages > 1:
        page = int(st.number_input(f"Page, of {pages}", 1, pages, 1, key="ds_candidate_page", width=140))
    where = facts.where(found)
    for hit in waiting[(page - 1) * size : page * size]:
        spot = f" · {where[hit.id]}" if hit.id in where else ""
        text = f"{labels.NAMES[hit.drum]} at {labels.clock(hit.time_s)}"
        sure = labels.percent(hit.confidence)
        with st.container(horizontal=True, vertical_alignment="center", key=f"ds_candidate_{hit.id}"):
            st.markdown(f"**{labels.NAMES[hit.drum]}** {labels.clock(hit.time_s)}{spot} · {sure}", width=300)
            st.button("Hear", icon=":material/volume_up:", key=f"ds_hear_{hit.id}", on_click=state.select,
                      args=(hit.id,), help=f"Hear the {text}")  # fmt: skip
            st.button("Accept", icon=":material/check:", key=f"ds_take_{hit.id}", on_click=hitcard.accept, args=(hit,),
                      help=f"Accept the {text}")  # fmt: skip
