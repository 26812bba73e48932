"""What a job is, and the one table of its states.

    submit ──▶ queued ──▶ running ──▶ done
                 ▲  │        │ │ └───▶ failed ──┐
                 │  │        │ └─▶ cancelling ──┤ (▶ done, if it ended before it noticed)
                 │  └────────┼───▶ cancelled ◀──┘
                 └───────────┴── retry (from failed, cancelled); re-queued when its worker vanished

>>> [str(status) for status in sources_of(JobStatus.QUEUED)]
['running', 'failed', 'cancelled']
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from enum import StrEnum

from drumscribe.errors import DrumScribeError, from_dict
from drumscribe.options import Options


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """Nothing more will happen to it unless somebody retries it."""
        return self in (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED)

    @property
    def active(self) -> bool:
        """A worker holds it."""
        return self in (JobStatus.RUNNING, JobStatus.CANCELLING)


TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED, JobStatus.FAILED}),
    JobStatus.RUNNING: frozenset(
        {JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.CANCELLING, JobStatus.QUEUED}
    ),
    JobStatus.CANCELLING: frozenset({JobStatus.CANCELLED, JobStatus.DONE, JobStatus.FAILED}),
    JobStatus.DONE: frozenset(),
    JobStatus.FAILED: frozenset({JobStatus.QUEUED}),
    JobStatus.CANCELLED: frozenset({JobStatus.QUEUED}),
}


def sources_of(status: JobStatus) -> tuple[JobStatus, ...]:
    """The states from which ``status`` may be entered."""
    return tuple(origin for origin, targets in TRANSITIONS.items() if status in targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One song being transcribed, as everybody outside the worker sees it. A snapshot: ask again for news.

    Attributes:
        id: 32 hex digits; also the name of its folder in the store.
        owner: who submitted it (browser session, API key); others cannot see it.
        source: a link, or the store key of the uploaded file. Not for display.
        title: what to call it: the song's title once known, the file name before.
        artist: who plays it, once known; may be empty.
        options: what was asked for.
        status: see :class:`JobStatus`.
        stage: name from :data:`drumscribe.types.STAGES`, or ``""`` before the first.
        fraction: of that stage, 0-1.
        progress: of the whole job, 0-1, weighted by how long stages took before.
        message: short words on what is going on, or on why it waits.
        eta_s: seconds left by the measured rates of the stages, or ``None`` while unknown.
        position: how many jobs are before it in the queue (0: next, or not queued).
        wait_s: seconds until it is expected to begin, or ``None`` while unknown or once begun.
        error: ``{"code", "what", "todo"}`` of a failed job, else ``None``.
        warnings: plain sentences that belong to the result (e.g. that separation was skipped).
        attempts: how often a worker has begun it.
        priority: smaller runs first; equal ones in order of submission.
        created_at, started_at, finished_at: seconds since the epoch, UTC.
        duration_s: length of the recording, once known.
        timings: seconds spent per stage in the last attempt; stages taken from the cache are absent.
        revision: grows by one with every saved edit of the result.
    """

    id: str
    owner: str
    source: str
    title: str = ""
    artist: str = ""
    options: Options = field(default_factory=Options)
    status: JobStatus = JobStatus.QUEUED
    stage: str = ""
    fraction: float = 0.0
    progress: float = 0.0
    message: str = ""
    eta_s: float | None = None
    position: int = 0
    wait_s: float | None = None
    error: dict[str, str] | None = None
    warnings: tuple[str, ...] = ()
    attempts: int = 0
    priority: int = 0
    created_at: float = field(default_factory=time.time)
    started_at: float | None = None
    finished_at: float | None = None
    duration_s: float | None = None
    timings: dict[str, float] = field(default_factory=dict)
    revision: int = 0

    def exception(self) -> DrumScribeError | None:
        """The error of a failed job, ready to raise."""
        return None if self.error is None else from_dict(self.error)

    @property
    def eta_text(self) -> str:
        """``"about 2 min left"``, or ``""`` where it is not known."""
        return "" if self.eta_s is None or self.status.finished else f"{about(self.eta_s)} left"


def about(seconds: float) -> str:
    """A rough length of time in words.

    >>> about(2), about(61), about(200)
    ('about 5 s', 'about 65 s', 'about 4 min')
    """
    if seconds < 90:
        return f"about {max(5, 5 * math.ceil(seconds / 5))} s"
    return f"about {math.ceil(seconds / 60)} min"
