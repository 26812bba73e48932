"""Taking a recording in: file, link, microphone, example; and the settings it starts with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import streamlit as st

from drumscribe.errors import DrumScribeError
from drumscribe.kit import DRUMS
from drumscribe.notation.formats import HEAD, recognised
from drumscribe.options import Options
from drumscribe.settings import get_settings
from drumscribe.song import imports
from drumscribe.song.transcription import Transcription
from drumscribe.ui import hints, labels, note_maps, progress, review, separating, shell, state, theme
from drumscribe.ui.owner import owner

EXAMPLE = Path(__file__).parent.parent / "assets" / "example.ogg"
EXAMPLE_NAME = "Example song.ogg"
TYPES = ["wav", "flac", "mp3", "m4a", "aac", "ogg", "opus", "oga", "webm", "mp4", "aif", "aiff", "mka"]
OPENS = (
    "Listens to audio (WAV, FLAC, MP3, M4A, OGG, AIFF and more) and to the sound of MP4 and WebM videos. Opens "
    "DrumScribe projects, MusicXML, MIDI, Guitar Pro, Hydrogen, Clone Hero and YARG charts, CSV and JAMS at once."
)
"""What may be uploaded, in words: Streamlit would show a list of endings, cut off."""
_LARGEST_MB = 16_384
"""Streamlit wants a number; what is uploaded waits in memory."""
READY = [ending[1:] for ending in imports.ENDINGS if ending.count(".") == 1]
"""What needs no listening: project files and charts."""
METERS = ["Find it", "4/4", "3/4", "2/4", "6/8", "12/8", "9/8", "5/4", "7/8"]
_FORM = "ds_intake_form"


def form() -> None:
    """Where the recording comes from, the settings, and the button that starts it."""
    number = st.session_state.setdefault(_FORM, 0)  # a new number empties the source widgets
    how = st.segmented_control(
        "Where is the recording?", ["File", "Link", "Microphone"], default="File", required=True, key="ds_intake_how"
    )
    sources: list[tuple[str | BinaryIO, str]] = []
    if how == "Link":
        link = st.text_input(
            "Link to a YouTube video", key=f"ds_link_{number}", placeholder="https://www.youtube.com/watch?v=…"
        )
        if link.strip():
            sources.append((link.strip(), ""))
    elif how == "Microphone":
        recording = st.audio_input("Record your playing or a song in the room", sample_rate=44100,
                                   key=f"ds_recording_{number}")  # fmt: skip
        if recording is not None:
            sources.append((recording, "Recording.wav"))
    else:
        settings = get_settings()
        with st.container(key="ds_files"):
            files = st.file_uploader(
                f"Drop recordings or charts here. {labels.limits(settings)}; several files make a queue.",
                type=TYPES + READY,
                accept_multiple_files=True,
                max_upload_size=max(1, int(min(settings.largest_mb, _LARGEST_MB))),
                key=f"ds_files_{number}",
            )
            st.caption(OPENS)
        sources.extend((file, file.name) for file in files)
    options = _settings()
    count = len(sources)
    ready = bool(sources) and all(_is_ready(source) for source, _ in sources)
    with st.container(horizontal=True, vertical_alignment="center"):
        start = st.button(
            ("Open" if ready else "Transcribe") + (f" {count} songs" if count > 1 else ""),
            type="primary",
            icon=":material/folder_open:" if ready else ":material/play_arrow:",
            disabled=not sources,
            key="ds_start",
            help=None if sources else "Choose a recording above first",
        )
        example = st.button(
            "Try the example", icon=":material/music_note:", key="ds_example",
            help="A short song made for this purpose; works offline",
        )  # fmt: skip
    if start and options is not None:
        submit(sources, options)
    elif example:
        wish = separating.wanted()
        submit([(EXAMPLE, EXAMPLE_NAME)], Options().updated(separate={"separator": None if wish == "auto" else wish}))


def submit(sources: Sequence[tuple[str | Path | BinaryIO, str]], options: Options) -> None:
    """Queue each recording and open each project or chart; problems with one do not hold up the others."""
    accepted = []
    for source, name in sources:
        if not isinstance(source, str | Path):
            source.seek(0)  # a first try may have read it
        try:
            if not isinstance(source, str | Path) and _is_ready(source):
                chart = imports.opened(source.read(), name, options)
                accepted.append(state.runner().adopt(chart, owner=owner()))
            else:
                accepted.append(state.runner().submit(source, options, owner=owner(), name=name))
        except DrumScribeError as failure:
            shell.error(failure, title=name)
    if accepted:
        if accepted[0].status.finished:
            state.open_job(accepted[0].id)
        else:
            progress.open_when_ready(accepted[0].id)
        if len(accepted) == len(sources):
            st.session_state[_FORM] += 1
            st.rerun()


def _is_ready(source: str | Path | BinaryIO) -> bool:
    """Whether it is a chart or a project: its content tells."""
    if isinstance(source, str | Path):
        return False
    source.seek(0)
    head = source.read(HEAD)
    source.seek(0)
    return recognised(head) is not None


def _settings() -> Options | None:
    """Draw the settings; ``None`` (and a message) if they do not fit together."""
    groups: dict[str, dict[str, Any]] = {name: {} for name in Options.model_fields}
    what, eager, meter = st.columns([2, 2, 1.2])
    with what:
        kind = st.segmented_control(
            "What is in the recording?", ["A full song", "Only drums"], default="A full song", required=True,
            key="ds_set_kind", persist_state="session",
        )  # fmt: skip
    with eager:
        groups["detect"]["sensitivity"] = st.slider(
            "Sensitivity: fewer but surer hits, or every faint one", 0.0, 1.0, 0.5, 0.05, key="ds_set_sensitivity",
            persist_state="session",
        )  # fmt: skip
    with meter:
        chosen = st.selectbox("Time signature", METERS, key="ds_set_meter", persist_state="session")
        groups["beats"]["meter"] = None if chosen == METERS[0] else chosen
    with st.expander("Advanced", icon=":material/tune:"):
        left, right = st.columns(2)
        with left:
            groups["beats"]["bpm"] = st.number_input(
                "Tempo near (BPM)", 20.0, 400.0, None, 1.0, format="%.0f", placeholder="Find it", key="ds_set_bpm",
                persist_state="session",
            )  # fmt: skip
            tracker = st.selectbox(
                "Beat tracker", ["auto", "madmom", "librosa"], key="ds_set_tracker", persist_state="session",
                help="madmom is the more accurate one; its models are for non-commercial use only.",
            )  # fmt: skip
            groups["beats"]["tracker"] = None if tracker == "auto" else tracker
            separator = st.selectbox(
                "Drum separation", separating.CHOICES, separating.CHOICES.index(separating.wanted()),
                key=separating.CHOICE_KEY, persist_state="session", on_change=_separator,
                help="auto separates where the model is at hand, and otherwise listens to the mix. Kept for all your "
                "songs to come.",
            )  # fmt: skip
        with right:
            groups["quantise"]["finest"] = st.selectbox(
                "Finest notes", list(labels.GRIDS), index=len(labels.GRIDS) - 1,
                format_func=lambda value: labels.GRIDS[value], key="ds_set_finest", persist_state="session",
            )  # fmt: skip
            groups["read"]["note_map"] = note_maps.choose()
            groups["quantise"]["swing"] = st.selectbox(
                "Swing", ["auto", "on", "off"], key="ds_set_swing", persist_state="session"
            )
            groups["quantise"]["triplets"] = st.checkbox("Triplets", True, key="ds_set_triplets",
                                                         persist_state="session")  # fmt: skip
            groups["quantise"]["quintuplets"] = st.checkbox("Quintuplets", False, key="ds_set_quintuplets",
                                                            persist_state="session")  # fmt: skip
        groups["notate"]["title"] = st.text_input("Title on the chart", max_chars=300, key="ds_set_title")
        groups["notate"]["artist"] = st.text_input("Artist on the chart", max_chars=300, key="ds_set_artist")
        note_maps.learn()
    groups["separate"]["separator"] = "none" if kind == "Only drums" else (None if separator == "auto" else separator)
    try:
        return Options.parse(groups)
    except DrumScribeError as failure:
        shell.error(failure)
        return None


def _separator() -> None:
    separating.want(st.session_state[separating.CHOICE_KEY])


def opened() -> Transcription | None:
    """The open song's result; an unreadable one is explained and counts as none."""
    try:
        return state.current()
    except DrumScribeError as failure:
        shell.error(failure)
        return None


