"""What one browser session holds, and the only ways to change it.

Everything that must survive a reload, a crash, or a second tab is in the job runner's store; here are only the open
job, the selection, and the reopened result. Every change of hits or options is saved at once.

    ensure()                          first line of every page
    current()                         the open song, or None (pages use shell.require)
    apply(edit), undo(), redo()       hits
    change(beats={"bpm": 120})        options; the score follows
    select(hit_id), selected()        one selection for all pages
"""

from __future__ import annotations

import gc
import inspect
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st
from streamlit.navigation.page import StreamlitPage
from streamlit.runtime.scriptrunner import get_script_run_ctx

from drumscribe.errors import DrumScribeError, JobConflictError, JobNotFoundError
from drumscribe.jobs.model import Job, JobStatus
from drumscribe.jobs.runner import connect
from drumscribe.jobs.shares import Shares
from drumscribe.observability import logs
from drumscribe.settings import get_settings
from drumscribe.types import Hit, Hits
from drumscribe.ui.owner import owner

if TYPE_CHECKING:
    from drumscribe.jobs.stored import JobRunner
    from drumscribe.song.edits import Edit
    from drumscribe.song.transcription import Transcription

T = TypeVar("T")
_KEY = "ds_session"
SONG = "song"
"""Query parameter that holds the open job, so that a reload finds it. It opens nothing for another browser."""
SHARE = "share"
"""Query parameter of a link that opens somebody else's song for reading (:mod:`drumscribe.ui.sharing`)."""

run = threading.local()
"""``framed``: app.py has drawn the frame of this run. A run that is being broken off goes on beside the next one, so
this is the thread's and not the session's."""


@dataclass(frozen=True, slots=True)
class Acted:
    """What was taken in of one browser's box of edits: the number of the last one, and ids behind its names."""

    last: int = 0
    names: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Session:
    """The part of the session that belongs to us.

    Attributes:
        job: snapshot of the open job.
        share: what the link holds by which it was opened; ``""`` for one's own.
        transcription: its reopened result, or ``None`` until it is used.
        selected: id of the selected hit.
        revision: grows with every change of hits, options, or song: the key of everything derived from them.
        notice: one message to show on the next run.
        greeted: the visit of who has signed in was noted.
        sound: id of the hit to be heard as soon as it is drawn, because the user has just selected it.
        page: the page that the user went to last.
        wanted: the page file that was asked for before ``app.py`` had ever run.
        complete: the last run of a page came to its end.
        repeat: the run before this one did not: the browser may not know what that put into the session.
        widths: how wide each player's score is on this browser's screen, in pixels; 0: as wide as paper.
        views: the page of the score that each player shows.
        acted: edits made in the score, by the browser's box (:mod:`drumscribe.ui.hands`).
        derived: small things computed from the open song (envelopes), emptied with it.
        projected: the same for things that every change of hits or options spoils.
    """

    job: Job | None = None
    share: str = ""
    transcription: Transcription | None = None
    selected: int | None = None
    revision: int = 0
    notice: tuple[str, str] | None = None
    greeted: bool = False
    sound: int | None = None
    page: StreamlitPage | None = None
    wanted: str = ""
    complete: bool = False
    repeat: bool = True
    widths: dict[str, int] = field(default_factory=dict)
    views: dict[str, int] = field(default_factory=dict)
    acted: dict[str, Acted] = field(default_factory=dict)
    derived: dict[Any, Any] = field(default_factory=dict)
    projected: dict[Any, Any] = field(default_factory=dict)

    def reset(self, job: Job | None, share: str = "") -> None:
        """Open ``job``, forgetting everything about the one before; ``share`` is the link by which it came."""
        self.job, self.share = job, share
        self.transcription, self.selected, self.sound = None, None, None
        self.derived, self.projected, self.views = {}, {}, {}
        self.revision += 1


@st.cache_resource(show_spinner=False)
def runner() -> JobRunner:
    """The server's one job runner."""
    logs.configure_own(get_settings())
    return connect()


