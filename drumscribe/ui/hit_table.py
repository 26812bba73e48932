"""The hit table with its filters and what can be done with many hits at once.

What the editor returns is never its input: each change is read from its state and applied to the hits, while the
cells that can be typed over stay as the table began (given the new values, the editor would forget what was typed and
run the page a second time, even after the user has left it). Rows keep their order while the user edits; any change
from elsewhere (undo, filters, another drum sensitivity) starts a fresh table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st

from drumscribe.errors import DrumScribeError
from drumscribe.kit import LABELS
from drumscribe.song import edits
from drumscribe.types import Hits
from drumscribe.ui import facts, labels, likes, plots, state, tables

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

_KEY = "ds_table"


@dataclass(slots=True)
class Table:
    """The table as it stands: ``ids`` in the order of its rows, and what it was made from.

    ``before`` and ``ticked`` are the hits and the picked rows that the editor began with; ``marked`` are those now.
    """

    job_id: str = ""
    revision: int = -1
    chosen: tables.Filter = field(default_factory=tables.Filter)
    ids: list[int] = field(default_factory=list)
    before: Hits = field(default_factory=Hits)
    ticked: frozenset[int] = frozenset()
    marked: set[int] = field(default_factory=set)
    epoch: int = 0

    @property
    def key(self) -> str:
        """Widget key of the editor: a new one forgets what was typed into the old one."""
        return f"ds_editor_{self.epoch}"

    def forget(self) -> None:
        """Have a fresh table next time."""
        self.revision = -1


def table() -> Table:
    """This session's table."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = Table()
    held: Table = st.session_state[_KEY]
    return held


def filters(found: Transcription) -> tables.Filter:
    """Draw the filters and return what they say."""
    numbers = [bar.number for bar in found.rhythm.bars]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        drums = st.multiselect(
            "Drums", plots.drums_of(found.hits), format_func=lambda label: labels.NAMES[label], key="ds_filter_drums",
            placeholder="All drums", width=260, persist_state="session",
        )  # fmt: skip
        below = st.slider(
            "Confidence at most", 0, 100, 100, 5, format="%d %%", key="ds_filter_below", width=200,
            persist_state="session",
        )  # fmt: skip
        first = st.number_input(
            "From bar", min(numbers, default=1), max(numbers, default=1), None, key="ds_filter_first", width=110,
            placeholder="first", persist_state="session",
        )  # fmt: skip
        last = st.number_input(
            "To bar", min(numbers, default=1), max(numbers, default=1), None, key="ds_filter_last", width=110,
            placeholder="last", persist_state="session",
        )  # fmt: skip
    return tables.Filter(tuple(drums), below / 100, first, last)


def show(found: Transcription, chosen: tables.Filter) -> list[int]:
    """Draw the editor for the hits that ``chosen`` accepts; returns their ids."""
    held, where = table(), facts.where(found)
    job_id = state.song_id()
    same = (held.job_id, held.revision, held.chosen) == (job_id, state.revision(), chosen)
    if not same or held.key not in st.session_state:  # another page came between: what was typed is forgotten
        if held.job_id != job_id:
            held.marked = set()
        held.job_id, held.revision, held.chosen = job_id, state.revision(), chosen
        held.ids = tables.shown(found.hits, where, chosen)
        held.before = found.hits
        held.marked &= set(held.ids)
        held.ticked = frozenset(held.marked)
        held.epoch += 1
    if not held.ids:
        st.info("No hit fits these filters." if len(found.hits) else "There are no hits yet. Add one below.")
        return []
    st.caption("Double-click a time, a drum or a velocity to correct it, or press Enter on it: the score follows.")
    st.data_editor(
        tables.frame(held.ids, held.before, found.hits, where, held.ticked),
        key=held.key,
        on_change=_edited,
        args=(held.key,),
        hide_index=True,
        height=460,
        disabled=["place", "confidence", "deviation_ms"],
        column_config={
            "mark": st.column_config.CheckboxColumn("Pick", help="Pick rows to change several at once", width=58),
            "time_s": st.column_config.NumberColumn(
                "Time (s)",
                min_value=0.0,
                max_value=found.song.duration_s,
                step=0.001,
                format="%.3f",
                required=True,
                width=80,
            ),
            "place": st.column_config.TextColumn("Bar:beat", width=66),
            "drum": st.column_config.SelectboxColumn("Drum", options=list(labels.LABEL_OF), required=True, width=104),
            "velocity": st.column_config.NumberColumn(
                "Velocity", min_value=1, max_value=127, step=1, required=True, width=80
            ),
            "confidence": st.column_config.ProgressColumn(
                "Confidence", min_value=0, max_value=1, format="percent", width=98
            ),
            "deviation_ms": st.column_config.NumberColumn(
                "Off (ms)", help="Played early (−) or late (+) against the written note", format="%+d", width=82
            ),
        },
        alt=f"Table of {labels.plural(len(held.ids), 'hit')}: time, bar:beat, drum, velocity, confidence, deviation",
    )
    return held.ids


