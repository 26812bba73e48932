"""Watching jobs: stages, time left, cancel; and the list of recent projects."""

from __future__ import annotations

import html
import unicodedata

import streamlit as st

from drumscribe.errors import JobNotFoundError
from drumscribe.jobs.model import Job, JobStatus, about
from drumscribe.types import STAGES
from drumscribe.ui import labels, state
from drumscribe.ui.owner import owner
from drumscribe.ui.shown import shown

_AUTO_OPEN = "ds_auto_open"
_SEARCHED = 1000
"""So many songs, the newest, are searched."""


def active() -> list[Job]:
    """This browser's jobs that are not finished, next first; where no song is open, the next one is waited for."""
    unfinished = [job for job in state.runner().list(owner=owner()) if not job.status.finished]
    unfinished.sort(key=lambda job: (not job.status.active, job.position, job.created_at))
    if unfinished and state.session().job is None:
        st.session_state.setdefault(_AUTO_OPEN, unfinished[0].id)
    return unfinished


def open_when_ready(job_id: str) -> None:
    """Open this job as soon as :func:`watch` sees it done."""
    st.session_state[_AUTO_OPEN] = job_id


@st.fragment(run_every=1.0)
def watch(job_ids: list[str]) -> None:
    """Progress of some jobs, refreshed each second; when one finishes the whole page runs again."""
    jobs = []
    for job_id in job_ids:
        try:
            jobs.append(state.runner().get(job_id, owner=owner()))
        except JobNotFoundError:
            continue
    if len(jobs) < len(job_ids) or any(job.status.finished for job in jobs):
        settle(jobs)
        st.rerun()
    for job in jobs:
        card(job)


def settle(jobs: list[Job]) -> bool:
    """Open the job that the user waits for, if it is among the finished ones; whether it was."""
    for job in jobs:
        if job.status is JobStatus.DONE and st.session_state.get(_AUTO_OPEN) == job.id:
            del st.session_state[_AUTO_OPEN]
            state.open_job(job.id)
            return True
    return False


def settle_finished() -> bool:
    """As :func:`settle`, for a job that finished before anybody looked."""
    waiting = st.session_state.get(_AUTO_OPEN)
    return bool(waiting) and settle([job for job in state.runner().list(owner=owner()) if job.id == waiting])


def card(job: Job) -> None:
    """One unfinished job: its stages, a bar, time left, and a way to stop it."""
    with st.container(border=True, key=f"ds_job_{job.id}"):
        top, side = st.columns([5, 1], vertical_alignment="center")
        with top:
            st.markdown(f"**{labels.escape(job.title) or 'Your song'}**")
        with side:
            st.button(
                "Stopping…" if job.status is JobStatus.CANCELLING else "Cancel",
                key=f"ds_cancel_{job.id}",
                icon=":material/close:",
                width="stretch",
                disabled=job.status is JobStatus.CANCELLING,
                on_click=cancel,
                args=(job.id,),
                help=f"Stop transcribing {labels.escape(job.title) or 'this song'}",
            )
        if job.status is JobStatus.QUEUED:
            waiting = f"{labels.plural(job.position, 'song')} before it" if job.position else "next in line"
            if job.wait_s is not None:
                waiting += f", {about(job.wait_s)}"
            st.progress(0.0, text=f"Waiting: {waiting}. {job.message}".strip())
            return
        st.html(stages(job))
        words = [labels.STAGE_NAMES.get(job.stage, "Starting"), job.message, job.eta_text]
        st.progress(min(1.0, max(0.0, job.progress)), text=" · ".join(labels.escape(word) for word in words if word))


def stages(job: Job) -> str:
    """HTML list of the stages with what is done, going on, and to come."""
    place = STAGES.index(job.stage) if job.stage in STAGES else -1
    rows = []
    for number, stage in enumerate(STAGES):
        mark, kind, spoken = ("○", "todo", "to come")
        if number < place:
            mark, kind, spoken = "✓", "done", "done"
        elif number == place:
            mark, kind, spoken = "●", "now", labels.percent(job.fraction)
        current = ' aria-current="step"' if kind == "now" else ""
        rows.append(
            f'<li data-state="{kind}"{current} title="{spoken}"><span aria-hidden="true">{mark}</span> '
            f"{html.escape(labels.STAGE_NAMES[stage])}</li>"
        )
    return f'<ol class="ds-steps" aria-label="Stages">{"".join(rows)}</ol>'


def cancel(job_id: str) -> None:
    """Ask a job to stop."""
    with state.telling():
        state.runner().cancel(job_id, owner=owner())


