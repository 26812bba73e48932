"""The selected hit: what is known about it, how it sounds, and the quick corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from drumscribe.errors import DrumScribeError
from drumscribe.kit import DRUMS, LABELS
from drumscribe.song import edits
from drumscribe.types import Hit
from drumscribe.ui import facts, labels, review, state, theme
from drumscribe.ui.player import Excerpt

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

_HEARD = "ds_heard"
CONTEXT_S = {"Just it": (0.06, 0.35), "A little around": (0.7, 0.9), "A bar or so": (1.6, 1.8)}
"""How much is heard before and after a hit."""


def describe(found: Transcription, hit: Hit) -> None:
    """One line of facts on a hit."""
    place = facts.where(found).get(hit.id)
    parts = [theme.chip(labels.NAMES[hit.drum], DRUMS[hit.drum].colour), theme.chip(labels.clock(hit.time_s))]
    if place is not None:
        parts.append(theme.chip(f"bar {place.bar}, beat {place.beat}"))
        if place.deviation_s is not None:
            off = round(1000 * place.deviation_s)
            parts.append(theme.chip(f"{abs(off)} ms {'late' if off > 0 else 'early'}" if off else "on time"))
    parts.append(theme.chip(f"confidence {labels.percent(hit.confidence)}"))
    parts.append(theme.chip(f"velocity {hit.velocity}"))
    if facts.is_rejected(found, hit):
        parts.append(theme.chip("rejected: under the threshold"))
    elif hit.origin == "user":
        parts.append(theme.chip("checked" if state.session().share else "checked by you"))
    theme.chips(parts)


def listen(found: Transcription, hit: Hit, *, key: str) -> None:
    """Play the hit; it sounds at once if the user has just selected it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        context = st.segmented_control(
            "Hear", list(CONTEXT_S), default="A little around", required=True, key=f"{key}_context",
            label_visibility="collapsed", persist_state="session",
        )  # fmt: skip
        alone = found.heard.method != "none" and st.toggle(
            "Drums only", True, key=f"{key}_alone", persist_state="session"
        )
    before, after = CONTEXT_S[context or "A little around"]
    try:
        data = facts.excerpt(found, hit.time_s - before, hit.time_s + after, drums_only=alone)
    except DrumScribeError as failure:
        st.caption(str(failure))
        return
    st.audio(
        data,
        format="audio/wav",
        autoplay=state.session().sound == hit.id,
        alt=f"{labels.NAMES[hit.drum]} at {labels.clock(hit.time_s)}, {context}",
    )


def quick(found: Transcription, hit: Hit, *, key: str) -> None:
    """Buttons: accept, relabel, delete. The page runs again after each."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if facts.is_rejected(found, hit):
            st.button(
                "Accept as a hit", icon=":material/check:", type="primary", key=f"{key}_accept", on_click=accept,
                args=(hit,),
            )  # fmt: skip
            return
        st.button(
            "Accept", icon=":material/check:", key=f"{key}_accept", on_click=accept, args=(hit,),
            disabled=hit.origin == "user", help="It is right: count it as certain",
        )  # fmt: skip
        st.button("Delete", icon=":material/delete:", key=f"{key}_delete", on_click=delete, args=(hit,))
        others = [*review.alternatives(found.activations, hit)]
        others += [label for label in LABELS if label not in others and label != hit.drum]
        chosen = st.selectbox(
            "Change to", others, index=None, format_func=lambda label: labels.NAMES[label], width=220,
            placeholder="Another drum…", key=f"{key}_relabel_{hit.id}_{state.revision()}",
        )  # fmt: skip
    if chosen:
        relabel(hit, chosen)
        st.rerun()


def accept(hit: Hit) -> None:
    """Vouch for a hit, or take a rejected candidate in."""
    if state.correct(lambda hits: edits.accept(hits, [hit])) is not None:
        state.select(hit.id, sound=False)


def delete(hit: Hit) -> None:
    """Delete a hit, and offer the same for those that sound like it."""
    _correct(hit, None)


def relabel(hit: Hit, drum: str) -> None:
    """Give a hit to another drum, and offer the same for those that sound like it."""
    _correct(hit, drum)


def _correct(hit: Hit, drum: str | None) -> None:
    from drumscribe.ui import likes

    if state.correct(lambda hits: edits.correct(hits, [hit.id], drum)) is not None:
        likes.offer(hit, drum)


def in_player(found: Transcription, hit: Hit | None) -> Excerpt | None:
    """What the page's player should sound now: the hit that the user has just selected, with a little around."""
    if hit is None or state.session().sound != hit.id:
        return None
    times = st.session_state.get(_HEARD, 0)
    return Excerpt(f"{hit.id}-{times}", max(0.0, hit.time_s - 0.7), min(found.song.duration_s, hit.time_s + 0.9))


def hear_again(hit: Hit) -> None:
    """Have the player sound ``hit`` once more."""
    state.select(hit.id)
    st.session_state[_HEARD] = st.session_state.get(_HEARD, 0) + 1


def selection(found: Transcription, *, key: str, player: bool = False) -> None:
    """The whole card for whatever is selected; with ``player``, the page's player is what sounds."""
    hit = facts.selected(found)
    if hit is None:
        if player:
            st.caption("Click a mark or a notehead, or pick a row of the table, to see and hear that hit here.")
        return
    with st.container(border=True, key=f"{key}_card"):
        describe(found, hit)
        if player:
            st.button("Hear it", icon=":material/volume_up:", key=f"{key}_hear", on_click=hear_again, args=(hit,))
        else:
            listen(found, hit, key=key)
        if state.session().share:
            return
        quick(found, hit, key=key)


def step(found: Transcription, direction: int) -> None:
    """Select the hit after (+1) or before (-1) the selected one."""
    hits = found.hits
    if not len(hits):
        return
    now = facts.selected(found)
    if now is None:
        state.select(hits[0 if direction > 0 else len(hits) - 1].id)
        return
    order = [(hit.time_s, hit.drum, hit.id) for hit in hits]
    here = (now.time_s, now.drum, now.id)
    ahead = [one for one in order if (one > here if direction > 0 else one < here)]
    if ahead:
        state.select(ahead[0 if direction > 0 else -1][2])