def _edited(key: str) -> None:
    """Apply what was typed or ticked."""
    held, found = table(), state.current()
    if found is None or key != held.key:  # its rows may have been others
        return
    typed = st.session_state[key]["edited_rows"]
    try:
        made = tables.changes(held.ids, held.before, found.hits, typed)
    except DrumScribeError as failure:
        state.notify("error", str(failure))
        held.forget()
        return
    _mark(made.marks, held)
    if not made.edit:
        return
    if not state.apply(made.edit):
        held.forget()
        return
    _offer_likes(made.edit)
    after = state.current()
    if after is not None and after.hits.by_id().keys() >= set(held.ids):
        held.revision = state.revision()  # same rows in the same order: the editor goes on


def _mark(typed: dict[int, bool], held: Table) -> None:
    marked = {hit_id for hit_id in held.ids if typed.get(hit_id, hit_id in held.ticked)}
    for hit_id in typed:
        if hit_id in marked - held.marked:
            state.select(hit_id)
    held.marked = marked


def _offer_likes(made: edits.Edit) -> None:
    """A single relabelled hit may have likes."""
    if len(made.removed) == len(made.added) == 1 and made.removed[0].drum != made.added[0].drum:
        likes.offer(made.removed[0], made.added[0].drum)
        state.select(made.added[0].id, sound=False)


def bulk(found: Transcription, ids: list[int]) -> None:
    """Relabel, delete, accept or level the picked rows, or all that are shown."""
    held = table()
    picked = [hit_id for hit_id in ids if hit_id in held.marked]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        scope = st.segmented_control(
            "Change", ["Picked", "All shown"], default="Picked", required=True, key="ds_bulk_scope",
            persist_state="page",
        )  # fmt: skip
        target = ids if scope == "All shown" else picked
        drum = st.selectbox(
            "to drum", LABELS, index=None, format_func=lambda label: labels.NAMES[label], key="ds_bulk_drum", width=180,
            placeholder="Choose…", persist_state="page",
        )  # fmt: skip
        count = labels.plural(len(target), "hit")
        st.button("Relabel", icon=":material/swap_horiz:", key="ds_bulk_relabel", on_click=_bulk,
                  args=("relabel", target, drum), disabled=not target or drum is None,
                  help=f"Relabel {count}")  # fmt: skip
        st.button("Delete", icon=":material/delete:", key="ds_bulk_delete", on_click=_bulk,
                  args=("delete", target, None), disabled=not target, help=f"Delete {count}",
                  shortcut="Ctrl+Delete")  # fmt: skip
        st.button("Accept", icon=":material/check:", key="ds_bulk_accept", on_click=_bulk,
                  args=("accept", target, None), disabled=not target, help=f"Count {count} as certain")  # fmt: skip
        st.button("Unpick all", key="ds_bulk_unpick", on_click=_unpick, disabled=not picked)
        st.caption(f"{count} to change")


def _bulk(action: str, ids: list[int], drum: str | None) -> None:
    def make(hits: Hits) -> edits.Edit:
        if action == "accept":
            by_id = hits.by_id()
            return edits.accept(hits, [by_id[hit_id] for hit_id in ids])
        return edits.delete(hits, ids) if action == "delete" else edits.relabel(hits, ids, drum or "")

    if state.correct(make) is not None:
        _unpick()


def _unpick() -> None:
    held = table()
    held.marked = set()
    held.forget()


def add(found: Transcription) -> None:
    """A form for a new hit."""
    hit = facts.selected(found)
    with st.form("ds_add", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        time_s = st.number_input(
            "Time (s)", 0.0, found.song.duration_s, hit.time_s if hit else 0.0, 0.001, format="%.3f", width=140
        )
        drum = st.selectbox("Drum", LABELS, index=1, format_func=lambda label: labels.NAMES[label], width=180)
        velocity = st.number_input("Velocity", 1, 127, 90, width=120)
        if not st.form_submit_button("Add hit", icon=":material/add:"):
            return
    made = state.correct(lambda hits: edits.add(hits, time_s, drum, velocity))
    if made is not None:
        state.select(made.added[0].id)
    st.rerun()