def recent(limit: int = 20) -> None:
    """This browser's finished jobs, with what can be done with each; a search looks through all of them."""
    finished = [job for job in state.runner().list(owner=owner(), limit=_SEARCHED) if job.status.finished]
    if not finished:
        st.caption("Your songs will be listed here. Only this browser can see them.")
        return
    asked = ""
    if len(finished) > 1:
        asked = st.text_input(
            "Search title or artist", key="ds_search", icon=":material/search:", max_chars=100, persist_state="session"
        )
    fitting = [job for job in finished if fits(asked, job)]
    if not fitting:
        st.caption("No song of yours has all these words in its title or artist.")
    for job in fitting[:limit]:
        _row(job)
    if len(fitting) > limit:
        st.caption(f"The newest {limit} of {len(fitting)} are listed; search for the others.")


def fits(asked: str, job: Job) -> bool:
    """Whether every word that was asked for is in the title or the artist, whatever its case and accents."""
    text = _plain(f"{job.artist} {job.title}")
    return all(word in text for word in _plain(asked).split())


def _plain(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def _row(job: Job) -> None:
    open_ = state.session().job
    called = labels.escape(job.title) or "this song"
    with st.container(border=True, key=f"ds_recent_{job.id}"):
        words, buttons = st.columns([3, 2], vertical_alignment="center")
        with words:
            details = [labels.escape(job.artist)] if job.artist else []
            details += [labels.STATUS_NAMES[job.status], labels.ago(job.created_at)]
            if job.duration_s:
                details.insert(bool(job.artist), labels.span(job.duration_s))
            st.markdown(f"**{labels.escape(job.title) or 'Untitled'}**  \n:small[{' · '.join(details)}]")
            if job.error:
                what, todo = (labels.escape(job.error.get(part, "")) for part in ("what", "todo"))
                st.markdown(f":small[:red[{what}] {todo}]")
        with buttons, st.container(horizontal=True, horizontal_alignment="right"):
            if job.status is JobStatus.DONE:
                st.button(
                    "Open" if open_ is None or open_.id != job.id else "Opened",
                    key=f"ds_open_{job.id}",
                    icon=":material/folder_open:",
                    on_click=state.open_job,
                    args=(job.id,),
                    disabled=open_ is not None and open_.id == job.id,
                    help=f"Open {called}",
                )
                _more(job, called)
            else:
                st.button(
                    "Try again",
                    key=f"ds_again_{job.id}",
                    icon=":material/refresh:",
                    on_click=state.retry,
                    args=(job.id,),
                    help=f"Transcribe {called} again; finished stages are reused",
                )
            with st.popover("Delete", icon=":material/delete:", help=f"Delete {called}"):
                st.write(f"Delete **{called}** with its audio, edits and files for good?")
                st.button("Delete for good", key=f"ds_delete_{job.id}", type="primary", on_click=delete, args=(job.id,))


def _more(job: Job, called: str) -> None:
    """Another name for a song, and a second one like it."""
    title, artist = f"ds_title_{job.id}", f"ds_artist_{job.id}"
    with st.popover("More", icon=":material/more_horiz:", help=f"Rename or duplicate {called}"):
        with st.form(f"ds_name_{job.id}", border=False):  # what is typed waits for the button
            st.text_input("Title", shown(title, job.title), key=title, max_chars=300)
            st.text_input("Artist", shown(artist, job.artist), key=artist, max_chars=300)
            st.form_submit_button(
                "Rename", key=f"ds_rename_{job.id}", icon=":material/edit:", on_click=_rename, args=(job.id,)
            )
        st.button(
            "Duplicate", key=f"ds_duplicate_{job.id}", icon=":material/content_copy:", on_click=duplicate,
            args=(job.id,), help="A second song with the same audio and edits, to try something on",
        )  # fmt: skip


def _rename(job_id: str) -> None:
    title, artist = (st.session_state[f"ds_{part}_{job_id}"].strip() for part in ("title", "artist"))
    rename(job_id, title, artist)


def rename(job_id: str, title: str, artist: str) -> None:
    """Give a song another title and artist, in the list and on its chart."""
    wanted = {"title": title, "artist": artist}
    if state.song_id() == job_id:
        state.change(notate=wanted)
        return
    runner = state.runner()
    with state.telling():
        job = runner.get(job_id, owner=owner())
        song = runner.result(job_id, owner=owner()).rescore(None, notate=wanted)
        runner.save(job_id, song, owner=owner(), revision=job.revision)


def duplicate(job_id: str) -> None:
    """Make a second song like this one."""
    with state.telling():
        made = state.runner().duplicate(job_id, owner=owner())
        state.notify("success", f"Made a copy: {labels.escape(made.title)}.")


def delete(job_id: str) -> None:
    """Remove a job with all its files."""
    with state.telling():
        state.runner().delete(job_id, owner=owner())
        if state.song_id() == job_id:
            state.close_job()
