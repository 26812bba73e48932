"""Edits that were made in the score or the lanes: taken in from the browser in order, each one once.

The browser draws an action at once, keeps it in a box until the server says that it was taken in, and sends the whole
box whenever something is new in it. So an action that came in a run which was broken off comes again, and one that
comes twice is passed over by its number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumscribe.errors import DrumScribeError, EditError
from drumscribe.song import edits, gestures
from drumscribe.song.edits import Edit
from drumscribe.ui import state


def take(message: Mapping[str, Any]) -> None:
    """Apply the actions of a browser's box that are new; what cannot be done is told and left out."""
    held, found = state.session(), state.current()
    if found is None or message.get("song") != found.song.sha256:
        return
    try:
        actions = gestures.read(message.get("actions", []))
    except DrumScribeError as failure:
        state.notify("error", str(failure))
        return
    box = str(message.get("box", ""))
    acted = held.acted.get(box, state.Acted())
    names, hits, changes = dict(acted.names), found.hits, list[Edit]()
    for action in actions:
        if action.id <= acted.last:
            continue
        if action.kind in ("undo", "redo"):
            _apply(changes, box, state.Acted(action.id - 1, names))
            (state.undo if action.kind == "undo" else state.redo)()
            held.acted[box] = acted = state.Acted(action.id, names)
            found = held.transcription or found
            hits = found.hits
            continue
        acted = state.Acted(action.id, names)
        try:
            made = gestures.meaning(action, hits, found.rhythm, names)
            hits = edits.apply(hits, made.edit)
        except EditError as failure:
            state.notify("warning", str(failure))
            continue
        names = names | made.made
        acted = state.Acted(action.id, names)
        if made.edit:
            changes.append(made.edit)
    _apply(changes, box, acted)


def _apply(changes: list[Edit], box: str, acted: state.Acted) -> None:
    """Save the edits as one change of the song, and what they came from with it: a run may break off anywhere else."""
    held = state.session()
    if changes:
        state.apply(*changes)  # where that fails, the user is told, and the browser shows what is kept
        changes.clear()
    held.acted[box] = acted
