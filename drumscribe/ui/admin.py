"""The Admin page: who uses this server and how much of it, what waits, and who may do what.

What songs are called stays with their owners; each thing done here is logged with who did it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass

import streamlit as st

from drumscribe.jobs.model import Job, JobStatus, about
from drumscribe.jobs.people import Person, Use
from drumscribe.observability import logs
from drumscribe.settings import get_settings
from drumscribe.ui import labels, people, state
from drumscribe.ui.owner import owner
from drumscribe.ui.shown import shown

_log = logs.get(__name__)
_STORAGE_KEPT_S = 60.0
SHOWN = 100
"""So many jobs of the queue are listed, the next ones first."""
FAILURES = 20
QUOTAS = {
    "active_jobs": ("Unfinished songs at once", "api_active_jobs"),
    "day_minutes": ("Minutes of music a day", "api_day_minutes"),
    "storage_mb": ("Storage, MB", "api_storage_mb"),
}
"""Field of a person → its words, and everybody's setting."""


@dataclass(frozen=True, slots=True)
class User:
    """One row of the table."""

    person: Person
    use: Use
    storage: int

    @property
    def called(self) -> str:
        """The name, or what the job runner knows the owner as: a key's name, a browser."""
        return self.person.name or self.person.owner


def show() -> None:
    """Draw the page."""
    storage = _storage()
    known = {one.owner: one for one in state.runner().people.all()}
    use = state.runner().people.use()
    users = [
        User(known.get(name, Person(name)), use.get(name, Use()), storage.get(name, 0))
        for name in known.keys() | use.keys()
    ]
    users.sort(key=lambda user: (-(user.use.last_at or user.person.seen_at or 0), user.called))
    totals(users)
    st.header("Users")
    table(users)
    decide(users)
    called = {user.person.owner: user.called for user in users}
    st.header("Queue")
    queue(called)
    st.header("Latest failures")
    failures(called)


def totals(users: list[User]) -> None:
    """The server as a whole."""
    settings, counts = get_settings(), state.runner().database.counts()
    with st.container(horizontal=True, key="ds_numbers"):
        st.metric("Users", len(users))
        st.metric("Waiting", counts[JobStatus.QUEUED])
        st.metric("At work", counts[JobStatus.RUNNING] + counts[JobStatus.CANCELLING])
        st.metric("Failed, of those kept", counts[JobStatus.FAILED])
        st.metric("Storage", f"{_gb(sum(user.storage for user in users))} of {settings.storage_size_gb:g} GB")
        if not state.runner().store.remote:
            st.metric("Disk left", _gb(shutil.disk_usage(settings.data_dir).free))


def table(users: list[User]) -> None:
    """Every user with what is theirs here now."""
    usual = get_settings().api_active_jobs
    st.dataframe(
        [
            {
                "User": user.called,
                "Songs": user.use.jobs,
                "Unfinished": user.use.unfinished,
                "Failed": user.use.failed,
                "Music, min": round(user.use.songs_s / 60, 1),
                "At work, min": round(user.use.work_s / 60, 1),
                "Storage, MB": round(user.storage / 2**20, 2),
                "Music today, min": round(user.person.today_s / 60, 1),
                "May have unfinished": _quota(user.person.active_jobs, usual),
                "Last song": labels.ago(user.use.last_at) if user.use.last_at else "",
                "Last visit": labels.ago(user.person.seen_at) if user.person.seen_at else "",
                "Blocked": "blocked" if user.person.blocked else "",
                "Account": user.person.owner,
            }
            for user in users
        ],
        hide_index=True, key="admin_users",
    )  # fmt: skip
    st.caption(
        f"Counted are the songs that are kept ({get_settings().artifact_ttl_hours:g} h after their last run). "
        "At work is from the begin of a job to its end. An upload that two users sent counts for both."
    )


def decide(users: list[User]) -> None:
    """One user's quota, and whether they may come in."""
    known = {user.person.owner: user for user in users}
    chosen = st.selectbox(
        "Change a user", list(known), index=None, format_func=lambda whose: known[whose].called, key="admin_user",
        placeholder="Choose or search",
    )  # fmt: skip
    if chosen is None:
        return
    person = known[chosen].person
    with st.container(border=True, key="admin_decide"):
        with st.form(f"admin_form_{person.owner}", border=False):
            for name, (words, setting) in QUOTAS.items():
                field = f"admin_{name}_{chosen}"
                st.number_input(
                    words, 0, 10_000_000, shown(field, getattr(person, name)), key=field,
                    placeholder=f"As everybody: {_quota(None, getattr(get_settings(), setting))}",
                    help=f"Empty: as everybody ({setting.upper()}). 0: no limit.",
                )  # fmt: skip
            st.form_submit_button("Set the quotas", key="admin_set_quota", on_click=_allow, args=(person.owner,))
        unfinished = known[chosen].use.unfinished
        if unfinished:
            st.button(
                f"Stop their {labels.plural(unfinished, 'unfinished song')}", key="admin_stop", icon=":material/close:",
                on_click=_stop, args=(person.owner,),
            )  # fmt: skip
        if person.blocked:
            st.markdown("**Blocked:** cannot sign in, use tokens, or send songs; links to their songs are closed.")
            st.button("Let in again", key="admin_unblock", on_click=_block, args=(person.owner, False))
        elif person.owner != owner():
            st.button(
                "Block", key="admin_block", icon=":material/block:", on_click=_block, args=(person.owner, True),
                help="No sign-in, no tokens, no new songs, and no links to theirs. Songs that are kept stay.",
            )  # fmt: skip