def session() -> Session:
    """This browser session's :class:`Session`."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = Session()
    held: Session = st.session_state[_KEY]
    return held


def ensure() -> None:
    """Bring the session and the address into line; may be called any number of times.

    The first deep link after the server's start runs the page's file without ``app.py``, because Streamlit knows of
    the page table only once ``app.py`` has run: then go there first and come back.
    """
    held = session()
    adopt_address()
    if not getattr(run, "framed", False):
        held.wanted = inspect.stack()[1].filename
        st.switch_page("app.py")
    run.framed = False


def adopt_address() -> None:
    """Open the song that the address names, and name the open one in it."""
    held = session()
    asked, shared = st.query_params.get(SONG), st.query_params.get(SHARE)
    if shared or (held.share and not asked):
        _adopt_share(shared or held.share)
        return
    if asked and (held.share or held.job is None or held.job.id != asked):
        leave_share()
        try:
            open_job(asked)
        except JobNotFoundError:
            held.notice = ("warning", "That song is not among this browser's projects. It may have been removed.")
            st.query_params.pop(SONG, None)
    if held.job is not None:
        st.query_params[SONG] = held.job.id


def _adopt_share(token: str) -> None:
    """Open the song behind a link, as it is now, or leave it: asked in each run, so that revoking holds at once."""
    held = session()
    job = Shares(runner().database).opened(token)
    if job is None or job.status is not JobStatus.DONE:
        close_job()
        held.notice = ("warning", "This link opens nothing: it was revoked, it has expired, or the song was deleted.")
        return
    if held.share != token or held.job is None or held.job.revision != job.revision:
        held.reset(job, token)
    st.query_params.pop(SONG, None)
    st.query_params[SHARE] = token


def open_job(job_id: str) -> None:
    """Make ``job_id`` the open song. Raises JobNotFoundError."""
    session().reset(runner().get(job_id, owner=owner()))
    st.query_params.pop(SHARE, None)
    st.query_params[SONG] = job_id


def leave_share() -> None:
    """Have somebody else's song open no longer."""
    if session().share:
        session().reset(None)
    st.query_params.pop(SHARE, None)


def _whose() -> str:
    """The owner of the open song: oneself, or who shared it."""
    held = session()
    return held.job.owner if held.share and held.job is not None else owner()


def retry(job_id: str) -> None:
    """Queue a failed job again; tell the user if that is not possible."""
    with telling():
        runner().retry(job_id, owner=owner())


def close_job() -> None:
    """Have no song open."""
    session().reset(None)
    st.query_params.pop(SONG, None)
    st.query_params.pop(SHARE, None)


def job() -> Job | None:
    """The open job, asked anew until its result is open (it may be running, or tried again from elsewhere)."""
    held = session()
    if held.job is not None and held.transcription is None:
        try:
            held.job = runner().get(held.job.id, owner=_whose())
        except JobNotFoundError:
            close_job()
    return held.job


def current() -> Transcription | None:
    """The open song's result, or ``None`` if there is none (yet). Raises DrumScribeError if it cannot be read."""
    held, open_ = session(), job()
    if open_ is None or open_.status is not JobStatus.DONE:
        return None
    if held.transcription is None:
        held.transcription = runner().result(open_.id, owner=_whose())
    return held.transcription


def song_id() -> str:
    """The open song's job, ``""`` where there is none."""
    open_ = session().job
    return open_.id if open_ else ""


def revision() -> int:
    """Changes with every change of the open song; use it in the keys of what is derived from it."""
    return session().revision


def derived(key: Hashable, make: Callable[[], T]) -> T:
    """Keep ``make()`` under ``key`` while the song is open: for small things that edits do not change."""
    held = session().derived
    if key not in held:
        held[key] = make()
    found: T = held[key]
    return found


def projected(key: Hashable, make: Callable[[], T]) -> T:
    """Keep ``make()`` under ``key`` until hits or options change."""
    held = session().projected
    if key not in held:
        held[key] = make()
    found: T = held[key]
    return found


def latest(name: str, key: Hashable, make: Callable[[], T]) -> T:
    """Keep ``make()`` for the newest ``key`` only: for larger things that follow a slider."""
    held = session().derived
    if name not in held or held[name][0] != key:
        held[name] = (key, make())
    found: T = held[name][1]
    return found


def selected() -> Hit | None:
    """The selected hit, if it still exists."""
    held = session()
    if held.selected is None or held.transcription is None:
        return None
    return held.transcription.hits.by_id().get(held.selected)


