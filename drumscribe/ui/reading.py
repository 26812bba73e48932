"""The dial from what was heard to a chart, and what it changed: listed, filtered, taken back one by one or together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from drumscribe.options import READINGS
from drumscribe.song.changes import filtered
from drumscribe.types import Change
from drumscribe.ui import facts, labels, state
from drumscribe.ui.shown import shown

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

_PLACES = {0.0: "As heard", 0.25: "A little", 0.5: "Balanced", 0.75: "Much", 1.0: "As a chart"}
"""Names of places on the dial."""
_NAMED = {amount: name for name, amount in READINGS.items()}
_KINDS = {"added": "Added", "removed": "Left out", "renamed": "Renamed"}
_PAGE = 8
"""Strokes listed at once."""


def dial(found: Transcription) -> None:
    """The slider; what it does is one edit, which undo takes back."""
    amount = found.options.quantise.amount
    places = dict(sorted((_PLACES | {amount: _PLACES.get(amount, labels.percent(amount))}).items()))
    st.select_slider(
        "Doubtful strokes", list(places), shown("score_reading", amount), key="score_reading",
        format_func=lambda value: places[value], on_change=_turn,
        help="As heard: every stroke as it was heard. Further on, a doubtful one is written as the most similar bars "
        "have it. What was heard plainly, and what you named, stays.",
    )  # fmt: skip
    if found.rhythm.note:
        st.caption(found.rhythm.note)


def _turn() -> None:
    amount = float(st.session_state.score_reading)
    name = _PLACES.get(amount, labels.percent(amount))
    state.choose(f"Doubtful strokes: {name.lower()}", quantise={"reading": _NAMED.get(amount, amount)})


def show(found: Transcription) -> None:
    """The list of what the reading changed, where it changed anything, and what was taken back."""
    changes = found.rhythm.changes
    back = found.options.quantise.as_heard
    if not changes and not (back and found.options.quantise.amount):
        return
    title = f"Not as heard: {labels.plural(len(changes), 'stroke')}"
    with st.expander(title, icon=":material/rule:", key="score_changes"):
        left = filtered(changes, _pills("kinds", _KINDS, changes), _pills("drums", labels.NAMES, changes))
        if changes:
            _page(found, left)
        with st.container(horizontal=True):
            if left:
                st.button(
                    f"Take back {labels.plural(len(left), 'stroke')}", key="score_changes_back", icon=":material/undo:",
                    on_click=state.leave_as_heard, args=([change.hit_id for change in left],),
                    help="All that are listed, with the filters as they are",
                )  # fmt: skip
            if back:
                st.button(
                    f"Read {labels.plural(len(back), 'stroke')} again", key="score_changes_again",
                    icon=":material/redo:", on_click=state.choose, args=("Read all strokes again",),
                    kwargs={"quantise": {"as_heard": ()}}, help="Those that you had taken back",
                )  # fmt: skip


def told(change: Change) -> str:
    """What was done, and how sure it is: ``"Added crash: heard 41 %, with the rest 93 %"``."""
    names = {label: name.lower() for label, name in labels.NAMES.items()}
    what = {
        "added": f"Added {names.get(change.drum)}",
        "removed": f"Left out {names.get(change.heard)}",
        "renamed": f"{labels.NAMES.get(change.heard)} written as {names.get(change.drum)}",
    }[change.kind]
    heard, joined = (
        labels.percent(one).replace(" ", "\N{NO-BREAK SPACE}") for one in (change.heard_chance, change.chance)
    )
    return f"{what}: heard {heard}, with the rest {joined}"


def _pills(name: str, names: dict[str, str], changes: Sequence[Change]) -> list[str]:
    present = {change.kind for change in changes} | {drum for change in changes for drum in (change.drum, change.heard)}
    there = [value for value in names if value in present]
    if len(there) < 2:
        return []
    return list(st.pills(
        name.capitalize(), there, selection_mode="multi", key=f"score_changes_{name}", format_func=names.__getitem__,
    ))  # fmt: skip


def _page(found: Transcription, left: list[Change]) -> None:
    pages = max(1, -(-len(left) // _PAGE))
    page = 1
    if pages > 1:
        page = int(st.number_input(f"Page, of {pages}", 1, pages, 1, key="score_changes_page", width=140))
    where = facts.where(found)
    for change in left[(page - 1) * _PAGE : page * _PAGE]:
        spot = str(where.get(change.hit_id, labels.clock(change.time_s)))
        with st.container(horizontal=True, vertical_alignment="center", key=f"score_change_{change.hit_id}"):
            st.markdown(f"**{spot}** {told(change)}", width=250)
            st.button(
                "Hear", icon=":material/volume_up:", key=f"score_change_hear_{change.hit_id}", on_click=state.select,
                args=(change.hit_id,), help=f"Go to {spot} and hear it",
            )  # fmt: skip
            st.button(
                "As heard", icon=":material/undo:", key=f"score_change_back_{change.hit_id}",
                on_click=state.leave_as_heard, args=([change.hit_id],), help=f"Write it as heard: {told(change)}",
            )  # fmt: skip
