"""Other ways to count the song: each with its name and two bars of it, engraved small, and one click to take it."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from drumscribe.errors import DrumScribeError
from drumscribe.options import BeatOptions, NotateOptions
from drumscribe.types import Alternative, Hits, Rhythm
from drumscribe.ui import labels, state
from drumscribe.ui.excerpt import cropped, cut

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

_CSS = """
<style>
.ds-count { margin: 0 0 0.3rem; }
.ds-count figcaption { font-size: 0.9rem; }
.ds-count img { background: #FFFFFF; border: 1px solid rgba(128,124,140,0.45); border-radius: 0.4rem; width: 100%;
  max-height: 7rem; object-fit: contain; object-position: left; box-sizing: border-box; }
</style>
"""
_AROUND_S = 8.0
"""Seconds before and after the bars that are looked at: what is played there tells how they are divided."""
_BARS = 4
"""Most bars in a preview."""


def show(found: Transcription) -> None:
    """Draw the other readings of tempo and meter, where there are any; previews are made when they are looked at."""
    others = found.grid.alternatives
    if not others:
        return
    title = f"Count it otherwise: {labels.plural(len(others), 'reading')}"
    with st.expander(title, icon=":material/alt_route:", key="score_counts", on_change="rerun") as box:
        if not box.open:
            return
        base = found.history.base if len(found.history.base) else found.hits
        key = repr((state.song_id(), found.options.beats, found.options.quantise, found.options.detect, len(base)))
        pictures = state.latest("countings", key, lambda: previews(found))
        st.html(_CSS + _figure(f"Now: {found.grid.name}", pictures[0]))
        for number, (other, picture) in enumerate(zip(others, pictures[1:], strict=True), start=1):
            likely = labels.percent(other.confidence) if other.confidence >= 0.005 else "under 1 %"
            st.html(_figure(f"{other.name} ({likely} likely)", picture))
            st.button(
                f"Count at {other.bpm:.0f} in {other.meter}", key=f"score_count_{number}",
                icon=":material/check:", on_click=state.recount, args=(number,), width="stretch",
                help=f"Write the whole song {other.name}; Undo takes it back",
            )  # fmt: skip


def _figure(name: str, picture: str) -> str:
    """A preview with its name; ``picture`` is an SVG page, or empty where none could be made."""
    name = html.escape(name)
    data = base64.b64encode(picture.encode()).decode()
    image = f'<img src="data:image/svg+xml;base64,{data}" alt="The same bars, {name}">' if picture else ""
    return f'<figure class="ds-count"><figcaption><b>{name}</b></figcaption>{image}</figure>'


def previews(found: Transcription) -> list[str]:
    """SVG of the same stretch of music as it is counted now, and in each alternative; ``""`` where it cannot be."""
    first_s, last_s = typical(found.rhythm)
    return [_preview(found, other, first_s, last_s) for other in (None, *found.grid.alternatives)]


def typical(rhythm: Rhythm) -> tuple[float, float]:
    """Begin and end, in seconds, of two neighbouring bars that show best how the song goes."""
    bars, groups = rhythm.bars, rhythm.groups
    if not bars:
        return 0.0, 0.0
    played = {place.bar for place in rhythm.placements}
    often = {group: groups.count(group) for group in set(groups)}

    def value(bar: int) -> int:
        return often[groups[bar]] if bar in played and bars[bar].length == bars[bar].meter.quarter_length else 0

    if not groups or len(bars) < 2:
        return bars[0].start_s, bars[min(1, len(bars) - 1)].end_s
    best = max(range(len(bars) - 1), key=lambda bar: (min(value(bar), value(bar + 1)), -bar))
    return bars[best].start_s, bars[best + 1].end_s


def _preview(found: Transcription, other: Alternative | None, first_s: float, last_s: float) -> str:
    from drumscribe import notation

    try:
        rhythm = found.rhythm if other is None else recounted(found, other, first_s, last_s)
        low, high = bars_within(rhythm, first_s, last_s)
        style = NotateOptions(simile=False, repeats=False, sections=False, legend=False, dynamics=False,
                              noteheads=found.options.notate.noteheads, voices=found.options.notate.voices)  # fmt: skip
        return cropped(notation.to_svg(notation.notate(cut(rhythm, low, high), style), [0])[0])
    except DrumScribeError:
        return ""


def recounted(found: Transcription, other: Alternative, first_s: float, last_s: float) -> Rhythm:
    """The bars around a stretch as ``other`` counts them."""
    from drumscribe import rhythm

    near = Hits(found.read.between(first_s - _AROUND_S, last_s + _AROUND_S))
    wish = BeatOptions(bpm=other.bpm, meter=str(other.meter), first_downbeat_s=other.first_downbeat_s)
    grid = rhythm.beat_grid(found.evidence, near, wish, found.song.duration_s)
    return rhythm.quantise(near, grid, found.options.quantise)


def bars_within(rhythm: Rhythm, first_s: float, last_s: float) -> tuple[int, int]:
    """Indices of the first and the last bar that a stretch reaches into, at most four bars apart."""
    starts = np.array([bar.start_s for bar in rhythm.bars])
    ends = np.array([bar.end_s for bar in rhythm.bars])
    slack = 0.1 * float(np.median(ends - starts))
    low = max(0, int(np.searchsorted(starts, first_s + slack, side="right")) - 1)
    high = int(np.searchsorted(ends, last_s - slack))
    return low, max(low, min(high, low + _BARS - 1, len(starts) - 1))