def select(hit_id: int | None, *, sound: bool = True) -> None:
    """Select a hit on all pages; with ``sound``, it is heard where it is shown."""
    held = session()
    held.selected, held.sound = hit_id, hit_id if sound else None


def apply(*changes: Edit) -> bool:
    """Apply and save edits; the score follows. On failure nothing changes, the user is told, ``False`` comes back."""
    return _replace(lambda found: found.edit(*changes))


def correct(make: Callable[[Hits], Edit]) -> Edit | None:
    """Apply and save the edit that ``make`` makes of the open song's hits; ``None`` where it was not to be."""
    found = current()
    if found is None:
        return None
    made = None
    with telling():
        made = make(found.hits)
    return made if made is not None and apply(made) else None


def undo() -> None:
    """Take back the last edit."""
    _replace(lambda found: found.undo())


def choose(label: str, **groups: dict[str, Any]) -> None:
    """As :func:`change`, but as one edit that :func:`undo` takes back."""
    _replace(lambda found: found.choose(label, **groups))


def recount(number: int) -> None:
    """Count the song as one of its alternatives, from 1: one edit."""
    _replace(lambda found: found.recounted(number))


def leave_as_heard(ids: Iterable[int]) -> None:
    """Take back what the reading made of some strokes: one edit."""
    _replace(lambda found: found.left_as_heard(*ids))


def redo() -> None:
    """Do again what was taken back."""
    _replace(lambda found: found.redo())


def change(**groups: dict[str, Any]) -> bool:
    """Change options by group, as :meth:`drumscribe.options.Options.updated`, and save them; the score follows."""
    found = current()
    if found is not None and all(
        getattr(getattr(found.options, group), name) == value
        for group, fields in groups.items()
        for name, value in fields.items()
    ):
        return False
    return _replace(lambda found: found.rescore(None, **groups))


def _replace(make: Callable[[Transcription], Transcription]) -> bool:
    held, before = session(), current()
    if before is None or held.job is None:
        return False
    if held.share:
        held.notice = ("info", "This song was shared with you to read: it cannot be changed here.")
        return False
    try:
        after = make(before)
        held.job = runner().save(held.job.id, after, owner=owner(), revision=held.job.revision)
    except JobConflictError as error:
        # Another tab saved first: show its state rather than overwrite it.
        open_job(held.job.id)
        held.notice = ("warning", f"{error.what} The song was changed in another tab; its newest state is shown.")
        return False
    except DrumScribeError as error:
        held.notice = ("error", str(error))
        return False
    held.transcription, held.projected = after, {}
    held.revision += 1
    if held.selected is not None and held.selected not in after.hits.by_id():
        held.selected = None
    return True


def enter(page: StreamlitPage) -> bool:
    """Note which page is drawn, and say whether it is another one: what was selected there is not heard again here.

    A widget's message names the page on which it was touched. It may come after the user has followed a link, because
    sliders and tables wait a moment before they send, and Streamlit would take the user back: then go on to the page
    that the user went to. A link empties the address; a widget sends it as it was.
    """
    held, context = session(), get_script_run_ctx()
    held.repeat, held.complete = not held.complete, False
    other = held.page is not None and held.page.url_path != page.url_path
    if held.page is not None and other:
        back = context is not None and context.is_history_navigation
        if (SONG in st.query_params or SHARE in st.query_params) and not back:
            st.switch_page(held.page)
        held.sound = None
    held.page = page
    return other


def leave() -> None:
    """Note that the page has been drawn to its end."""
    held = session()
    held.complete = True
    if held.page is not None:
        _settle(held.page.url_path)


@lru_cache(maxsize=64)
def _settle(page: str) -> None:
    """Once a page was drawn for the first time, its modules are loaded: spare the garbage collector going over them.

    Streamlit collects all garbage after every run, and the next one waits for that.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def telling() -> Iterator[None]:
    """Tell the user of an error inside, on the next run, instead of raising it."""
    try:
        yield
    except DrumScribeError as failure:
        notify("error", str(failure))


def notify(kind: str, text: str) -> None:
    """Show ``text`` once, on the next run; ``kind`` is ``"info"``, ``"success"``, ``"warning"``, or ``"error"``."""
    session().notice = (kind, text)


def take_notice() -> tuple[str, str] | None:
    """The message to show now, which is thereby forgotten."""
    held = session()
    notice, held.notice = held.notice, None
    return notice