def queue(called: dict[str, str]) -> None:
    """What is at work and what waits, with a way to stop it."""
    runner = state.runner()
    jobs = [
        job for status in (JobStatus.RUNNING, JobStatus.CANCELLING) for job in runner.list(owner=None, status=status)
    ]
    waiting = [
        runner.get(job.id, owner=None) for job in runner.list(owner=None, status=JobStatus.QUEUED, limit=1000)
    ]  # fmt: skip
    jobs += sorted(waiting, key=lambda job: job.position)
    if not jobs:
        st.caption("Nothing waits, and nothing is at work.")
    for job in jobs[:SHOWN]:
        words, button = st.columns([5, 1], vertical_alignment="center")
        with words:
            st.markdown(f"**{labels.escape(called.get(job.owner, job.owner))}** :small[{' · '.join(_facts(job))}]")
        with button:
            st.button(
                "Cancel", key=f"admin_cancel_{job.id}", icon=":material/close:", on_click=_cancel, args=(job.id,),
                disabled=job.status is JobStatus.CANCELLING, width="stretch",
                help=f"Stop job {job.id[:8]} of {called.get(job.owner, job.owner)}",
            )  # fmt: skip
    if len(jobs) > SHOWN:
        st.caption(f"{len(jobs) - SHOWN} more wait behind these.")


def failures(called: dict[str, str]) -> None:
    """What went wrong lately, for whom and where; a reason may name the song, so it stays with its owner."""
    failed = state.runner().list(owner=None, status=JobStatus.FAILED, limit=FAILURES)
    if not failed:
        st.caption("No song that is kept has failed.")
        return
    st.dataframe(
        [
            {
                "When": labels.ago(job.finished_at or job.created_at),
                "User": called.get(job.owner, job.owner),
                "Error": (job.error or {}).get("code", ""),
                "Stage": labels.STAGE_NAMES.get(job.stage, ""),
                "Attempts": job.attempts,
                "Job": job.id,
            }
            for job in failed
        ],
        hide_index=True, key="admin_failures",
    )  # fmt: skip


def _facts(job: Job) -> list[str]:
    facts = [f"job {job.id[:8]}", f"sent {labels.ago(job.created_at)}"]
    if job.status is JobStatus.QUEUED:
        facts.append(f"{labels.plural(job.position, 'song')} before it" if job.position else "next in line")
        if job.wait_s is not None:
            facts.append(f"begins in {about(job.wait_s)}")
    else:
        stage = labels.STAGE_NAMES.get(job.stage, "Starting")
        facts.append("stopping" if job.status is JobStatus.CANCELLING else f"{stage}, {labels.percent(job.progress)}")
    return facts


def _allow(whose: str) -> None:
    if people.admin():
        wanted = {name: st.session_state[f"admin_{name}_{whose}"] for name in QUOTAS}
        with state.telling():
            state.runner().people.allow(whose, **wanted)
            _log.info("admin", by=owner(), did="quota", whom=whose, **wanted)


def _block(whose: str, blocked: bool) -> None:
    if people.admin():
        with state.telling():
            state.runner().people.block(whose, blocked)
            _log.info("admin", by=owner(), did="block" if blocked else "unblock", whom=whose)


def _stop(whose: str) -> None:
    for job in state.runner().list(owner=whose, limit=10_000):
        if not job.status.finished:
            _cancel(job.id)


def _cancel(job_id: str) -> None:
    if people.admin():
        with state.telling():
            job = state.runner().cancel(job_id, owner=None)
            _log.info("admin", by=owner(), did="cancel", whom=job.owner, job_id=job_id)


@st.cache_data(ttl=_STORAGE_KEPT_S, show_spinner="Adding up the storage")
def _storage() -> dict[str, int]:
    return state.runner().people.storage(state.runner().store)


def _quota(value: int | None, usual: int) -> str:
    number = usual if value is None else value
    return f"{number}{'' if value is None else ' (own)'}" if number else "no limit"


def _gb(size: int) -> str:
    return f"{size / 2**30:.1f} GB" if size >= 2**30 / 2 else f"{size / 2**20:.2f} MB"
