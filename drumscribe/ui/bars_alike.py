"""Bars like the one at hand, small and side by side, and one click that corrects them all."""

from __future__ import annotations

import html
from fractions import Fraction
from typing import TYPE_CHECKING

import streamlit as st

from drumscribe.kit import BY_HEIGHT
from drumscribe.song import edits, spreading
from drumscribe.song.edits import Edit
from drumscribe.song.gestures import Places
from drumscribe.types import Hit, Hits
from drumscribe.ui import facts, labels, state, theme

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

_CSS = """
<style>
.ds-bars { display: flex; flex-wrap: wrap; gap: 0.6rem; }
.ds-bars figure { margin: 0; width: 9.5rem; }
.ds-bars figcaption { font-size: 0.8rem; }
.ds-bars .ds-staff { position: relative; border: 1px solid rgba(128,124,140,0.45); border-radius: 0.3rem; }
.ds-bars i { position: absolute; width: 0.5rem; height: 0.4rem; border-radius: 0.15rem; }
.ds-bars i.ds-gone { background: none !important; border: 1.5px dashed currentColor; }
.ds-bars i.ds-more { outline: 2px solid var(--ds-accent); outline-offset: 1px; }
</style>
"""
SHOWN = 24
"""Bars drawn; all of them are ticked."""
Content = dict[tuple[Fraction, str], float]


def show(found: Transcription) -> None:
    """Draw the bars like the one that is selected or was edited last, where there are any."""
    last = found.history.edits[-1] if found.history.edits else None
    edited = None if last is None else spreading.bar_of(last, found.rhythm)
    hit = state.selected()
    bar = edited if hit is None else Places(found.rhythm.bars, found.rhythm.placements).of(hit)[0]
    if bar is None:
        return
    settled(found, bar)
    groups = found.rhythm.groups
    others = [one for one, group in enumerate(groups) if group == groups[bar] >= 0 and one != bar]
    number = found.rhythm.bars[bar].number
    with st.expander(f"Bars like bar {number}: {len(others)}", icon=":material/select_all:", key="score_alike"):
        if not others:
            st.caption("No other bar is like this one.")
            return
        st.html(_CSS + f'<div class="ds-bars">{_figures(found, bar, others[:SHOWN])}</div>')
        if len(others) > SHOWN:
            st.caption(f"The first {SHOWN} are drawn.")
        chosen = st.pills(
            "In these bars", others, selection_mode="multi", default=others, key=f"score_alike_bars_{bar}",
            format_func=lambda one: str(found.rhythm.bars[one].number),
        )  # fmt: skip
        bars = labels.plural(len(chosen), "bar")
        with st.container(horizontal=True):
            if last is not None and edited == bar:
                st.button(f"Repeat “{last.label}” in {bars}", key="score_alike_repeat", type="primary",
                          icon=":material/done_all:", on_click=_repeat, args=(last, chosen),
                          disabled=not chosen)  # fmt: skip
            st.button(f"Make {bars} like bar {number}", key="score_alike_equal", icon=":material/content_copy:",
                      on_click=_equal, args=(bar, chosen), disabled=not chosen)  # fmt: skip


def settled(found: Transcription, bar: int) -> None:
    """Whether the user has said that a bar is right, or the button that says so."""
    number = found.rhythm.bars[bar].number
    hits, candidates = _inside(found, bar)
    if not candidates and all(hit.origin == "user" for hit in hits):
        st.caption(f":material/lock: Bar {number} is right as you left it: no reading and no question touches it.")
        return
    st.button(
        f"Bar {number} is right", key="score_settle", icon=":material/lock:", on_click=_settle, args=(bar,),
        help="Later readings and questions leave it alone. Undo takes it back.",
    )  # fmt: skip


def _inside(found: Transcription, bar: int) -> tuple[list[Hit], list[Hit]]:
    """Hits of a bar, and the candidates in it."""
    places = Places(found.rhythm.bars, found.rhythm.placements)
    return places.inside(found.hits, bar, bar + 1), places.inside(Hits.of(facts.rejected(found)), bar, bar + 1)


def _settle(bar: int) -> None:
    found = state.current()
    if found is None:
        return
    hits, candidates = _inside(found, bar)
    label = f"Bar {found.rhythm.bars[bar].number} is right"
    state.correct(lambda now: edits.settle(now, [hit.id for hit in hits], candidates, label))


def _repeat(edit: Edit, bars: list[int]) -> None:
    found = state.current()
    if found is not None:
        state.correct(lambda hits: spreading.repeated(edit, hits, found.rhythm, bars))


def _equal(bar: int, bars: list[int]) -> None:
    found = state.current()
    if found is not None:
        state.correct(lambda hits: spreading.equal(bar, hits, found.rhythm, bars))


def _figures(found: Transcription, bar: int, others: list[int]) -> str:
    from drumscribe.rhythm.likeness import contents

    all_bars = contents(found.rhythm)
    drums = [drum for drum in reversed(BY_HEIGHT) if any(d == drum for one in (bar, *others) for _, d in all_bars[one])]
    model = all_bars[bar]
    return "".join(
        _figure(found.rhythm.bars[one].number, float(found.rhythm.bars[one].length), all_bars[one], model, drums)
        for one in (bar, *others)
    )


def _figure(number: int, length: float, here: Content, model: Content, drums: list[str]) -> str:
    """One bar as lanes: what only the model bar has is dashed, what only this one has is ringed."""
    marks = []
    for onset, drum in sorted(here.keys() | model.keys()):
        kind = "ds-gone" if (onset, drum) not in here else "ds-more" if (onset, drum) not in model else ""
        colour = theme.line_colour(drum, dark=theme.is_dark())
        left, top = 3 + 91 * float(onset) / length, 0.15 + 0.6 * drums.index(drum)
        style = f"left:{left:.1f}%;top:{top:.2f}rem;background:{colour};color:{colour}"
        marks.append(f'<i class="{kind}" style="{style}"></i>')
    more, less = len(here.keys() - model.keys()), len(model.keys() - here.keys())
    told = ", ".join(text for text in (f"{more} more" if more else "", f"{less} less" if less else "") if text)
    title = html.escape(f"Bar {number}: {told or 'the same'}")
    return (
        f'<figure><div class="ds-staff" role="img" aria-label="{title}" style="height:{0.6 * len(drums) + 0.1:.2f}rem">'
        f"{''.join(marks)}</div><figcaption>{title}</figcaption></figure>"
    )
