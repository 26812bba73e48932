"""Colours and page style for both themes. The drums' own colours are in :mod:`drumscribe.kit`; here they are only
lifted or lowered where a thin line in them would not stand out from the page.

>>> contrast("#000000", "#FFFFFF")
21.0
>>> line_colour("kick", dark=False) == DRUMS["kick"].colour
True
>>> contrast(line_colour("kick", dark=True), PALETTES[True].page) >= 3
True
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import streamlit as st

from drumscribe.kit import DRUMS


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of one theme, for what Streamlit does not draw itself (plots, cards)."""

    page: str
    panel: str
    text: str
    muted: str
    grid: str
    accent: str
    wave: str
    stem: str
    beat: str
    bar: str


PALETTES = {
    False: Palette("#FCFBF8", "#F1EFE9", "#211F2B", "#625E70", "#E4E0D6", "#4B3FBF", "#B9B4C9", "#6E66A6",
                   "rgba(33,31,43,0.16)", "rgba(33,31,43,0.45)"),
    True: Palette("#15141B", "#211F2A", "#ECEAF2", "#A8A4B6", "#2E2B38", "#9389F8", "#4A4658", "#8A83C9",
                  "rgba(236,234,242,0.14)", "rgba(236,234,242,0.42)"),
}  # fmt: skip
"""By darkness: ``PALETTES[False]`` is the light theme."""


def is_dark() -> bool:
    """Whether this browser shows the dark theme."""
    return st.context.theme.type == "dark"


def palette() -> Palette:
    """Colours of the theme that this browser shows."""
    return PALETTES[is_dark()]


def contrast(first: str, second: str) -> float:
    """WCAG 2 contrast ratio (1–21) of two ``#rrggbb`` colours."""
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return round((high + 0.05) / (low + 0.05), 2)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _channels(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@lru_cache(maxsize=64)
def line_colour(label: str, *, dark: bool) -> str:
    """The drum's colour, mixed with white (or black) just enough for a 3:1 contrast with the page."""
    colour = DRUMS[label].colour
    page = PALETTES[dark].page
    goal = 255 if dark else 0
    for step in range(21):
        share = step / 20
        mixed = "#" + "".join(f"{round(c + (goal - c) * share):02X}" for c in _channels(colour))
        if contrast(mixed, page) >= 3:
            return mixed
    return mixed


def translucent(colour: str, alpha: float) -> str:
    """``#rrggbb`` as a CSS ``rgba(...)``."""
    red, green, blue = _channels(colour)
    return f"rgba({red},{green},{blue},{alpha:g})"


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on ``colour``."""
    return max("#000000", "#FFFFFF", key=lambda ink: contrast(ink, colour))


CSS = """
<style>
.block-container { padding-top: 3.6rem; padding-bottom: 4rem; max-width: 1500px; }
h1 { letter-spacing: -0.02em; padding-bottom: 0.25rem; }
.st-key-ds_files [data-testid="stFileUploaderDropzoneInstructions"] { display: none; }
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] *,
[data-testid="stFileUploaderDropzoneInstructions"] * { color: var(--ds-muted) !important; opacity: 1 !important; }
button[kind="primary"]:enabled, button[kind="primary"]:enabled * { color: var(--ds-on-accent) !important; }
button:enabled kbd { color: var(--ds-muted) !important; opacity: 1 !important; }
button:enabled *:has(> kbd) { opacity: 1 !important; }
.ds-lead { font-size: 1.08rem; opacity: 0.86; max-width: 46rem; margin-bottom: 0.5rem; }
.ds-chips { display: flex; flex-wrap: wrap; gap: 0.35rem 0.5rem; align-items: center; margin: 0.1rem 0 0.4rem; }
.ds-chip { display: inline-flex; align-items: center; gap: 0.35rem; border-radius: 999px; padding: 0.1rem 0.6rem;
  font-size: 0.85rem; line-height: 1.5; border: 1px solid rgba(128,124,140,0.45); white-space: nowrap; }
.ds-dot { width: 0.75em; height: 0.75em; border-radius: 50%; border: 1px solid rgba(128,124,140,0.9); }
.ds-inline { display: inline-block; }
.ds-song { font-weight: 650; font-size: 1.02rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  max-width: 32rem; }
.ds-table { border-collapse: collapse; max-width: 100%; }
.ds-table th, .ds-table td { text-align: left; padding: 0.28rem 0.9rem 0.28rem 0; vertical-align: top;
  border-bottom: 1px solid rgba(128,124,140,0.3); }
