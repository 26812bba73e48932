"""Fix one, fix its likes: after a correction, offer the same for hits that sound alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from drumscribe.errors import DrumScribeError
from drumscribe.song import edits
from drumscribe.types import Hit
from drumscribe.ui import facts, labels, review, state

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

_KEY = "ds_likes"
LIMIT = 100
ALIKE = 0.85
"""Cosine similarity of the network's embeddings from which two hits count as alike."""
HEARD = 10
"""How many of them the preview plays."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A correction that may be repeated: what the hit was, and its new drum (``None``: deleted)."""

    was: Hit
    drum: str | None
    job_id: str


def offer(was: Hit, drum: str | None) -> None:
    """Remember a correction that has just been made."""
    job = state.session().job
    if job is not None and was.origin == "model":
        st.session_state[_KEY] = Offer(was, drum, job.id)


def dismiss() -> None:
    """Forget it."""
    st.session_state.pop(_KEY, None)


def show(found: Transcription) -> None:
    """Draw the offer, if there is one and anything sounds alike."""
    made: Offer | None = st.session_state.get(_KEY)
    job = state.session().job
    if made is None or job is None or made.job_id != job.id:
        return
    alike = _alike(found, made)
    if not alike:
        return
    was = labels.NAMES[made.was.drum].lower()
    now = "" if made.drum is None else labels.NAMES[made.drum].lower()
    done = f"You deleted a {was}." if made.drum is None else f"You changed a {was} to {now}."
    verb = "Delete" if made.drum is None else f"Change to {now}"
    others = "1 other hit sounds" if len(alike) == 1 else f"{len(alike)} other hits sound"
    with st.container(border=True, key="ds_likes_card"):
        st.markdown(f"**{done} {others} like it.**")
        count = len(alike)
        if count > 1:
            count = st.slider(
                "How many of them, most alike first", 1, len(alike), min(len(alike), _sure(alike)), key="ds_likes_count"
            )
        chosen = [hit for hit, _ in alike[:count]]
        try:
            st.audio(
                facts.sounds_alike(found, [made.was, *chosen[:HEARD]]),
                format="audio/wav",
                alt=f"The corrected hit, then the first {min(HEARD, count)} that sound alike",
            )
        except DrumScribeError as failure:
            st.caption(str(failure))
        where = ", ".join(str(facts.where(found).get(hit.id, labels.clock(hit.time_s))) for hit in chosen[:12])
        st.caption(f"You hear the corrected one first, then the others. At {where}{' …' if count > 12 else ''}")
        with st.container(horizontal=True):
            st.button(
                f"{verb}: {labels.plural(count, 'hit')}", type="primary", icon=":material/done_all:",
                key="ds_likes_apply", on_click=repeat, args=([hit.id for hit in chosen], made.drum),
            )  # fmt: skip
            st.button("No, only that one", key="ds_likes_dismiss", on_click=dismiss)


def repeat(ids: list[int], drum: str | None) -> None:
    """Make the same correction on the hits ``ids``, as one edit."""
    dismiss()
    state.correct(lambda hits: edits.correct(hits, ids, drum))


def _alike(found: Transcription, made: Offer) -> list[tuple[Hit, float]]:
    from drumscribe import hits

    def find() -> list[tuple[Hit, float]]:
        pool = review.alike_pool(found.hits, made.was)
        ranked = hits.similar(found.activations, made.was, pool, LIMIT) if pool else []
        return [(hit, likeness) for hit, likeness in ranked if likeness >= ALIKE]

    return state.projected(("alike", made), find)


def _sure(alike: list[tuple[Hit, float]]) -> int:
    """How many to propose: those nearly as similar as the most similar one."""
    best = alike[0][1]
    return max(1, sum(similarity >= 0.95 * best for _, similarity in alike))
