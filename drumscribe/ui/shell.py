"""The frame around every page: style, identity, the open song's bar, and the states without a song."""

from __future__ import annotations

import html
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st
from streamlit.commands.page_config import MenuItems
from streamlit.errors import StreamlitAPIException
from streamlit.navigation.page import StreamlitPage

from drumscribe.errors import DrumScribeError, from_dict
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.ui import account, labels, owner, people, progress, sharing, state, theme

if TYPE_CHECKING:
    from drumscribe.song.transcription import Transcription

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#4B3FBF"/>'
    '<ellipse cx="16" cy="21" rx="9" ry="4.5" fill="#FCFBF8"/>'
    '<path d="M7 15v6m18-6v6" stroke="#FCFBF8" stroke-width="2"/>'
    '<ellipse cx="16" cy="15" rx="9" ry="4.5" fill="#DDAA33" stroke="#FCFBF8" stroke-width="1.6"/>'
    '<path d="M9 5l6 9M24 5l-7 9" stroke="#FCFBF8" stroke-width="2" stroke-linecap="round"/></svg>'
)
"""The page's icon, drawn here: Streamlit would fetch its own from another server."""
MENU: MenuItems = {
    "About": "**DrumScribe**: recorded music in, drum sheet music out.",
    "Get help": None,
    "Report a bug": None,
}

# Streamlit makes naming the song in the address a step of its own: "back" would need two presses to leave a page.
# A link opened in another tab begins another session: it has to name the song, which Streamlit's links do not.
# And where a widget's late message overtakes the page that a link asks for, only the browser knows of the link: if then
# another page is drawn, the link is followed again.
_ADDRESS = st.components.v2.component(
    "drumscribe_address",
    js="""
const nameOf = (path) => path.split("/").pop();

function begin() {
  const push = history.pushState.bind(history);
  history.pushState = (state, unused, url) => {
    const same = new URL(url ?? location.href, location.href).pathname === location.pathname;
    return same ? history.replaceState(state, unused, url) : push(state, unused, url);
  };
  const steps = { asked: null, tries: 0, run: null };
  addEventListener("popstate", () => (steps.asked = null));
  document.addEventListener("click", (event) => { // asked for in another tab or window: Streamlit would follow it here
    const link = event.composedPath().find((one) => one instanceof HTMLAnchorElement);
    if (link && (event.ctrlKey || event.metaKey || event.shiftKey)) event.stopPropagation();
  }, true);
  document.addEventListener("click", (event) => {
    const link = event.composedPath().find((one) => one instanceof HTMLAnchorElement);
    if (!link || !event.defaultPrevented) return; // none that Streamlit follows
    if (steps.asked !== nameOf(link.pathname)) steps.tries = 2;
    steps.asked = nameOf(link.pathname);
  });
  return steps;
}

export default function ({ data }) {
  const steps = (history.drumscribe ??= begin());
  for (const link of document.querySelectorAll("a[href]")) {
    const page = link.origin === location.origin && !link.hash && data.pages.includes(nameOf(link.pathname));
    if (page) link.search = data.song;
  }
  if (steps.run === data.run) return;
  steps.run = data.run;
  const { asked } = steps;
  if (asked === data.page) steps.asked = null;
  if (steps.asked === null) return;
  const link = [...document.querySelectorAll("a[href]")].find((one) => nameOf(one.pathname) === asked);
  if (link && steps.tries-- > 0) link.click();
  else steps.asked = null;
}
""",
)


def tabs(pages: Sequence[StreamlitPage]) -> list[StreamlitPage]:
    """Those of the pages that have a tab: all, or for who came by somebody's link what it opens, and the first."""
    if not (state.session().share or state.SHARE in st.query_params):
        return list(pages)
    return [page for page in pages if page.url_path in ("", *sharing.PAGES)]


def frame(page: StreamlitPage, pages: Sequence[StreamlitPage]) -> None:
    """Draw what all pages share, before ``page``; ``pages`` are those with a tab."""
    held = state.session()
    state.run.framed = True
    if people.stranger():
        theme.style()
        people.turn_away()
        st.stop()
    if held.wanted:
        wanted, held.wanted = held.wanted, ""
        with suppress(StreamlitAPIException):  # there is no such page for this one
            st.switch_page(wanted)
    if state.enter(page):
        account.put_away()
    if page.url_path not in sharing.PAGES:
        state.leave_share()
    try:
        state.runner()
        failure = None
        if held.share or state.SHARE in st.query_params:  # a link opens its song for whom the gate would stop
            state.adopt_address()
    except DrumScribeError as error_:
        failure = error_
    if not held.share and people.awaited():
        theme.style()
        _notice()
        people.invite()
        st.stop()
    theme.style()
    if people.configured() and people.person():
        people.strip()
        _greet()
    owner.remember()
    with st.container(key="ds_address"):
        about = {"page": page.url_path, "run": time.monotonic_ns()}
        _ADDRESS(key="ds_address_steps", data=about | {"pages": [one.url_path for one in pages], "song": _opens()})
    with st.container(horizontal=True, key="ds_tabs"):  # at the thumb, where the screen is a phone's
        for one in pages:
            st.page_link(one, label=one.title, icon=one.icon)
    if failure is not None:  # no page can work without its store
        error(failure)
        st.stop()
    state.adopt_address()
    _notice()
    if held.share:
        sharing.banner()


