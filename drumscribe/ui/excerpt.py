"""A few bars of the score, engraved, for beside the table and the review queue."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from drumscribe.errors import DrumScribeError
from drumscribe.notation.timeline import Timeline
from drumscribe.types import Rhythm
from drumscribe.ui import facts, sheets, state
from drumscribe.ui.player import Cue, Excerpt, Sheet, song_player

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription


def cut(rhythm: Rhythm, first: int, last: int) -> Rhythm:
    """Bars ``first`` to ``last`` (indices, inclusive) as a piece of their own; numbers stay as printed."""
    bars = tuple(replace(bar, index=number) for number, bar in enumerate(rhythm.bars[first : last + 1]))
    placed = tuple(replace(place, bar=place.bar - first) for place in rhythm.placements if first <= place.bar <= last)
    return replace(rhythm, bars=bars, placements=placed)


def show(found: Transcription, first: int, last: int, *, key: str, hear: Excerpt | None = None) -> None:
    """Score and timeline of bars ``first`` to ``last`` with the player looping them.

    Args:
        key: of the player; it plays on across reruns while this stays.
        hear: a stretch to play once, whenever its id changes.
    """
    if last < first:
        st.caption("There is no bar to show yet.")
        return
    bars = found.rhythm.bars[first : last + 1]
    try:
        wide = sheets.width(key, sheets.COLUMN)
        page, chart = state.projected(
            ("excerpt", first, last, wide), lambda: _engraved(found, first, last, sheets.screen_mm(wide))
        )
        sheet = Sheet([page], 0, chart, height=320, editable=True, width=wide,
                      on_width=lambda pixels: sheets.fit(key, pixels))  # fmt: skip
    except DrumScribeError as failure:
        st.caption(f"These bars cannot be drawn. {failure}")
        sheet = Sheet(editable=True)
    numbers = f"Bar {bars[0].number}" if len(bars) == 1 else f"Bars {bars[0].number}–{bars[-1].number}"
    st.caption(numbers)
    loop = max(0.0, bars[0].start_s), min(found.song.duration_s, bars[-1].end_s)
    song_player(found, key=key, sheet=sheet, faint=facts.rejected(found), cue=Cue(loop=loop, excerpt=hear))


def _engraved(found: Transcription, first: int, last: int, screen_mm: float | None) -> tuple[str, Timeline]:
    """The page, and when its bars sound."""
    from drumscribe import notation

    style = found.options.notate.model_copy(
        update={
            "title": "", "artist": "", "simile": False, "repeats": False, "sections": False, "summary": False,
            "legend": False, "count_in": False,
        }
    )  # fmt: skip
    rhythm = cut(found.rhythm, first, last)
    score = notation.notate(rhythm, style, screen_mm=screen_mm)
    return cropped(notation.to_svg(score, [0])[0]), Timeline.of(score, rhythm)


def cropped(page: str) -> str:
    """An engraved page cut down to its staves and what stands above and below them.

    verovio draws on a canvas of ten units to one of the page, moved by the page's margins; staff lines are paths
    ``M x y L x y``, a bar each.
    """
    margin = re.search(r'class="page-margin" transform="translate\((\d+), (\d+)\)"', page)
    lines = [(int(x), int(y)) for y, x in re.findall(r'<path d="M\d+ (\d+) L(\d+) \1"', page)]
    canvas = re.search(r'viewBox="0 0 (\d+) (\d+)" version', page)
    if margin is None or canvas is None or not lines:
        return page
    left, top = int(margin[1]) / 10, int(margin[2]) / 10
    width = max(x for x, _ in lines) / 10
    low, high = min(y for _, y in lines) / 10, max(y for _, y in lines) / 10
    box = f"{left - 40:g} {top + low - 150:g} {width + 55:g} {high - low + 245:g}"
    size = f'width="{canvas[1]}" height="{canvas[2]}"'
    page = page.replace(canvas[0], f'viewBox="{box}" version', 1)
    return page.replace('class="definition-scale"', f'class="definition-scale" {size}', 1)
