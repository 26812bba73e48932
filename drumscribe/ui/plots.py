"""The figures of the Inspect page. Pure: plotly, no streamlit; everything they show is passed in.

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
from drumscribe.types import Activations, BeatGrid, Hit, Hits
from drumscribe.ui.envelope import Envelope
from drumscribe.ui.labels import NAMES, clock
from drumscribe.ui.tables import Place
from drumscribe.ui.theme import Palette, line_colour, translucent

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
ROWS = {"Hits": 0.34, "Waveform": 0.3, "Onset curves": 0.6, "Spectrogram": 0.42}
"""What :func:`timeline` can show, with relative heights."""


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


def _ms(times_s: ArrayLike) -> NDArray[np.float64]:
    """Seconds of the song as places on the date axis."""
    return _DAY_MS + 1000 * np.asarray(times_s, dtype=np.float64)


def _time_axis(view: View) -> dict[str, object]:
    return {
        "type": "date",
        "range": _ms([view.start_s, view.end_s]).tolist(),
        "tickformatstops": _TICKS,
        "hoverformat": "%-M:%S.%L",
        "showgrid": False,
    }


def drums_of(hits: Iterable[Hit]) -> tuple[str, ...]:
    """The drums that occur, in the order of the drum table."""
    there = {hit.drum for hit in hits}
    return tuple(label for label in LABELS if label in there)


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard in a song; what lies in the window is drawn.

    Attributes:
        hits: all hits.
        rejected: candidates under the threshold.
        grid: beats and bar lines.
        activations: onset curves.
        thresholds: per drum, on the scale of ``activations.onset``.
        waves: mix, and the drum stem where there is one; ``None`` where that panel is not shown.
        spectrum: as :func:`drumscribe.ui.envelope.spectrogram` gives it, for the panel of that name.
    """

    hits: Hits
    rejected: Sequence[Hit]
    grid: BeatGrid
    activations: Activations
    thresholds: Mapping[str, float]
    waves: tuple[Envelope, Envelope | None] | None = None
    spectrum: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]] | None = None


def timeline(view: View, rows: Sequence[str], heard: Heard) -> go.Figure:
    """The song in a window, the panels ``rows`` (from :data:`ROWS`) one above the other on a common time axis."""
    figure = go.Figure()
    heights = [ROWS[row] * (max(1.0, len(view.drums) / 5) if row != "Waveform" else 1) for row in rows]
    total, top = sum(heights), 1.0
    gap = 0.035 if len(rows) > 1 else 0.0
    scale = (1 - gap * (len(rows) - 1)) / total
    inside = heard.hits.between(view.start_s, view.end_s)
    passed = [hit for hit in heard.rejected if view.start_s <= hit.time_s < view.end_s]
    for number, (row, height) in enumerate(zip(rows, heights, strict=True), start=1):
        axis = f"y{number if number > 1 else ''}"
        domain = [max(0.0, top - height * scale), top]
        top = domain[0] - gap
        if row == "Hits":
            span = _hit_lanes(figure, axis, view, inside, passed)
        elif row == "Waveform":
            span = _waveform(figure, axis, view, heard.waves, inside)
        elif row == "Onset curves":
            span = _curves(figure, axis, view, heard, inside, passed)
        else:
            span = _spectrogram(figure, axis, heard.spectrum)
        _beats(figure, axis, view, heard.grid, span)
        figure.layout[f"yaxis{number if number > 1 else ''}"].update(
            domain=domain, range=span, anchor="x", fixedrange=True, zeroline=False, gridcolor=view.palette.grid
        )
    figure.update_xaxes(_time_axis(view), anchor="free", position=0, color=view.palette.muted)
    return _dressed(figure, view, height=round(60 + 330 * total), dragmode="pan")


def _hit_lanes(figure: go.Figure, axis: str, view: View, hits: Sequence[Hit], rejected: Sequence[Hit]) -> list[float]:
    lanes = {drum: len(view.drums) - 1 - number for number, drum in enumerate(view.drums)}
    for drum in view.drums:
        own = [hit for hit in hits if hit.drum == drum]
        _markers(figure, axis, view, drum, own, [lanes[drum]] * len(own))
        weak = [hit for hit in rejected if hit.drum == drum]
        _markers(figure, axis, view, drum, weak, [lanes[drum]] * len(weak), hollow=True)
    number = axis[1:]
    figure.layout[f"yaxis{number}"] = {
        "tickvals": list(lanes.values()), "ticktext": [NAMES[drum] for drum in lanes], "tickfont": {"size": 11},
    }  # fmt: skip
    if view.highlight is not None and view.highlight.drum in lanes:
        _ring(figure, axis, view, lanes[view.highlight.drum])
    return [-0.7, len(view.drums) - 0.3]