def result(found: Transcription) -> None:
    """What came out, and where to go next."""
    shell.song_bar(found)
    for warning in separating.warnings(found):
        st.warning(labels.escape(warning))
    separating.tell(found)
    counts: dict[str, int] = {}
    for hit in found.hits:
        counts[hit.drum] = counts.get(hit.drum, 0) + 1
    with st.container(horizontal=True, key="ds_numbers"):
        st.metric("Hits", f"{len(found.hits):,}", border=True)
        st.metric(
            "Worth a look", f"{len(review.queue(found.hits)):,}", border=True,
            help=f"Hits with a confidence under {labels.percent(review.BELOW)} that you have not checked yet: "
            "the review queue on the Edit page goes through them.",
        )  # fmt: skip
        st.metric("Tempo", f"{found.grid.bpm:.1f} BPM", border=True)
        st.metric("Bars", len(found.rhythm.bars), border=True)
    theme.chips(
        [
            theme.chip(f"{labels.NAMES[drum]} {number}", DRUMS[drum].colour)
            for drum, number in sorted(counts.items(), key=lambda item: -item[1])
        ]
    )
    with st.container(horizontal=True, key="ds_next"):
        st.page_link("pages/score.py", label="See the score", icon=":material/music_note:")
        st.page_link("pages/edit.py", label="Correct it", icon=":material/edit_note:")
        st.page_link("pages/inspect.py", label="Inspect the evidence", icon=":material/graphic_eq:")
        st.page_link("pages/practice.py", label="Practise", icon=":material/tune:")
    hints.show()
