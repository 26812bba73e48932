"""The Score page: chart with cursor, its controls, its files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import streamlit as st

from drumscribe.errors import DrumScribeError
from drumscribe.extras import missing
from drumscribe.notation.formats import FORMATS, WRITABLE, Format
from drumscribe.options import Options
from drumscribe.song import imports
from drumscribe.song.stages import file_name
from drumscribe.ui import bars_alike, labels, note_maps, printing, reading, recounting, sharing, sheets, shell, state
from drumscribe.ui.player import Sheet, song_player
from drumscribe.ui.shown import shown

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

METERS = ("2/4", "3/4", "4/4", "5/4", "6/4", "3/8", "6/8", "7/8", "9/8", "12/8")
AUTO = "auto"
DETAIL = {0: "Everything", 1: "No ghosts or ornaments", 2: "Core groove"}
SLOWEST, FASTEST = 30, 300
_RETURNED = "score_returned"
_MUSICXML = FORMATS["musicxml"]


def show(found: Transcription) -> None:
    """Draw the page."""
    with st.container(key="score_page"):
        chart, side = st.columns([5, 2], gap="medium")
    reads_only = bool(state.session().share)
    with chart:
        sheet(found)  # first: it is what an edit waits for
    with side:
        if reads_only:
            downloads(found)
        else:
            controls(found)
            reading.show(found)
            downloads(found)
            take_back(found)
    with chart:
        if not reads_only:
            bars_alike.show(found)


def sheet(found: Transcription) -> None:
    """The chart under the player."""
    drawn = Sheet()
    tint = st.session_state.get("score_tint", False)
    try:
        editable = not state.session().share
        drawn = sheets.sheet(found, key="player_score", height=820, tint=tint, editable=editable)
    except DrumScribeError as error:
        shell.error(error)
    song_player(found, key="player_score", sheet=drawn, timeline=False)
    if not len(found.hits) and not state.session().share:
        st.info("No hits were found, so the chart is empty. Raise the sensitivity on the Inspect page.")


def controls(found: Transcription) -> None:
    """Everything that changes the chart without listening to the song again."""
    options = found.options
    with st.container(border=True, key="score_controls"):
        tempo(found)
        recounting.show(found)
        with st.expander("Rhythm", icon=":material/timer:"):
            _choose(
                "Finest note", "quantise", "finest", options, labels.GRIDS, "The shortest notes that may be written."
            )
            _switch("Triplets", "quantise", "triplets", options)
            _switch("Quintuplets", "quantise", "quintuplets", options)
            _switch("Flams, drags, rolls", "quantise", "ornaments", options)
            swing = {"auto": "Find out", "on": "Swung", "off": "Straight"}
            rare = {"common": "As crash and ride", "heard": "As heard"}
            _choose(
                "Splash, china, ride bell", "quantise", "rare_drums", options, rare,
                "The network often takes a crash for one of these, or a ride for its bell. Hits that you named "
                "yourself are always written so.",
            )  # fmt: skip
            _choose(
                "Swing", "quantise", "swing", options, swing, "Swung eighths are written straight, with a note on top."
            )
            reading.dial(found)
            _strength(options)
        with st.expander("Look", icon=":material/format_paint:"):
            _choose("Detail", "notate", "simplify", options, DETAIL)
            voices = {2: "Two: hands up, feet down", 1: "One"}
            _choose("Voices", "notate", "voices", options, voices)
            _choose("Noteheads", "notate", "noteheads", options, {"pas": "Percussive Arts Society", "simple": "Simple"})
            for label, name in (
                ("Ghost notes", "ghosts"), ("Accents", "accents"), ("Dynamics", "dynamics"),
                ("Repeat signs for equal bars (𝄎)", "simile"),
                ("Repeated sections", "repeats"), ("Rehearsal marks", "sections"), ("Drum legend", "legend"),
                ("Summary of the groove", "summary"), ("Count-in bar", "count_in"),
            ):  # fmt: skip
                _switch(label, "notate", name, options)
            _choose("Paper", "notate", "paper", options, {"a4": "A4", "letter": "Letter"})
            st.toggle("Heads in the drums' colours", key="score_tint", help="On screen only.", persist_state="session")
        with st.expander("Title", icon=":material/title:"):
            _text("Title", "title", found.song.title, options)
            _text("Artist", "artist", found.song.artist, options)


def tempo(found: Transcription) -> None:
    """Tempo, meter, and where the bars begin."""
    options, grid = found.options.beats, found.grid
    bpm = int(min(FASTEST, max(SLOWEST, round(options.bpm or grid.bpm))))
    st.slider(
        "BPM", SLOWEST, FASTEST, shown("score_bpm", bpm), key="score_bpm", on_change=_tempo, args=(bpm,),
        help="The beat follows the recording; this says near which tempo.",
    )  # fmt: skip
    st.caption(told_tempo(found))
    chances = {candidate.factor: candidate.confidence for candidate in grid.candidates}
    with st.container(horizontal=True):
        for label, factor in (("Half", 0.5), ("Double", 2.0)):
            wanted = grid.bpm * factor
            likely = f", {labels.percent(chances[factor])} likely by what is played" if factor in chances else ""
            st.button(
                f"{label}: {wanted:.0f}", key=f"score_tempo_{label}", disabled=not SLOWEST <= wanted <= FASTEST,
                on_click=_change, args=("beats", "bpm", round(wanted, 2)), help=f"{wanted:.1f} BPM{likely}",
            )  # fmt: skip
        st.button(
            "As found", key="score_tempo_found", disabled=options.bpm is None, on_click=_change,
            args=("beats", "bpm", None),
        )  # fmt: skip
    first, second = st.columns(2)
    with first:
        here = str(grid.meter or "4/4")
        meters = {AUTO: f"Find out ({here})"} | {text: text for text in METERS}
        if options.meter is not None:
            meters.setdefault(options.meter, options.meter)
        st.selectbox(
            "Meter", list(meters), _place(meters, shown("score_meter", options.meter or AUTO)), key="score_meter",
            format_func=lambda value: meters[value],
            on_change=lambda: _change("beats", "meter", _meter_wanted()),
        )  # fmt: skip
    with second:
        st.number_input(
            "Bar shift", -16, 16, shown("score_shift", options.bar_shift), key="score_shift",
            help="Moves every bar line by so many beats.",
            on_change=lambda: _change("beats", "bar_shift", int(st.session_state.score_shift)),
        )  # fmt: skip


def told_tempo(found: Transcription) -> str:
    """The tempo of the chart in words, and how it came about."""
    asked, grid = found.options.beats.bpm, found.grid
    if asked is None:
        sure = next((f", {labels.percent(one.confidence)} sure" for one in grid.candidates if one.factor == 1.0), "")
        how = f"found by the beat tracker{sure}" if grid.tracker != "user" else "from the hits"
    elif abs(asked / grid.bpm - 1) < 0.01:
        how = "as you set it"
    else:
        how = f"the reading of the recording nearest to your {asked:.0f}"
    return f"Now {grid.bpm:.1f} beats a minute, {how}.".replace(" %", "\N{NO-BREAK SPACE}%")


def _tempo(shown: int) -> None:
    wanted = int(st.session_state.score_bpm)
    if wanted != shown:  # the tempo that was found, to the nearest whole number, is no wish
        _change("beats", "bpm", float(wanted))


def _meter_wanted() -> str | None:
    chosen = str(st.session_state.score_meter)
    return None if chosen == AUTO else chosen


def _change(group: str, name: str, value: object) -> None:
    state.change(**{group: {name: value}})


def _place(names: Iterable[Any], value: Any) -> int:
    return list(names).index(value)


def _choose(
    label: str, group: str, name: str, options: Options, names: dict[Any, str], hint: str | None = None
) -> None:
    key = f"score_{name}"
    st.selectbox(
        label, list(names), _place(names, shown(key, getattr(getattr(options, group), name))), key=key,
        format_func=lambda value: names[value], help=hint,
        on_change=lambda: _change(group, name, st.session_state[key]),
    )  # fmt: skip


def _switch(label: str, group: str, name: str, options: Options) -> None:
    key = f"score_{name}"
    now = shown(key, getattr(getattr(options, group), name))
    st.toggle(label, now, key=key, on_change=lambda: _change(group, name, st.session_state[key]))


def _strength(options: Options) -> None:
    percent = shown("score_strength", round(100 * options.quantise.strength))
    st.slider(
        "Quantised MIDI: pull to the grid", 0, 100, percent, key="score_strength", format="%d %%",
        help="0 % leaves every hit where it was played, 100 % puts it on the grid. The chart stays as it is.",
        on_change=lambda: _change("quantise", "strength", st.session_state.score_strength / 100),
    )  # fmt: skip


def _text(label: str, name: str, recorded: str, options: Options) -> None:
    key = f"score_{name}"
    st.text_input(
        label, shown(key, getattr(options.notate, name)), key=key, max_chars=300, placeholder=recorded or "none",
        on_change=lambda: _change("notate", name, st.session_state[key].strip()),
    )  # fmt: skip


def downloads(found: Transcription) -> None:
    """Files of the score. What takes longer is made when asked for, with a sign of life."""
    name = file_name(found.options.notate.title or found.song.title or "score")
    with st.container(border=True, key="score_files"):
        st.subheader("Print and download")
        printing.show(found)
        _prepared("PDF", "pdf", f"{name}.pdf", "application/pdf", lambda: found.render("pdf")[0])
        shared = state.session().share  # then without what holds every edit and candidate
        for file in WRITABLE.values():
            if file.usual and not file.slow and not (shared and file.name == "json"):
                _button(found, file, name)
        if shared:
            return
        _button(found, FORMATS["song"], name)
        known = note_maps.titles()
        _choose(
            "Notes of the MIDI files", "write", "note_map", found.options, known,
            "For the e-kit or drum plug-in that is to play them.",
        )  # fmt: skip
        _others(found, name)
        _prepared("Everything (zip)", "zip", f"{name}.zip", "application/zip", lambda: everything(found, name))


def _button(found: Transcription, file: Format, name: str) -> None:
    st.download_button(
        file.title, _maker(found, file.name), f"{name}{file.ending}", file.media_type, key=f"score_file_{file.name}",
        help=file.about, icon=":material/download:", on_click="ignore", width="stretch",
    )  # fmt: skip


def _others(found: Transcription, name: str) -> None:
    """A file for one of the programs that fewer people have."""
    others = {
        file.name: file for file in WRITABLE.values()
        if not file.usual and file.name != "song" and not (file.extra and missing(file.extra))
    }  # fmt: skip
    if not others:
        return
    with st.expander("For other programs", icon=":material/folder_zip:"):
        kind = st.selectbox("Format", list(others), format_func=lambda kind: others[kind].title, key="score_other")
        file = others[kind]
        st.caption(f"{file.about}. It does not hold {file.loses}." if file.loses else f"{file.about}.")
        _button(found, file, name)


def _maker(found: Transcription, kind: str) -> Callable[[], bytes]:
    link = state.session().share

    def make() -> bytes:
        if link:  # a download is no run of the page, which would have asked
            sharing.check(link)
        return found.render(kind)[0]

    return make


def _prepared(label: str, kind: str, name: str, mime: str, make: Callable[[], bytes]) -> None:
    made: bytes | None = state.session().projected.get(("score_file", kind))
    if made is None:
        if not st.button(
            f"Make {label}", key=f"score_make_{kind}", icon=":material/draft:", width="stretch",
            type="primary" if kind == "pdf" else "secondary",  # what most people came for
            help="Takes some seconds; then it can be downloaded",
        ):  # fmt: skip
            return
        try:
            with st.spinner(f"Engraving: {label}", show_time=True):
                made = state.projected(("score_file", kind), make)
        except DrumScribeError as error:
            shell.error(error)
            return
    st.download_button(
        f"Download {label}", made, name, mime, key=f"score_file_{kind}", icon=":material/download:",
        on_click="ignore", width="stretch", type="primary",
    )  # fmt: skip


def take_back(found: Transcription) -> None:
    """A chart that was edited in another program, back into the song."""
    number = st.session_state.setdefault(_RETURNED, 0)  # a new number empties the uploader
    with st.expander("Bring an edited chart back", icon=":material/upload_file:"):
        file = st.file_uploader(
            "MusicXML of this song, edited in MuseScore or another program. Your changes become one edit, "
            "which Undo takes back.",
            type=[ending[1:] for ending in (_MUSICXML.ending, *_MUSICXML.endings, *_MUSICXML.only_read)],
            key=f"score_returned_{number}",
        )  # fmt: skip
        if file is None:
            return
        try:
            change = imports.returned(found, file.getvalue())
        except DrumScribeError as error:
            shell.error(error, title=file.name)
            return
        if not change:
            st.info("This chart is the same as the one on this page.")
            return
        st.session_state[_RETURNED] += 1
        if state.apply(change):
            names = labels.plural(len({hit.id for hit in (*change.removed, *change.added)}), "hit")
            state.notify("success", f"The edited chart was taken in: {names} changed.")
        st.rerun()


def everything(found: Transcription, name: str) -> bytes:
    """All formats in one zip archive; where no PDF can be made, a note says why instead.

    Raises:
        NotationError: another format could not be made.
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for kind in (kind for kind, file in WRITABLE.items() if file.usual):
            try:
                for file, data in found.files(kind, name):
                    archive.writestr(file, data)
            except DrumScribeError as error:
                if kind != "pdf":
                    raise
                archive.writestr("no PDF.txt", str(error))
    return out.getvalue()
