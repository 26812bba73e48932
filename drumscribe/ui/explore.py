"""The Inspect page: timeline with its window, thresholds, and what the song as a whole looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from drumscribe.errors import DrumScribeError
from drumscribe.types import Hit
from drumscribe.ui import facts, hitcard, labels, likes, panels, plots, state, theme
from drumscribe.ui.shown import shown

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

_ROWS = "ds_inspect_rows"
_SHORTEST_S = 0.5
_SPECTROGRAM_S = 60.0


def timeline(found: Transcription) -> None:
    """Window controls, the panels, and the selected hit."""
    start_s, end_s = _window(found)
    rows = st.pills(
        "Show", list(panels.ROWS), selection_mode="multi", default=["Hits", "Waveform", "Onset curves"], key=_ROWS,
        persist_state="session",
    )  # fmt: skip
    rows = [row for row in panels.ROWS if row in rows]
    if "Spectrogram" in rows and end_s - start_s > _SPECTROGRAM_S:
        st.caption(f"The spectrogram is shown for up to {labels.span(_SPECTROGRAM_S)}: zoom in to see it.")
        rows.remove("Spectrogram")
    if not rows:
        st.info("Choose at least one panel to show.")
        return
    view = _view(found, start_s, end_s)
    try:
        figure = _figure(found, view, rows)
    except DrumScribeError as failure:
        st.warning(f"{failure} Hits and onset curves are still shown.")
        rows = [row for row in rows if row in ("Hits", "Onset curves")] or ["Hits"]
        figure = _figure(found, view, rows, audio=False)
    st.plotly_chart(
        figure, key="ds_timeline", config=plots.CONFIG, theme=None, on_select=_clicked, selection_mode="points",
        alt=f"{labels.plural(len(found.hits.between(start_s, end_s)), 'hit')} between {labels.clock(start_s)} and "
        f"{labels.clock(end_s)}, with {', '.join(row.lower() for row in rows)}",
    )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Previous hit", icon=":material/skip_previous:", key="ds_step_back", on_click=_step, args=(-1,),
                  shortcut="Alt+P")  # fmt: skip
        st.button("Next hit", icon=":material/skip_next:", key="ds_step_on", on_click=_step, args=(1,),
                  shortcut="Alt+N")  # fmt: skip
        st.caption("Click a marker to select and hear it. Hollow markers are candidates under the threshold.")
    hitcard.selection(found, key="ds_inspect")
    likes.show(found)


def _figure(found: Transcription, view: plots.View, rows: list[str], *, audio: bool = True) -> Any:
    from drumscribe import hits

    def draw() -> Any:
        heard = panels.Heard(
            found.hits,
            facts.rejected(found),
            found.grid,
            found.activations,
            thresholds=hits.display_thresholds(found.options.detect, model=found.activations.model),
            waves=(facts.mix(found), facts.stem(found)) if audio and "Waveform" in rows else None,
            spectrum=facts.spectrogram(found, view.start_s, view.end_s) if audio and "Spectrogram" in rows else None,
        )
        return panels.timeline(view, rows, heard)

    look = (state.revision(), view.start_s, view.end_s, tuple(rows), view.dark, view.highlight, audio)
    return state.latest("timeline", look, draw)


def _view(found: Transcription, start_s: float, end_s: float) -> plots.View:
    return plots.View(
        start_s=start_s,
        end_s=end_s,
        palette=theme.palette(),
        dark=theme.is_dark(),
        drums=plots.drums_of(found.hits) or ("kick", "snare", "closed_hihat"),
        where=facts.where(found),
        highlight=_highlight(found),
    )


def _highlight(found: Transcription) -> Hit | None:
    """The selected hit, unless it was selected in the plot, which shows that by itself and need not be redrawn."""
    hit = facts.selected(found)
    return None if hit is not None and hit.id == st.session_state.get("ds_clicked") else hit


def _window(found: Transcription) -> tuple[float, float]:
    """Draw the controls of the window and return it."""
    whole = max(_SHORTEST_S, found.song.duration_s)
    key = _window_key()
    first = max(0.0, found.hits[0].time_s - 0.5) if len(found.hits) else 0.0
    begin = (0.0, whole) if whole <= 20 else (first, min(whole, first + 12))
    window = shown(key, st.session_state.get(key, begin))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for name, icon, move, scale in (
            ("Earlier", "chevron_left", -0.8, 1.0),
            ("Later", "chevron_right", 0.8, 1.0),
            ("Zoom in", "zoom_in", 0.0, 0.5),
            ("Zoom out", "zoom_out", 0.0, 2.0),
        ):
            st.button(name, icon=f":material/{icon}:", key=f"ds_window_{icon}", on_click=_move,
                      args=(whole, move, scale))  # fmt: skip
        st.button("Whole song", icon=":material/fit_width:", key="ds_window_all", on_click=_move,
                  args=(whole, 0.0, 1e9))  # fmt: skip
    chosen: Any = st.slider(
        f"Window, in seconds of {labels.span(whole)}", 0.0, whole, window, step=0.05, format="%.1f", key=key,
        persist_state="session",
    )  # fmt: skip
    start_s, end_s = chosen  # a pair, because the session holds one
    return float(start_s), float(max(start_s + _SHORTEST_S / 5, end_s))


def _window_key() -> str:
    return f"ds_window_{state.song_id()}"


def _move(whole: float, by: float, scale: float) -> None:
    """Shift the window by a share of its length and scale it about its middle (or the selected hit)."""
    start_s, end_s = st.session_state[_window_key()]
    hit = state.selected()
    middle = (start_s + end_s) / 2
    if scale < 1 and hit is not None and start_s <= hit.time_s <= end_s:
        middle = hit.time_s
    length = min(whole, max(_SHORTEST_S, (end_s - start_s) * scale))
    first = min(max(0.0, middle - length / 2 + by * length), whole - length)
    st.session_state[_window_key()] = (first, first + length)


def _step(direction: int) -> None:
    found = state.current()
    if found is None:
        return
    hitcard.step(found, direction)
    st.session_state.pop("ds_clicked", None)
    hit = facts.selected(found)
    start_s, end_s = st.session_state.get(_window_key(), (0.0, found.song.duration_s))
    if hit is not None and not start_s <= hit.time_s < end_s:
        length = end_s - start_s
        first = min(max(0.0, hit.time_s - length / 3), max(0.0, found.song.duration_s - length))
        st.session_state[_window_key()] = (first, first + length)


def _clicked() -> None:
    points = st.session_state["ds_timeline"]["selection"]["points"]
    ids = [point["customdata"] for point in points if point.get("customdata") is not None]
    if not ids:
        return
    chosen = ids[-1][0] if isinstance(ids[-1], list) else ids[-1]
    shown_otherwise = state.session().selected not in (None, st.session_state.get("ds_clicked"))
    state.select(int(chosen))
    if shown_otherwise:
        st.session_state.pop("ds_clicked", None)
    else:
        st.session_state["ds_clicked"] = int(chosen)


def thresholds(found: Transcription) -> None:
    """Sensitivity, and a threshold for each drum; hits and score follow, edits stay."""
    from drumscribe import hits

    with st.expander("Sensitivity and thresholds", icon=":material/tune:"):
        detect = found.options.detect
        st.slider(
            "Sensitivity", 0.0, 1.0, shown("ds_sensitivity", detect.sensitivity), step=0.01, key="ds_sensitivity",
            on_change=_sensitivity, help="Moves the thresholds of all drums that have none of their own",
        )  # fmt: skip
        limits = hits.display_thresholds(detect, model=found.activations.model)
        drums = [drum for drum in plots.drums_of([*found.hits, *facts.rejected(found)]) if drum in limits]
        columns = st.columns(3)
        for number, drum in enumerate(drums):
            key = f"ds_threshold_{drum}"
            limit = shown(key, round(limits[drum], 2))
            with columns[number % 3]:
                own = " (own)" if drum in detect.thresholds else ""
                st.slider(
                    f"{labels.NAMES[drum]}{own}", 0.0, 1.0, limit, step=0.01, key=key, on_change=_threshold,
                    args=(drum,),
                )  # fmt: skip
        st.button("Forget own thresholds", key="ds_threshold_reset", on_click=_forget, disabled=not detect.thresholds)


def _sensitivity() -> None:
    state.change(detect={"sensitivity": st.session_state["ds_sensitivity"]})


def _threshold(drum: str) -> None:
    found = state.current()
    if found is not None:
        own = {**found.options.detect.thresholds, drum: st.session_state[f"ds_threshold_{drum}"]}
        state.change(detect={"thresholds": own})


def _forget() -> None:
    state.change(detect={"thresholds": {}})


def statistics(found: Transcription) -> None:
    """Tempo, timing, confidence of the whole song: one at a time."""
    from drumscribe import rhythm

    st.header("The song as a whole")
    choice = st.segmented_control(
        "Chart", ["Timing", "Tempo", "Confidence"], default="Timing", required=True, key="ds_chart",
        label_visibility="collapsed", persist_state="session",
    )  # fmt: skip
    view = _view(found, 0.0, found.song.duration_s)
    look = (state.revision(), choice, view.dark, view.highlight)
    if not len(found.hits):
        st.info("There is no hit to measure yet.")
    elif choice == "Tempo":
        times, bpm = rhythm.tempo_curve(found.grid)
        st.plotly_chart(
            plots.tempo(view, times, bpm, found.grid.bpm), key="ds_tempo", config=plots.CONFIG, theme=None,
            alt=f"Tempo curve around {found.grid.bpm:.0f} BPM",
        )  # fmt: skip
    elif choice == "Timing":
        st.plotly_chart(
            state.latest("chart", look, lambda: plots.timing(view, found.hits)),
            key="ds_timing", config=plots.CONFIG, theme=None, on_select=_clicked_late, selection_mode="points",
            alt="How early or late each hit was played",
        )  # fmt: skip
        st.dataframe(
            [
                {
                    "Drum": labels.NAMES[row.drum],
                    "Hits": row.hits,
                    "Mean": f"{row.mean_ms:+.1f} ms".replace("-", "\N{MINUS SIGN}"),
                    "Spread": f"{row.spread_ms:.1f} ms",
                }
                for row in rhythm.deviations(found.rhythm)
            ],
            hide_index=True,
            width="content",
            height="content",
        )
    else:
        st.plotly_chart(
            state.latest("chart", look, lambda: plots.histogram(view, found.hits)),
            key="ds_histogram", config=plots.CONFIG, theme=None, alt="Number of hits by confidence and drum",
        )  # fmt: skip


def _clicked_late() -> None:
    points = st.session_state["ds_timing"]["selection"]["points"]
    if points and points[-1].get("customdata") is not None:
        chosen = points[-1]["customdata"]
        st.session_state.pop("ds_clicked", None)
        state.select(int(chosen[0] if isinstance(chosen, list) else chosen))