def _markers(
    figure: go.Figure, axis: str, view: View, drum: str, hits: Sequence[Hit], heights: Sequence[float],
    *, hollow: bool = False,
) -> None:  # fmt: skip
    if not hits:
        return
    symbol = DRUMS[drum].marker
    thin = "x-thin" in symbol or symbol.endswith("-open") or hollow
    edge = view.line(drum) if thin else view.palette.text
    figure.add_trace(
        go.Scatter(
            x=_ms([hit.time_s for hit in hits]),
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


def _ring(figure: go.Figure, axis: str, view: View, height: float) -> None:
    if view.highlight is None:
        return
    figure.add_trace(
        go.Scatter(
            x=_ms([view.highlight.time_s]), y=[height], yaxis=axis, mode="markers", hoverinfo="skip", name="Selected",
            marker={"symbol": "circle-open", "size": 24, "color": view.palette.accent, "line": {"width": 3}},
        )
    )  # fmt: skip


def _waveform(
    figure: go.Figure,
    axis: str,
    view: View,
    waves: tuple[Envelope, Envelope | None] | None,
    hits: Sequence[Hit],
) -> list[float]:
    looks = ((view.palette.wave, "Mix"), (view.palette.stem, "Drum stem"))
    for envelope, (colour, name) in zip(waves or (), looks, strict=False):
        if envelope is None:
            continue
        times, low, high = envelope.window(view.start_s, view.end_s)
        outline_x = _ms(np.concatenate([times, times[::-1]]))
        outline_y = np.concatenate([high, low[::-1]])
        figure.add_trace(
            go.Scatter(
                x=outline_x, y=outline_y, yaxis=axis, mode="lines", fill="toself", fillcolor=colour, name=name,
                line={"width": 0.6, "color": colour}, hoverinfo="skip",
            )
        )  # fmt: skip
    for drum in view.drums:
        own = [hit.time_s for hit in hits if hit.drum == drum]
        if own:
            figure.add_trace(_sticks(own, -1.0, 1.0, axis, view.line(drum), NAMES[drum], width=1.2, opacity=0.75))
    figure.layout[f"yaxis{axis[1:]}"] = {"tickvals": [0], "ticktext": ["Waveform"], "tickfont": {"size": 11}}
    return [-1.0, 1.0]


def _curves(
    figure: go.Figure, axis: str, view: View, heard: Heard, hits: Sequence[Hit], rejected: Sequence[Hit]
) -> list[float]:
    activations, thresholds = heard.activations, heard.thresholds
    first = max(0, int(view.start_s * activations.fps))
    last = min(len(activations.onset), int(view.end_s * activations.fps) + 1)
    group = max(1, (last - first) // 2000)
    starts = np.arange(first, last, group)
    times = _ms(starts / activations.fps)
    lanes: dict[str, int] = {drum: len(view.drums) - 1 - number for number, drum in enumerate(view.drums)}
    for drum, base in lanes.items():
        if drum not in activations.labels or not len(starts):
            continue
        column = activations.onset[:, activations.labels.index(drum)].astype(np.float32)
        curve = np.maximum.reduceat(column[first:last], starts - first)
        colour = view.line(drum)
        figure.add_trace(_flat(times, base, axis))
        figure.add_trace(
            go.Scatter(
                x=times, y=base + 0.85 * curve, yaxis=axis, mode="lines", fill="tonexty", name=NAMES[drum],
                line={"width": 1.3, "color": colour, "shape": "hv" if group == 1 and len(starts) < 400 else "linear"},
                fillcolor=translucent(colour, 0.28), hoverinfo="skip",
            )
        )  # fmt: skip
        if drum in thresholds:
            level = base + 0.85 * thresholds[drum]
            figure.add_trace(
                go.Scatter(
                    x=_ms([view.start_s, view.end_s]), y=[level, level], yaxis=axis, mode="lines",
                    line={"width": 1.2, "dash": "dash", "color": view.palette.text}, name="Threshold",
                    hovertemplate=f"{NAMES[drum]}: threshold {thresholds[drum]:.2f}<extra></extra>",
                )
            )  # fmt: skip
        for group_of, hollow in ((hits, False), (rejected, True)):
            own = [hit for hit in group_of if hit.drum == drum]
            _markers(figure, axis, view, drum, own, [base + 0.85 * _level(column, hit, activations.fps) for hit in own],
                     hollow=hollow)  # fmt: skip
        if view.highlight is not None and view.highlight.drum == drum:
            _ring(figure, axis, view, base + 0.85 * _level(column, view.highlight, activations.fps))
    figure.layout[f"yaxis{axis[1:]}"] = {
        "tickvals": [base + 0.4 for base in lanes.values()],
        "ticktext": [NAMES[drum] for drum in lanes],
        "tickfont": {"size": 11},
        "showgrid": False,
    }
    return [-0.08, max(1, len(lanes)) + 0.02]


def _level(column: NDArray[np.float32], hit: Hit, fps: float) -> float:
    frame = round(hit.time_s * fps)
    return float(column[max(0, frame - 2) : frame + 3].max(initial=0))


def _flat(times: NDArray[np.float64], base: float, axis: str) -> go.Scatter:
    ends = times[[0, -1]]
    return go.Scatter(x=ends, y=[base, base], yaxis=axis, mode="lines", line={"width": 0}, hoverinfo="skip")


def _spectrogram(
    figure: go.Figure, axis: str, spectrum: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]] | None
) -> list[float]:
    if spectrum is not None and len(spectrum[0]) > 1:
        times, frequencies, levels = spectrum
        figure.add_trace(
            go.Heatmap(
                x=_ms(times), z=levels, yaxis=axis,
                y=np.arange(len(frequencies)), colorscale="Magma", zmin=0, zmax=255, showscale=False, hoverinfo="skip",
                zsmooth="best",
            )
        )  # fmt: skip
        marks = [100, 300, 1000, 3000, 10000]
        rows = np.interp(np.log(marks), np.log(frequencies), np.arange(len(frequencies)))
        figure.layout[f"yaxis{axis[1:]}"] = {
            "tickvals": rows.tolist(),
            "ticktext": [f"{mark} Hz" if mark < 1000 else f"{mark // 1000} kHz" for mark in marks],
            "tickfont": {"size": 11},
            "showgrid": False,
        }  # fmt: skip
        return [0, len(frequencies) - 1]
    return [0, 1]


def _sticks(
    times_s: Iterable[float], low: float, high: float, axis: str, colour: str, name: str, *, width: float = 1,
    opacity: float = 1,
) -> go.Scatter:  # fmt: skip
    """Vertical lines as one trace: a thousand shapes would be slow."""
    times = _ms(list(times_s))
    x = np.repeat(times, 3)
    y = np.tile([low, high, np.nan], len(times))
    return go.Scatter(x=x, y=y, yaxis=axis, mode="lines", name=name, hoverinfo="skip", opacity=opacity,
                      line={"width": width, "color": colour}, connectgaps=False)  # fmt: skip


def _beats(figure: go.Figure, axis: str, view: View, grid: BeatGrid, span: Sequence[float]) -> None:
    inside = (grid.times >= view.start_s) & (grid.times <= view.end_s)
    times, numbers = grid.times[inside], grid.numbers[inside]
    if len(times) <= 400:
        others = times[numbers != 1]
        figure.add_trace(_sticks(others, span[0], span[1], axis, view.palette.beat, "Beats"))
    figure.add_trace(_sticks(times[numbers == 1], span[0], span[1], axis, view.palette.bar, "Bar lines", width=1.4))


def tempo(view: View, times: NDArray[np.float64], bpm: NDArray[np.float64], overall: float) -> go.Figure:
    """Tempo along the song, with the overall one as a dashed line."""
    figure = go.Figure(
        go.Scatter(x=_ms(times), y=bpm, mode="lines", line={"width": 2, "color": view.palette.accent}, name="Tempo",
                   hovertemplate="%{x|%-M:%S}: %{y:.1f} BPM<extra></extra>")
    )  # fmt: skip
    figure.add_hline(overall, line={"dash": "dash", "width": 1.2, "color": view.palette.muted})
    spread = max(2.0, float(np.abs(bpm - overall).max(initial=0)) * 1.15)
    figure.update_yaxes(range=[overall - spread, overall + spread], title="BPM", gridcolor=view.palette.grid)
    figure.update_xaxes(
        type="date", tickformatstops=_TICKS, showgrid=False, range=_ms([view.start_s, view.end_s]).tolist()
    )
    return _dressed(figure, view, height=300, dragmode="pan")


def timing(view: View, hits: Hits) -> go.Figure:
    """How early or late each hit was played, in milliseconds against the written grid."""
    figure = go.Figure()
    for drum in view.drums:
        own = [hit for hit in hits if hit.drum == drum and _late(view, hit) is not None]
        _markers(figure, "y", view, drum, own, [1000 * (_late(view, hit) or 0.0) for hit in own])
    figure.add_hline(0, line={"width": 1.2, "color": view.palette.muted})
    if view.highlight is not None and _late(view, view.highlight) is not None:
        _ring(figure, "y", view, 1000 * (_late(view, view.highlight) or 0.0))
    figure.update_yaxes(title="ms early (−) / late (+)", gridcolor=view.palette.grid, zeroline=False)
    figure.update_xaxes(
        type="date", tickformatstops=_TICKS, showgrid=False, range=_ms([view.start_s, view.end_s]).tolist()
    )
    return _dressed(figure, view, height=380, dragmode="pan")


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
    return _dressed(figure, view, height=340, dragmode=False)


def _dressed(figure: go.Figure, view: View, *, height: int, dragmode: str | bool) -> go.Figure:
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
