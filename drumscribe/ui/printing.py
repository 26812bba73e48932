"""The score on paper, from the browser: the engraved pages alone, at their size, without the studio around them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import streamlit as st

from drumscribe.errors import DrumScribeError
from drumscribe.notation.model import PAPER_MM
from drumscribe.ui import shell, state

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

# The frame stays until the next print: some browsers tell of the end before they have read what is in it.
_PRINT = st.components.v2.component(
    "drumscribe_print",
    js="""
export default function ({ data }) {
  if (globalThis.drumscribePrinted === data.id) return;
  globalThis.drumscribePrinted = data.id;
  document.getElementById("ds-print")?.remove();
  const frame = document.createElement("iframe");
  Object.assign(frame, { id: "ds-print", title: "Score to print", tabIndex: -1 });
  frame.setAttribute("sandbox", "allow-same-origin allow-modals");
  frame.setAttribute("aria-hidden", "true");
  frame.style.cssText = "position: fixed; right: 0; bottom: 0; width: 0; height: 0; border: 0;";
  frame.onload = () => {
    frame.contentDocument.title = data.title;
    frame.contentWindow.focus();
    frame.contentWindow.print();
  };
  const [width, height] = data.paper;
  frame.srcdoc = `<!doctype html><meta charset="utf-8"><style>
    @page { size: ${width}mm ${height}mm; margin: 0 }
    body { margin: 0 }
    body > svg { display: block; width: ${width}mm; height: ${height - 0.2}mm; break-inside: avoid }
    body > svg + svg { break-before: page }
  </style>${data.pages.join("")}`;
  document.body.append(frame);
}
""",
)


def show(found: Transcription) -> None:
    """The button; what it prints is the chart as it is now, on the paper that was chosen for it."""
    pressed = st.button(
        "Print", key="score_print", icon=":material/print:", width="stretch", shortcut="Ctrl+P",
        help="Prints the pages of the score alone. Choose A4 or Letter under Look",
    )  # fmt: skip
    if not pressed:
        return
    from drumscribe import notation

    try:
        with st.spinner("Engraving the pages"):
            pages = state.projected("printed", lambda: notation.to_svg(found.score))
    except DrumScribeError as error:
        shell.error(error)
        return
    data = {"id": secrets.token_hex(8), "pages": pages, "title": shell.title_of(found)}
    with st.container(key="ds_print"):
        _PRINT(key="score_printer", data=data | {"paper": PAPER_MM[found.options.notate.paper]})
