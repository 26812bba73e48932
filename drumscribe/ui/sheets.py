"""The score as this browser's screen shows it: engraved for the width of the window, page by page.

As wide as paper, or wider, it is what will be printed. On a phone or a tablet the lines are broken anew, so that notes
keep their size. The browser keeps each player's width in a cookie, so that it is known when a page is first drawn;
where it is guessed, what comes near enough is shown as it is: a page drawn twice would move under the user's hands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import streamlit as st

from drumscribe.notation.timeline import Timeline
from drumscribe.song.stages import notated
from drumscribe.ui import state
from drumscribe.ui.player import Sheet

if TYPE_CHECKING:
    from drumscribe.notation.model import Score
    from drumscribe.song.transcription import Transcription

MM_PER_PIXEL = 0.238
"""At which a staff is 30 pixels high: easy to read at arm's length."""
COOKIE = "drumscribe_widths"
"""Player to pixels, as in the query of an address; the browser writes it."""
COLUMN, _PHONE, _PAPER = 600, 360, 0
_LEAST, _MOST = 240, 4000


def width(key: str, guess: int = _PAPER) -> int:
    """Pixels that the score of the player ``key`` is engraved for; 0: paper.

    Args:
        key: of the player.
        guess: what it is on a computer's screen, as long as the browser has not told.
    """
    told = state.session().widths.get(key)
    if told is None:
        kept = parse_qs(st.context.cookies.get(COOKIE, "")).get(key, [""])[0]
        told = int(kept) if kept.isdecimal() and len(kept) <= 4 else None
    if told is None or not (told == _PAPER or _LEAST <= told <= _MOST):
        return _PHONE if "Mobi" in (st.context.headers.get("User-Agent") or "") else guess
    return told


def fit(key: str, pixels: int) -> None:
    """The score of the player ``key`` is so wide from now on."""
    state.session().widths[key] = pixels


def screen_mm(pixels: int) -> float | None:
    """What :func:`drumscribe.notation.notate` is to break lines for, on a screen of so many pixels; 0: paper."""
    return MM_PER_PIXEL * pixels if pixels else None


def sheet(found: Transcription, *, key: str, height: int, tint: bool = False, editable: bool = False) -> Sheet:
    """The score as it is now: the page in view at once, the others when the browser has asked for them.

    Args:
        key: of the player.

    Raises:
        NotationError: a page cannot be engraved.
    """
    from drumscribe import notation

    pixels = width(key)
    score = _score(found, pixels)
    count = state.projected(("pages", pixels), lambda: notation.page_count(score))
    view = min(max(0, state.session().views.get(key, 0)), count - 1)  # before any page was drawn, there is none in view
    whole = state.session().projected.get("score_rest", False)
    wanted = range(count) if whole else (view,)
    made = {
        page: state.projected(("page", pixels, page), lambda page=page: notation.to_svg(score, [page])[0])  # type: ignore[misc]
        for page in wanted
    }
    return Sheet(
        [made.get(page) for page in range(count)],
        view=None if whole else view,
        chart=state.projected(("chart", pixels), lambda: Timeline.of(score, found.rhythm)),
        tint=tint, height=height, editable=editable, width=pixels,
        on_more=lambda page: rest(key, page), on_look=lambda page: look(key, page),
        on_width=lambda wide: fit(key, wide),
    )  # fmt: skip


def rest(key: str, view: int) -> None:
    """Have all pages engraved from the next run on; ``view`` is the page that the user looks at."""
    look(key, view)
    state.session().projected["score_rest"] = True


def look(key: str, view: int) -> None:
    """The user looks at page ``view``: it is engraved first."""
    state.session().views[key] = view


def _score(found: Transcription, pixels: int) -> Score:
    if not pixels:
        return found.score
    wide = screen_mm(pixels)
    return state.projected(("score", pixels), lambda: notated(found.rhythm, found.options, found.song, screen_mm=wide))