def _opens() -> str:
    """What an address says to open what is open here."""
    held = state.session()
    if shared := held.share or st.query_params.get(state.SHARE, ""):
        return urlencode({state.SHARE: shared})
    song = st.query_params.get(state.SONG, "") or state.song_id()
    return urlencode({state.SONG: song}) if song else ""


def _greet() -> None:
    """Note who has come, once a visit, and go on with those only who are not blocked."""
    held, whose = state.session(), owner.owner()
    try:
        known = state.runner().people
        if not held.greeted:
            known.seen(whose, people.called())
            held.greeted = True
        known.get(whose).check()
    except DrumScribeError as failure:
        error(failure)
        st.stop()


def _notice() -> None:
    notice = state.take_notice()
    if notice is not None:
        kind, text = notice
        {"error": st.error, "warning": st.warning, "success": st.success}.get(kind, st.info)(text)


def require() -> Transcription:
    """The open song; where there is none, draw what to do instead and stop the page."""
    try:
        found = state.current()
    except DrumScribeError as failure:
        error(failure)
        st.stop()
    if found is None:
        nothing_open()
        st.stop()
    song_bar(found)
    return found


def song_bar(found: Transcription) -> None:
    """One line on the open song, with undo, redo, and its links, at the top of every page that works on it."""
    history = found.history
    title = " – ".join(part for part in (artist_of(found), title_of(found)) if part)
    with st.container(horizontal=True, vertical_alignment="center", key="ds_song_bar"):
        st.html(
            '<div class="ds-chips" role="group" aria-label="Open song">'
            f'<span class="ds-song">{html.escape(title)}</span>'
            + "".join(
                theme.chip(text)
                for text in (
                    labels.span(found.song.duration_s),
                    labels.plural(len(found.hits), "hit"),
                    f"{found.grid.bpm:.0f} BPM",
                    str(found.grid.meter or ""),
                )
                if text
            )
            + "</div>"
        )
        if state.session().share:
            return
        st.button(
            "Undo", icon=":material/undo:", key="ds_undo", on_click=state.undo, shortcut="Ctrl+Z",
            disabled=history.undo_label is None,
            help=f"Take back: {history.undo_label}" if history.undo_label else "Nothing to take back",
        )  # fmt: skip
        st.button(
            "Redo", icon=":material/redo:", key="ds_redo", on_click=state.redo, shortcut="Ctrl+Shift+Z",
            disabled=history.redo_label is None,
            help=f"Do again: {history.redo_label}" if history.redo_label else "Nothing to do again",
        )  # fmt: skip
        sharing.button()


def title_of(found: Transcription) -> str:
    """The song's title as the user or the recording gives it."""
    return found.options.notate.title or found.song.title or found.song.origin or "Untitled"


def artist_of(found: Transcription) -> str:
    """The artist as the user or the recording gives it; may be empty."""
    return found.options.notate.artist or found.song.artist


def nothing_open() -> None:
    """Say why there is no song on this page, and what to do."""
    job = state.job()
    if job is not None and job.status is JobStatus.FAILED:
        problem(job)
        return
    unfinished = progress.active() if job is None else [] if job.status.finished else [job]
    if unfinished:
        called = labels.escape(unfinished[0].title) or "Your song"
        st.info(f"**{called}** is still being transcribed. This page fills when it is ready.")
        progress.watch([one.id for one in unfinished])
        return
    if job is None and progress.settle_finished():
        st.rerun()
    with st.container(border=True, key="ds_empty"):
        st.header("No song is open", anchor=False)
        if job is not None:
            st.write("This song was cancelled. Start it again on the Transcribe page, or open another.")
        else:
            st.write("Transcribe a recording, or reopen one of your recent projects: then this page comes to life.")
        with st.container(key="ds_next"):
            st.page_link("pages/transcribe.py", label="Go to Transcribe", icon=":material/library_music:")
    recent = state.runner().list(owner=owner.owner(), status=JobStatus.DONE, limit=5)
    if recent:
        st.header("Recent projects")
        for one in recent:
            st.button(
                f"{labels.escape(one.title) or 'Untitled'} · {labels.ago(one.created_at)}",
                key=f"ds_reopen_{one.id}",
                icon=":material/folder_open:",
                on_click=state.open_job,
                args=(one.id,),
            )


def problem(job: Job) -> None:
    """What happened to a failed job, and the way on."""
    failure = from_dict(job.error or {"what": "The transcription failed.", "todo": "Try it again."})
    error(failure, title=job.title)
    st.button(
        "Try again",
        icon=":material/refresh:",
        key=f"ds_retry_{job.id}",
        type="primary",
        on_click=state.retry,
        args=(job.id,),
    )


def error(failure: DrumScribeError, *, title: str = "") -> None:
    """An error card: what happened, and what to do."""
    what, todo = labels.escape(failure.what), labels.escape(failure.todo)
    head = f"**{labels.escape(title)}**: {what}" if title else f"**{what}**"
    st.error(f"{head}\n\n{todo}" if todo else head, icon=":material/error:")
