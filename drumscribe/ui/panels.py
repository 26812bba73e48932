"""The timeline of the Inspect page: hits, waveform, onset curves, and spectrogram on one time axis. Pure plotly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from drumscribe.types import Activations, BeatGrid, Hit, Hits
from drumscribe.ui.envelope import Envelope
from drumscribe.ui.labels import NAMES
from drumscribe.ui.plots import View, dressed, markers, ms, ring, time_axis
from drumscribe.ui.theme import translucent

ROWS = {"Hits": 0.34, "Waveform": 0.3, "Onset curves": 0.6, "Spectrogram": 0.42}
"""What :func:`timeline` can show, with relative heights."""


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
    figure.update_xaxes(time_axis(view), anchor="free", position=0, color=view.palette.muted)
    return dressed(figure, view, height=round(60 + 330 * total), dragmode="pan")


def _hit_lanes(figure: go.Figure, axis: str, view: View, hits: Sequence[Hit], rejected: Sequence[Hit]) -> list[float]:
    lanes = {drum: len(view.drums) - 1 - number for number, drum in enumerate(view.drums)}
    for drum in view.drums:
        own = [hit for hit in hits if hit.drum == drum]
        markers(figure, axis, view, drum, own, [lanes[drum]] * len(own))
        weak = [hit for hit in rejected if hit.drum == drum]
        markers(figure, axis, view, drum, weak, [lanes[drum]] * len(weak), hollow=True)
    number = axis[1:]
    figure.layout[f"yaxis{number}"] = {
        "tickvals": list(lanes.values()), "ticktext": [NAMES[drum] for drum in lanes], "tickfont": {"size": 11},
    }  # fmt: skip
    if view.highlight is not None and view.highlight.drum in lanes:
        ring(figure, axis, view, lanes[view.highlight.drum])
    return [-0.7, len(view.drums) - 0.3]


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
        outline_x = ms(np.concatenate([times, times[::-1]]))
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
    first = max(0, activations.frame_at(view.start_s))
    last = min(len(activations.onset), activations.frame_at(view.end_s) + 1)
    group = max(1, (last - first) // 2000)
    starts = np.arange(first, last, group)
    times = ms(activations.start_s + starts / activations.fps)
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
                    x=ms([view.start_s, view.end_s]), y=[level, level], yaxis=axis, mode="lines",
                    line={"width": 1.2, "dash": "dash", "color": view.palette.text}, name="Threshold",
                    hovertemplate=f"{NAMES[drum]}: threshold {thresholds[drum]:.2f}<extra></extra>",
                )
            )  # fmt: skip
        for group_of, hollow in ((hits, False), (rejected, True)):
            own = [hit for hit in group_of if hit.drum == drum]
            levels = [base + 0.85 * _level(column, activations.frame_at(hit.time_s)) for hit in own]
            markers(figure, axis, view, drum, own, levels, hollow=hollow)
        if view.highlight is not None and view.highlight.drum == drum:
            ring(figure, axis, view, base + 0.85 * _level(column, activations.frame_at(view.highlight.time_s)))
    figure.layout[f"yaxis{axis[1:]}"] = {
        "tickvals": [base + 0.4 for base in lanes.values()],
        "ticktext": [NAMES[drum] for drum in lanes],
        "tickfont": {"size": 11},
        "showgrid": False,
    }
    return [-0.08, max(1, len(lanes)) + 0.02]


def _level(column: NDArray[np.float32], frame: int) -> float:
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
                x=ms(times), z=levels, yaxis=axis,
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
    times = ms(list(times_s))
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