.ds-table td:has(> meter) { white-space: nowrap; }
.ds-table meter { width: clamp(3rem, 9vw, 5.5rem); height: 0.75rem; margin-right: 0.35rem; vertical-align: -0.05rem; }
.ds-table meter::-webkit-meter-bar { background: rgba(128,124,140,0.2); border: 0; border-radius: 1rem; }
.ds-table meter::-webkit-meter-optimum-value { background: var(--ds-accent); border-radius: 1rem; }
.ds-table meter::-moz-meter-bar { background: var(--ds-accent); }
.ds-quiet { opacity: 0.75; font-size: 0.85em; }
.ds-steps { display: flex; flex-wrap: wrap; gap: 0.3rem 0.9rem; list-style: none;
  padding: 0 !important; margin: 0.2rem 0 0.5rem !important; }
.ds-steps li { margin: 0 !important; font-size: 0.9rem; opacity: 0.75; }
.ds-steps li[data-state="now"] { font-weight: 650; opacity: 1; }
.ds-steps li[data-state="done"] { opacity: 1; }
kbd { border: 1px solid rgba(128,124,140,0.6); border-bottom-width: 2px; border-radius: 0.3rem; padding: 0 0.35rem;
  font-size: 0.85em; background: rgba(128,124,140,0.12); }
:focus-visible { outline: 3px solid #8278F2 !important; outline-offset: 2px; }
[data-testid="stLayoutWrapper"]:has(> :is(.st-key-ds_owner, .st-key-ds_address, .st-key-ds_print)) {
  position: absolute; width: 0; height: 0; overflow: hidden; }
.st-key-ds_numbers > div { flex: 1 1 8rem !important; width: auto !important; }
[data-testid="stImage"] img { background: #FFFFFF; border-radius: 0.6rem; padding: 0.4rem 0.8rem;
  box-sizing: border-box; height: auto; }
[data-testid="stElementContainer"]:has([data-testid="stImage"]),
[data-testid="stElementContainer"]:has([data-testid="stImage"]) * { max-width: 100% !important; }
.st-key-ds_empty { max-width: 44rem; }
.st-key-ds_next a { border: 1px solid rgba(128,124,140,0.45); border-radius: 0.6rem; padding: 0.35rem 0.9rem; }
.st-key-ds_next a:hover { border-color: currentColor; }
.st-key-ds_tabs { display: none; }
@media (max-width: 1000px) {
  .st-key-score_page [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] .st-key-score_controls) {
    flex-direction: column; }
  .st-key-score_page [data-testid="stColumn"]:has(.st-key-score_controls),
  .st-key-score_page [data-testid="stColumn"]:has(+ [data-testid="stColumn"] .st-key-score_controls) {
    width: 100% !important; flex: 1 1 auto !important; min-width: 100% !important; }
}
@media (max-width: 640px) {
  :root { --ds-tabs: 3.5rem; }
  .block-container { padding-left: 0.9rem; padding-right: 0.9rem; padding-top: 3.6rem; padding-bottom: 7rem; }
  .st-key-ds_tabs { display: flex !important; position: fixed; left: 0; right: 0; bottom: 0; z-index: 999; gap: 0;
    flex-wrap: nowrap !important; padding-bottom: env(safe-area-inset-bottom); width: 100% !important;
    background: var(--ds-panel); border-top: 1px solid rgba(128,124,140,0.45); }
  .st-key-ds_tabs > div { flex: 1 1 0 !important; min-width: 0 !important; width: auto !important; }
  .st-key-ds_tabs a { flex-direction: column; gap: 0 !important; height: var(--ds-tabs); padding: 0.35rem 0 !important;
    justify-content: center !important; margin: 0 !important; border-radius: 0 !important; }
  .st-key-ds_tabs a p { font-size: 0.66rem !important; }
  .st-key-ds_tabs a[aria-current="page"] { box-shadow: inset 0 3px var(--ds-accent); }
  .st-key-ds_song_bar kbd { display: none; }
  h1 { font-size: 1.55rem !important; }
  .ds-song { max-width: 100%; }
}
@media (prefers-reduced-motion: reduce) { * { animation-duration: 0.01ms !important; transition: none !important; } }
</style>
"""


def style() -> None:
    """Put our style sheet on the page, with the colours of the theme in force."""
    colours = palette()
    ink = ink_on(colours.accent)
    variables = (
        f"--ds-muted: {colours.muted}; --ds-accent: {colours.accent}; --ds-on-accent: {ink}; "
        f"--ds-panel: {colours.panel};"
    )
    st.html(f"{CSS}<style>:root {{ {variables} }}</style>")


def chip(text: str, colour: str | None = None) -> str:
    """HTML of a small label, with a dot in ``colour``; ``text`` must already be safe HTML."""
    dot = f'<span class="ds-dot" style="background:{colour}" aria-hidden="true"></span>' if colour else ""
    return f'<span class="ds-chip">{dot}{text}</span>'


def chips(parts: list[str]) -> None:
    """Draw a row of :func:`chip`."""
    st.html(f'<div class="ds-chips">{"".join(parts)}</div>')
