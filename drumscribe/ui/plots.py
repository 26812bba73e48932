"""Figures of the song as a whole, and what they share with the timeline. Pure: plotly, no streamlit.

Times are drawn on a date axis (milliseconds from the song's start), so that plotly labels them as minutes and seconds
at every zoom. Markers of hits carry the hit's id in ``customdata``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from drumscribe.kit import DRUMS, LABELS
from drumscribe.types import Hit, Hits
from drumscribe.ui.labels import NAMES, clock
from drumscribe.ui.tables import Place
from drumscribe.ui.theme import Palette, line_colour

CONFIG = {
    "displaylogo": False,
    "scrollZoom": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    "responsive": True,
}
"""For ``st.plotly_chart(config=...)``: wheel zooms, drag pans."""

_DAY_MS = 864_000_000.0
"""Times are drawn from the tenth day of the epoch on: plotly takes numbers of four digits on a date axis for years."""
_TICKS = [
    {"dtickrange": [None, 1000], "value": "%-M:%S.%L"},
    {"dtickrange": [1000, None], "value": "%-M:%S"},
]


@dataclass(frozen=True, slots=True)
class View:
    """What part of a song is drawn, and how.

    Attributes:
        start_s, end_s: the window.
        palette: colours of the theme.
        dark: whether that theme is dark.
        drums: the drums to show, in table order.
        where: places of hits, for hover texts.
        highlight: a hit to put a ring around.
    """

    start_s: float
    end_s: float
    palette: Palette
    dark: bool
    drums: tuple[str, ...]
    where: Mapping[int, Place]
    highlight: Hit | None = None

    def line(self, drum: str) -> str:
        """Colour of thin lines of ``drum``."""
        return line_colour(drum, dark=self.dark)


def ms(times_s: ArrayLike) -> NDArray[np.float64]:
    """Seconds of the song as places on the date axis."""
    return _DAY_MS + 1000 * np.asarray(times_s, dtype=np.float64)


def time_axis(view: View) -> dict[str, object]:
    """Layout of the x axis over the window."""
    return {
        "type": "date",
        "range": ms([view.start_s, view.end_s]).tolist(),
        "tickformatstops": _TICKS,
        "hoverformat": "%-M:%S.%L",
        "showgrid": False,
    }


def drums_of(hits: Iterable[Hit]) -> tuple[str, ...]:
    """The drums that occur, in the order of the drum table."""
    there = {hit.drum for hit in hits}
    return tuple(label for label in LABELS if label in there)


def markers(
    figure: go.Figure, axis: str, view: View, drum: str, hits: Sequence[Hit], heights: Sequence[float],
    *, hollow: bool = False,
) -> None:  # fmt: skip
    """Draw hits of one drum at ``heights``; ``hollow`` for rejected candidates."""
    if not hits:
        return
    symbol = DRUMS[drum].marker
    thin = "x-thin" in symbol or symbol.endswith("-open") or hollow
    edge = view.line(drum) if thin else view.palette.text
    figure.add_trace(
        go.Scatter(
            x=ms([hit.time_s for hit in hits]),
            y=list(heights),
            yaxis=axis,
            mode="markers",
            name=f"{NAMES[drum]}{', rejected' if hollow else ''}",
            customdata=[hit.id for hit in hits],
            text=[_hover(hit, view.where.get(hit.id), rejected=hollow) for hit in hits],
            hovertemplate="%{text}<extra></extra>",
            marker={
                "symbol": symbol + ("-open" if hollow and "open" not in symbol and "thin" not in symbol else ""),
                "color": view.line(drum) if hollow else DRUMS[drum].colour,
                "size": 7 if hollow else [7 + 7 * hit.velocity / 127 for hit in hits],
                "opacity": 0.75 if hollow else [0.35 + 0.65 * hit.confidence for hit in hits],
                "line": {"width": 2 if thin else 0.8, "color": edge},
            },
            selected={"marker": {"opacity": 1.0, "size": 16}},
            unselected={"marker": {"opacity": 0.45}},
        )
    )


def _hover(hit: Hit, place: Place | None, *, rejected: bool = False) -> str:
    late = "" if place is None or place.deviation_s is None else f", {1000 * place.deviation_s:+.0f} ms"
    spot = f" · {place}{late}" if place else ""
    kind = "<br><i>rejected: under the threshold</i>" if rejected else ""
    return (
        f"<b>{NAMES[hit.drum]}</b> {clock(hit.time_s)}{spot}<br>"
        f"confidence {hit.confidence:.0%} · velocity {hit.velocity}{kind}"
    )


def ring(figure: go.Figure, axis: str, view: View, height: float) -> None:
    """Mark the highlighted hit, if there is one."""
    if view.highlight is None:
        return
    figure.add_trace(
        go.Scatter(
            x=ms([view.highlight.time_s]), y=[height], yaxis=axis, mode="markers", hoverinfo="skip", name="Selected",
            marker={"symbol": "circle-open", "size": 24, "color": view.palette.accent, "line": {"width": 3}},
        )
    )  # fmt: skip


def tempo(view: View, times: NDArray[np.float64], bpm: NDArray[np.float64], overall: float) -> go.Figure:
    """Tempo along the song, with the overall one as a dashed line."""
    figure = go.Figure(
        go.Scatter(x=ms(times), y=bpm, mode="lines", line={"width": 2, "color": view.palette.accent}, name="Tempo",
                   hovertemplate="%{x|%-M:%S}: %{y:.1f} BPM<extra></extra>")
    )  # fmt: skip
    figure.add_hline(overall, line={"dash": "dash", "width": 1.2, "color": view.palette.muted})
    spread = max(2.0, float(np.abs(bpm - overall).max(initial=0)) * 1.15)
    figure.update_yaxes(range=[overall - spread, overall + spread], title="BPM", gridcolor=view.palette.grid)
    figure.update_xaxes(time_axis(view))
    return dressed(figure, view, height=300, dragmode="pan")


def timing(view: View, hits: Hits) -> go.Figure:
    """How early or late each hit was played, in milliseconds against the written grid."""
    figure = go.Figure()
    for drum in view.drums:
        own = [hit for hit in hits if hit.drum == drum and _late(view, hit) is not None]
        markers(figure, "y", view, drum, own, [1000 * (_late(view, hit) or 0.0) for hit in own])
    figure.add_hline(0, line={"width": 1.2, "color": view.palette.muted})
    if view.highlight is not None and _late(view, view.highlight) is not None:
        ring(figure, "y", view, 1000 * (_late(view, view.highlight) or 0.0))
    figure.update_yaxes(title="ms early (−) / late (+)", gridcolor=view.palette.grid, zeroline=False)
    figure.update_xaxes(time_axis(view))
    return dressed(figure, view, height=380, dragmode="pan")


def _late(view: View, hit: Hit) -> float | None:
    place = view.where.get(hit.id)
    return None if place is None else place.deviation_s


def histogram(view: View, hits: Hits) -> go.Figure:
    """How many hits have which confidence, stacked by drum."""
    figure = go.Figure()
    edges = np.linspace(0, 1, 21)
    for drum in view.drums:
        counts, _ = np.histogram([hit.confidence for hit in hits if hit.drum == drum], edges)
        figure.add_trace(
            go.Bar(
                x=(edges[:-1] + edges[1:]) / 2, y=counts, width=0.046, name=NAMES[drum],
                marker={"color": DRUMS[drum].colour, "line": {"width": 0.6, "color": view.palette.text}},
                hovertemplate=f"{NAMES[drum]}: %{{y}} hits around %{{x:.0%}}<extra></extra>",
            )
        )  # fmt: skip
    figure.update_layout(barmode="stack", bargap=0)
    figure.update_xaxes(title="Confidence", tickformat=".0%", range=[0, 1], showgrid=False)
    figure.update_yaxes(title="Hits", gridcolor=view.palette.grid)
    return dressed(figure, view, height=340, dragmode=False)


def dressed(figure: go.Figure, view: View, *, height: int, dragmode: str | bool) -> go.Figure:
    """Give a figure the look of the page."""
    figure.update_layout(
        height=height,
        dragmode=dragmode,
        clickmode="event+select",
        hovermode="closest",
        showlegend=False,
        margin={"l": 8, "r": 8, "t": 32, "b": 26},  # the tools stand above the hits
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": view.palette.text, "size": 12},
        hoverlabel={"align": "left"},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": view.palette.muted, "activecolor": view.palette.accent},
    )
    figure.update_yaxes(automargin=True)
    figure.update_xaxes(automargin=True)
    return figure
