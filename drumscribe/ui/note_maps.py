"""Choosing the note map of MIDI files, and learning that of one's own e-kit."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from drumscribe.errors import DrumScribeError
from drumscribe.kit import DRUMS
from drumscribe.notation import note_maps
from drumscribe.notation.midi_reader import struck_notes
from drumscribe.settings import get_settings
from drumscribe.ui import pads, shell

AUTO = "auto"


def titles() -> dict[str, str]:
    """What each map is called; one that cannot be read is left out, and its error shown."""
    settings, found = get_settings(), {}
    for name in note_maps.names(settings):
        try:
            found[name] = note_maps.note_map(name, settings).title
        except DrumScribeError as error:
            shell.error(error)
    return found


def choose() -> str:
    """Draw the choice for files that are read; return the name."""
    known = {AUTO: "Find it", **titles()}
    chosen: str = st.selectbox(
        "Notes of MIDI files", list(known), format_func=lambda name: known.get(name, name), key="ds_set_note_map",
        persist_state="session", help="Which e-kit or drum plug-in a MIDI file comes from. What was guessed is told.",
    )  # fmt: skip
    return chosen if chosen in known else AUTO


def learn() -> None:
    """Draw the ways to teach one's own kit: by its pads, over MIDI, or by a file."""
    with st.popover("Teach my e-kit's notes", icon=":material/school:"):
        drums = st.multiselect(
            "Pads, in the order of striking", list(note_maps.TAPPED), list(note_maps.TAPPED),
            format_func=lambda drum: DRUMS[drum].name, key="ds_learn_drums",
        )  # fmt: skip
        name = st.text_input("Name (small letters, digits, hyphens)", "my-kit", max_chars=60, key="ds_learn_name")
        st.caption("With the kit connected to this device by USB: strike each pad when it is asked for.")
        rows = pads.struck(drums)
        if rows:
            _learned([note for _, note in rows], [drum for drum, _ in rows], name)
        st.caption("Or give a MIDI file in which these pads are struck in turn, each once or several times.")
        file = st.file_uploader("MIDI file", type=["mid", "midi"], key="ds_learn_file")
        if st.button("Learn", key="ds_learn", disabled=file is None) and file is not None:
            try:
                notes = struck_notes(file.getvalue())
            except DrumScribeError as error:
                shell.error(error)
                return
            _learned(notes, drums, name)


def _learned(notes: Sequence[int], drums: Sequence[str], name: str) -> None:
    try:
        note_maps.saved(note_maps.learned(notes, drums, name=name), get_settings())
    except DrumScribeError as error:
        shell.error(error)
        return
    st.success(f"{name} was learned: choose it under “Notes of MIDI files” on the Transcribe page.")
